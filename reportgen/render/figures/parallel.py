"""Parallel coordinates: many runs, their hyper-parameters and what they reached."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly
from reportgen.report import Axis, Parallel
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TICKS = 5
_UNKNOWN = -0.09  # where a line is that has no value on an axis


def draw(block: Parallel, palette: Palette) -> Figure:
    """One line a run, dark where the last axis is high; the best in the accent, drawn last."""
    figure, axes = style.canvas(max(palette.width, min(9.6, 1.15 * len(block.axes))), 2.9)
    axes.set_axis_off()
    for at, axis in enumerate(block.axes):
        _axis(axes, at, axis)
    for line in _order(block):
        heights = [_height(axis, axis.values[line]) for axis in block.axes]
        best = line == block.best
        axes.plot(
            range(len(heights)),
            heights,
            color="#c8550a" if best else _colour(block, line),
            linewidth=2.0 if best else 1.0,
            zorder=3 if best else 2,
        )
    axes.set_xlim(-0.45, len(block.axes) - 0.45)
    axes.set_ylim(-0.2, 1.16)
    return figure


def _order(block: Parallel) -> list[int]:
    """The best last, over the others."""
    lines = [at for at in range(len(block.names)) if at != block.best]
    return lines if block.best is None else [*lines, block.best]


def _colour(block: Parallel, line: int) -> str:
    height = _height(block.axes[-1], block.axes[-1].values[line])
    shades = style.SEQUENTIAL
    return style.FRAME if height < 0 else shades[8 + round(height * (len(shades) - 9))]


def _ends(axis: Axis) -> tuple[float, float]:
    known = [_scaled(axis, value) for value in axis.values if _known(axis, value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _known(axis: Axis, value: float) -> bool:
    return math.isfinite(value) and (value > 0 or not axis.log)


def _scaled(axis: Axis, value: float) -> float:
    return math.log10(value) if axis.log else value


def _height(axis: Axis, value: float) -> float:
    """The place of a value on its axis, 0 to 1; below it where there is none."""
    if not _known(axis, value):
        return _UNKNOWN
    low, high = _ends(axis)
    return (_scaled(axis, value) - low) / (high - low)


def _axis(axes: Axes, at: int, axis: Axis) -> None:
    axes.plot([at, at], [0, 1], color=style.FRAME, linewidth=0.8, zorder=1)
    name = shorten(axis.name, 20)
    axes.text(at, 1.06, name, ha="center", va="bottom", fontsize=8, color=style.INK)
    places = list(enumerate(axis.labels)) if axis.labels else [(value, show(value)) for value in _ticks(axis)]
    for value, label in evenly(places, 8):
        height = _height(axis, float(value))
        axes.text(at - 0.04, height, shorten(label, 14), ha="right", va="center", fontsize=7, color=style.MUTED,
                  bbox={"facecolor": style.SURFACE, "edgecolor": "none", "pad": 0.4}, zorder=2.5)  # fmt: skip
    if any(not _known(axis, value) for value in axis.values):
        axes.text(at, _UNKNOWN - 0.03, "none", ha="center", va="top", fontsize=7, color=style.MUTED)


def _ticks(axis: Axis) -> list[float]:
    low, high = _ends(axis)
    if not any(_known(axis, value) for value in axis.values):
        return []
    if len({value for value in axis.values if _known(axis, value)}) <= _TICKS:
        return sorted({value for value in axis.values if _known(axis, value)})
    steps = [low + (high - low) * at / (_TICKS - 1) for at in range(_TICKS)]
    return [float(f"{10**step if axis.log else step:.3g}") for step in steps]


def describe(block: Parallel) -> str:
    """What is seen, in words: the axes with their ranges, and the best line."""
    said = [f"Parallel coordinates of {plural(len(block.names), 'run')} on {len(block.axes)} axes."]
    for axis in block.axes[:12]:
        known = [value for value in axis.values if _known(axis, value)]
        if axis.labels:
            said.append(
                f"{shorten(axis.name, 40)}: {', '.join(shorten(label, 20) for label in axis.labels[:6])}."
            )
        elif known:
            said.append(f"{shorten(axis.name, 40)}: {show(min(known))} to {show(max(known))}.")
    if block.best is not None:
        said.append(f"Best: {shorten(block.names[block.best], 60)}.")
    return " ".join(said)


def table(block: Parallel, limit: int) -> Columns:
    """One row a line, its values in the order of the axes."""
    kept = evenly(range(len(block.names)), limit)
    names = ["", *(axis.name for axis in block.axes)]
    rows = [[block.names[at], *(_written(axis, axis.values[at]) for axis in block.axes)] for at in kept]
    return Columns(names, rows, len(block.names))


def _written(axis: Axis, value: float) -> str:
    if axis.labels and math.isfinite(value):
        return axis.labels[int(value)]
    return show(value) if math.isfinite(value) else ""
