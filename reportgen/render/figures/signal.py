"""A sampled waveform, coloured by what speaks for and against."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly
from reportgen.report import Signal
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DENSE = 4  # values a pixel of the chart, from which on they are drawn as their lowest and highest
_BAND = 240  # steps of the weights' band
_PIXELS = 8  # a step


def draw(block: Signal, palette: Palette) -> Figure:
    """The wave over time; where weights are given, they are a band behind it on the diverging scale."""
    import numpy as np

    figure, axes = style.canvas(palette.width, 1.9)
    low = _known(block.values)
    high = _known(block.high) if block.high else low
    heights = _heights([*low[np.isfinite(low)], *high[np.isfinite(high)]])
    if any(math.isfinite(weight) for weight in block.weights):
        _band(figure, axes, block, heights)
    most = round(palette.width * 96)
    if block.high or len(low) > _DENSE * most:
        step = -(-len(low) // most)
        starts = np.arange(0, len(low), step)
        # Over a band only the outline, so that the colours inside it are seen.
        axes.fill_between(
            starts * block.each / block.rate, np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts),
            facecolor="none" if block.weights else style.INK, edgecolor=style.INK, linewidth=0.7, zorder=3,
        )  # fmt: skip
    else:
        times = np.arange(len(low)) * block.each / block.rate
        axes.plot(times, low, color=style.INK, linewidth=0.9, zorder=3)
    axes.set_xlim(0, max(len(low), 1) * block.each / block.rate)
    axes.set_ylim(*heights)
    axes.set_xlabel(f"time ({block.unit})")
    axes.set_ylabel(shorten(block.y_label, 40))
    return figure


def _known(values: tuple[float, ...]) -> np.ndarray:
    import numpy as np

    found = np.array(values, dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


def _heights(values: list[float]) -> tuple[float, float]:
    """The ends of the upright axis: those of the wave and some room, whatever stands behind it."""
    low, high = min(values, default=-1.0), max(values, default=1.0)
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _band(figure: Figure, axes: Axes, block: Signal, heights: tuple[float, float]) -> None:
    import numpy as np
    from matplotlib.colors import ListedColormap

    weights = np.nan_to_num(np.array(block.weights, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    each = -(-len(weights) // _BAND)
    starts = np.arange(0, len(weights), each)
    edges = np.append(starts, len(weights))
    pieces = np.add.reduceat(weights, starts) / np.diff(edges)
    top = float(np.abs(pieces).max()) or 1.0
    # As many pixels a step as keep its edges sharp; each is as high as the chart.
    pixels = np.repeat(pieces, np.maximum(np.diff(edges) * _PIXELS // each, 1))[None, :]
    mesh = axes.imshow(
        pixels, cmap=ListedColormap(list(style.DIVERGING)), vmin=-top, vmax=top, aspect="auto", interpolation="none",
        extent=(0, len(weights) * block.each / block.rate, *heights), zorder=1,
    )  # fmt: skip
    ends = [-top, 0, top] if pieces.min() < 0 else [0, top]
    bar = figure.colorbar(mesh, ax=axes, aspect=12, pad=0.02, ticks=ends)
    style.plain_bar(bar)
    bar.ax.set_ylim(ends[0], top)  # of weights without a sign only the half that they can have
    bar.ax.yaxis.set_major_formatter(lambda value, _: show(float(f"{value:.2g}")))
    if each * block.each > 1:
        bar.set_label(f"mean of {each * block.each:,} samples", fontsize=7)


def describe(block: Signal) -> str:
    """What is seen: how long, from where to where, and what the weights favour."""
    finite = [value for value in (*block.values, *block.high) if math.isfinite(value)]
    length = show(len(block.values) * block.each / block.rate, block.unit)
    many = f"{len(block.values):,} stretches of {plural(block.each, 'sample')}"
    said = f"Waveform of {plural(len(block.values), 'sample') if block.each == 1 else many}, {length}"
    if finite:
        said += f", {block.y_label} from {show(min(finite))} to {show(max(finite))}"
    if any(math.isfinite(weight) for weight in block.weights):
        at, top = max((w for w in enumerate(block.weights) if math.isfinite(w[1])), key=lambda w: abs(w[1]))
        said += (
            f"; the largest {'mean ' if block.each > 1 else ''}weight is {show(top)} at {_time(block, at)}"
        )
    return f"{said}."


def _time(block: Signal, at: int) -> str:
    return show(at * block.each / block.rate, block.unit)


def table(block: Signal, limit: int) -> Columns:
    """One row a sample, or a stretch of them."""
    columns = {block.y_label: block.values, "highest": block.high, "weight": block.weights}
    shown = {name: numbers for name, numbers in columns.items() if numbers}
    rows = [
        [show(at * block.each / block.rate), *(show(numbers[at]) for numbers in shown.values())]
        for at in evenly(range(len(block.values)), limit)
    ]
    names = [f"lowest {name}" if block.high and name == block.y_label else name for name in shown]
    return Columns([f"time ({block.unit})", *names], rows, len(block.values))
