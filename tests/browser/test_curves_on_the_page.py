"""Curves on the page: read, switched, smoothed, on other axes, by pointer and keyboard; a picture until then."""

from __future__ import annotations

import csv
import io
import math
import re

import numpy as np
import pytest
import samples
from samples import EVIL

from reportgen.history.display import smooth
from reportgen.report import Curves, Mark, Section, Series

STEPS = np.arange(0, 400, 2)
NOISY = np.round(np.exp(-STEPS / 150) + 0.3 * np.random.default_rng(0).random(200), 6)
MEAN = [float(f"{value:.5g}") for value in smooth(NOISY, 0.9)]
RARE = tuple(range(0, 400, 40))
VALID = tuple(round(0.2 + abs(at - 200) / 400, 6) for at in RARE)


def loss(run="a", **more) -> Curves:
    other = {"run": run, "epochs": STEPS / 100, "times": STEPS * 0.75}
    valid = {"run": run, "epochs": np.array(RARE) / 100, "times": np.array(RARE) * 0.75}
    series = (
        Series(name="train", x=STEPS, y=NOISY, role="faint", group="train", **other),
        Series(
            name="train, smoothed 0.9", x=STEPS, y=MEAN, group="train", run=run, smooths="train", weight=0.9
        ),
        Series(name="val", x=RARE, y=VALID, group="val", **valid),
    )
    mark = Mark(x=200, y=0.2, label="best 0.2 at step 200")
    given = {"id": "loss", "title": "Loss", "x_label": "Step", "y_label": "Loss", "marks": (mark,), **more}
    return Curves(**{"series": series, **given})


@pytest.fixture
def page(watched, tmp_path):
    def opened(*blocks, **settings):
        sections = (Section(name="training", title="Training", blocks=blocks or (loss(),)),)
        report = samples.report().model_copy(update={"sections": sections})
        return watched(report.save(tmp_path / "curves.html"), **settings)

    return opened


def used(sheet, block="loss"):
    """The chart of a block once the pointer has been over it: its part of the page."""
    part = sheet.locator(f"#training--{block}")
    part.locator(".plot").hover()
    part.locator("svg.curve .lines").wait_for()
    return part


def point(sheet, part, share):
    """Move the pointer to a share of the field's width; returns the pixel in the field."""
    box = part.locator(".field").bounding_box()
    sheet.mouse.move(box["x"] + share * box["width"], box["y"] + 60)
    return share * box["width"]


def values(part):
    return part.locator(".legend .value").all_inner_texts()


def test_nothing_is_drawn_until_the_chart_is_used(page):
    sheet = page()
    assert sheet.locator("svg.curve, .chart").count() == 0
    assert sheet.locator(".plot img").bounding_box()["width"] > 300
    used(sheet)
    assert sheet.locator("svg.curve").count() == 1
    assert sheet.locator(".plot img").bounding_box()["width"] <= 1


def test_the_picture_gives_way_without_moving_what_is_below(page):
    sheet = page()
    before = sheet.locator("#training--loss .numbers").bounding_box()["y"]
    part = used(sheet)
    assert part.locator(".numbers").bounding_box()["y"] == pytest.approx(before, abs=12)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.83])
def test_the_read_out_has_the_exact_values_next_to_the_pointer(page, share):
    sheet = page()
    part = used(sheet)
    pixel = point(sheet, part, share)
    words = part.locator(".where").inner_text().split(" · ")
    step = int(words[0].removeprefix("Step ").replace(",", ""))
    at = step // 2
    assert words[1:] == [f"Epoch {step / 100:g}", f"{step * 0.75:g} s" if step < 160 else words[2]]
    hair = float(part.locator(".hair").get_attribute("d").split()[0].removeprefix("M"))
    width = part.locator(".field").bounding_box()["width"]
    assert abs(hair - pixel) <= width / len(STEPS)
    train, valid = values(part)
    assert train == f"{NOISY[at]:g} (mean {MEAN[at]:g})"
    near = min(RARE, key=lambda x: (abs(x - step), x))
    assert valid in {f"{VALID[RARE.index(near)]:g}" + ("" if near == step else f" at {near}")}


def test_the_keyboard_moves_the_read_out_and_it_is_spoken(page):
    sheet = page()
    sheet.locator("#training--loss .plot").focus()
    sheet.locator("svg.curve .lines").wait_for()
    field = sheet.locator(".field")
    assert sheet.evaluate("document.activeElement.className") == "field"
    assert field.evaluate("part => getComputedStyle(part).outlineStyle") == "solid"
    where = sheet.locator(".where")
    for key, step in (("ArrowRight", 0), ("ArrowRight", 2), ("PageUp", 22), ("ArrowLeft", 20), ("End", 398)):
        sheet.keyboard.press(key)
        assert where.inner_text().startswith(f"Step {step} ·")
    assert field.get_attribute("role") == "slider"
    assert field.get_attribute("aria-valuenow") == str(len(STEPS) - 1)
    assert f"train {NOISY[-1]:g} (mean {MEAN[-1]:g}); val {VALID[-1]:g} at 360" in field.get_attribute(
        "aria-valuetext"
    )
    sheet.keyboard.press("Escape")
    assert where.inner_text().startswith("Point at the chart")


