"""Figures: what they say in words and numbers, that they are drawn whatever comes, and that they leave no trace."""

from __future__ import annotations

import base64
import io
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import samples
from PIL import Image

from reportgen.render.figures import KINDS, figure, heatmap, style
from reportgen.render.figures.base import Palette, evenly
from reportgen.render.figures.swarm import spread
from reportgen.report import (
    Bars,
    Curves,
    Distribution,
    Heatmap,
    Histogram,
    Scatter,
    Section,
    Series,
    Signal,
    Strip,
    Swarm,
)

BLOCKS = {block.kind: block for block in samples.every_kind("x") if block.kind in KINDS}


def drawn(block, palette=None, dark=False, rows=40):
    made = figure(block, palette or Palette(), dark=dark, rows=rows)
    assert made.problem == ""
    return made, base64.b64decode(made.src.split(",")[1]).decode("utf-8")


def texts(source: str) -> list[str]:
    tag = "{http://www.w3.org/2000/svg}text"
    return ["".join(part.itertext()) for part in ElementTree.fromstring(source).iter(tag)]


def line(y, **more) -> Curves:
    series = (Series(name="loss", x=range(len(y)), y=y),)
    return Curves(series=series, x_label="step", y_label="loss", **more)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dark", [False, True])
def test_each_kind_is_a_well_formed_svg_of_its_size_with_words_and_numbers(kind, dark):
    made, source = drawn(BLOCKS[kind], dark=dark)
    root = ElementTree.fromstring(source)
    assert float(root.get("width").removesuffix("pt")) * 96 / 72 == pytest.approx(made.width, abs=1)
    assert made.alt
    assert made.data.rows
    assert ("prefers-color-scheme" in source) == dark
    for trace in ("<metadata", "<!DOCTYPE", "<script", "http://matplotlib", "Date"):
        assert trace not in source


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_twice_gives_the_same_and_leaves_matplotlibs_settings_alone(kind):
    before = dict(matplotlib.rcParams)
    assert figure(BLOCKS[kind], Palette(), dark=True, rows=5) == figure(
        BLOCKS[kind], Palette(), dark=True, rows=5
    )
    assert dict(matplotlib.rcParams) == before


def test_no_figure_becomes_pyplots():
    import matplotlib.pyplot

    for block in BLOCKS.values():
        drawn(block)
    assert matplotlib.pyplot.get_fignums() == []


@pytest.mark.parametrize(
    "block",
    [
        line(()),
        line((math.nan, math.nan)),
        line((1.0,)),
        line((0.0, -1.0), log_y=True),
        line((1e300, -1e300, 5e-324)),
        Curves(series=(), x_label="", y_label=""),
        Bars(labels=(), values=()),
        Bars(labels=("a",) * 200, values=tuple(range(200))),
        Bars(labels=("a", "b"), values=(-1e300, 1e300)),
        Heatmap(row_labels=(), column_labels=(), values=()),
        Heatmap(row_labels=("a",), column_labels=("b",), values=((math.nan,),)),
        Heatmap(row_labels=("a",), column_labels=("b",), values=((0.0,),), scale="diverging"),
        Distribution(histograms=(), x_label="x"),
        Distribution(histograms=(Histogram(name="n", edges=(0, math.inf), counts=(1,)),), x_label="x"),
        Scatter(x=(), y=(), member=(), groups=("a",), x_label="x", y_label="y"),
        Scatter(x=(math.nan,), y=(1,), member=(0,), groups=("a",), x_label="x", y_label="y"),
        Heatmap(values=(), row_ends=(0, 1), column_ends=(1, 0)),
        Heatmap(values=((1, 2),), row_ends=(5, -5), column_ends=(0, 1e-9), column_unit="s"),
        Heatmap(values=((math.nan,) * 500,), row_labels=("a",), column_ends=(0, 1e12), column_unit="bytes"),
        Swarm(rows=(), x_label="x"),
        Swarm(rows=(Strip(name="a", x=()), Strip(name="b", x=(math.nan, math.inf))), x_label="x"),
        Swarm(rows=(Strip(name="a", x=(1.0,), shades=(math.nan,)),) * 90, x_label="x"),
        Swarm(rows=(Strip(name="a", x=(1e300, -1e300)),), x_label="x", unit="bytes"),
        Signal(values=(), rate=1.0),
        Signal(values=(1.0, math.inf), rate=1e-9, weights=(math.nan, math.nan)),
    ],
    ids=lambda block: block.kind,
)
def test_the_least_and_the_oddest_values_are_drawn(block):
    drawn(block, dark=True)


