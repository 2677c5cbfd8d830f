"""Stalls: steps that took far longer than the others, evaluation pauses and restarts told apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.model import DUPLICATE, Series
from reportgen.history.rules.base import NotEnoughError, Rule, require

TIMES = 10
SIGMAS = 5
LEAST = 20
LEAST_LOST = 1.0  # seconds in all: less is the operating system's doing, and harms nobody
_REGULAR = 3  # slow steps from which on their distances are looked at

STALLS = Rule(
    "slow steps",
    "seconds a step > 10 x their median, and ln(seconds) > 5 sigma above its median, sigma = 1.4826 MAD(ln seconds); "
    "at least 1 s lost in all; without gaps at restarts and without steps in which validation was logged; n ≥ 20",
    basis="simulated",
)


@dataclass(frozen=True)
class Stalls:
    """Slow steps among n: how many, the longest and the step it ended at, and the seconds lost in all.

    `median` is in seconds a step. `every` is the distance at which they recur, 0 where they do not.
    `evaluations` counts the pauses in which validation was logged (not judged), `evaluating` their seconds
    beyond the median; `seconds` is the time of all intervals. `places` are the steps at which slow steps ended,
    `rates` their seconds a step.
    """

    count: int
    n: int
    median: float
    longest: float
    longest_step: int
    lost: float
    every: int
    evaluations: int
    evaluating: float
    seconds: float
    places: tuple[int, ...]
    rates: tuple[float, ...]


def stalls(series: Series, evaluated: np.ndarray) -> Stalls:
    """The slow steps of a series by its wall times; `evaluated` float64 (m,) are those of validation points.

    Raises NotEnoughError below 20 intervals, or where the median takes no time.
    """
    seconds, steps, walls, places = intervals(series)
    require(len(seconds), LEAST, "timed intervals")
    pause = _holds(walls, np.sort(evaluated[np.isfinite(evaluated)]))
    if 2 * np.count_nonzero(pause) > len(pause) or len(pause) - np.count_nonzero(pause) < LEAST:
        pause[:] = False  # evaluation is part of the usual step
    rate = seconds / steps
    median = float(np.median(rate[~pause]))
    if median <= 0:
        raise NotEnoughError("not enough data: the median step takes no measurable time")
    logs = np.log(np.maximum(rate, 1e-9))
    usual = float(np.median(logs[~pause]))
    sigma = 1.4826 * float(np.median(np.abs(logs[~pause] - usual)))
    slow = ~pause & (rate > TIMES * median) & (logs - usual > SIGMAS * sigma)
    extra = seconds - median * steps
    at = np.flatnonzero(slow & bool(extra[slow].sum() >= LEAST_LOST))
    longest = int(at[np.argmax(seconds[at])]) if len(at) else 0
    return Stalls(
        count=len(at),
        n=int(np.count_nonzero(~pause)),
        median=median,
        longest=float(seconds[longest]) if len(at) else 0.0,
        longest_step=int(places[longest]) if len(at) else 0,
        lost=float(extra[at].sum()),
        every=_regular(places[at]),
        evaluations=int(np.count_nonzero(pause)),
        evaluating=float(extra[pause].sum()),
        seconds=float(seconds.sum()),
        places=tuple(places[at].tolist()),
        rates=tuple(rate[at].tolist()),
    )


def intervals(series: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Seconds float64 (n,), steps int64 (n,), wall times at both ends (2, n) and the steps they end at.

    Of neighbours within a segment, so that no gap at a restart is among them; time that ran back is left out.
    """
    index = np.flatnonzero(((series.flags & DUPLICATE) == 0) & np.isfinite(series.wall))
    wall, x, segment = series.wall[index], series.x[index], series.segment[index]
    seconds, steps = np.diff(wall), np.diff(x)
    kept = (np.diff(segment) == 0) & (steps > 0) & (seconds >= 0)
    return seconds[kept], steps[kept], np.stack([wall[:-1][kept], wall[1:][kept]]), x[1:][kept]


def _holds(walls: np.ndarray, evaluated: np.ndarray) -> np.ndarray:
    """Which intervals (start, end] hold a wall time of `evaluated`."""
    before, until = (np.searchsorted(evaluated, ends, side="right") for ends in walls)
    return until > before


def _regular(places: np.ndarray) -> int:
    """The distance at which steps recur, to within 10 %; 0 where they do not."""
    if len(places) < _REGULAR:
        return 0
    gaps = np.diff(places)
    middle = float(np.median(gaps))
    return int(middle) if (np.abs(gaps - middle) <= 0.1 * middle).all() else 0