def test_a_switch_hides_its_lines_and_shows_them_again(page):
    part = used(page())
    switch = part.get_by_role("button", name="train")
    assert part.locator(".lines path").count() == 3
    switch.click()
    assert switch.get_attribute("aria-pressed") == "false"
    assert part.locator(".lines path").count() == 1
    part.get_by_role("button", name="Reset").click()
    assert switch.get_attribute("aria-pressed") == "true"
    assert part.locator(".lines path").count() == 3


def test_a_run_of_several_lines_is_switched_as_a_whole(page):
    series = [
        Series(name=f"{run}: {tag}", x=(0, 1), y=(n, n + 1), run=run)
        for n, (run, tag) in enumerate((r, t) for r in ("one", "two") for t in ("train", "val"))
    ]
    part = used(page(loss(series=series, marks=())))
    run = part.locator(".runs button", has_text="two")
    run.click()
    assert run.get_attribute("aria-pressed") == "false"
    pressed = [b.get_attribute("aria-pressed") for b in part.locator(".legend button").all()]
    assert pressed == ["true", "true", "false", "false"]
    assert part.locator(".lines path").count() == 2


@pytest.mark.parametrize("weight", [0.0, 0.35, 0.99])
def test_the_slider_smooths_as_tensorboard_does_from_the_points_drawn(page, weight):
    sheet = page()
    part = used(sheet)
    part.get_by_label("Smoothing").fill(str(weight))
    point(sheet, part, 0.6)
    step = int(part.locator(".where").inner_text().split(" · ")[0].removeprefix("Step "))
    expected = smooth(NOISY, weight)[step // 2]
    mean = f" (mean {float(f'{expected:.5g}')!r})" if weight else ""
    assert values(part)[0] == f"{NOISY[step // 2]:g}{mean}"
    if weight:
        assert f"Smoothed {weight:.2f} from the 210 points drawn." in part.locator(".note").inner_text()
    part.get_by_role("button", name="Reset").click()
    assert part.get_by_label("Smoothing").input_value() == "0.9"


def test_the_scripts_smoothing_is_ours_to_the_last_digits(page):
    rough = np.random.default_rng(1).normal(size=300).cumsum()
    rough[[0, 7, 8, 200]] = [math.nan, math.inf, -math.inf, math.nan]
    ours = smooth(rough, 0.8)
    finite = np.isfinite(rough)
    theirs = page().evaluate(
        "values => reportgenPlot.smooth(values.map(Number), 0.8).map(String)", [str(value) for value in rough]
    )
    np.testing.assert_allclose(np.array(theirs, float)[finite], ours[finite], rtol=1e-13)
    assert page().evaluate("reportgenPlot.smooth([0.1, 0.1, NaN, 0.1], 0.9)")[:2] == [0.1, 0.1]


def heights(part):
    points = part.locator(".lines path.line").first.get_attribute("d").replace("h0", "")
    return [float(pair.split()[1]) for pair in points.replace("M", "L").split("L")[1:]]


def test_a_logarithmic_axis_puts_factors_at_equal_distances_and_tells_what_has_no_place(page):
    series = [Series(name="s", x=range(5), y=(1000, 100, 10, 1, -3))]
    part = used(page(loss(series=series, marks=())))
    part.get_by_role("button", name="Log", exact=True).click()
    steps = np.diff(heights(part))
    assert len(steps) == 3
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)
    assert steps[0] > 20
    assert "1 values are not above zero" in part.locator(".note").inner_text()


@pytest.mark.parametrize(
    ("button", "title", "read"), [("Epoch", "Epoch", "Epoch 2"), ("Time", "Time (min)", "2.5 min")]
)
def test_the_same_points_lie_over_epochs_and_over_time(page, button, title, read):
    sheet = page()
    part = used(sheet)
    part.get_by_role("button", name=button).click()
    assert title in part.locator("svg.curve text").all_text_contents()
    assert float(part.locator(".mark").get_attribute("d").split()[0].removeprefix("M")) > 0
    sheet.locator(".field").focus()
    for _ in range(11):
        sheet.keyboard.press("PageUp" if _ else "ArrowRight")
    assert part.locator(".where").inner_text().startswith("Step 200 · ")
    assert read in part.locator(".where").inner_text()
    assert values(part)[1] == "0.2"