def test_what_matplotlib_cannot_draw_is_said_and_its_numbers_stay(monkeypatch):
    from reportgen.render.figures import curves

    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(curves, "draw", broken)
    made = figure(line((1, 2)), Palette(), dark=True, rows=40)
    assert made.problem == "This figure could not be drawn: RuntimeError: no"
    assert made.data.rows == [["0", "1"], ["1", "2"]]


def test_the_words_of_a_chart_hold_its_true_numbers():
    made, _ = drawn(line((2.0, 0.5, math.nan, 1.0)))
    assert made.alt == (
        "Line chart of loss over step. loss: 2 at 0 to 1 at 3, lowest 0.5 at 1, highest 2 at 0. "
        "loss: 1 value not finite."
    )
    bars, _ = drawn(Bars(labels=("a", "b"), values=(0.25, 0.5), unit="share", x_label="recall"))
    assert bars.alt == "Bar chart of recall, 2 bars: largest 50 % (b), smallest 25 % (a)."
    assert bars.data.rows == [["a", "25 %"], ["b", "50 %"]]


def test_a_value_that_is_no_number_leaves_a_mark_at_the_frame():
    clean, broken = drawn(line((1, 2, 3)))[1], drawn(line((1, math.nan, 3)))[1]
    assert style.ALARM not in clean
    assert style.ALARM in broken


def test_the_data_behind_a_chart_is_thinned_evenly_and_keeps_its_ends():
    made, _ = drawn(line(tuple(range(1000))), rows=40)
    assert made.data.total == 1000
    assert [made.data.rows[0][0], made.data.rows[-1][0], len(made.data.rows)] == ["0", "999", 40]
    assert evenly(range(5), 9) == [0, 1, 2, 3, 4]
    assert evenly(range(10), 1) == [0]


def test_names_with_dollars_and_markup_are_text():
    name = "$x^{</text><script>alert(1)</script>"
    block = Curves(
        series=(Series(name=name, x=(0, 1), y=(0, 1)), Series(name="b", x=(0,), y=(1,))),
        x_label=name,
        y_label="y",
    )
    assert texts(drawn(block, dark=True)[1]).count(name) == 1
    assert any(text.startswith("$x^{</text>") and "…" in text for text in texts(drawn(block, dark=True)[1]))


def test_a_label_that_names_a_colour_keeps_it():
    block = Bars(labels=(style.ACCENT, "data:image/png;base64,AAAA"), values=(1, 2))
    assert {style.ACCENT, "data:image/png;base64,AAAA"} <= set(texts(drawn(block, dark=True)[1]))


def test_the_same_class_has_the_same_colour_in_every_figure():
    palette = Palette.of(samples.report())
    assert len({palette.member(digit)[0] for digit in samples.DIGITS}) == 10
    other = Scatter(x=(0, 1), y=(0, 1), member=(0, 1), groups=("7", "3"), x_label="x", y_label="y")
    source = drawn(other, palette)[1]
    assert palette.member("7")[0] in source
    assert palette.member("3")[0] in source
    assert palette.member("0")[0] not in source
    assert palette.line("train") != palette.line("validation")


def test_many_points_are_a_lossless_webp_inside_the_vector_frame():
    rng = np.random.default_rng(0)
    block = Scatter(
        x=rng.random(5000), y=rng.random(5000), member=[0] * 5000, groups=("a",), x_label="x", y_label="y"
    )
    made, source = drawn(block, dark=True)
    image = re.search(r'xlink:href="data:(image/\w+);base64,([^"]+)"', source)
    assert image[1] == "image/webp"
    with Image.open(io.BytesIO(base64.b64decode(image[2]))) as raster:
        assert raster.width > 300
    assert len(made.src) < 250_000
    assert "x" in texts(source)


