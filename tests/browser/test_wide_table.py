"""A table wider than the page: it says that it scrolls, takes what room there is, and keeps its rules."""

from __future__ import annotations

import io
import statistics

import pytest
import samples
from PIL import Image

from reportgen.report import Column, Row, Table

PORT = "#part--wide .scroll"


@pytest.fixture
def path(tmp_path):
    names = ("Layer", "Type", *(f"a long heading {at}" for at in range(12)))
    rows = tuple(
        Row(cells=(f"layer {at}", *["64×112×112_float32"] * 13), level=min(at, 1)) for at in range(5)
    )
    table = Table(id="wide", title="Wide", columns=tuple(Column(name=name) for name in names), rows=rows)
    return samples.one(table).save(tmp_path / "wide.html")


def edge(sheet, box):
    """How light the table is just inside its right edge, in the middle of its rows."""
    shot = Image.open(io.BytesIO(sheet.screenshot())).convert("L")
    heights = range(int(box["y"]) + 60, int(box["y"] + box["height"]) - 8)
    return statistics.median(shot.getpixel((round(box["x"] + box["width"] - 3), y)) for y in heights)


@pytest.mark.parametrize(("scheme", "paper"), [("light", 255), ("dark", 25)])
@pytest.mark.parametrize("script", [True, False])
def test_it_is_shaded_where_more_of_it_is_and_no_longer_at_its_end(watched, path, scheme, paper, script):
    sheet = watched(path, color_scheme=scheme, java_script_enabled=script)
    port = sheet.locator(PORT)
    port.scroll_into_view_if_needed()
    box = port.bounding_box()
    assert abs(edge(sheet, box) - paper) > 15
    sheet.mouse.move(box["x"] + 50, box["y"] + 90)
    sheet.mouse.wheel(9999, 0)
    sheet.wait_for_timeout(300)
    assert abs(edge(sheet, box) - paper) <= 3


def test_it_takes_what_is_free_in_the_window(watched, path):
    widths = {}
    for wide in (1280, 1900):
        sheet = watched(path, viewport={"width": wide, "height": 900})
        widths[wide] = sheet.locator(PORT).bounding_box()["width"]
        assert sheet.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert widths[1900] > widths[1280] + 250


def test_rules_under_the_column_that_stays_are_those_of_the_others(watched, path):
    sheet = watched(path)
    row = sheet.locator("#part--wide tbody tr").nth(0)
    first, second = row.locator("td").nth(0), row.locator("td").nth(1)
    style = "cell => { const s = getComputedStyle(cell); return [s.borderBottom, s.boxShadow]; }"
    assert first.evaluate(style) == second.evaluate(style)
    assert (
        sheet.locator("#part--wide table").evaluate("t => getComputedStyle(t).borderCollapse") == "separate"
    )