def test_axes_that_are_not_logged_are_not_offered(page):
    sheet = page(loss(series=(Series(name="s", x=(0, 1), y=(0, 1)),), marks=()))
    assert sheet.get_by_role("button", name="Epoch").count() == 0
    assert sheet.get_by_label("Smoothing").count() == 0
    assert sheet.get_by_role("button", name="Log", exact=True).count() == 1


def step_at(sheet, part, share):
    point(sheet, part, share)
    return int(part.locator(".where").inner_text().split(" · ")[0].removeprefix("Step "))


def test_a_stretch_is_selected_with_the_pointer_and_a_double_click_goes_back(page):
    sheet = page()
    part = used(sheet)
    whole = [step_at(sheet, part, share) for share in (0.2, 0.9)]
    field = part.locator(".field").bounding_box()
    sheet.mouse.move(field["x"] + 200, field["y"] + 50)
    sheet.mouse.down()
    sheet.mouse.move(field["x"] + 300, field["y"] + 60, steps=3)
    assert part.locator(".chosen").count() == 1
    sheet.mouse.up()
    zoomed = [step_at(sheet, part, share) for share in (0.2, 0.9)]
    assert zoomed[0] > whole[0] + 40
    assert zoomed[1] < whole[1] - 40
    part.locator(".field").dblclick(position={"x": 250, "y": 50})
    assert [step_at(sheet, part, share) for share in (0.2, 0.9)] == whole


def test_values_that_are_no_number_are_marked_at_the_frame(page):
    series = [Series(name="s", x=range(5), y=(1, math.nan, 2, math.inf, -math.inf))]
    part = used(page(loss(series=series, marks=())))
    assert part.locator(".broken").count() == 3
    assert part.locator(".broken.full").count() == 2


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_names_are_only_text(page, evil):
    series = [Series(name=f"{evil}{at}", x=(0, 1), y=(at, 1), run=evil) for at in range(2)]
    sheet = page(loss(series=series, title=evil, x_label=evil, y_label=evil, marks=(Mark(x=1, label=evil),)))
    part = used(sheet)
    part.locator(".legend button").first.click()
    sheet.locator(".field").focus()
    sheet.keyboard.press("Home")
    shown = part.locator(".legend button").first.text_content()
    assert "".join(shown.split()) == "".join(series[0].name.split())
    assert sheet.locator("script").count() == 2


def test_lines_follow_the_theme(page):
    sheet = page(color_scheme="light")
    part = used(sheet)
    colour = "part => getComputedStyle(part).stroke"
    before = part.locator(".lines path").first.evaluate(colour)
    sheet.locator("button.theme").click()
    assert part.locator(".lines path").first.evaluate(colour) != before
    point(sheet, part, 0.5)
    assert values(part)[0]


def test_on_paper_there_is_the_picture_and_nothing_to_press(page):
    sheet = page()
    sheet.emulate_media(media="print")
    assert not any(tool.is_visible() for tool in sheet.locator(".tools").all())
    sheet.emulate_media(media="screen")
    used(sheet)
    sheet.emulate_media(media="print")
    assert sheet.locator(".plot img").bounding_box()["width"] > 300
    assert not sheet.locator(".chart").is_visible()
    assert not any(tool.is_visible() for tool in sheet.locator(".tools, .legend button").all())


def test_without_javascript_the_picture_is_there_and_no_tools(page):
    sheet = page(java_script_enabled=False)
    assert sheet.locator(".plot img").bounding_box()["width"] > 300
    assert sheet.locator(".tools").count() == 0


def test_the_data_is_downloaded_whole_and_copied(page):
    formula = Series(name="=1+1", x=(0,), y=(math.nan,))
    block = loss()
    sheet = page(
        block.model_copy(update={"series": (*block.series, formula)}),
        permissions=["clipboard-read", "clipboard-write"],
    )
    sheet.locator(".numbers summary").click()
    with sheet.expect_download() as found:
        sheet.get_by_role("button", name="Download CSV").click()
    assert found.value.suggested_filename == "training--loss.csv"
    rows = list(csv.reader(io.StringIO(found.value.path().read_text(encoding="utf-8"))))
    assert rows[0] == ["series", "run", "Step", "epoch", "seconds", "Loss"]
    assert [float(row[5]) for row in rows[1:201]] == NOISY.tolist()
    assert [float(row[3]) for row in rows[1:201]] == (STEPS / 100).tolist()
    assert rows[-1] == ["'=1+1", "", "0", "", "", "NaN"]
    sheet.get_by_role("button", name="Copy data").click()
    sheet.get_by_text("411 points copied.").wait_for()
    assert len(sheet.evaluate("navigator.clipboard.readText()").split("\n")) == 412
    assert sheet.locator("svg.curve").count() == 0


