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
    from matplotlib.figure import Figure


def draw(block: Distribution, palette: Palette) -> Figure:
    """One histogram filled; several as outlines, so that none hides another."""
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
