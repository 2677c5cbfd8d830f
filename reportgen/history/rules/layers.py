"""Gradients by layer: exploding, vanishing and dead, from per-layer norms or histograms. Not calibrated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.history.model import Histogram, Run
from reportgen.history.rules.base import Rule, last_part, require

LEAST_NORMS = 10
_DEAD, _VANISHING, _EXPLODING = 1e-12, 1e-4, 100.0

GRADIENTS = Rule(
    "gradients by layer",
    "median of the last 10 %: dead where ≤ 1e-12; vanishing where < 1e-4 of the median layer's; exploding where "
    "> 100 x the median of the layer's first half, or infinite; n ≥ 10 a layer",
)
_GRADIENT = re.compile(r"(?:^|[/_. -])grad(?:ient)?s?(?:[/_. -]|$)", re.IGNORECASE)
_TOTAL = re.compile(r"total|global|(?:^|[/_])grad(?:ient)?s?_?norm$", re.IGNORECASE)


@dataclass(frozen=True)
class Gradient:
    """A layer whose gradient is "dead", "vanishing" or "exploding": `last` by `usual`, what it is held against."""

    tag: str
    kind: str
    last: float
    usual: float
    n: int


def is_gradient(tag: str) -> bool:
    """Whether a tag names a gradient's norm: it holds `grad` or `gradients` as a word."""
    return _GRADIENT.search(tag) is not None


def norms(run: Run) -> dict[str, np.ndarray]:
    """Per-layer gradient sizes float64 (n,) by tag: norms where they were logged, else of histograms."""
    found = {
        tag: series.value[series.shown]
        for tag, series in run.series.items()
        if is_gradient(tag) and not _TOTAL.search(tag)
    }
    found |= {
        tag: np.array([_root_mean_square(one) for one in several])
        for tag, several in run.histograms.items()
        if is_gradient(tag) and tag not in found
    }
    return found


def _root_mean_square(one: Histogram) -> float:
    """Of the values in a histogram, each taken for the middle of its bin."""
    middle = (one.edges[:-1] + one.edges[1:]) / 2
    total = float(one.counts.sum())
    return float(np.sqrt((one.counts * middle**2).sum() / total)) if total > 0 else 0.0


def gradients(layers: Mapping[str, np.ndarray]) -> list[Gradient]:
    """The layers whose gradients are dead, vanishing or exploding, by GRADIENTS.

    Raises NotEnoughError where no layer has 10 values.
    """
    judged = {tag: values for tag, values in layers.items() if len(values) >= LEAST_NORMS}
    if not judged:
        require(max((len(values) for values in layers.values()), default=0), LEAST_NORMS, "values a layer")
    last = {tag: float(np.median(last_part(values))) for tag, values in judged.items()}
    middle = _median([value for value in last.values() if value > _DEAD])
    found = []
    for tag, values in judged.items():
        half = values[: len(values) // 2]
        began = _median(half[np.isfinite(half)].tolist())
        kind, usual = _judge(last[tag], middle, began, len(judged))
        if kind:
            found.append(Gradient(tag, kind, last[tag], usual, len(values)))
    return found


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _judge(last: float, middle: float, began: float, layers: int) -> tuple[str, float]:
    if last <= _DEAD:
        return "dead", _DEAD
    if layers > 1 and last < _VANISHING * middle:
        return "vanishing", middle
    if not np.isfinite(last) or (began > 0 and last > _EXPLODING * began):
        return "exploding", began
    return "", 0.0