FORMULAS = (
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\n=1+1", " =1+1", "\u200b=1+1", "\uff1d1+1", "=cmd|'/C calc'!A0",
    "a;=1+1", "a\t=1+1", "a\n=1+1", "a\n\t @SUM(A1)", "a|=1+1", '=1+1"', "-", "\tplain", "-2+3;-x",
)  # fmt: skip
NAMES = ("loss", "-1.5", "+2e3", "a-b", "a = b", "val/loss@1", "x; y")  # no formula, and left as they are


def test_no_cell_that_is_saved_or_copied_is_a_formula_whatever_parts_the_cells(page):
    series = [Series(name=name, run=name, x=(0,), y=(-1.5,)) for name in (*FORMULAS, *NAMES)]
    block = loss().model_copy(update={"series": (*series, Series(name="", x=(0,), y=(-math.inf,)))})
    sheet = page(
        block.model_copy(update={"x_label": "=x", "y_label": "@y"}),
        permissions=["clipboard-read", "clipboard-write"],
    )
    sheet.locator(".numbers summary").click()
    with sheet.expect_download() as found:
        sheet.get_by_role("button", name="Download CSV").click()
    text = found.value.path().read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[0] for row in rows[-1 - len(NAMES) : -1]] == list(NAMES)
    assert rows[-1][-1] == "-Infinity"
    sheet.get_by_role("button", name="Copy data").click()
    sheet.get_by_text("points copied.").wait_for()
    copied = sheet.evaluate("navigator.clipboard.readText()")
    for sheet_text in (text, copied):
        for delimiter in ",;\t|":
            for cell in (
                cell for row in csv.reader(io.StringIO(sheet_text), delimiter=delimiter) for cell in row
            ):
                bare = cell.strip('\ufeff\u200b \t\r\n"')
                assert not bare.startswith(("=", "+", "-", "@", "\uff1d")) or is_number(bare), (
                    delimiter,
                    cell,
                )


def is_number(text: str) -> bool:
    """Whether it is a number, or a row of them where another sign parts the cells."""
    return all(
        not part or re.fullmatch(r"[-+]?[\d.]+(e\d+)?|-?Infinity", part) for part in re.split(r"[,\t]", text)
    )


def test_data_that_the_page_holds_packed_is_read_too(page):
    x = np.arange(6000)
    wave = Series(name="wave", x=x, y=np.sin(x / 500))
    sheet = page(loss(series=(wave,), marks=()))
    assert sheet.locator("#reportgen-data").get_attribute("type") == "application/gzip+base64"
    part = used(sheet)
    sheet.locator(".field").focus()
    sheet.keyboard.press("End")
    assert part.locator(".where").inner_text() == "Step 5,999"
    assert values(part) == [
        f"{np.sin(5999 / 500)!r}".removeprefix("np.float64(").removesuffix(")").replace("-", "−")
    ]


def test_on_a_narrow_screen_nothing_sticks_out(page):
    sheet = page(viewport={"width": 390, "height": 800}, has_touch=True)
    sheet.locator(".plot").tap()
    sheet.locator("svg.curve .lines").wait_for()
    assert sheet.evaluate("document.documentElement.scrollWidth") <= 390
    field = sheet.locator(".field").bounding_box()
    sheet.touchscreen.tap(field["x"] + 150, field["y"] + 50)
    assert "Step" in sheet.locator(".where").inner_text()


def many():
    return [
        loss(
            id=f"c{at}", title=f"Curve {at}", marks=(), width="third",
            series=(Series(name=f"tag/{'even' if at % 2 == 0 else 'odd'}/{at}", x=(0, 1), y=(0, at)),),
            group="first" if at < 8 else "flat", folded=at >= 8,
        )
        for at in range(16)
    ]  # fmt: skip


def test_many_charts_are_grouped_and_filtered(page):
    sheet = page(*many())
    shown = "parts => parts.filter(part => part.checkVisibility()).length"
    blocks = sheet.locator(".block.curves")
    assert blocks.evaluate_all(shown) == 8
    assert sheet.locator("details.group > summary").all_inner_texts() == ["first 8 charts", "flat 8 charts"]
    field = sheet.get_by_label("Filter 16 charts")
    field.fill("even 1")
    assert blocks.evaluate_all(shown) == 3
    assert sheet.locator(".finder").inner_text().strip() == "3 of 16"
    assert not sheet.locator("details.group").first.is_visible()
    field.fill("")
    assert blocks.evaluate_all(shown) == 8
    tops = {round(part.bounding_box()["y"]) for part in blocks.all()[:3]}
    assert len(tops) == 1


def test_few_charts_need_no_filter(page):
    assert page().locator(".finder").count() == 0
