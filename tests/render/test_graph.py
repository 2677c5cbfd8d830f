"""Graphs: laid out in a child process or stacked without it; boxes apart, lines from box to box."""

from __future__ import annotations

import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.render import graph as graphs
from reportgen.render import layout
from reportgen.render.figures import style
from reportgen.report import Cluster, Edge, Graph, Node
from reportgen.trace.families import _OPERATIONS, _TYPES

NETWORK = samples.report().section("architecture").block("the-network")


def chain(count: int) -> Graph:
    nodes = tuple(Node(id=f"n{at}", label=f"layer {at}") for at in range(count))
    edges = tuple(Edge(source=f"n{at}", target=f"n{at + 1}", label="8×8") for at in range(count - 1))
    return Graph(nodes=nodes, edges=edges)


def places(graph: Graph) -> layout.Layout:
    count = len(graph.nodes)
    return layout.layout(graph, [(90, 36)] * count, [40] * len(graph.edges), [80] * len(graph.clusters))


def apart(one: layout.Box, other: layout.Box) -> bool:
    across = one.right <= other.x or other.right <= one.x
    return across or one.bottom <= other.y or other.bottom <= one.y


def inside(inner: layout.Box, outer: layout.Box) -> bool:
    across = outer.x <= inner.x and inner.right <= outer.right
    return across and outer.y <= inner.y and inner.bottom <= outer.bottom


@pytest.fixture(params=["Graphviz", "stacked"])
def laid(request, monkeypatch):
    if request.param == "stacked":
        monkeypatch.setattr(layout, "_asked", broken)
    return places(NETWORK)


def broken(*_):
    raise OSError("no child today")


def test_boxes_lie_apart_and_each_inside_its_frame(laid):
    assert len(laid.nodes) == len(NETWORK.nodes)
    assert all(apart(one, other) for one, other in combinations(laid.nodes, 2))
    frames = {cluster.id: frame for cluster, frame in zip(NETWORK.clusters, laid.clusters, strict=True)}
    for node, box in zip(NETWORK.nodes, laid.nodes, strict=True):
        if node.cluster:
            assert inside(box, frames[node.cluster]), node.id
    for cluster in NETWORK.clusters:
        if cluster.parent:
            assert inside(frames[cluster.id], frames[cluster.parent]), cluster.id


def test_the_flow_goes_down_and_lines_go_from_box_to_box(laid):
    boxes = dict(zip((node.id for node in NETWORK.nodes), laid.nodes, strict=True))
    for edge, line in zip(NETWORK.edges, laid.edges, strict=True):
        source, target = boxes[edge.source], boxes[edge.target]
        assert source.y < target.y
        assert near(line.points[0], source), edge
        assert near(line.tip, target), edge
        assert len(line.points) % 3 == 1


def near(point: tuple[float, float], box: layout.Box) -> bool:
    return box.x - 3 <= point[0] <= box.right + 3 and box.y - 3 <= point[1] <= box.bottom + 3


def test_graphviz_was_really_asked():
    assert places(NETWORK) != layout.stacked(NETWORK, [(90, 36)] * len(NETWORK.nodes))


def test_the_layout_is_the_same_every_time():
    assert places(NETWORK) == places(NETWORK)


@pytest.mark.parametrize(
    "child",
    [
        "import time; time.sleep(60)",
        "print('no json')",
        "print('{}')",
        "import os; os.abort()",
        "print('[]')",
    ],
)
def test_a_child_that_hangs_crashes_or_talks_nonsense_costs_the_layout_and_not_the_report(
    tmp_path, monkeypatch, child
):
    (tmp_path / "child.py").write_text(child, encoding="utf-8")
    monkeypatch.setattr(layout, "_CHILD", tmp_path / "child.py")
    started = time.monotonic()
    graph = chain(4)
    found = layout.layout(graph, [(90, 36)] * 4, [0] * 3, [], seconds=1.0)
    assert found == layout.stacked(graph, [(90, 36)] * 4)
    assert time.monotonic() - started < 20


def test_the_child_takes_no_library_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('taken from here')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert places(NETWORK) != layout.stacked(NETWORK, [(90, 36)] * len(NETWORK.nodes))
    assert sys.executable


def test_no_text_of_the_graph_reaches_the_layout():
    evil = " ".join(samples.EVIL)
    graph = next(block for block in samples.every_kind(evil) if block.kind == "graph")
    dot = layout._dot(graph, [(90, 36)] * 2, [40] * 2, [80])
    assert dot.isascii()
    assert "pwned" not in dot


names = st.sampled_from("abcdef")


