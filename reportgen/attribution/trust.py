"""How far to trust an attribution: completeness, stability between seeds, agreement between methods."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from reportgen.attribution.base import Attribution


def completeness_error(total: float, score: float, baseline_score: float) -> float | None:
    """|total - (f(x) - f(baseline))| / |f(x) - f(baseline)|, a share.

    `total` is the sum of the attributions (Sundararajan et al. 2017, axiom of completeness). None where
    the two scores are equal to within rounding, so that there is nothing to divide by.
    """
    difference = score - baseline_score
    if abs(difference) <= 1e-6 * max(abs(score), abs(baseline_score), 1e-12):
        return None
    return abs(total - difference) / abs(difference)


def spearman(left: np.ndarray, right: np.ndarray) -> float | None:
    """Rank correlation of two equally shaped arrays, ties averaged; None where either is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(_settled(np.asarray(values, np.float64).ravel())) for values in (left, right)]
    spread = [float(rank.std()) for rank in ranks]
    if min(spread) == 0:
        return None
    centred = [rank - rank.mean() for rank in ranks]
    return float(np.mean(centred[0] * centred[1]) / (spread[0] * spread[1]))


def _settled(values: np.ndarray) -> np.ndarray:
    """Values to a millionth of the largest, so that rounding noise about zero is a tie and no rank."""
    largest = float(np.abs(values).max(initial=0.0))
    return np.round(values / largest, 6) if largest > 0 else values


def stability(runs: Sequence[np.ndarray]) -> float | None:
    """Mean rank correlation between the coefficients of runs that differ in their seed alone."""
    pairs = [spearman(left, right) for left, right in combinations(runs, 2)]
    known = [value for value in pairs if value is not None]
    return float(np.mean(known)) if known else None


def agreement(samples: Sequence[Sequence[Attribution]], methods: Sequence[str]) -> np.ndarray:
    """Mean rank correlation of the sizes |a| between methods, over the samples; NaN where unknown.

    Returns (methods, methods). Sizes, because saliency and Grad-CAM tell no sign.
    """
    table = np.full((len(methods), len(methods)), np.nan)
    for row, column in np.ndindex(table.shape):
        found = []
        for sample in samples:
            by_name = {made.method: made for made in sample}
            if methods[row] in by_name and methods[column] in by_name:
                value = spearman(*_both(by_name[methods[row]], by_name[methods[column]]))
                found += [] if value is None else [value]
        if found:
            table[row, column] = np.mean(found)
    return table


def _both(left: Attribution, right: Attribution) -> tuple[np.ndarray, np.ndarray]:
    """The sizes of two attributions at the places of which both can say something."""
    known = np.ones(left.values.shape, bool)
    for made in (left, right):
        if made.unknown is not None:
            known &= ~made.unknown
    return np.abs(left.values[known]), np.abs(right.values[known])
