"""Samples chosen one at a time and pictures seen larger: with the mouse, the keyboard, a link, and without a script."""

from __future__ import annotations

import numpy as np
import pytest
import samples
from playwright.sync_api import expect
from sample_results import digit

from reportgen.report import Finding, Images, Map, Picture, Raster, Section, Text

METHODS = (
    "input",
    "saliency",
    "Integrated Gradients",
    "SmoothGrad",
    "Grad-CAM",
    "occlusion",
    "LIME",
    "KernelShap",
    "SHAP",
)
ROWS = tuple(f"sample {at}, right" for at in range(8))


def grid(rows=8, titled=True) -> Images:
    pictures = []
    for at in range(rows):
        pictures.append(Picture(raster=digit(at), alt=f"digit {at}"))
        field = np.sin(np.arange(64).reshape(8, 8) + at)
        pictures += [
            Picture(map=Map.from_array(field, signed=True), behind=9 * at, alt=f"{name} of digit {at}")
            for name in METHODS[1:]
        ]
    titles = tuple(f"sample {at}, right" for at in range(rows)) if titled else ()
    return Images(
        id="grid", title="All methods", columns=9, column_titles=METHODS, row_titles=titles, pictures=pictures
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A grid of 8 samples and 9 methods; a group of three samples with two texts each; a choice of one."""
    parts = [
        Text(
            id=f"s{at}-{name}",
            title=f"{name} {at}",
            text=f"words of {at}",
            group="Samples",
            choice=f"Sample {at}",
        )
        for name in ("lime", "shap")
        for at in range(3)
    ]
    alone = Text(id="alone", text="by itself", group="One", choice="Only one")
    finding = Finding(severity="info", message="m", rule="r", evidence="part/s2-shap")
    section = Section(
        name="part",
        title="Part",
        blocks=(grid(), Text(id="first", text="before", group="Samples"), *parts, alone),
        findings=(finding,),
    )
    report = samples.one().model_copy(update={"sections": (section,)})
    return report.save(tmp_path_factory.mktemp("choosing") / "report.html")


def rows(page):
    return page.locator("#part--grid tbody tr:visible")


def tools(page, at):
    return page.locator(".chooser").nth(at).get_by_role("button")


def test_all_rows_are_seen_then_one_and_larger_then_all_again(path, watched):
    page = watched(path)
    expect(rows(page)).to_have_count(8)
    before = page.locator("#part--grid img[alt='LIME of digit 5']").bounding_box()["width"]
    tools(page, 0).get_by_text("sample 5, right").click()
    expect(rows(page)).to_have_count(1)
    larger = page.locator("#part--grid img[alt='LIME of digit 5']")
    assert larger.bounding_box()["width"] > 1.5 * before
    box = larger.bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    assert larger.evaluate("one => getComputedStyle(one).imageRendering") == "pixelated"
    names = page.evaluate(
        """[...document.querySelectorAll('.grid.one tbody tr:not([hidden]) td')]
            .map(cell => getComputedStyle(cell, '::before').content)"""
    )
    assert [name.strip('"') for name in names] == list(METHODS)
    tools(page, 0).get_by_text("All").click()
    expect(rows(page)).to_have_count(8)
    assert page.locator("#part--grid img[alt='LIME of digit 5']").bounding_box()["width"] == before


def test_the_keyboard_chooses_and_says_what_is_chosen(path, watched):
    page = watched(path)
    tools(page, 0).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).locator("th")).to_have_text(ROWS[1])
    pressed = page.locator(".chooser").first.locator("[aria-pressed=true]")
    assert pressed.inner_text() == ROWS[1]
    assert pressed.evaluate("one => one === document.activeElement")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(rows(page)).to_have_count(8)
    assert page.locator(".chooser").first.get_attribute("aria-label") == "All methods: show"


def test_many_rows_are_chosen_from_a_list(tmp_path, watched):
    page = watched(samples.one(grid(20)).save(tmp_path / "many.html"))
    page.get_by_role("combobox", name="All methods: show").select_option("sample 17, right")
    expect(rows(page)).to_have_count(1)
    expect(rows(page).locator("th")).to_have_text("sample 17, right")


@pytest.mark.parametrize("block", [grid(8, titled=False), grid(1)], ids=["no titles", "one row"])
def test_a_grid_without_samples_to_choose_from_has_no_chooser(tmp_path, watched, block):
    assert watched(samples.one(block).save(tmp_path / "plain.html")).locator(".chooser").count() == 0


def test_alternatives_of_a_group_are_shown_one_at_a_time(path, watched):
    page = watched(path)
    panels = page.locator(".choice")
    expect(page.locator("#part--s0-lime")).to_be_visible()
    expect(page.locator("#part--s0-shap")).to_be_visible()
    expect(page.locator("#part--s1-lime")).to_be_hidden()
    expect(page.locator("#part--first")).to_be_visible()
    tools(page, 1).get_by_text("Sample 2").click()
    expect(page.locator("#part--s0-lime")).to_be_hidden()
    expect(page.locator("#part--s2-lime")).to_be_visible()
    expect(page.locator("#part--first")).to_be_visible()
    tools(page, 1).get_by_text("All").click()
    assert [panels.nth(at).is_visible() for at in range(4)] == [True] * 4
    assert page.locator(".chooser").count() == 2  # the one that is alone has none
    expect(page.locator("#part--alone")).to_be_visible()


def test_a_link_into_an_alternative_shows_it_also_a_second_time_and_on_arrival(path, watched):
    page = watched(path)
    page.locator("#_findings a").click()
    expect(page.locator("#part--s2-shap")).to_be_in_viewport()
    tools(page, 1).get_by_text("Sample 1").click()
    expect(page.locator("#part--s2-shap")).to_be_hidden()
    page.locator("#_findings a").click()
    expect(page.locator("#part--s2-shap")).to_be_in_viewport()
    page.goto(path.as_uri() + "#part--s1-lime")
    page.reload()
    expect(page.locator("#part--s1-lime")).to_be_in_viewport()
    expect(page.locator("#part--s2-shap")).to_be_hidden()


def test_without_a_script_and_on_paper_every_alternative_is_there_under_its_name(path, watched):
    still = watched(path, java_script_enabled=False)
    assert still.locator(".chooser").count() == 0
    for at in range(3):
        expect(still.locator(f"#part--s{at}-lime")).to_be_visible()
        expect(still.get_by_role("heading", name=f"Sample {at}", exact=True)).to_be_visible()
    expect(rows(still)).to_have_count(8)
    page = watched(path)
    tools(page, 0).get_by_text("sample 5, right").click()
    page.emulate_media(media="print")
    for at in range(3):
        expect(page.locator(f"#part--s{at}-shap")).to_be_visible()
    expect(rows(page)).to_have_count(8)
    expect(page.locator(".chooser").first).to_be_hidden()


def test_what_is_chosen_is_kept_for_the_next_page_of_the_same_file(path, watched):
    page = watched(path)
    tools(page, 0).get_by_text("sample 3, right").click()
    tools(page, 1).get_by_text("Sample 1").click()
    kept = page.evaluate("reportgenPlace.save()")
    other = watched(path)
    other.evaluate("kept => reportgenPlace.restore(kept)", kept)
    expect(rows(other)).to_have_count(1)
    expect(rows(other).locator("th")).to_have_text(ROWS[3])
    expect(other.locator("#part--s1-lime")).to_be_visible()
    expect(other.locator("#part--s0-lime")).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 390])
def test_nine_columns_can_be_read_and_scroll_on_a_narrow_screen(path, watched, width):
    page = watched(path, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "[...document.querySelectorAll('.grid img')].map(one => one.getBoundingClientRect().width)"
    )
    assert min(sizes) >= 56
    port = page.locator("#part--grid .scroll")
    wider = port.evaluate("one => one.scrollWidth > one.clientWidth")
    assert wider == (width == 390)
    heads = page.locator("#part--grid thead th").evaluate_all(
        "heads => heads.map(head => [head.scrollWidth - head.clientWidth, head.getBoundingClientRect().height])"
    )
    assert all(over <= 1 and height < 60 for over, height in heads)


def test_a_picture_is_seen_larger_its_pixels_alike_and_escape_leads_back_without_a_jump(path, watched):
    page = watched(path)
    picture = page.locator("#part--grid .enlarge").nth(9 * 2 + 2)
    picture.scroll_into_view_if_needed()
    picture.focus()
    before = (page.evaluate("scrollY"), picture.bounding_box())
    page.keyboard.press("Enter")
    window = page.get_by_role("dialog")
    expect(window).to_be_visible()
    large = window.locator("img")
    size = large.bounding_box()
    assert size["width"] >= 400
    assert size["width"] % 8 == 0
    assert large.evaluate("one => getComputedStyle(one).imageRendering") == "pixelated"
    assert large.get_attribute("alt") == "Integrated Gradients of digit 2"
    assert window.locator("p").inner_text() == "sample 2, right · Integrated Gradients"
    assert (page.evaluate("scrollY"), picture.bounding_box()) == before
    page.keyboard.press("ArrowRight")
    expect(window.locator("p")).to_have_text("sample 2, right · SmoothGrad")
    page.keyboard.press("Escape")
    expect(window).to_be_hidden()
    assert picture.evaluate("one => one === document.activeElement")
    assert (page.evaluate("scrollY"), picture.bounding_box()) == before


@pytest.mark.parametrize("width", [1280, 390])
def test_a_photograph_is_enlarged_to_what_the_window_has_and_a_press_beside_it_closes(
    tmp_path, watched, width
):
    pixels = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    photograph = Picture(raster=Raster.from_array(pixels, exact=False), alt="a photograph")
    page = watched(
        samples.one(Images(pictures=(photograph,), columns=1)).save(tmp_path / "photograph.html"),
        viewport={"width": width, "height": 800},
    )
    page.get_by_role("button", name="a photograph").click()
    box = page.get_by_role("dialog").locator("img").bounding_box()
    assert box["width"] > (500 if width == 1280 else 300)
    assert box["width"] == box["height"]
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.mouse.click(3, 3)
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("dialog")).to_be_hidden()


def test_names_that_are_markup_choose_and_are_text(tmp_path, watched):
    evil = samples.EVIL[1]
    blocks = [Text(id=f"t{at}", text=evil, group=evil, choice=f"{evil}{at}") for at in range(2)]
    pictures = tuple(Picture(raster=digit(at), alt=evil) for at in range(2))
    block = Images(title=evil, columns=1, column_titles=(evil,), row_titles=(evil, evil), pictures=pictures)
    page = watched(samples.one(block, *blocks).save(tmp_path / "evil.html"))
    tools(page, 0).nth(1).click()
    tools(page, 1).nth(2).click()
    page.locator(".enlarge:visible").first.click()
    assert evil in page.get_by_role("dialog").inner_text()
    assert page.evaluate("typeof window.__pwned") == "undefined"