@settings(max_examples=25)
@given(
    st.lists(st.tuples(names, names), max_size=8),
    st.dictionaries(names, st.sampled_from(["", "p", "q"]), min_size=1, max_size=6),
    st.sampled_from([("", "p"), ("q", ""), ("", "")]),
)
def test_any_graph_has_a_stacked_layout_with_its_boxes_apart(pairs, members, parents):
    """Cycles, loops, edges twice, frames in frames, the outer one named first or last."""
    nodes = tuple(Node(id=name, label=name, cluster=cluster) for name, cluster in members.items())
    edges = tuple(Edge(source=a, target=b) for a, b in pairs if a in members and b in members)
    clusters = tuple(Cluster(id=name, label=name, parent=up) for name, up in zip("pq", parents, strict=True))
    graph = Graph(nodes=nodes, edges=edges, clusters=clusters)
    found = layout.stacked(graph, [(90, 36)] * len(nodes))
    assert all(apart(one, other) for one, other in combinations(found.nodes, 2))
    assert all(box.right <= found.width and box.bottom <= found.height for box in found.nodes)
    assert layout._dot(graph, [(90, 36)] * len(nodes), [0] * len(edges), [80, 80]).count("subgraph") == 2


def test_words_tell_the_flow_where_no_summary_does():
    assert graphs.words(chain(3)) == "3 nodes, 2 edges. layer 0 → layer 1; layer 1 → layer 2."
    assert graphs.words(NETWORK) == NETWORK.summary


def test_too_many_nodes_are_told_and_not_drawn():
    assert graphs.drawing(chain(graphs.MOST + 1), {}) is None
    assert graphs.drawing(Graph(nodes=(), edges=()), {}) is None


def test_badges_families_and_links():
    picture = graphs.drawing(NETWORK, {"fc": "row-fc"})
    assert [node.href for node in picture.nodes if node.href] == ["#row-fc"]
    assert [node.times for node in picture.nodes if node.times] == ["× 2"] * 3
    assert "BasicBlock × 2" in [frame.label for frame in picture.frames]
    colours = dict(picture.families)
    assert len(set(colours.values())) == len(colours)


def test_a_long_label_is_shortened_and_fits_its_box():
    picture = graphs.drawing(Graph(nodes=(Node(id="a", label=samples.LONG),), edges=()), {})
    assert len(picture.nodes[0].label) <= 30
    assert picture.nodes[0].box.width >= 6.5 * 30


def test_a_tall_picture_is_cut_into_columns_that_fit_and_no_box_is_cut():
    picture = graphs.drawing(chain(60), {})
    parts = graphs.slices(picture, 928, 900, 1.0)
    assert parts[0].top == 0
    assert sum(part.height for part in parts) == picture.height
    for part in parts:
        assert part.height <= 900 + 70
        for node in part.nodes:
            assert part.top <= node.box.y
            assert node.box.bottom <= part.top + part.height
    assert sum(len(part.nodes) for part in parts) == 60
    assert len(graphs.slices(graphs.drawing(chain(3), {}), 928, 900, 1.0)) == 1


def test_a_family_has_one_colour_in_every_graph_and_input_and_output_have_none():
    names = ["output", "linear", "conv", "input", "shape", "norm"]
    orders = (names, names[::-1])
    found = [
        dict(graphs.families_of(Graph(nodes=tuple(Node(id=n, label=n, family=n) for n in order), edges=())))
        for order in orders
    ]
    assert found[0] == found[1]
    assert found[0]["input"] == found[0]["output"] == -1
    assert len({found[0][name] for name in ("linear", "conv", "shape", "norm")}) == 4


def test_families_that_are_not_known_take_colours_that_are_free():
    names = ["tokens", "conv", "parameter"]
    graph = Graph(nodes=tuple(Node(id=n, label=n, family=n) for n in names), edges=())
    found = dict(graphs.families_of(graph))
    assert len(set(found.values())) == 3
    assert -1 not in found.values()


def test_every_family_of_layers_has_a_colour():
    families = {name for name, _ in (*_TYPES, *_OPERATIONS)}
    assert families == set(style.FAMILIES)


@pytest.mark.parametrize(("scheme", "page"), [(0, "#ffffff"), (1, "#16191d")])
def test_colours_of_families_tell_apart_with_any_eye(scheme, page):
    colours = [pair[scheme] for pair in style.FAMILIES.values()]
    for eye in EYES:
        seen = [lab(colour, np.array(eye)) for colour in (*colours, page, "#9aa2ab")]
        assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 15


def test_the_style_sheet_has_the_colours_of_the_families():
    css = (Path(graphs.__file__).parents[2] / "templates" / "style.css").read_text(encoding="utf-8")
    for number, (light, dark) in enumerate(style.FAMILIES.values()):
        assert f".f{number} {{ fill: light-dark({light}, {dark}); }}" in css


# No deficiency, and protanopia, deuteranopia and tritanopia after Machado, Oliveira and Fernandes (2009).
EYES = (
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
)


def lab(colour, eye):
    """CIELAB (D65) of an sRGB colour as an eye sees it."""
    coded = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    rgb = np.clip(eye @ linear, 0, 1)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = matrix @ rgb / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])
