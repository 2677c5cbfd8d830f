"""How long a step takes, from the wall-clock times that the log holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.model import Run, Series

LEAST = 8  # intervals below which nothing is drawn


@dataclass(frozen=True, eq=False)
class Pace:
    """Seconds a step between neighbouring points of one series: x int64 and seconds float64, both (n,).

    `x` is the later point's step. Intervals over a restart are none of the steps' time and left out.
    """

    tag: str
    axis: str
    x: np.ndarray
    seconds: np.ndarray

    @property
    def median(self) -> float:
        """The median of the intervals, each weighing the same."""
        return float(np.median(self.seconds))


def pace(run: Run) -> Pace | None:
    """The pace by the series of a run that has the most usable intervals; None where none has eight."""
    found = [_of(tag, series) for tag, series in run.series.items() if series.axis in ("step", "epoch")]
    known = [one for one in found if len(one.x) >= LEAST]
    return max(known, key=lambda one: len(one.x), default=None)


def _of(tag: str, series: Series) -> Pace:
    index = series.shown
    step, wall, segment = series.step[index], series.wall[index], series.segment[index]
    ahead, passed = np.diff(step), np.diff(wall)
    usable = (ahead > 0) & (np.diff(segment) == 0) & np.isfinite(passed) & (passed >= 0)
    seconds = passed[usable] / ahead[usable]
    if not (seconds > 0).any():  # all written at once, at the end
        return Pace(tag, series.axis, step[:0], seconds[:0])
    return Pace(tag, series.axis, step[1:][usable], seconds)