def spectrogram(rows=128, columns=400, **more) -> Heatmap:
    values = np.add.outer(np.arange(rows), np.arange(columns)) % 97
    return Heatmap(values=values.tolist(), row_title="frequency", column_title="time", row_unit="Hz", column_unit="s",
                   row_ends=(0, 8000), column_ends=(0, 3.75), unit="dB", **more)  # fmt: skip


def test_axes_of_numbers_have_round_ticks_their_unit_once_and_go_upwards():
    _, source = drawn(spectrogram())
    found = texts(source)
    assert {"0", "2,000", "4,000", "6,000", "8,000", "1", "2", "3"} <= set(found)
    assert {"frequency (Hz)", "time (s)"} <= set(found)
    heights = {
        name: float(re.search(rf'y="([\d.]+)"[^>]*>{name}</text>', source)[1]) for name in ("2,000", "8,000")
    }
    assert heights["8,000"] < heights["2,000"]


def test_a_row_of_numbers_lies_where_its_number_is():
    """One dark cell in the lowest row and the last column of 40: below and right of the middle of all others."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    values = np.full((40, 40), 0.5)
    values[0, -1] = 1.0
    with style.drawing():
        figure = heatmap.draw(Heatmap(values=values.tolist(), row_ends=(0, 1), column_ends=(0, 1)), Palette())
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    seen = np.asarray(canvas.buffer_rgba()).astype(int)[:, : round(figure.axes[0].get_window_extent().x1)]
    darkest, common = (
        np.argwhere(np.abs(seen[..., :3] - [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).sum(-1) < 9)
        for colour in (style.SEQUENTIAL[-1], style.SEQUENTIAL[16])
    )
    assert len(darkest) > 0
    assert len(common) > 100 * len(darkest)
    assert darkest[:, 0].mean() > np.quantile(common[:, 0], 0.95)
    assert darkest[:, 1].mean() > np.quantile(common[:, 1], 0.95)


def test_a_spectrogram_is_light_and_its_numbers_say_how_much_of_them_is_shown():
    made, source = drawn(spectrogram())
    assert len(made.src) < 120_000
    assert source.count("<image") == 2  # its cells, and the colour bar beside them
    assert made.data.cut == "40 of 128 rows and 12 of 400 columns, evenly taken"
    assert made.data.rows[0][:2] == ["31.25 Hz", "0 dB"]
    assert made.data.names[:2] == ["frequency / time", "4.69 ms"]
    assert made.alt.startswith("Heat map, 128 rows (frequency) by 400 columns (time): highest 96 dB at ")


def test_sixty_thousand_samples_are_drawn_by_their_lowest_and_highest_and_are_light():
    wave = np.sin(np.arange(60_000) / 7.0)
    wave[31_234] = 5.0  # one sample that sticks out is seen
    block = Signal(values=wave, rate=16_000.0, weights=np.cos(np.arange(60_000) / 5000.0))
    made, source = drawn(block, Palette(width=9.6))
    assert len(made.src) < 60_000
    assert "mean of 250 samples" in texts(source)
    paths = re.findall(r'<path d="M[^"]*"', source)
    longest = max(paths, key=len)
    assert 1500 < len(re.findall("[hvl]", longest)) < 2500
    assert "5" in made.alt.split("to ")[1]


def test_a_long_signal_in_stretches_keeps_its_extremes_its_length_and_its_sum_of_weights():
    rng = np.random.default_rng(0)
    wave, weights = rng.normal(size=50_001), rng.normal(size=50_001)
    block = Signal.of(wave, 8000.0, weights, title="Clip")
    assert block.each == 26
    assert len(block.values) == len(block.high) == len(block.weights) == 1924
    assert (min(block.values), max(block.high)) == pytest.approx((wave.min(), wave.max()), rel=1e-4)
    sizes = np.diff(np.append(np.arange(0, 50_001, 26), 50_001))
    assert (np.array(block.weights) * sizes).sum() == pytest.approx(weights.sum(), abs=0.05)
    made, _ = drawn(block)
    assert made.alt.startswith("Waveform of 1,924 stretches of 26 samples, 6.25 s, amplitude from ")
    assert made.data.names == ["time (s)", "lowest amplitude", "highest", "weight"]
    short = Signal.of(wave[:3000], 8000.0)
    assert (short.each, short.high, short.weights) == (1, (), ())
    assert short.values == pytest.approx(wave[:3000], rel=1e-4)
    assert Signal.of(wave[:0], 1.0).values == ()


def test_the_upright_axis_of_a_quiet_wave_is_its_own_with_weights_too():
    quiet = Signal(values=(0.01, -0.02, 0.015), rate=100.0, weights=(1, -1, 0))
    assert "1.0" not in texts(drawn(quiet)[1])
    assert {"0.00", "−0.02"} & set(texts(drawn(quiet)[1]))


def swarm(count=400, **more) -> Swarm:
    values = np.linspace(-1, 1, count)
    rows = (
        Strip(name="weak", x=0.1 * values, shades=(values + 1) / 2),
        Strip(name="strong", x=3 * values, shades=(1 - values) / 2),
    )
    return Swarm(rows=rows, x_label="attribution", **more)


def test_a_swarm_has_its_strongest_row_on_top_and_says_the_true_sizes():
    made, source = drawn(swarm())
    found = texts(source)
    assert found.index("strong") < found.index("weak")
    assert {"low", "high", "feature value"} <= set(found)
    mean = np.abs(np.linspace(-1, 1, 400)).mean()
    assert made.alt == (
        "Swarm plot of attribution, 2 rows, up to 400 points a row. Largest mean size: "
        f"strong ({3 * mean:.4g}), weak ({0.1 * mean:.4g})."
    )
    low, high = np.quantile(3 * np.linspace(-1, 1, 400), (0.05, 0.95))
    expected = ["strong", "400", f"{3 * mean:.4g}", "0", f"−{-low:.4g}", f"{high:.4g}"]
    assert [cell for at, cell in enumerate(made.data.rows[0]) if at != 3] == expected[:3] + expected[4:]
    assert abs(float(made.data.rows[0][3].replace("−", "-"))) < 1e-9


def test_a_swarm_says_how_many_rows_it_draws_of_how_many_there_were_and_what_is_no_number():
    rows = tuple(Strip(name=f"r{at}", x=(at, math.nan)) for at in range(50))
    made, source = drawn(Swarm(rows=rows, x_label="a", total=200), rows=40)
    assert "200 rows, up to 2 points a row, the 30 largest drawn" in made.alt
    assert made.alt.endswith("50 values not finite.")
    assert {"r49", "r20"} <= set(texts(source))
    assert "r19" not in texts(source)
    assert made.data.cut == "40 of 50 rows, those of the largest mean size"


def test_points_of_a_swarm_part_where_they_are_many_and_stay_in_their_row():
    x = np.concatenate([np.full(500, 0.25), np.linspace(-1, 1, 7)])
    places = spread(x, (-1.0, 1.0))
    assert np.abs(places).max() <= 1
    assert len(np.unique(places[:500])) == 500
    assert np.ptp(places[:500]) > 1.9
    assert (np.abs(places[500:505]) < 0.5).all()
    assert (spread(x, (-1.0, 1.0)) == places).all()
    assert (spread(np.array([2.0]), (2.0, 2.0)) == 0).all()


def test_a_swarm_of_thousands_of_points_is_a_raster_and_light():
    few, many = drawn(swarm(40)), drawn(swarm(1000))
    assert "<image" not in few[1]
    assert few[1].count("<use") >= 80
    assert "<image" in many[1]
    assert len(many[0].src) < 60_000


def test_a_point_whose_value_is_unknown_is_grey():
    grey = Swarm(rows=(Strip(name="a", x=(1, 2, 3), shades=(0, math.nan, 1)),), x_label="x")
    source = drawn(grey)[1]
    for colour in (style.MARKS[0], style.FRAME, style.MARKS[-1]):
        assert re.search(f"<use[^>]*fill: {colour}", source)


@pytest.mark.parametrize("step", range(0, len(style.MARKS), 4))
def test_points_of_a_swarm_stand_out_on_light_and_on_dark(step):
    assert contrast(style.MARKS[step], style.SURFACE) >= 3
    assert contrast(style.DARK[style.MARKS[step]], style.DARK[style.SURFACE]) >= 3


def lightness(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("shade", [style.INK, style.MUTED])
def test_writing_in_figures_has_contrast_on_light_and_on_dark(shade):
    assert contrast(shade, style.SURFACE) >= 4.5
    assert contrast(style.DARK[shade], style.DARK[style.SURFACE]) >= 4.5


@pytest.mark.parametrize("light", [one for one, _ in style.LINES])
def test_lines_stand_out_on_light_and_on_dark(light):
    assert contrast(light, style.SURFACE) >= 3
    assert contrast(style.DARK[light], style.DARK[style.SURFACE]) >= 3


@pytest.mark.parametrize(("ramp", "sign"), [(style.SEQUENTIAL, -1), (style.SEQUENTIAL_DARK, 1)])
def test_the_sequential_scale_goes_one_way_in_lightness(ramp, sign):
    steps = np.diff([lightness(colour) for colour in ramp]) * sign
    assert (steps > 0).all()


def test_the_diverging_scale_is_palest_at_zero_and_as_dark_at_both_ends():
    light = [lightness(colour) for colour in style.DIVERGING]
    assert np.argmax(light) == len(light) // 2
    assert abs(light[0] - light[-1]) < 0.02


def test_an_axis_of_bytes_has_round_binary_ticks_and_its_unit_once():
    values = tuple(1024.0**2 * size for size in (0.3, 1.2, 3.9))
    _, source = drawn(Bars(labels=("a", "b", "c"), values=values, unit="bytes"))
    found = texts(source)
    assert {"0", "1", "2", "3"} <= set(found)
    assert found.count("MiB") == 1
    assert not [text for text in found if re.fullmatch(r"[\d.]+ KiB", text) and text != "307 KiB"]


def test_an_axis_of_flops_says_its_unit_once():
    _, source = drawn(Bars(labels=("a", "b"), values=(3.1e7, 2e6), unit="FLOPs", x_label="FLOPs a sample"))
    found = texts(source)
    assert "FLOPs a sample (MFLOPs)" in found
    assert {"0", "10", "20", "30"} <= set(found)
    assert [text for text in found if text.endswith(" MFLOPs")] == ["31 MFLOPs", "2 MFLOPs"]


def test_as_many_runs_as_a_chart_draws_have_colours_of_their_own_on_the_page_and_in_the_picture():
    colours = [Palette(lines={f"run {at}": at for at in range(8)}).line(f"run {at}") for at in range(8)]
    assert len(set(colours)) == 8
    sheet = (Path(__file__).parents[2] / "templates" / "style.css").read_text(encoding="utf-8")
    for number, (light, dark) in enumerate(style.LINES):
        assert f".s{number} {{ color: light-dark({light}, {dark}); }}" in sheet


def test_marked_points_have_a_ring_a_key_and_a_column():
    plain = Scatter(x=(0, 1, 2), y=(0, 1, 0), member=(0, 1, 0), groups=("a", "b"), x_label="x", y_label="y")
    ringed = plain.model_copy(update={"marked": (1, 2), "mark": "wrong"})
    made, source = drawn(ringed)
    assert "wrong" in texts(source)
    assert "wrong" not in texts(drawn(plain)[1])
    assert made.alt.endswith("a (2), b (1); 2 wrong.")
    assert [row[-1] for row in made.data.rows] == ["no", "yes", "yes"]
    with pytest.raises(ValueError, match="marked must be indices of the 3 points"):
        Scatter(**{**plain.model_dump(exclude={"kind"}), "marked": (3,)})


def test_panels_have_an_axis_each_and_leave_the_colours_of_classes_alone():
    small = Histogram(name="conv1.weight", edges=(-0.002, 0, 0.002), counts=(0.5, 0.5))
    large = Histogram(name="fc.weight", edges=(1, 20, 300), counts=(0.9, 0.1))
    empty = Histogram(name="bad", edges=(math.nan, math.nan), counts=(math.nan,))
    block = Distribution(histograms=(small, large, empty), x_label="weight", panels=True)
    words = texts(drawn(block, dark=True)[1])
    assert {"conv1.weight", "fc.weight", "−0.002", "0.002", "1", "no finite value"} <= set(words)
    section = Section(name="features", title="Features", blocks=(block,))
    assert Palette.of(samples.report().model_copy(update={"sections": (section,)})).classes == {}
