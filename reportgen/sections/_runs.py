"""The runs in numbers: totals over all of them, and a verdict line for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.report import Column, Fact, Facts, Row, Table
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from reportgen.history import History
    from reportgen.history.charts import Curve
    from reportgen.history.diagnose import Best
    from reportgen.history.verdict import Verdict
    from reportgen.report import Finding

_MOST_ROWS = 200


def totals(history: History, top: Top | None) -> Facts:
    series = [series for run in history.runs for series in run.series.values()]
    facts = [
        Fact(label="Runs", value=len(history.runs), unit="exact"),
        Fact(label="Series", value=len(series), unit="exact"),
        Fact(label="Points", value=history.points, unit="exact"),
    ]
    for axis, label in (("step", "Last step"), ("row", "Last row")):
        ends = [int(one.step.max()) for one in series if one.axis == axis and len(one)]
        if ends:
            facts.append(Fact(label=label, value=max(ends), unit="exact", note=_largest(history)))
    epoch = _last_epoch(history)
    if epoch is not None:
        facts.append(Fact(label="Last epoch", value=epoch, unit="exact", note=_largest(history)))
    facts += [_time(history), _best_fact(top)]
    caption = "As logged: points that a restart replaced and repeated steps are counted."
    return Facts(id="totals", title="In numbers", facts=tuple(facts), caption=caption)


def _largest(history: History) -> str:
    return "" if len(history.runs) == 1 else f"largest of {len(history.runs)} runs"


def _last_epoch(history: History) -> int | float | None:
    """The largest epoch logged, as the log counts (some start at 0)."""
    import numpy as np

    from reportgen.history.names import parse

    ends = []
    for run in history.runs:
        for tag, series in run.series.items():
            if series.axis == "epoch" and len(series):
                ends.append(float(series.step.max()))
            elif parse(tag).kind == "axis" and tag.lower().rpartition("/")[2] in ("epoch", "epochs"):
                finite = series.value[np.isfinite(series.value)]
                ends += [float(finite.max())] if len(finite) else []
    if not ends:
        return None
    last = max(ends)
    return int(last) if last.is_integer() else round(last, 4)


def _time(history: History) -> Fact:
    from reportgen.history.verdict import seconds_of

    times = [seconds_of(run) for run in history.runs]
    known = [seconds for seconds, _ in times if seconds is not None]
    if not known:
        return Fact(label="Training time", value=None, unit="s", note="the logs hold no times")
    note = "; ".join(dict.fromkeys(note for seconds, note in times if seconds is not None))
    if len(history.runs) > 1:
        note = f"sum over {len(known)} of {len(history.runs)} runs; {note}"
    return Fact(label="Training time", value=sum(known), unit="s", note=note)


@dataclass(frozen=True, eq=False)
class Top:
    """The best point of the validation metric that stands for the model, and the curve that it is of.

    `holding` of `runs` runs have a finite value of this metric; `others` says that each of the rest logs another.
    """

    curve: Curve
    point: Best
    holding: int
    runs: int
    others: bool


def top_of(history: History) -> Top | None:
    """The best validation metric of all runs: accuracy first, then what else should be high, then losses, errors.

    Of metrics alike in that the one that most runs log.
    """
    from reportgen.history.charts import curves_of
    from reportgen.history.diagnose import best

    groups: dict[str, list[tuple[Curve, Best]]] = {}
    logged: dict[str, set[str]] = {run.name: set() for run in history.runs}
    for run in history.runs:
        for curve in curves_of(run):
            if curve.name.kind != "metric":
                continue
            logged[run.name].add(curve.name.measure)
            point = best(curve.series, curve.name.direction) if curve.name.role == "validation" else None
            if point is not None:
                groups.setdefault(curve.name.key, []).append((curve, point))
    if not groups:
        return None
    found = min(groups.items(), key=_standing)[1]
    pick = max if found[0][0].name.direction == "max" else min
    curve, point = pick(found, key=lambda pair: pair[1].value)
    holding = {curve.run for curve, _ in found}
    others = all(logged[name] - {curve.name.measure} for name in logged if name not in holding)
    return Top(curve, point, len(holding), len(history.runs), others)


def _standing(group: tuple[str, list[tuple[Curve, Best]]]) -> tuple[bool, bool, int, bool]:
    key, found = group
    runs = {curve.run for curve, _ in found}
    return key != "accuracy", found[0][0].name.direction != "max", -len(runs), key != "loss"


def _best_fact(top: Top | None) -> Fact:
    label = "Best validation metric"
    if top is None:
        return Fact(label=label, value=None, note="no validation metric whose better direction is known")
    curve, point = top.curve, top.point
    word = "highest" if curve.name.direction == "max" else "lowest"
    tag = shorten(curve.series.tag, 60)
    note = f"{tag}, {word} of {plural(point.n, 'point')}, at {_where(top)}"
    if top.holding < top.runs:
        rest = "log other metrics" if top.others else "hold no value of it"
        note += f"; best of {top.holding} of {top.runs} runs; the others {rest}"
    return Fact(label=label, value=float(f"{point.value:.7g}"), note=note)


def _where(top: Top) -> str:
    run = f" of {shorten(top.curve.run, 40)}" if top.runs > 1 else ""
    return f"{top.curve.series.axis} {top.point.x:,}{run}"


def summary(history: History, top: Top | None, flaws: Sequence[Finding]) -> str:
    """The verdict in one line."""
    parts = [f"{plural(len(history.runs), 'run')}, {plural(history.points, 'point')}"]
    fact = _time(history)
    if fact.value is not None:
        parts[0] += f" in {show(fact.value, 's')}"
    if top is not None:
        parts.append(f"best {shorten(top.curve.series.tag, 60)} {show(top.point.value)} at {_where(top)}")
    grave = sorted((f for f in flaws if f.severity != "info"), key=lambda f: f.severity != "serious")
    told = shorten(grave[0].message.partition(";")[0], 200).rstrip(".") if grave else "nothing to warn of"
    parts.append(told)
    return "; ".join(parts) + ("" if told.endswith("?") else ".")


_COLUMNS = (
    Column(name="Run"),
    Column(name="State"),
    Column(name="Best", unit="exact"),
    Column(name="of"),
    Column(name="at"),
    Column(name="Last"),
    Column(name="Wall time", unit="s"),
    Column(name="Restarts", unit="exact"),
    Column(name="Not finite", unit="exact", note="values of losses and metrics"),
)


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """A line a run: how it ended, best and last, wall time, restarts, values that are not finite.

    By which sign a state is told stands in the caption; in a run's own cell only where others of its state differ.
    """
    signs = _signs(verdicts)
    rows = tuple(Row(cells=_verdict_cells(one, signs)) for one in verdicts[:_MOST_ROWS])
    told = " ".join(f"{state.capitalize()}: {shorten(why, 160)}." for state, why in signs.items())
    return Table(
        id="runs",
        title="Verdict",
        caption="Best by validation where there is any, of points that no restart replaced. Wall time from the "
        f"first to the last record, pauses included, unless the log tells it. {told}".strip(),
        columns=_COLUMNS,
        rows=rows,
        total=len(verdicts) if len(verdicts) > len(rows) else None,
    )


def _signs(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """For each state the sign that it is told by most often; none where each run of it has its own."""
    found: dict[str, Counter[str]] = {}
    for one in verdicts:
        found.setdefault(one.state, Counter())[one.why] += 1
    common = {state: whys.most_common(1)[0] for state, whys in found.items()}
    return {state: why for state, (why, count) in common.items() if count > 1 or len(found[state]) == 1}


def _verdict_cells(one: Verdict, signs: Mapping[str, str]) -> tuple[Any, ...]:
    best = one.best
    return (
        shorten(one.run, 60),
        one.state if signs.get(one.state) == one.why else f"{one.state}: {shorten(one.why, 160)}",
        None if best is None else float(f"{best.value:.7g}"),
        shorten(one.best_tag, 60) or "–",
        "–" if best is None else f"{one.best_axis} {best.x:,}",
        "–" if one.last is None else f"{one.axis} {one.last:,}",
        one.seconds,
        one.restarts,
        one.broken,
    )
