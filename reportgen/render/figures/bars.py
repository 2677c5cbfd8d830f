"""Ranked bars, with intervals where there are any."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly, written
from reportgen.report import Bars
from reportgen.units import axis, plural, shorten, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 60


def draw(block: Bars, palette: Palette) -> Figure:
    """Horizontal bars, the first on top; at most 60 of them."""
    count = min(len(block.labels), MOST)
    values = [value if math.isfinite(value) else 0.0 for value in block.values[:count]]
    ends = [end for end in (*values, *block.low[:count], *block.high[:count]) if math.isfinite(end)]
    by, unit = axis(max((abs(end) for end in ends), default=0.0), block.unit)
    figure, axes = style.canvas(palette.width, 0.75 + 0.21 * max(count, 1))
    signed = any(value < 0 for value in values)
    usual = style.PALE if block.low and block.high else style.ACCENT
    colours = [style.LINES[1][0] if signed and value < 0 else usual for value in values]
    axes.barh(range(count), [value / by for value in values], height=0.68, color=colours)
    if block.low and block.high:
        _intervals(axes, block, count, by)
    if block.reach > 0:
        furthest = max(block.reach, max((abs(end) for end in ends), default=0.0)) / by
        axes.set_xlim(-1.05 * furthest, 1.5 * furthest)  # with room for the numbers
    axes.set_yticks(range(count), [shorten(label, 28) for label in block.labels[:count]])
    axes.tick_params(axis="y", labelcolor=style.INK)
    axes.set_ylim(max(count, 1) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x")
    if signed or block.reach > 0:
        axes.axvline(0, color=style.FRAME, linewidth=0.8)
    axes.xaxis.set_major_formatter(lambda value, _: show(float(value)))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(_label(block.x_label, unit))
    _numbers(axes, block, values, by)
    return figure


def _label(what: str, unit: str) -> str:
    """What the axis shows, with its unit, which no tick repeats."""
    return f"{shorten(what, 60)} ({shorten(unit, 24)})" if what and unit else shorten(what or unit, 60)


def _intervals(axes: object, block: Bars, count: int, by: float) -> None:
    ends = list(zip(block.low[:count], block.high[:count], strict=True))
    for at, (low, high) in enumerate(ends):
        if math.isfinite(low) and math.isfinite(high):
            axes.plot([low / by, high / by], [at, at], color=style.INK, linewidth=1.1)  # type: ignore[attr-defined]


def _numbers(axes: object, block: Bars, values: list[float], by: float) -> None:
    """Each bar's value, beyond its end or its interval's; on a shared scale right of zero, clear of the labels."""
    for at, value in enumerate(values):
        end = value
        if block.high and block.low:
            furthest = block.low[at] if value < 0 and not block.reach else block.high[at]
            end = furthest if math.isfinite(furthest) else value
        end = max(end, 0.0) if block.reach > 0 else end
        axes.annotate(  # type: ignore[attr-defined]
            written(block.values[at], block.unit), (end / by, at), xytext=(-4 if end < 0 else 4, 0),
            textcoords="offset points", va="center", ha="right" if end < 0 else "left",
            fontsize=7.5, color=style.MUTED, annotation_clip=False,
        )  # fmt: skip


def describe(block: Bars) -> str:
    """What is seen: how many bars, the largest and the smallest."""
    finite = [(v, shorten(n)) for v, n in zip(block.values, block.labels, strict=True) if math.isfinite(v)]
    said = f"Bar chart of {block.x_label or block.title or 'values'}, {plural(len(block.labels), 'bar')}"
    if len(block.labels) > MOST:
        said += f", the first {MOST} drawn"
    if not finite:
        return f"{said}."
    high, low = max(finite, key=lambda pair: pair[0]), min(finite, key=lambda pair: pair[0])
    return f"{said}: largest {show(high[0], block.unit)} ({high[1]}), smallest {show(low[0], block.unit)} ({low[1]})."


def table(block: Bars, limit: int) -> Columns:
    """Label, value and interval."""
    names = ["", block.x_label or "value"] + (["low", "high"] if block.low and block.high else [])
    every = [
        [label, show(block.values[at], block.unit)]
        + ([show(block.low[at], block.unit), show(block.high[at], block.unit)] if len(names) > 2 else [])
        for at, label in enumerate(block.labels)
    ]
    return Columns(names, evenly(every, limit), len(every))
