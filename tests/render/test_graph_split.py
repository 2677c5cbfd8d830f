"""A graph split by depth: every node in one part, every line in some part, and parts that fit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.render.graph_split import OUTSIDE, ancestors, folded, inside, split
from reportgen.report import Cluster, Edge, Graph, Node


def few(most: int):
    return lambda graph: len(graph.nodes) <= most


def nested(depth: int, width: int) -> Graph:
    """A chain through frames in frames, `width` nodes in each."""
    nodes, clusters = [], []

    def fill(parent: str, level: int) -> None:
        for at in range(width):
            name = f"{parent}.{at}" if parent else str(at)
            if level < depth:
                clusters.append(Cluster(id=name, label=f"block {name}", parent=parent, times=1 + at))
                fill(name, level + 1)
            else:
                nodes.append(Node(id=name, label=name, cluster=parent))

    fill("", 0)
    edges = tuple(Edge(source=a.id, target=b.id, label="8×8") for a, b in pairwise(nodes))
    return Graph(nodes=tuple(nodes), edges=edges, clusters=tuple(clusters))


def own(graph: Graph) -> list[str]:
    return [n.id for n in graph.nodes if n.family != OUTSIDE and not n.id.startswith("cluster ")]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = [f"c{at}" for at in range(draw(st.integers(0, 6)))]
    parents = [draw(st.sampled_from(["", *names[:at]])) for at in range(len(names))]
    clusters = tuple(Cluster(id=n, label=n, parent=p) for n, p in zip(names, parents, strict=True))
    count = draw(st.integers(1, 12))
    nodes = tuple(
        Node(id=f"n{at}", label=f"n{at}", cluster=draw(st.sampled_from(["", *names]))) for at in range(count)
    )
    ends = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(ends, ends), max_size=20))
    edges = tuple(Edge(source=f"n{a}", target=f"n{b}", label="1") for a, b in pairs)
    return Graph(nodes=nodes, edges=edges, clusters=clusters)


@given(graphs(), st.integers(1, 12))
def test_every_node_is_in_exactly_one_part_and_parts_that_do_not_fit_have_no_frames(
    graph: Graph, most: int
) -> None:
    parts = split(graph, few(most))
    assert sorted(name for part in parts for name in own(part.graph)) == sorted(n.id for n in graph.nodes)
    for part in parts:
        Graph.model_validate(part.graph.model_dump())
        overview = any(node.id.startswith("cluster ") for node in part.graph.nodes)
        assert few(most)(part.graph) or overview or not part.graph.clusters


@given(graphs(), st.integers(1, 12))
def test_every_line_is_seen_in_some_part(graph: Graph, most: int) -> None:
    parts = split(graph, few(most))
    ends = {
        (edge.source, edge.target)
        for part in parts
        for edge in part.graph.edges
        if not {edge.source, edge.target} & {n.id for n in part.graph.nodes if n.family == OUTSIDE}
    }
    inner = {e for e in ends if not any(one.startswith("cluster ") for one in e)}
    for edge in graph.edges:
        if edge.source == edge.target:
            continue
        together = any({edge.source, edge.target} <= set(own(part.graph)) for part in parts)
        assert not together or (edge.source, edge.target) in inner


def test_a_graph_that_fits_is_one_part() -> None:
    graph = nested(1, 3)
    assert [(part.title, part.graph) for part in split(graph, few(9))] == [("", graph)]


def test_an_overview_comes_first_and_then_each_of_its_frames_with_its_neighbours() -> None:
    graph = nested(1, 3)
    parts = split(graph, few(5))
    assert [part.title for part in parts] == ["", "block 0", "block 1 × 2", "block 2 × 3"]
    assert [(node.label, node.times) for node in parts[0].graph.nodes] == [
        ("block 0", 1),
        ("block 1", 2),
        ("block 2", 3),
    ]
    assert [node.label for node in parts[2].graph.nodes] == [
        "from block 0",
        "1.0",
        "1.1",
        "1.2",
        "to block 2",
    ]
    assert (parts[2].graph.edges[0].source, parts[2].graph.edges[0].target) == ("stub from block 0", "1.0")


def test_frames_in_frames_are_split_as_deep_as_it_takes() -> None:
    parts = split(nested(2, 3), few(5))
    assert len(parts[0].graph.nodes) == 3
    assert all(len(part.graph.nodes) <= 5 for part in parts)
    assert "block 0 › block 0.0" in [part.title for part in parts]


def test_folding_merges_lines_and_keeps_their_labels() -> None:
    nodes = (
        Node(id="a", label="a"),
        Node(id="b", label="b", cluster="c"),
        Node(id="d", label="d", cluster="c"),
    )
    edges = (Edge(source="a", target="b", label="1"), Edge(source="a", target="d", label="2"))
    graph = Graph(nodes=nodes, edges=edges, clusters=(Cluster(id="c", label="c"),))
    made = folded(graph, {"c"})
    assert [(e.source, e.target, e.label) for e in made.edges] == [("a", "cluster c", "1, 2")]
    assert [node.id for node in inside(graph, "c").nodes] == ["stub from a", "b", "d"]


def test_frames_as_deep_as_may_be_are_walked_and_a_circle_is_refused() -> None:
    parents = ["", *(str(at) for at in range(99))]
    clusters = tuple(Cluster(id=str(at), label="", parent=parent) for at, parent in enumerate(parents))
    assert len(ancestors(Graph(nodes=(), edges=(), clusters=clusters), "99")) == 100
    with pytest.raises(ValueError, match="circle"):
        Graph(nodes=(), edges=(), clusters=(Cluster(id="a", label="", parent="a"),))
