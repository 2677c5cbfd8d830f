"""Lines over a common axis: losses, metrics, learning rates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly
from reportgen.report import Curves, Series
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NARROW = 3.5  # inches
_PER_INCH, _MEANS = 34, 16  # columns that a line, and a smooth one, is drawn in, two points in each
_STYLES = {"line": "-", "faint": "-", "dashed": (0, (4, 2)), "points": "none"}


def draw(block: Curves, palette: Palette) -> Figure:
    """The chart. Values that are no number are marked at the frame, at the top."""
    narrow = palette.width < _NARROW
    legible = [s for s in block.series if s.role != "faint"]
    beside = _legend_columns(legible, palette.width) if len(legible) > 1 else 1
    above = 0.17 * (math.ceil(len(legible) / beside) - 1)  # the legend costs the lines none of their height
    figure, axes = style.canvas(palette.width, (1.3 if block.strip else 2.2 if narrow else 2.7) + above)
    axes.grid(axis="y")
    for series in block.series:
        _line(axes, series, palette.line(series.group or series.name), block.log_y, palette.width)
    if block.log_y:
        axes.set_yscale("log")
        _plain_log(axes)
    _whole_ticks(axes, block, 4 if narrow else 7)
    axes.set_xlabel(shorten(block.x_label, 50))
    axes.set_ylabel(shorten(block.y_label, 40))
    axes.margins(x=0.02)
    _broken(axes, block)
    for mark in block.marks:
        _mark(axes, mark.x, mark.y, mark.label)
    if len(legible) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=beside,
                    handlelength=1.6, columnspacing=1.4, borderaxespad=0.2)  # fmt: skip
    return figure


def _line(axes: Axes, series: Series, colour: str, log_y: bool, width: float) -> None:
    points = [
        (x, y if math.isfinite(y) and (y > 0 or not log_y) else math.nan)
        for x, y in zip(series.x, series.y, strict=True)
        if math.isfinite(x)
    ]
    columns = round((_MEANS if series.smooths else _PER_INCH) * width)
    drawable = points if series.role == "points" else _seen(points, columns)
    faint = series.role == "faint"
    alone = sum(math.isfinite(y) for _, y in drawable) == 1
    if series.low:
        axes.fill_between(
            series.x, series.low, series.high, color=colour, alpha=0.2, linewidth=0, zorder=1.4, label="_"
        )
    axes.plot(
        [x for x, _ in drawable],
        [y for _, y in drawable],
        color=colour,
        alpha=0.4 if faint else 1.0,
        linestyle=_STYLES[series.role],
        linewidth=0.9 if faint else 1.5,
        marker="o" if series.role == "points" or alone else "none",
        markersize=3,
        zorder=1.5 if faint else 2.5,
        label="_" if faint else shorten(series.name, 32),
        rasterized=len(drawable) > 4000,
    )


def _seen(points: list[tuple[float, float]], columns: int) -> list[tuple[float, float]]:
    """The lowest and the highest point of each of so many columns, both ends, and a gap where there is one."""
    if len(points) <= 2 * columns:
        return points
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    share = columns / ((high - low) or 1.0)
    kept = {0, len(points) - 1}
    for _, column in groupby(range(len(points)), key=lambda at: int((points[at][0] - low) * share)):
        places = list(column)
        finite = [at for at in places if not math.isnan(points[at][1])]
        if finite:
            kept |= {min(finite, key=lambda at: points[at][1]), max(finite, key=lambda at: points[at][1])}
        if len(finite) < len(places):
            kept.add(next(at for at in places if math.isnan(points[at][1])))
    return [points[at] for at in sorted(kept)]


def _plain_log(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _whole_ticks(axes: Axes, block: Curves, most: int) -> None:
    from matplotlib.ticker import MaxNLocator

    if all(x == int(x) for series in block.series for x in series.x if math.isfinite(x)):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=most, integer=True))


def _broken(axes: Axes, block: Curves) -> None:
    """Where a line has no value: a cross at the top of the frame (NaN), or an arrow at the end it left by."""
    places: dict[tuple[str, float], list[float]] = {}
    for series in block.series:
        for x, y in zip(series.x, series.y, strict=True):
            if not math.isfinite(y) and math.isfinite(x):
                kind = ("x", 1.0) if math.isnan(y) else (("^", 1.0) if y > 0 else ("v", 0.0))
                places.setdefault(kind, []).append(x)
    for (marker, height), across in places.items():
        axes.plot(across, [height] * len(across), marker=marker, markersize=4.5, color=style.ALARM, clip_on=False,
                  linestyle="none", transform=axes.get_xaxis_transform(), zorder=4)  # fmt: skip


def _mark(axes: Axes, x: float, y: float | None, label: str) -> None:
    if not math.isfinite(x):
        return
    axes.axvline(x, color=style.FRAME, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    low, high = axes.get_xlim()
    left = (x - low) > 0.6 * (high - low)
    place = "right" if left else "left"
    axes.annotate(shorten(label, 36), (x, 1.0), xycoords=axes.get_xaxis_transform(), fontsize=7.5,
                  xytext=(-4 if left else 4, -2), textcoords="offset points", ha=place, va="top",
                  color=style.MUTED,
                  bbox={"facecolor": style.SURFACE, "edgecolor": "none", "pad": 0.8})  # fmt: skip
    if y is not None and math.isfinite(y):
        axes.plot(
            [x], [y], marker="o", markersize=4.5, color=style.INK, markeredgecolor=style.SURFACE, zorder=4
        )


def _legend_columns(series: list[Series], width: float) -> int:
    longest = max(len(shorten(s.name, 32)) for s in series)
    return max(1, min(4, round(11.7 * width) // (longest + 6)))


def describe(block: Curves) -> str:
    """What is seen, in words: each line from where to where, its lowest and highest."""
    said = [f"Line chart of {block.y_label} over {block.x_label}{', logarithmic' if block.log_y else ''}."]
    for series in [s for s in block.series if s.role != "faint"][:6]:
        finite = [(x, y) for x, y in zip(series.x, series.y, strict=True) if math.isfinite(y)]
        broken = len(series.y) - len(finite)
        if finite:
            low, high = min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])
            said.append(
                f"{shorten(series.name)}: {show(finite[0][1])} at {show(finite[0][0])} to "
                f"{show(finite[-1][1])} at {show(finite[-1][0])}, lowest {show(low[1])} at {show(low[0])}, "
                f"highest {show(high[1])} at {show(high[0])}."
            )
        if broken:
            said.append(f"{shorten(series.name)}: {plural(broken, 'value')} not finite.")
    said += [f"Marked at {show(mark.x)}: {shorten(mark.label)}." for mark in block.marks[:4]]
    return " ".join(said)


def table(block: Curves, limit: int) -> Columns:
    """The points, one row an x value, thinned to `limit` rows: evenly, but the points of short series all stay."""
    known: dict[float, list[float | None]] = {}
    for at, series in enumerate(block.series):
        for x, y in zip(series.x, series.y, strict=True):
            known.setdefault(x, [None] * len(block.series))[at] = y
    kept = sorted(_kept(block, known, limit))
    names = [block.x_label, *(series.name for series in block.series)]
    rows = [[show(x), *("" if y is None else show(y) for y in known[x])] for x in kept]
    return Columns(names, rows, len(known), "evenly taken from each line")


def _kept(block: Curves, known: Iterable[float], limit: int) -> set[float]:
    """The x values that stay: the shortest series first, each its part of the room, the rest evenly."""
    kept: set[float] = set()
    lines = sorted((sorted(set(series.x)) for series in block.series), key=len)
    for at, xs in enumerate(lines):
        left = [x for x in xs if x not in kept]
        kept.update(evenly(left, (limit - len(kept)) // (len(lines) - at)))
    rest = [x for x in sorted(known) if x not in kept]
    return kept.union(evenly(rest, limit - len(kept)))
