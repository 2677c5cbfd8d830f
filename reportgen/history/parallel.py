"""Many runs as parallel coordinates: their hyper-parameters that differ, and the best that each reached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reportgen.history.comparison import differing
from reportgen.history.display import LOG_FROM
from reportgen.history.model import Run, Setting
from reportgen.history.names import Direction, parse
from reportgen.history.results import leading_result, result
from reportgen.history.verdict import Verdict
from reportgen.report import Axis, Parallel
from reportgen.units import plural, shorten

LEAST = 8  # runs
_MOST_RUNS = 500
_MOST_AXES = 8  # beside the result
_MOST_NAMES = 12  # values of an axis that holds no numbers


def parallel(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Parallel | None:
    """The picture; None below eight runs, without a hyper-parameter that differs or a result that they share."""
    found = _reached(runs, verdicts)
    if found is None:
        return None
    name, direction, reached = found
    pairs = [(run, value) for run, value in zip(runs, reached, strict=True) if value is not None][:_MOST_RUNS]
    kept = [_axis(one, [run.settings.get(one) for run, _ in pairs]) for one in differing(runs)]
    axes = [axis for axis in kept if axis is not None]
    if not axes:
        return None
    results = [value for _, value in pairs]
    best = (min if direction == "min" else max)(range(len(results)), key=lambda at: results[at])
    caption = f"{plural(len(pairs), 'run')} with a result; the darker, the higher it is, the best in orange."
    if len(axes) > _MOST_AXES:
        caption += f" {_MOST_AXES} of {len(axes)} hyper-parameters that differ."
    return Parallel(
        id="parallel",
        title="Hyper-parameters and results",
        caption=caption,
        names=tuple(shorten(run.name, 80) for run, _ in pairs),
        axes=(*axes[:_MOST_AXES], Axis(name=name, values=tuple(results), log=_wide(results))),
        best=best,
    )


def _reached(
    runs: Sequence[Run], verdicts: Sequence[Verdict]
) -> tuple[str, Direction, list[float | None]] | None:
    """What the runs are judged by, its better direction, and what each reached.

    The best of validation, else a result beside the curves, else the best of training; None where eight runs
    share none.
    """
    judged = [one for one in verdicts if one.best is not None]
    measures = {one.measure for one in judged}
    measure = measures.pop() if len(judged) >= LEAST and len(measures) == 1 else ""
    told = leading_result(runs, LEAST) if parse(measure).role != "validation" else None
    if told is not None:
        return told, parse(told).direction, [result(run, told) for run in runs]
    if not measure:
        return None
    tags = {one.best_tag for one in judged}
    name = tags.pop() if len(tags) == 1 else measure
    return name, parse(measure).direction, [one.best.value if one.best else None for one in verdicts]


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
