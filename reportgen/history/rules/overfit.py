"""Overfitting: validation that rises after its best, and whether training still falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.display import deviation
from reportgen.history.model import Series
from reportgen.history.rules.base import Rule, finite, last_part, require
from reportgen.history.rules.statistics import mann_kendall, median_of_three

LEAST = 8  # validation points without which nothing is said about overfitting
LEAST_TAIL = 5  # of them behind the best
RISES = 0.03  # at .05 flat noise of 300 points with Student's t, 3 degrees of freedom, fired in 6 % of curves
FALLS = 0.05

OVERFIT_RULE = (
    "n ≥ 8, at least 5 points after the best 3-point median; Mann-Kendall rise p < .03 there; mean of the last "
    "max(3, 10 %) above the best by > 2 sigma and > 1 %; sigma = 1.4826 MAD(second differences) / √6; "
    "overfitting only where the training loss falls from there on (Mann-Kendall p < .05)"
)
OVERFIT = Rule("overfitting or validation worsened", OVERFIT_RULE, basis="simulated")


@dataclass(frozen=True)
class Rise:
    """A validation loss that rises after its best: where, how far, and what training does meanwhile.

    `rise` and `sigma` are in the metric's unit; `overfits` is whether the training loss still falls.
    """

    step: int
    best: float
    rise: float
    sigma: float
    p: float
    n: int
    overfits: bool


def rise_after_best(validation: Series, train: Series | None) -> Rise | None:
    """Whether a validation loss rises after its best, by OVERFIT_RULE; None where it does not.

    Raises NotEnoughError (a ValueError) below the minimum of points.
    """
    steps, values = finite(validation)
    require(len(values), LEAST)
    middle = median_of_three(values)
    at = int(np.argmin(middle))
    tail = values[at + 1 :]
    if len(tail) < LEAST_TAIL:
        return None
    p = mann_kendall(tail)
    sigma = deviation(values)
    best = float(middle[at])
    rise = float(last_part(values).mean()) - best
    if not (p < RISES and rise > 2 * sigma and rise > 0.01 * abs(best)):
        return None
    return Rise(int(steps[at]), best, rise, sigma, p, len(values), falls(train, int(steps[at])))


def falls(train: Series | None, step: int) -> bool:
    """Whether a training loss still falls from `step` on: Mann-Kendall, one-sided, p < .05."""
    if train is None:
        return False
    index = train.shown
    index = index[train.x[index] >= step]
    return mann_kendall(-train.value[index]) < FALLS
