"""Points in a plane, drawn with seaborn: embeddings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly
from reportgen.report import Scatter
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMALLER = 600


def draw(block: Scatter, palette: Palette) -> Figure:
    """Each group in its colour and with its marker; many points as a raster inside the vector frame."""
    import seaborn

    figure, axes = style.canvas(palette.width, 3.4)
    shown = [at for at in range(len(block.x)) if math.isfinite(block.x[at]) and math.isfinite(block.y[at])]
    present = sorted({block.member[at] for at in shown})
    colours = {index: palette.member(block.groups[index])[0] for index in present}
    markers = {index: style.MARKERS[palette.member(block.groups[index])[1] % 10] for index in present}
    dense = len(shown) > palette.vector
    if shown:
        members = [block.member[at] for at in shown]
        seaborn.scatterplot(
            x=[block.x[at] for at in shown], y=[block.y[at] for at in shown], hue=members, style=members,
            palette=colours, markers=markers, s=16 if len(shown) <= _SMALLER else 9, linewidth=0 if dense else 0.3,
            edgecolor=style.SURFACE, legend=False, ax=axes, rasterized=dense,
        )  # fmt: skip
    _rings(axes, block, shown)
    axes.grid()
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel(shorten(block.x_label, 60))
    axes.set_ylabel(shorten(block.y_label, 40))
    _legend(axes, block, present, colours, markers)
    return figure


def _rings(axes: Axes, block: Scatter, shown: list[int]) -> None:
    """A ring about each marked point, wider than the point, so that its colour stays seen."""
    at = sorted(set(block.marked) & set(shown))
    if at:
        axes.scatter(
            [block.x[i] for i in at], [block.y[i] for i in at], s=44, facecolors="none", edgecolors=style.INK,
            linewidths=0.9, zorder=3, rasterized=len(at) > _SMALLER,
        )  # fmt: skip


def _legend(
    axes: Axes, block: Scatter, present: list[int], colours: dict[int, str], markers: dict[int, str]
) -> None:
    from matplotlib.lines import Line2D

    if len(block.groups) < 2 and not block.marked:
        return
    keys = [
        Line2D([], [], linestyle="none", marker=markers[index], markersize=5, color=colours[index],
               markeredgecolor=style.SURFACE, label=shorten(block.groups[index], 20))
        for index in present[:24]
    ]  # fmt: skip
    if block.marked:
        keys.append(
            Line2D([], [], linestyle="none", marker="o", markersize=6.6, markerfacecolor="none",
                   markeredgecolor=style.INK, label=shorten(block.mark, 20))
        )  # fmt: skip
    axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.1, labelspacing=0.35)


def describe(block: Scatter) -> str:
    """What is seen: how many points, in which groups."""
    counts = [0] * len(block.groups)
    for index in block.member:
        counts[index] += 1
    groups = ", ".join(
        f"{shorten(name, 24)} ({count})" for name, count in list(zip(block.groups, counts, strict=True))[:12]
    )
    rings = f"; {len(set(block.marked))} {shorten(block.mark, 24)}" if block.marked else ""
    points = plural(len(block.x), "point")
    return f"Scatter plot of {points}, {block.x_label} and {block.y_label}: {groups}{rings}."


def table(block: Scatter, limit: int) -> Columns:
    """One row a point."""
    kept, marked = evenly(range(len(block.x)), limit), set(block.marked)
    rows = [[show(block.x[at]), show(block.y[at]), block.groups[block.member[at]]] for at in kept]
    names = [block.x_label, block.y_label, "group"]
    if marked:
        names, rows = (
            [*names, block.mark],
            [[*row, show(at in marked)] for at, row in zip(kept, rows, strict=True)],
        )
    return Columns(names, rows, len(block.x))
