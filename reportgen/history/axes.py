"""Where a run's points lie on other axes than that of their steps: epochs, and seconds since its start."""

from __future__ import annotations

import numpy as np

from reportgen.history.display import rounded
from reportgen.history.model import Run, Series
from reportgen.history.names import parse


def epochs(run: Run, series: Series, index: np.ndarray) -> tuple[float, ...]:
    """The epochs of the points `index` of a series by its steps; () where the run logs none beside steps.

    Between two logged epochs in proportion to the steps, NaN before the first and after the last.
    """
    logged = _logged(run)
    if series.axis != "step" or logged is None or not len(index):
        return ()
    steps, values = logged
    found = np.interp(series.step[index], steps, values, left=np.nan, right=np.nan)
    return rounded(found) if _tells(found) else ()


def _logged(run: Run) -> tuple[np.ndarray, np.ndarray] | None:
    """(steps, epochs) of the run's own count of epochs, the longest there is."""
    counts = [
        series
        for tag, series in run.series.items()
        if series.axis == "step" and parse(tag).kind == "axis" and "epoch" in tag.lower()
    ]
    if not counts:
        return None
    longest = max(counts, key=lambda one: len(one.shown))
    index = longest.shown[np.isfinite(longest.value[longest.shown])]
    return (longest.step[index], longest.value[index]) if len(index) else None


def times(run: Run, series: Series, index: np.ndarray) -> tuple[float, ...]:
    """Seconds from the run's first record to each of the points `index`; () where the log holds no times.

    To four digits of the run's time, at best to the millisecond: finer than any chart shows.
    """
    walls = [one.wall[np.isfinite(one.wall)] for one in run.series.values()]
    known = [wall for wall in walls if len(wall)]
    if not known:
        return ()
    start = min(float(wall.min()) for wall in known)
    found = series.wall[index] - start
    if not _tells(found):
        return ()
    digits = min(3, 3 - int(np.floor(np.log10(np.nanmax(np.abs(found))))))
    return tuple(np.round(found, digits).tolist())


def _tells(values: np.ndarray) -> bool:
    """Whether there are two different places at least."""
    finite = values[np.isfinite(values)]
    return bool(len(finite) > 1 and finite.min() < finite.max())
