"""The course of a loss: divergence, plateau, a best that stands out or not, the gap to training. Not calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.display import deviation
from reportgen.history.model import Series
from reportgen.history.rules.base import NotEnoughError, Rule, finite, last_part, require
from reportgen.history.rules.statistics import averaged, mann_kendall, median_of_three, theil_sen

LEAST_COURSE = 20
LEAST_BEST = 5
_MOST_PAIRED = 150  # points of a slope's pairs; more are averaged down to this

DIVERGENCE = Rule(
    "divergence",
    "median of the last 10 % above the first value by > 3 sigma and > 10 %, or more than twice it; n ≥ 20",
)
PLATEAU = Rule("plateau", "the 95 % interval of Theil and Sen's slope over the last 30 % holds 0; n ≥ 20")
NOISY = Rule("noisy validation", "other points lie within one sigma of the best; n ≥ 8")
STILL = Rule(
    "may still be improving", "the last 3-point median is the best, and the last half falls (p < .05); n ≥ 8"
)
GAP = Rule("generalisation gap", "validation loss less training loss, at the best and at the end")


@dataclass(frozen=True)
class Divergence:
    """A loss that ends above where it began; `sigma` is its noise, `n` its points."""

    first: float
    last: float
    sigma: float
    n: int


def divergence(series: Series) -> Divergence | None:
    """Whether a loss ends higher than it began, by DIVERGENCE; None where it does not."""
    _, values = finite(series)
    require(len(values), LEAST_COURSE)
    # The first value alone, because a learning rate that is far too large is seen from the second on.
    first, last = float(values[0]), float(np.median(last_part(values)))
    sigma = deviation(values)
    beyond = last - first > 3 * sigma and last - first > 0.1 * abs(first)
    if beyond or last > 2 * first > 0:
        return Divergence(first, last, sigma, len(values))
    return None


@dataclass(frozen=True)
class Slope:
    """How a loss goes in its last 30 %: change over that stretch, with its 95 % interval, from step `since` on.

    `flat` is whether the interval holds 0; `n` counts the points of the stretch.
    """

    since: int
    change: float
    low: float
    high: float
    n: int

    @property
    def flat(self) -> bool:
        """Whether neither a rise nor a fall can be told."""
        return self.low <= 0 <= self.high


def slope_at_end(series: Series) -> Slope:
    """Theil and Sen's slope of the last 30 %, times its length."""
    x, values = finite(series)
    require(len(values), LEAST_COURSE)
    stretch = last_part(values, 0.3)
    since = int(x[-len(stretch)])
    places = (x[-len(stretch) :] - since).astype(np.float64)
    length = float(places[-1] - places[0])
    if length <= 0:
        raise NotEnoughError("not enough data: the last 30 % of the points are at one step")
    slope, low, high = theil_sen(averaged(places, _MOST_PAIRED), averaged(stretch, _MOST_PAIRED))
    return Slope(since, slope * length, low * length, high * length, len(stretch))


@dataclass(frozen=True)
class Noisy:
    """A best value with others within sigma of it: how many, and the steps of the nearest five."""

    step: int
    best: float
    sigma: float
    count: int
    n: int
    nearest: tuple[int, ...]


def noisy_best(series: Series) -> Noisy | None:
    """Whether the best of a validation loss is within its noise of another; None where it stands out."""
    x, values = finite(series)
    require(len(values), 8)
    order = np.argsort(values, kind="stable")
    sigma, lowest = deviation(values), float(values[order[0]])
    within = order[1:][values[order[1:]] - lowest < sigma]
    if not len(within):
        return None
    nearest = tuple(x[within[:5]].tolist())
    return Noisy(int(x[order[0]]), lowest, sigma, len(within), len(values), nearest)


@dataclass(frozen=True)
class Improving:
    """A loss that is at its best at its end: the last step, its value, and the p of the last half's fall."""

    step: int
    value: float
    p: float
    n: int


def still_improving(series: Series) -> Improving | None:
    """Whether a validation loss is best at its last step and falls; None where it is not."""
    x, values = finite(series)
    require(len(values), 8)
    middle = median_of_three(values)
    p = mann_kendall(-last_part(values, 0.5))
    if int(np.argmin(middle)) != len(values) - 1 or p >= 0.05:
        return None
    return Improving(int(x[-1]), float(values[-1]), p, len(values))


@dataclass(frozen=True)
class Gap:
    """Validation less training: at the best validation point and at the last one."""

    best_step: int
    at_best: float
    last_step: int
    at_end: float


def gap(validation: Series, train: Series) -> Gap:
    """The gap between two losses; training is averaged from the validation point before to the one looked at."""
    x, values = finite(validation)
    trained_x, trained = finite(train)
    require(len(values), LEAST_BEST)
    best, last = int(np.argmin(values)), len(values) - 1
    gaps = []
    for place in (best, last):
        after = x[place - 1] if place else trained_x.min(initial=0) - 1
        within = trained[(trained_x > after) & (trained_x <= x[place])]
        if not len(within):
            raise NotEnoughError("not enough data: no training loss between two validation points")
        gaps.append(float(values[place]) - float(within.mean()))
    return Gap(int(x[best]), gaps[0], int(x[last]), gaps[1])
