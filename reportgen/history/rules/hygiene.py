"""How a series was logged: constant, once, too seldom or irregularly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.model import Series
from reportgen.history.rules.base import Rule, finite, require

FEW = 5  # validation points below which a curve says little
LEAST_INTERVALS = 10

FEW_RULE = Rule("validation logged seldom", f"validation logged fewer than {FEW} times", "counted")
CONSTANT = Rule("constant metrics", f"all values are equal; n ≥ {FEW}", "counted")
ONCE = Rule("metrics logged once", "one point, in a run whose other series have more", "counted")
IRREGULAR = Rule(
    "irregular logging",
    "over 10 % of the distances between points are more than twice, or less than half, their median; n ≥ 10",
)
RESTARTS = Rule("restarts", "the step goes back, or a session starts", "counted")
DUPLICATES = Rule("repeated steps", "two points of one step without a restart", "counted")
DAMAGE = Rule("damaged or unreadable files", "the log file is whole and of a known format", "counted")


def constant(series: Series) -> float | None:
    """The one value of a series that has no other; None where it varies."""
    _, values = finite(series)
    require(len(values), FEW)
    return float(values[0]) if (values == values[0]).all() else None


@dataclass(frozen=True)
class Irregular:
    """Distances between points that vary: how many of n are far from their median, and the extremes."""

    count: int
    n: int
    median: float
    least: int
    most: int


def irregular(series: Series) -> Irregular | None:
    """Whether a series was logged at irregular steps, within its segments; None where it was not."""
    index = series.shown
    steps = np.diff(series.x[index])[np.diff(series.segment[index]) == 0]
    require(len(steps), LEAST_INTERVALS, "distances")
    median = float(np.median(steps))
    far = int(np.count_nonzero((steps > 2 * median) | (2 * steps < median)))
    if far <= 0.1 * len(steps):
        return None
    return Irregular(far, len(steps), median, int(steps.min()), int(steps.max()))
