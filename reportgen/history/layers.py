"""What is logged layer by layer, as heat maps over time: norms of gradients and weights, and histograms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.history.model import Histogram, Run, Series
from reportgen.kept_rows import SAID, depth, kept_rows
from reportgen.report import Heatmap
from reportgen.units import plural, shorten, show

LEAST = 4  # layers from which on lines become a heat map
COLUMNS = 60  # stretches of time
BINS = 32  # of a histogram's values
STEPS = 40  # of a histogram, drawn
_ROWS = 80
_WORDS = re.compile(r"[/_.\-\s]+")
_GRADIENT = ("grad", "grads", "gradient", "gradients", "gradnorm")
_WEIGHT = ("weight", "weights", "param", "params", "parameter", "parameters", "weightnorm")


@dataclass(frozen=True, eq=False)
class Family:
    """The curves of one quantity, one a layer: `what` it is, and each layer's series by its name."""

    what: str
    axis: str
    layers: dict[str, Series]


def families(run: Run) -> list[Family]:
    """The norms that a run logged for four layers or more, and in each the layers in the order logged."""
    found: dict[tuple[str, str], dict[str, Series]] = {}
    for tag, series in run.series.items():
        what, layer = quantity(tag)
        if what and layer and len(series.shown) > 1:
            found.setdefault((what, series.axis), {}).setdefault(layer, series)
    return [Family(what, axis, layers) for (what, axis), layers in found.items() if len(layers) >= LEAST]


def quantity(tag: str) -> tuple[str, str]:
    """What a tag measures of which layer: `grad_2.0_norm/fc.weight` is ("Gradient norm", "fc.weight").

    Empty where it names no norm of gradients or weights.
    """
    for head, layer in _splits(tag):
        words = [word for word in _WORDS.split(head.lower()) if word]
        norm = any(word.endswith("norm") or word == "norms" for word in words)
        if any(word in _GRADIENT for word in words) and (norm or len(words) == 1):
            return "Gradient norm", layer
        if any(word in _WEIGHT for word in words) and norm:
            return "Weight norm", layer
    return "", ""


def _splits(tag: str) -> list[tuple[str, str]]:
    """A tag taken apart at each of its slashes, what says the quantity first."""
    parts = tag.split("/")
    heads = [("/".join(parts[:at]), "/".join(parts[at:])) for at in range(1, len(parts))]
    return [*heads, *((layer, head) for head, layer in reversed(heads))]


def heat(family: Family, name: str = "") -> Heatmap:
    """log10 of the mean norm of each layer in each stretch of time."""
    names = list(family.layers)
    shown = {names[at]: family.layers[names[at]] for at in kept_rows([*map(depth, names)], _ROWS)}
    ends = _ends(list(shown.values()))
    values = [_row(series, ends) for series in shown.values()]
    bad = sum(int((~np.isfinite(series.value[series.shown])).sum()) for series in shown.values())
    points = sum(len(series.shown) for series in shown.values())
    caption = (
        f"log10 of the mean in each of {len(ends) - 1} equal stretches; {plural(points, 'point')} of "
        f"{plural(len(shown), 'layer')}; blank: not logged, or zero."
    )
    if bad:
        caption += f" {plural(bad, 'value')} that are NaN or infinite left out."
    if len(shown) < len(family.layers):
        caption += f" {len(shown)} of {len(family.layers):,} layers: {SAID}."
    title = f"{family.what} by layer"
    return Heatmap(
        title=f"{title}, {name}" if name else title,
        caption=caption,
        row_labels=tuple(shorten(layer, 60) for layer in shown),
        column_labels=tuple(_place(start) for start in ends[:-1].tolist()),
        values=tuple(tuple(row.tolist()) for row in values),
        row_title="Layer",
        column_title=family.axis.capitalize(),
        unit="log10",
        group="Layer by layer",
    )


def _ends(series: Sequence[Series]) -> np.ndarray:
    """The borders of equal stretches of the axis, float64; no more of them than the longest has points."""
    low = min(int(one.x[one.shown].min()) for one in series)
    high = max(int(one.x[one.shown].max()) for one in series)
    count = min(COLUMNS, max(len(one.shown) for one in series), max(high - low, 1))
    return np.linspace(low, high + (high - low) * 1e-9 + 1e-9, count + 1)


def _row(series: Series, ends: np.ndarray) -> np.ndarray:
    """log10 of the mean of the finite values in each stretch, float64 rounded for display; NaN where none."""
    index = series.shown
    index = index[np.isfinite(series.value[index])]
    place = np.clip(np.searchsorted(ends, series.x[index], side="right") - 1, 0, len(ends) - 2)
    total = np.bincount(place, np.abs(series.value[index]), len(ends) - 1)
    count = np.bincount(place, minlength=len(ends) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.log10(total / count)
    return np.round(np.where(np.isfinite(out), out, np.nan), 3)


def _place(value: float) -> str:
    return show(int(np.ceil(value)), "exact")


# --- histograms ------------------------------------------------------------------------------------------


def histogram_heat(tag: str, histograms: Sequence[Histogram], name: str = "") -> Heatmap | None:
    """The share of a tensor's values in each bin, step by step; None where no step has a value."""
    known = [one for one in histograms if one.counts.sum() > 0 and np.isfinite(one.edges).all()]
    if not known:
        return None
    places = np.unique(np.linspace(0, len(known) - 1, min(STEPS, len(known))).round().astype(int))
    drawn = [known[place] for place in places.tolist()]
    edges = _edges(drawn)
    shares = np.stack([_rebinned(one, edges) for one in drawn], axis=1)[::-1]
    left_out = len(histograms) - len(known)
    caption = (
        f"Share of the values in each of {len(edges) - 1} equal bins, {len(drawn)} of "
        f"{plural(len(known), 'step')} drawn; counts are spread evenly within the bins that were logged, "
        "and the outermost half per cent on either side lies in the end bins."
    )
    if left_out:
        caption += f" {plural(left_out, 'step')} without a finite value left out."
    title = shorten(tag, 80)
    return Heatmap(
        title=f"{title}, {name}" if name else title,
        caption=caption,
        row_labels=tuple(show(float(f"{middle:.3g}")) for middle in ((edges[1:] + edges[:-1]) / 2)[::-1]),
        column_labels=tuple(show(one.step, "exact") for one in drawn),
        values=tuple(tuple(row.tolist()) for row in np.round(shares, 4)),
        row_title="Value",
        column_title="Step",
        unit="share",
        group="Histograms",
    )


def _edges(histograms: Sequence[Histogram]) -> np.ndarray:
    """Equal bins over what the middle 99 % of the values of all steps span, float64 (bins + 1,)."""
    low = min(_quantile(one, 0.005) for one in histograms)
    high = max(_quantile(one, 0.995) for one in histograms)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _cumulated(histogram: Histogram) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(histogram.counts)]) / histogram.counts.sum()


def _quantile(histogram: Histogram, share: float) -> float:
    return float(np.interp(share, _cumulated(histogram), histogram.edges))


def _rebinned(histogram: Histogram, edges: np.ndarray) -> np.ndarray:
    """The share of the values in each new bin, float64 (bins,), summing to 1; the ends hold what lies outside."""
    below = np.interp(edges, histogram.edges, _cumulated(histogram), left=0.0, right=1.0)
    below[0], below[-1] = 0.0, 1.0
    return np.diff(below)
