"""A graph on the page: it zooms, pans and folds, by pointer and by keyboard, and reads without any of it."""

from __future__ import annotations

import pytest
import samples

from reportgen.report import Cluster, Column, Edge, Graph, Node, Row, Section, Table

FRAMES = (
    Cluster(id="body", label="body Sequential"),
    Cluster(id="inner", label="inner Block", parent="body", times=3),
    Cluster(id="aside", label="aside Block"),
)
PLACES = ["", "body", "inner", "inner", "body", "aside", "", ""]
NODES = tuple(Node(id=f"n{at}", label=f"layer {at}", cluster=c, row=f"r{at}") for at, c in enumerate(PLACES))
PAIRS = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (0, 5), (5, 6), (6, 7), (0, 7)]
EDGES = tuple(Edge(source=f"n{a}", target=f"n{b}", label=f"{a}×{b}") for a, b in PAIRS)
NETWORK = Graph(id="g", title="The model as a graph", nodes=NODES, edges=EDGES, clusters=FRAMES)
ROWS = tuple(Row(cells=(f"layer {at}",), level=min(at, 2), id=f"r{at}") for at in range(8))
LAYERS = Table(id="t", title="Layers", columns=(Column(name="Layer"),), rows=ROWS)

EDGE = 1.5  # pixels that two lines about boxes are wide
GEOMETRY = """() => Array.from(document.querySelectorAll('svg.graph *')).flatMap((shape) =>
  ['x', 'y', 'height', 'd', 'transform'].map((name) => shape.getAttribute(name))
  .concat([shape.getAttribute('class')])).map((value) => value === 'translate(0 0.0)' ? null : value)
  .map((value) => value === '' ? null : value)"""


@pytest.fixture
def page(watched, tmp_path):
    def opened(*blocks, **settings):
        report = samples.report().model_copy(
            update={"sections": (Section(name="architecture", title="Architecture", blocks=blocks),)}
        )
        return watched(report.save(tmp_path / "graph.html"), **settings)

    return opened


def shown(page):
    return page.locator("g.node:not(.away) .label").all_text_contents()


def test_one_frame_folds_to_a_bar_and_unfolds_to_what_it_was(page):
    sheet = page(NETWORK, LAYERS)
    before, high = sheet.evaluate(GEOMETRY), sheet.locator("svg.graph").bounding_box()["height"]
    toggle = sheet.get_by_role("button", name="inner Block × 3")
    toggle.click()
    assert shown(sheet) == [f"layer {at}" for at in (0, 1, 4, 5, 6, 7)]
    assert toggle.get_attribute("aria-expanded") == "false"
    assert sheet.locator("svg.graph").bounding_box()["height"] <= high
    toggle.click()
    texts = sheet.locator("svg.graph text").all_text_contents()
    assert len(shown(sheet)) == 8
    assert "▾ inner Block × 3" in texts
    after = sheet.evaluate(GEOMETRY)
    assert sorted(map(str, after)) == sorted(map(str, before))


def test_all_fold_and_a_frame_in_a_folded_one_stays_folded(page):
    sheet = page(NETWORK, LAYERS)
    sheet.get_by_role("button", name="Fold all frames", exact=True).click()
    assert shown(sheet) == [f"layer {at}" for at in (0, 6, 7)]
    sheet.get_by_role("button", name="body Sequential").click()
    assert shown(sheet) == [f"layer {at}" for at in (0, 1, 4, 6, 7)]
    sheet.get_by_role("button", name="Unfold all frames").click()
    assert len(shown(sheet)) == 8


def test_boxes_that_are_left_stay_apart_when_frames_fold(page):
    sheet = page(NETWORK, LAYERS)
    for name in ("inner Block × 3", "aside Block", "body Sequential"):
        sheet.get_by_role("button", name=name).click()
        boxes = [
            one.bounding_box() for one in sheet.locator("g.node:not(.away) .box, .bars rect:not(.away)").all()
        ]
        for at, one in enumerate(boxes):
            for other in boxes[at + 1 :]:
                beside = max(one["x"], other["x"]) + EDGE >= min(b["x"] + b["width"] for b in (one, other))
                above = max(one["y"], other["y"]) + EDGE >= min(b["y"] + b["height"] for b in (one, other))
                assert beside or above


def test_keyboard_folds_and_zooms(page):
    sheet = page(NETWORK, LAYERS)
    toggle = sheet.get_by_role("button", name="inner Block × 3")
    toggle.focus()
    sheet.keyboard.press("Enter")
    assert toggle.get_attribute("aria-expanded") == "false"
    assert sheet.evaluate("document.activeElement.textContent") == "▸ inner Block × 3"
    sheet.keyboard.press(" ")
    assert toggle.get_attribute("aria-expanded") == "true"
    wide = sheet.locator("svg.graph").bounding_box()["width"]
    sheet.locator(".viewport").focus()
    sheet.keyboard.press("+")
    assert sheet.locator("svg.graph").bounding_box()["width"] > 1.2 * wide
    sheet.keyboard.press("0")
    assert sheet.locator("svg.graph").bounding_box()["width"] == pytest.approx(wide, abs=1)


