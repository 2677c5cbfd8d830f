"""A sampled waveform, coloured by what speaks for and against."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly
from reportgen.report import Signal
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DENSE = 4000


def draw(block: Signal, palette: Palette) -> Figure:
    """The wave over time; where weights are given, they are a band behind it on the diverging scale."""
    figure, axes = style.canvas(palette.width, 1.9)
    times = [at / block.rate for at in range(len(block.values))]
    values = [value if math.isfinite(value) else math.nan for value in block.values]
    if block.weights:
        _band(figure, axes, block, palette.vector)
    axes.plot(times, values, color=style.INK, linewidth=0.9, zorder=3, rasterized=len(values) > _DENSE)
    axes.margins(x=0)
    axes.set_xlabel(f"time ({block.unit})")
    axes.set_ylabel(shorten(block.y_label, 40))
    return figure


def _band(figure: Figure, axes: Axes, block: Signal, vector: int) -> None:
    import numpy as np
    from matplotlib.colors import ListedColormap

    weights = np.nan_to_num(np.array(block.weights, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    pieces = np.array([part.mean() for part in np.array_split(weights, min(240, len(weights)))])
    top = float(np.abs(pieces).max()) or 1.0
    edges = np.linspace(0, len(block.values) / block.rate, len(pieces) + 1)
    mesh = axes.pcolormesh(
        edges, [0, 1], pieces[None, :], cmap=ListedColormap(list(style.DIVERGING)), vmin=-top, vmax=top,
        transform=axes.get_xaxis_transform(), zorder=1, edgecolors="none", rasterized=len(pieces) > vector,
    )  # fmt: skip
    bar = figure.colorbar(mesh, ax=axes, aspect=12, pad=0.02, ticks=[-top, 0, top])
    style.plain_bar(bar)
    bar.ax.yaxis.set_major_formatter(lambda value, _: show(float(f"{value:.2g}")))


def describe(block: Signal) -> str:
    """What is seen: how long, from where to where, and what the weights favour."""
    finite = [value for value in block.values if math.isfinite(value)]
    length = show(len(block.values) / block.rate, block.unit)
    said = f"Waveform of {plural(len(block.values), 'sample')}, {length}"
    if finite:
        said += f", {block.y_label} from {show(min(finite))} to {show(max(finite))}"
    if any(math.isfinite(weight) for weight in block.weights):
        top = max((w for w in enumerate(block.weights) if math.isfinite(w[1])), key=lambda w: abs(w[1]))
        said += f"; the largest weight is {show(top[1])} at {show(top[0] / block.rate, block.unit)}"
    return f"{said}."


def table(block: Signal, limit: int) -> Columns:
    """One row a sample."""
    names = [f"time ({block.unit})", block.y_label] + (["weight"] if block.weights else [])
    rows = []
    for at in evenly(range(len(block.values)), limit):
        row = [show(at / block.rate), show(block.values[at])]
        rows.append(
            [*row, show(block.weights[at])] if at < len(block.weights) else row + [""] * bool(block.weights)
        )
    return Columns(names, rows, len(block.values))
