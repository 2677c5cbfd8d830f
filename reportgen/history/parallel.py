"""Many runs as parallel coordinates: their hyper-parameters that differ, and the best that each reached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reportgen.history.comparison import differing
from reportgen.history.display import LOG_FROM
from reportgen.history.model import Run, Setting
from reportgen.history.verdict import Verdict
from reportgen.report import Axis, Parallel
from reportgen.units import plural, shorten

LEAST = 8  # runs
_MOST_RUNS = 500
_MOST_AXES = 8  # beside the result
_MOST_NAMES = 12  # values of an axis that holds no numbers


def parallel(runs: Sequence[Run], verdicts: Sequence[Verdict], direction: str) -> Parallel | None:
    """The picture; None below eight runs, without a hyper-parameter that differs or with results of several metrics.

    `direction` ("min" or "max") says which result is better.
    """
    pairs = [(run, one) for run, one in zip(runs, verdicts, strict=True) if one.best is not None][:_MOST_RUNS]
    measures = {one.measure for _, one in pairs}
    found = [_axis(name, [run.settings.get(name) for run, _ in pairs]) for name in differing(runs)]
    axes = [axis for axis in found if axis is not None]
    if len(pairs) < LEAST or len(measures) != 1 or not axes:
        return None
    results = [one.best.value for _, one in pairs if one.best is not None]
    best = (min if direction == "min" else max)(range(len(results)), key=lambda at: results[at])
    tags = {one.best_tag for _, one in pairs}
    last = Axis(
        name=tags.pop() if len(tags) == 1 else measures.pop(), values=tuple(results), log=_wide(results)
    )
    caption = f"{plural(len(pairs), 'run')} with a result; the darker, the higher it is, the best in orange."
    if len(axes) > _MOST_AXES:
        caption += f" {_MOST_AXES} of {len(axes)} hyper-parameters that differ."
    return Parallel(
        id="parallel",
        title="Hyper-parameters and results",
        caption=caption,
        names=tuple(shorten(run.name, 80) for run, _ in pairs),
        axes=(*axes[:_MOST_AXES], last),
        best=best,
    )


def _axis(name: str, values: Sequence[Setting | None]) -> Axis | None:
    """One hyper-parameter as an axis; None where it has more names than an axis can bear."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        numbers = [math.nan if value is None else float(value) for value in values]
        return Axis(name=name, values=tuple(numbers), log=_wide(numbers))
    labels = sorted({str(value) for value in known})
    if not 1 < len(labels) <= _MOST_NAMES:
        return None
    places = [math.nan if value is None else float(labels.index(str(value))) for value in values]
    return Axis(name=name, values=tuple(places), labels=tuple(labels))


def _wide(values: Sequence[float]) -> bool:
    finite = [value for value in values if math.isfinite(value)]
    return bool(finite) and min(finite) > 0 and max(finite) > LOG_FROM * min(finite)
