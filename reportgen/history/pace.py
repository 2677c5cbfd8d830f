"""How long a step takes, from the wall-clock times that the log holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.history.curves import AXES, unique
from reportgen.history.display import COLUMNS, logarithmic, rounded, thin
from reportgen.history.model import Run, Series
from reportgen.report import Curves
from reportgen.report import Series as Line
from reportgen.units import plural, shorten, show

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


def pace_chart(runs: Sequence[Run]) -> Curves | None:
    """Seconds a step over the steps, a line a run; None where no run has times enough."""
    found = [(run, one) for run in runs if (one := pace(run)) is not None]
    axis = found[0][1].axis if found else ""
    alike = [(run, one) for run, one in found if one.axis == axis]
    if not alike:
        return None
    taken: set[str] = set()
    medians = ", ".join(
        f"{show(one.median, 's')}" + (f" ({shorten(run.name, 30)})" if len(alike) > 1 else "")
        for run, one in alike
    )
    of = ", ".join(dict.fromkeys(shorten(one.tag, 40) for _, one in alike))
    return Curves(
        id="time-a-step",
        title=f"Time a {axis}",
        caption=(
            f"Wall clock between neighbouring points of {of}, by the {axis}s between them, restarts left out; "
            f"{plural(sum(len(one.x) for _, one in alike), 'interval')}; median {medians}."
        ),
        series=tuple(_line(unique(shorten(run.name, 60) or "run", taken), one) for run, one in alike),
        x_label=AXES.get(axis, "Step"),
        y_label=f"seconds a {axis}",
        log_y=logarithmic(np.concatenate([one.seconds for _, one in alike])),
        strip=True,
        width="full",
    )


def _line(name: str, one: Pace) -> Line:
    kept = thin(one.x, one.seconds, COLUMNS)
    return Line(name=name, x=one.x[kept], y=rounded(one.seconds[kept]), group=name)
