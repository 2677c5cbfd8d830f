"""What the page's script adds, and that figures follow light and dark, by the system and by the switch."""

from __future__ import annotations

import io

import pytest
import samples
from PIL import Image


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return samples.report().save(tmp_path_factory.mktemp("rich") / "report.html")


def corner(page) -> tuple[float, float]:
    """How light the loss curve's picture is: on the whole, and its writing (the pixel farthest from that)."""
    plot = page.locator("#training--loss img")
    plot.scroll_into_view_if_needed()
    with Image.open(io.BytesIO(plot.screenshot())) as image:
        grey = image.convert("L")
        levels = sorted(grey.get_flattened_data() if hasattr(grey, "get_flattened_data") else grey.getdata())
    middle = levels[len(levels) // 2]
    return middle, max((levels[0], levels[-1]), key=lambda level: abs(level - middle))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_follow_the_system_and_then_the_switch(rich, watched, scheme):
    page = watched(rich, color_scheme=scheme)
    ground, writing = corner(page)
    assert (ground > 200, writing < 120) == ((True, True) if scheme == "light" else (False, False))
    page.locator("button.theme").click()
    turned, written = corner(page)
    assert (turned > 200, written < 120) == ((False, False) if scheme == "light" else (True, True))


def test_a_tree_folds_and_a_link_into_it_unfolds_it(rich, watched):
    page = watched(rich)
    rows = page.locator("table.tree tbody tr")
    assert rows.nth(2).is_visible()
    page.locator("table.tree .fold").first.click()
    assert rows.first.is_visible()
    assert not rows.nth(2).is_visible()
    page.locator("svg.graph a").first.click()
    target = page.locator("tr:target")
    assert target.is_visible()
    assert target.locator("td").first.inner_text().endswith("conv")


def test_a_folded_block_opens_when_a_link_points_into_it(rich, watched):
    page = watched(rich)
    assert not page.locator("#architecture--torchinfo pre").is_visible()
    page.evaluate("location.hash = '#architecture--torchinfo'")
    page.locator("#architecture--torchinfo pre").wait_for(state="visible")


def test_a_flat_table_sorts_by_number_and_by_word_and_filters(rich, watched):
    page = watched(rich)
    block = page.locator("#evaluation--the-most-certain-mistakes")

    def column(at):
        return block.locator(f"tbody tr:visible td:nth-child({at})").all_inner_texts()

    block.get_by_role("button", name="Confidence").click()
    numbers = [float(text.split()[0]) for text in column(4)]
    assert numbers == sorted(numbers)
    block.get_by_role("button", name="Sample").click()
    block.get_by_role("button", name="Sample").click()
    assert column(1) == [str(at) for at in range(15, -1, -1)]
    assert block.locator("[aria-sort=descending]").count() == 1
    block.get_by_role("searchbox").fill("99")
    assert len(column(1)) == 1
    block.get_by_role("searchbox").fill("")
    assert len(column(1)) == 16


def test_the_keyboard_reaches_the_report_first_and_its_focus_is_seen(rich, watched):
    page = watched(rich)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#_main"


def test_a_narrow_page_folds_its_contents_and_a_wide_one_keeps_them_beside(rich, watched):
    narrow = watched(rich, viewport={"width": 390, "height": 800})
    assert not narrow.locator("nav a").first.is_visible()
    narrow.locator("nav summary").click()
    assert narrow.locator("nav a").first.is_visible()
    wide = watched(rich)
    assert wide.locator("nav li").first.is_visible()
    assert wide.locator("nav").bounding_box()["x"] < wide.locator("main").bounding_box()["x"]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("policy", [True, False], ids=["policy", "no policy"])
def test_every_block_with_hostile_text_stays_still(tmp_path, watched, script, policy):
    path = samples.hostile(" ".join(samples.EVIL)).save(tmp_path / "report.html")
    if not policy:
        path.write_text(path.read_text("utf-8").replace("Content-Security-Policy", "X-Nothing"), "utf-8")
    page = watched(path, java_script_enabled=script)
    for part in ("<script>window.__pwned=1</script>", "{{ 7*7 }}", "$x^{"):
        assert part in page.locator("h1").inner_text()
    assert page.locator("#part--table").is_visible()
    if script:
        assert page.evaluate("typeof window.__pwned") == "undefined"


@pytest.mark.parametrize("width", [1400, 390])
def test_ten_thousand_letters_without_a_space_wrap(tmp_path, watched, width):
    path = samples.hostile(samples.LONG).save(tmp_path / "report.html")
    page = watched(path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
