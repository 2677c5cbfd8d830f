"""Histograms over a common axis."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly
from reportgen.report import Distribution, Histogram
from reportgen.units import shorten, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACROSS = 3  # panels side by side


def draw(block: Distribution, palette: Palette) -> Figure:
    """One histogram filled; several as outlines, so that none hides another, or in panels."""
    if block.panels and block.histograms:
        return _panels(block, palette)
    figure, axes = style.canvas(palette.width, 2.5)
    alone = len(block.histograms) == 1
    for histogram in block.histograms:
        colour = style.ACCENT if alone else palette.member(histogram.name)[0]
        edges, counts = _finite(histogram)
        if not counts:
            continue
        if alone:
            widths = [right - left for left, right in pairwise(edges)]
            axes.bar(
                edges[:-1], counts, widths, align="edge", color=colour, edgecolor=style.SURFACE, linewidth=0.6
            )
        else:
            axes.stairs(counts, edges, color=colour, linewidth=1.4, label=shorten(histogram.name, 28))
    axes.grid(axis="y")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(shorten(block.x_label, 60))
    axes.set_ylabel(shorten(block.y_label, 40))
    if not alone and any(_finite(histogram)[1] for histogram in block.histograms):
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(4, len(block.histograms)),
                    handlelength=1.4, columnspacing=1.3, borderaxespad=0.2)  # fmt: skip
    return figure


def _panels(block: Distribution, palette: Palette) -> Figure:
    """Each histogram over its own axis, whose ends and zero are written: scales may differ by any factor."""
    from matplotlib.figure import Figure

    count = len(block.histograms)
    across = min(_ACROSS, count)
    down = -(-count // across)
    figure = Figure((palette.width, 0.35 + 1.05 * down), layout="constrained")
    places = figure.subplots(down, across, squeeze=False).flatten()
    for axes, histogram in zip(places, block.histograms, strict=False):
        _panel(axes, histogram)
    for axes in places[count:]:
        axes.set_axis_off()
    figure.supxlabel(shorten(block.x_label, 60), fontsize=8.5, color=style.MUTED)
    figure.supylabel(shorten(block.y_label, 40), fontsize=8.5, color=style.MUTED)
    return figure


def _panel(axes: Axes, histogram: Histogram) -> None:
    import seaborn

    axes.set_title(shorten(histogram.name, 22), fontsize=7.5, color=style.INK, pad=3)
    axes.tick_params(labelsize=6.5, labelleft=False)
    axes.spines["left"].set_visible(False)
    edges, counts = _finite(histogram)
    if not counts:
        axes.text(0.5, 0.5, "no finite value", transform=axes.transAxes, ha="center", va="center", fontsize=7,
                  color=style.MUTED)  # fmt: skip
        axes.set_xticks([])
        return
    middles = [(left + right) / 2 for left, right in pairwise(edges)]
    seaborn.histplot(
        x=middles, bins=edges, weights=counts, element="step", fill=True, color=style.ACCENT, alpha=0.35,
        linewidth=0.9, ax=axes,
    )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set(xlabel="", ylabel="")
    apart = 0.2 * (edges[-1] - edges[0])  # nearer to an end, the zero would be written over it
    zero = [0.0] if edges[0] + apart < 0 < edges[-1] - apart else []
    ends = [edges[0], *zero, edges[-1]]
    axes.set_xticks(ends, [f"{end:.2g}".replace("-", "−") for end in ends])
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")


def _finite(histogram: Histogram) -> tuple[list[float], list[float]]:
    if not all(math.isfinite(edge) for edge in histogram.edges):
        return [], []
    return list(histogram.edges), [count if math.isfinite(count) else 0.0 for count in histogram.counts]


def describe(block: Distribution) -> str:
    """What is seen: each histogram's range and its fullest bin."""
    said = [f"Histogram of {block.x_label} ({block.y_label})."]
    for histogram in block.histograms[:6]:
        edges, counts = _finite(histogram)
        if counts:
            top = max(range(len(counts)), key=counts.__getitem__)
            said.append(
                f"{shorten(histogram.name) or 'All'}: from {show(edges[0])} to {show(edges[-1])}, "
                f"most between {show(edges[top])} and {show(edges[top + 1])} ({show(_whole(counts[top]))})."
            )
    return " ".join(said)


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else value


def table(block: Distribution, limit: int) -> Columns:
    """One row a bin."""
    rows = [
        [histogram.name, show(left), show(right), show(_whole(count) if math.isfinite(count) else count)]
        for histogram in block.histograms
        for left, right, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False)
    ]
    return Columns(["", "from", "to", block.y_label], evenly(rows, limit), len(rows))