def test_it_zooms_fits_and_pans_and_a_drag_is_no_click(page):
    sheet = page(NETWORK, LAYERS)
    for _ in range(8):
        sheet.get_by_role("button", name="Zoom in").click()
    port = sheet.locator(".viewport")
    port.evaluate(
        "port => { port.scrollTo({ left: 60, top: 100, behavior: 'instant' }); port.scrollIntoView(); }"
    )
    box, before = port.bounding_box(), port.evaluate("port => [port.scrollLeft, port.scrollTop]")
    sheet.mouse.move(box["x"] + 200, box["y"] + 200)
    sheet.mouse.down()
    sheet.mouse.move(box["x"] + 140, box["y"] + 150, steps=4)
    sheet.mouse.up()
    after = port.evaluate("port => [port.scrollLeft, port.scrollTop]")
    assert after == [before[0] + 60, before[1] + 50]
    assert "#row" not in sheet.url
    sheet.get_by_role("button", name="The whole picture").click()
    svg = sheet.locator("svg.graph").bounding_box()
    assert svg["height"] <= box["height"]
    assert svg["width"] <= box["width"]


def test_a_node_leads_to_its_row(page):
    sheet = page(NETWORK, LAYERS)
    sheet.locator("g.node a").nth(6).click()
    assert "#row-r6" in sheet.url
    assert sheet.locator("tr:target").inner_text().strip() == "layer 6"


def test_without_frames_there_is_nothing_to_fold(page):
    sheet = page(
        NETWORK.model_copy(update={"nodes": (NODES[0], NODES[7]), "edges": EDGES[-1:], "clusters": ()})
    )
    assert sheet.get_by_role("button", name="Fold all frames").count() == 0
    assert sheet.get_by_role("button", name="Zoom in").count() == 1


def test_without_javascript_the_whole_picture_and_its_words_are_there(page):
    sheet = page(NETWORK, LAYERS, java_script_enabled=False)
    assert len(shown(sheet)) == 8
    assert sheet.locator(".tools").count() == 0
    assert "layer 0" in sheet.locator("svg.graph desc").inner_html()


def test_a_wide_picture_fits_inside_its_frame_whole(page):
    many = tuple(Node(id=f"w{at}", label=f"parameter {at}") for at in range(14))
    wide = Graph(
        id="w",
        title="Wide",
        nodes=(*many, Node(id="sum", label="sum")),
        edges=tuple(Edge(source=node.id, target="sum") for node in many),
    )
    sheet = page(wide)
    sheet.get_by_role("button", name="The whole picture").click()
    port = sheet.locator(".viewport")
    assert port.evaluate(
        "port => port.scrollWidth <= port.clientWidth && port.scrollHeight <= port.clientHeight"
    )
    assert sheet.locator("svg.graph").bounding_box()["width"] > 0.9 * port.bounding_box()["width"]


TIPS = """() => Array.from(document.querySelectorAll('svg.graph .arrows path:not(.away)'), (path) => {
  const [x, y] = path.getAttribute('d').split('L')[1].split(',').map(Number); return [x, y]; })"""


def test_each_line_into_a_folded_frame_ends_in_a_tip_on_its_bar(page):
    sheet = page(NETWORK, LAYERS)
    sheet.get_by_role("button", name="Fold all frames", exact=True).click()
    lines = sheet.locator("svg.graph .edges path:not(.away)").count()
    tips = sheet.evaluate(TIPS)
    assert len(tips) == lines == 6  # 0 to both bars and to 7, both bars to 6, 6 to 7
    bars = sheet.evaluate(
        "() => Array.from(document.querySelectorAll('svg.graph .bars rect:not(.away)'), (rect) =>"
        " ['x', 'y', 'width'].map((name) => Number(rect.getAttribute(name))))"
    )
    assert len(bars) == 2
    for x, y, wide in bars:
        assert any(x <= across <= x + wide and abs(down - y) <= 1.5 for across, down in tips)


def test_lines_that_a_fold_brings_together_are_one_with_its_label(page):
    edges = (*EDGES, Edge(source="n0", target="n4"), Edge(source="n1", target="n6"))
    sheet = page(NETWORK.model_copy(update={"edges": edges}), LAYERS)
    lines = sheet.locator("svg.graph .edges path:not(.away)")
    assert lines.count() == len(edges)
    sheet.get_by_role("button", name="Fold all frames", exact=True).click()
    assert lines.count() == 6
    assert "0×1" in sheet.locator("svg.graph .edge-labels text:not(.away)").all_text_contents()
    sheet.get_by_role("button", name="Unfold all frames").click()
    assert lines.count() == len(edges)
