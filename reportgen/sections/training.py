"""Training: loss, metric and learning-rate curves from the logs, and what they give away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reportgen.report import Column, Fact, Facts, Failure, Row, Section, Table, Text
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from reportgen.experiment import Experiment, Options
    from reportgen.history import History, Run
    from reportgen.history.charts import Chart, Curve
    from reportgen.report import Finding

_MOST_CHARTS = 24
_MOST_ROWS = 200
_ACCURACIES = ("accuracy", "acc")


def training(experiment: Experiment, options: Options) -> Section:
    """Loss, metric and learning-rate curves from the logs; overfitting, restarts, damage."""
    from reportgen import history
    from reportgen.history.charts import charts_of
    from reportgen.history.curves import block
    from reportgen.history.display import columns_for
    from reportgen.history.findings import findings

    if not experiment.logs:
        return _section(status="empty", reason="no logs were given")
    found = history.read(experiment.logs, progress=options.step)
    if not found.sources:
        return _section(status="empty", reason="no log file is in what was given as logs")
    failures = _failures(found)
    if not found.runs:
        reason = f"none of {plural(len(found.sources), 'file')} given as logs holds a curve"
        return _section(status="empty", reason=reason, blocks=(*failures, _sources(found)))
    charts = charts_of(found)
    drawn = charts[:_MOST_CHARTS]
    flaws = findings(found, drawn)
    columns = columns_for(sum(len(chart.curves) for chart in drawn))
    blocks: list[Any] = [_totals(found, charts), *(block(chart, columns) for chart in drawn)]
    if len(charts) > len(drawn):
        rest = ", ".join(chart.title for chart in charts[_MOST_CHARTS:])
        text = f"Not drawn, for lack of room: {shorten(rest, 2000)}. Their numbers are in the table of all series."
        blocks.append(Text(id="not-drawn", text=text))
    blocks += [_series(found), *failures, _sources(found)]
    return _section(summary=_summary(found, charts, flaws), blocks=tuple(blocks), findings=tuple(flaws))


def _section(**given: Any) -> Section:
    return Section(name="training", title="Training", **given)


def _totals(history: History, charts: Sequence[Chart]) -> Facts:
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
    facts += [_time(history), _best_fact(history, charts)]
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
    times = [_seconds(run) for run in history.runs]
    known = [seconds for seconds, _ in times if seconds is not None]
    if not known:
        return Fact(label="Training time", value=None, unit="s", note="the logs hold no times")
    note = "; ".join(dict.fromkeys(note for seconds, note in times if seconds is not None))
    if len(history.runs) > 1:
        note = f"sum over {len(known)} of {len(history.runs)} runs; {note}"
    return Fact(label="Training time", value=sum(known), unit="s", note=note)


def _seconds(run: Run) -> tuple[float | None, str]:
    """How long a run took, and by which method; None where nothing says so."""
    told = run.summary.get("train_runtime")
    if told is not None and math.isfinite(told) and told > 0:
        return told, "train_runtime, as the trainer logged it (its last session)"
    seconds = run.seconds
    if seconds is not None and seconds > 0:
        return seconds, "wall clock from the first to the last record, pauses included"
    return None, ""


def _best_curve(charts: Sequence[Chart]) -> tuple[Curve, Any] | None:
    """The validation curve that stands for the model, and its best point.

    Accuracy first, then what else should be high, then losses and errors.
    """
    from reportgen.history.diagnose import best

    ranked = []
    for place, chart in enumerate(charts):
        for curve in chart.every:
            point = best(curve.series, curve.name.direction)
            if curve.name.role == "validation" and curve.name.kind == "metric" and point is not None:
                high = curve.name.direction == "max"
                exact = curve.name.metric.lower() in _ACCURACIES
                value = -point.value if high else point.value
                ranked.append(((not exact, not high, place, value), curve, point))
    if not ranked:
        return None
    _, curve, point = min(ranked, key=lambda entry: entry[0])
    return curve, point


def _best_fact(history: History, charts: Sequence[Chart]) -> Fact:
    found = _best_curve(charts)
    label = "Best validation metric"
    if found is None:
        return Fact(label=label, value=None, note="no validation metric whose better direction is known")
    curve, point = found
    word = "highest" if curve.name.direction == "max" else "lowest"
    run = f" of {shorten(curve.run, 40)}" if len(history.runs) > 1 else ""
    tag = shorten(curve.series.tag, 60)
    note = f"{tag}, {word} of {plural(point.n, 'point')}, at {curve.series.axis} {point.x:,}{run}"
    return Fact(label=label, value=float(f"{point.value:.7g}"), note=note)


def _series(history: History) -> Table:
    """Every series in numbers, also those that are not drawn."""
    import numpy as np

    columns = tuple(
        Column(name=name, unit=unit)
        for name, unit in (
            ("Series", "text"),
            ("Run", "text"),
            ("Axis", "text"),
            ("Points", "exact"),
            ("First", "exact"),
            ("Last", "exact"),
            ("Lowest", "exact"),
            ("Highest", "exact"),
            ("Last value", "exact"),
        )
    )
    rows: list[Row] = []
    total = sum(len(run.series) for run in history.runs)
    for run in history.runs:
        for series in list(run.series.values())[: _MOST_ROWS - len(rows)]:
            shown = series.value[series.shown]
            finite = shown[np.isfinite(shown)]
            low, high = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
            last = float(shown[-1]) if len(shown) else None
            ends = (int(series.x[0]), int(series.x[-1]))
            name = shorten(series.tag, 80)
            cells = (name, shorten(run.name, 60), series.axis, len(series), *ends, low, high, last)
            rows.append(Row(cells=tuple(_digits(cell) for cell in cells)))
    caption = "Lowest and highest of the finite values that no restart replaced."
    return Table(
        id="series",
        title="All series",
        caption=caption,
        folded=True,
        columns=columns,
        rows=tuple(rows),
        total=total if total > len(rows) else None,
    )


def _digits(cell: Any) -> Any:
    return float(f"{cell:.7g}") if isinstance(cell, float) else cell


def _sources(history: History) -> Table:
    """Where the curves come from: every file looked at, what it was taken for and why."""
    columns = (
        Column(name="File"),
        Column(name="Format"),
        Column(name="Recognised by"),
        Column(name="Run"),
        Column(name="Points", unit="exact"),
        Column(name="Warnings"),
    )
    rows = []
    for source in history.sources[:_MOST_ROWS]:
        warnings = shorten("; ".join(source.warnings), 500)
        path, run = shorten(source.path, 120), shorten(source.run, 60)
        cells = (
            path,
            source.format or "not read",
            source.why or "–",
            run or "–",
            source.points,
            warnings or "none",
        )
        rows.append(Row(cells=cells))
    total = len(history.sources)
    caption = f"{plural(total, 'file')} looked at, by content; paths are relative to what was given."
    return Table(
        id="sources",
        title="Log files",
        caption=caption,
        columns=columns,
        rows=tuple(rows),
        total=total if total > len(rows) else None,
    )


def _failures(history: History) -> list[Failure]:
    """A block for each file that could not be read."""
    failed = [source for source in history.sources if not source.format]
    return [
        Failure(
            id=f"unread-{place + 1}",
            title=f"{shorten(source.path, 80)} was not read",
            error="Unreadable log",
            message=f"{shorten(source.path, 120)}: {'; '.join(source.warnings)}",
        )
        for place, source in enumerate(failed[:_MOST_ROWS])
    ]


def _summary(history: History, charts: Sequence[Chart], flaws: Sequence[Finding]) -> str:
    """The verdict in one line."""
    parts = [f"{plural(len(history.runs), 'run')}, {plural(history.points, 'point')}"]
    fact = _time(history)
    if fact.value is not None:
        parts[0] += f" in {show(fact.value, 's')}"
    found = _best_curve(charts)
    if found is not None:
        curve, point = found
        parts.append(
            f"best {shorten(curve.series.tag, 60)} {show(point.value)} at {curve.series.axis} {point.x:,}"
        )
    grave = sorted((f for f in flaws if f.severity != "info"), key=lambda f: f.severity != "serious")
    parts.append(shorten(grave[0].message, 200).rstrip(".") if grave else "nothing to warn of")
    return "; ".join(parts) + "."
