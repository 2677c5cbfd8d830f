"""Swarms: signed points in rows, spread where they are dense, coloured by a value of their own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette
from reportgen.report import Strip, Swarm
from reportgen.units import axis, plural, shorten, show

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30
_ROW = 0.25  # inches
_HALF = 0.4  # of a row's height, to either side of its middle
_BINS = 100
_VECTOR = 400  # points: a hundred bytes each, where all of them together are a raster of 20 KB
_GOLDEN = (5**0.5 - 1) / 2


def draw(block: Swarm, palette: Palette) -> Figure:
    """The rows with the largest mean size, at most 30; many points as a raster inside the vector frame."""
    rows = ranked(block)[:MOST]
    by, unit = axis(max((abs(value) for row in rows for value in _finite(row)), default=0.0), block.unit)
    figure, axes = style.canvas(palette.width, 0.95 + _ROW * max(len(rows), 1))
    axes.axvline(0, color=style.FRAME, linewidth=0.8, zorder=1)
    dense = sum(len(row.x) for row in rows) > min(palette.vector, _VECTOR)
    _points(axes, rows, by, dense)
    axes.set_yticks(range(len(rows)), [shorten(row.name, 28) for row in rows])
    axes.tick_params(axis="y", labelcolor=style.INK)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x")
    axes.margins(x=0.02)
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter(lambda value, _: show(float(value)))
    label = shorten(block.x_label, 60)
    axes.set_xlabel(f"{label} ({shorten(unit, 24)})" if unit else label)
    if any(math.isfinite(shade) for row in rows for shade in row.shades):
        _bar(figure, axes, block)
    return figure


def ranked(block: Swarm) -> list[Strip]:
    """The rows by the mean size of their points, largest first, equal ones as they were given."""
    return sorted(block.rows, key=lambda row: -_mean_size(row))


def _finite(row: Strip) -> list[float]:
    return [value for value in row.x if math.isfinite(value)]


def _mean_size(row: Strip) -> float:
    found = _finite(row)
    return math.fsum(abs(value) for value in found) / len(found) if found else 0.0


def _points(axes: Axes, rows: list[Strip], by: float, dense: bool) -> None:
    import numpy as np

    found = [(np.array(row.x, dtype=float) / by, _shades(row)) for row in rows]
    known = [x[np.isfinite(x)] for x, _ in found]
    if not any(part.size for part in known):
        return
    every = np.concatenate(known)
    ends = (float(every.min()), float(every.max()))
    most = max(len(row.x) for row in rows)
    for at, (x, shades) in enumerate(found):
        kept = np.isfinite(x)
        # The unknown below, those at the ends of the scale of colours last.
        order = np.argsort(np.where(np.isnan(shades), -1, np.abs(shades - 0.5)), kind="stable")
        order = order[kept[order]]
        places = at + _HALF * spread(x[order], ends)
        axes.scatter(
            x[order], places, s=11 if most <= 200 else 5, c=_colours(shades[order]), linewidths=0, zorder=2,
            rasterized=dense,
        )  # fmt: skip


def spread(x: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """How far each point stands from the middle of its row, -1 to 1: more where more lie at the same x.

    Without a random number: in each hundredth of the axis the points, from left to right, go to places that
    multiples of the golden ratio share out evenly, as far out as the hundredth is full.
    """
    import numpy as np

    width = (ends[1] - ends[0]) or 1.0
    bins = np.minimum(((x - ends[0]) / width * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    fullest = max(int(counts.max(initial=0)), 1)
    out = np.zeros(len(x))
    for one in np.flatnonzero(counts > 1):
        inside = np.flatnonzero(bins == one)
        inside = inside[np.argsort(x[inside], kind="stable")]
        places = 2 * ((0.5 + _GOLDEN * np.arange(len(inside))) % 1) - 1
        # A few points stand no further apart than they are wide.
        out[inside] = places * min(1.0, counts[one] / fullest, counts[one] / 8)
    return out


def _shades(row: Strip) -> np.ndarray:
    import numpy as np

    return np.array(row.shades, dtype=float) if row.shades else np.full(len(row.x), math.nan)


def _colours(shades: np.ndarray) -> list[str]:
    top = len(style.MARKS) - 1
    return [
        style.FRAME if math.isnan(shade) else style.MARKS[round(shade * top)] for shade in shades.tolist()
    ]


def _bar(figure: Figure, axes: Axes, block: Swarm) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    scale: Any = ScalarMappable(Normalize(0, 1), ListedColormap(list(style.MARKS)))
    bar = figure.colorbar(
        scale, ax=axes, shrink=min(1.0, 1.6 / (_ROW * max(len(block.rows), 1))), aspect=16, pad=0.02
    )
    style.plain_bar(bar)
    bar.set_ticks([0, 1], labels=["low", "high"])
    bar.set_label(shorten(block.shade, 30), fontsize=7.5, labelpad=-8)


def describe(block: Swarm) -> str:
    """What is seen: how many rows and points, and the rows with the largest mean size."""
    rows = ranked(block)
    most = max((len(row.x) for row in rows), default=0)
    total = block.total or len(rows)
    said = f"Swarm plot of {block.x_label}, {plural(total, 'row')}, up to {plural(most, 'point')} a row"
    if len(rows[:MOST]) < total:
        said += f", the {len(rows[:MOST])} largest drawn"
    tops = [f"{shorten(row.name, 40)} ({show(_rounded(_mean_size(row)), block.unit)})" for row in rows[:5]]
    said += f". Largest mean size: {', '.join(tops)}." if tops else "."
    lost = sum(len(row.x) - len(_finite(row)) for row in rows)
    return f"{said} {plural(lost, 'value')} not finite." if lost else said


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def table(block: Swarm, limit: int) -> Columns:
    """One row a row of the swarm: its mean size, its median and where 90 % of its points lie."""
    import numpy as np

    rows = []
    for row in ranked(block)[:limit]:
        found = _finite(row)
        ends = np.quantile(found, (0.5, 0.05, 0.95)).tolist() if found else [math.nan] * 3
        numbers = [_mean_size(row) if found else math.nan, *ends]
        rows.append([row.name, str(len(found)), *(show(_rounded(value), block.unit) for value in numbers)])
    names = ["", "points", "mean size", "median", "5 % quantile", "95 % quantile"]
    return Columns(names, rows, len(block.rows), "those of the largest mean size")
