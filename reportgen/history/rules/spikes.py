"""Spikes: values far above the running median, by more than the curve's own heavy tail explains."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reportgen.history.model import Series
from reportgen.history.rules.base import Rule, finite, require
from reportgen.history.rules.statistics import medians_before

WINDOW = 101
MADS = 10
LEAST = 100
CHANCE = 0.02  # of a lone value so far out by the curve's own tail, below which it is a spike
_FEWEST = 20  # values before one, without which it is not judged
_FLOOR = 1e-3  # of the median: the least MAD, so that a spike is at least 1 % of the level
_RECURRING = 3  # spikes
_BY_CHANCE = 0.05
_NEAR, _FAR = 2.5, 5.0  # MADs at which the tail is counted

SPIKES = Rule(
    "spikes",
    "value > median of the last 101 + 10 MAD (at least 1 % of the median), twice or more in a row; once, where by "
    "the tail of the curve's own values (a power law through their counts beyond 2.5 and 5 MAD) p < .02; n ≥ 100; "
    "every so many steps where all gaps are multiples of it, p < .05",
    basis="simulated",
)


@dataclass(frozen=True)
class Spike:
    """One excursion: the step and value of its peak, how many MADs above the median, and how long.

    `began` is its first step, `points` how many are out, `back` the step at which the curve is back within
    10 MAD of where it came from, None where it is not within 101 points.
    """

    step: int
    value: float
    median: float
    mads: float
    began: int
    points: int
    back: int | None


@dataclass(frozen=True)
class Period:
    """The distance on the axis that all gaps between spikes are multiples of, and how many places it has."""

    every: int
    places: int  # from the first spike to the last, both counted


@dataclass(frozen=True)
class Spikes:
    """All spikes of a curve of n points, in their order; `period` None where they do not recur."""

    spikes: tuple[Spike, ...]
    n: int
    period: Period | None = None

    @property
    def largest(self) -> Spike:
        """The one of the most MADs."""
        return max(self.spikes, key=lambda spike: spike.mads)


def spikes(series: Series) -> Spikes | None:
    """The spikes of a loss or a gradient norm, by SPIKES; None where there is none.

    Raises NotEnoughError below 100 points. 10 MAD alone are not enough: with noise of Student's t, 5 degrees of
    freedom, a third of all curves of 1,000 points have such a value (benchmarks.diagnoses).
    """
    steps, values = finite(series)
    require(len(values), LEAST)
    middle, spread = medians_before(values, WINDOW, _FEWEST)
    spread = np.maximum(spread, _FLOOR * np.abs(middle))
    scores = np.full(len(values), np.nan)
    judged = spread > 0
    scores[judged] = (values[judged] - middle[judged]) / spread[judged]
    found = _excursions(values, scores, middle + MADS * spread)
    lone = [span for span in found if span[1] - span[0] == 1]
    kept = [span for span in found if span[1] - span[0] > 1] + _standing_out(lone, found, scores)
    made = [_spike(span, steps, values, scores, middle, spread) for span in sorted(kept)]
    return Spikes(tuple(made), len(values), _period(made, steps)) if made else None


def _period(found: list[Spike], steps: np.ndarray) -> Period | None:
    """The distance that all gaps between three spikes or more are multiples of; None where chance explains it.

    Of k gaps of any length all are multiples of a distance of p points or more with a chance of at most
    sum d^-k over d >= p, that is about (p - 0.5)^(1 - k) / (k - 1).
    """
    began = np.array([spike.began for spike in found])
    between, usual = np.diff(began), float(np.median(np.diff(steps)))
    if len(found) < _RECURRING or usual <= 0 or (between <= 0).any():
        return None
    every, gaps = int(np.gcd.reduce(between)), len(between)
    points = every / usual
    if points <= 1 or (points - 0.5) ** (1 - gaps) / (gaps - 1) >= _BY_CHANCE:
        return None
    return Period(every, int(began[-1] - began[0]) // every + 1)


Span = tuple[int, int, bool]  # first place, the place after the last, whether the curve is back there


def _excursions(values: np.ndarray, scores: np.ndarray, limit: np.ndarray) -> list[Span]:
    """Stretches above the limit that held at their first point, each cut off after WINDOW points."""
    starts = np.flatnonzero(scores > MADS)
    found: list[Span] = []
    end = 0
    for start in starts.tolist():
        if start < end:
            continue
        within = np.flatnonzero(values[start : start + WINDOW] <= limit[start])
        end = start + (int(within[0]) if len(within) else len(values[start : start + WINDOW]))
        found.append((start, end, bool(len(within))))
    return found


def _standing_out(lone: list[Span], found: list[Span], scores: np.ndarray) -> list[Span]:
    """The lone values that the rest of the curve's tail does not explain.

    The tail is a power law through the counts of |scores| beyond 2.5 and 5 MAD, those under test left out; the
    largest j stand out where a Poisson count of that many beyond the j-th has a chance below CHANCE.
    """
    kept = np.abs(scores[np.isfinite(scores)])
    ours = sum(end - start for start, end, _ in found)
    far = np.count_nonzero(kept > _FAR) - ours + 0.5
    near = max(np.count_nonzero(kept > _NEAR) - ours + 0.5, far)
    ordered = sorted(lone, key=lambda span: -scores[span[0]])
    several = 0
    for count in range(1, min(len(ordered), len(kept) // 20) + 1):
        left = len(ordered) - count  # not under test this time, so of the tail
        ratio = min((far + left) / (near + left), 0.5)
        expected = (far + left) * ratio ** math.log2(scores[ordered[count - 1][0]] / _FAR)
        if _at_least(count, expected) < CHANCE:
            several = count
    return ordered[:several]


def _at_least(count: int, expected: float) -> float:
    """The chance of `count` or more in a Poisson distribution of that mean."""
    term = below = math.exp(-expected)
    for number in range(1, count):
        term *= expected / number
        below += term
    return max(0.0, 1 - below)


def _spike(
    span: Span,
    steps: np.ndarray,
    values: np.ndarray,
    scores: np.ndarray,
    middle: np.ndarray,
    spread: np.ndarray,
) -> Spike:
    start, end, back = span
    peak = start + int(np.argmax(values[start:end]))
    median = float(middle[start])
    mads = float((values[peak] - median) / spread[start])
    return Spike(
        int(steps[peak]),
        float(values[peak]),
        median,
        mads,
        int(steps[start]),
        end - start,
        int(steps[end]) if back else None,
    )
