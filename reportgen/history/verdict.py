"""One line a run: how it ended, its best and last points, how long it took, what went wrong on the way."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reportgen.history.charts import Curve, curves_of
from reportgen.history.diagnose import Best, best, non_finite
from reportgen.history.model import History, Run, Source
from reportgen.history.names import parse

State = Literal["finished", "crashed", "diverged", "still growing", "stopped", "no end recorded"]
FRESH = 600.0  # seconds since the last record within which a run is believed to be running
_CUT = re.compile(r"[:;] still being written\?")
_UNENDED = "has no line end"  # the last record may be whole


@dataclass(frozen=True)
class Verdict:
    """What is said of one run; `why` is what the state rests on, `measure` what the best is of by one spelling.

    `seconds` is None where no times were logged, `restarts` the most of any series, `broken` the NaN and infinite
    values of all losses and metrics.
    """

    run: str
    state: State
    why: str
    best: Best | None
    best_tag: str
    best_axis: str
    measure: str
    last: int | None
    axis: str
    seconds: float | None
    timed: str
    restarts: int
    broken: int
    points: int


def verdict(run: Run, sources: Sequence[Source], now: float) -> Verdict:
    """The verdict on one run; `now` is in seconds since 1970, as are the times in its logs."""
    curves = curves_of(run)
    chosen = leading(curves)
    point = best(chosen.series, chosen.name.direction) if chosen is not None else None
    state, why = _state(run, curves, [source for source in sources if source.run == run.name], now)
    last, axis = _last(run)
    seconds, timed = seconds_of(run)
    return Verdict(
        run=run.name,
        state=state,
        why=why,
        best=point,
        best_tag=chosen.series.tag if chosen is not None and point is not None else "",
        best_axis=chosen.series.axis if chosen is not None else "",
        measure=chosen.name.measure if chosen is not None and point is not None else "",
        last=last,
        axis=axis,
        seconds=seconds,
        timed=timed,
        restarts=max((int(one.segment[-1]) for one in run.series.values() if len(one)), default=0),
        broken=_broken(curves),
        points=sum(len(series) for series in run.series.values()),
    )


def best_first(verdicts: Sequence[Verdict]) -> list[str]:
    """The names of the runs, the best first by the metric that most are judged by; the others as they come."""
    measures = Counter(one.measure for one in verdicts if one.best is not None)
    if not measures:
        return [one.run for one in verdicts]
    measure = measures.most_common(1)[0][0]
    sign = 1 if parse(measure).direction == "min" else -1
    judged = [
        (sign * one.best.value, at)
        for at, one in enumerate(verdicts)
        if one.best is not None and one.measure == measure
    ]
    order = dict.fromkeys(at for _, at in sorted(judged))
    return [verdicts[at].run for at in [*order, *(at for at in range(len(verdicts)) if at not in order)]]


def leading(curves: Sequence[Curve]) -> Curve | None:
    """The curve that stands for a run: validation accuracy, what else should be high, a loss; else of training."""
    ranked = []
    for place, curve in enumerate(curves):
        name = curve.name
        if name.kind == "metric" and name.direction and np.isfinite(curve.series.value).any():
            exact = name.key == "accuracy"
            order = (
                name.role != "validation",
                not exact,
                name.direction != "max",
                name.key != "loss",
            )
            ranked.append((order, place))
    return curves[min(ranked)[1]] if ranked else None


def _state(run: Run, curves: Sequence[Curve], sources: Sequence[Source], now: float) -> tuple[State, str]:
    """How a run ended, and by which sign. Nothing is guessed: without a sign no end is recorded."""
    for curve in curves:
        bad = non_finite(curve.series) if curve.name.loss else None
        if bad is not None and bad.permanent:
            return (
                "diverged",
                f"{curve.series.tag} is not finite from {curve.series.axis} {bad.step:,} to the end",
            )
    if run.state == "failed":
        return "crashed", "the log says so"
    if run.state == "finished" or run.summary.get("train_runtime") is not None:
        return "finished", "the log says so"
    cut = [warning for source in sources for warning in source.warnings if _CUT.search(warning)]
    age = _age(run, sources, now)
    if cut and age <= FRESH:
        return "still growing", "the last record is not whole yet"
    if run.state == "running":
        if age <= FRESH:
            return "still growing", f"the log says it is running; its last record is {max(age, 0):.0f} s old"
        if math.isnan(age):
            return "no end recorded", "the log says it is running, and nothing says when it was written"
        return "stopped", "the log says it is running, but nothing was written for ten minutes and more"
    if run.state == "stopped":
        return "stopped", "the log ends before its last step"
    if not cut:
        return "no end recorded", "these logs do not say whether a run has ended"
    if all(_UNENDED in warning for warning in cut):
        return "no end recorded", "the last line has no line end"
    if math.isnan(age):
        return "no end recorded", "the last record is not whole, and nothing says when it was written"
    return "stopped", "the last record is not whole"


def _age(run: Run | None, sources: Sequence[Source], now: float) -> float:
    """Seconds since the last record by the log's own times; without any, since a file was written that ends in one cut.

    NaN where neither is known.
    """
    walls = [series.wall[np.isfinite(series.wall)] for series in run.series.values()] if run else []
    latest = max((float(wall.max()) for wall in walls if len(wall)), default=math.nan)
    if math.isnan(latest):
        cut = [one.modified for one in sources if any(map(_CUT.search, one.warnings))]
        latest = max((when for when in cut if not math.isnan(when)), default=math.nan)
    return now - latest


def by_run(sources: Sequence[Source]) -> dict[str, list[Source]]:
    """The files of each run."""
    found: dict[str, list[Source]] = {}
    for source in sources:
        found.setdefault(source.run, []).append(source)
    return found


def aged(history: History, now: float) -> History:
    """The history without the question whether a file is still being written, where that was too long ago."""
    runs = {run.name: run for run in history.runs}
    of = by_run(history.sources)

    def said(source: Source) -> Source:
        age = _age(runs.get(source.run), of[source.run] if source.run in runs else [source], now)
        if math.isnan(age) or age <= FRESH:
            return source
        return replace(source, warnings=tuple(_CUT.sub("", warning) for warning in source.warnings))

    return replace(history, sources=tuple(said(source) for source in history.sources))


def _last(run: Run) -> tuple[int | None, str]:
    """The last step of a run; where none is logged, the last epoch, or row."""
    for axis in ("step", "epoch", "row", "point"):
        ends = [int(one.x.max()) for one in run.series.values() if one.axis == axis and len(one)]
        if ends:
            return max(ends), axis
    return None, ""


def seconds_of(run: Run) -> tuple[float | None, str]:
    """How long a run took, and by which method; None where nothing says so."""
    told = run.summary.get("train_runtime")
    if told is not None and math.isfinite(told) and told > 0:
        return told, "train_runtime, as the trainer logged it (its last session)"
    seconds = run.seconds
    if seconds is not None and seconds > 0:
        return seconds, "wall clock from the first to the last record, pauses included"
    return None, ""


def _broken(curves: Sequence[Curve]) -> int:
    found = [non_finite(curve.series) for curve in curves if curve.name.kind == "metric"]
    return sum(bad.count for bad in found if bad is not None)
