"""Training: loss, metric and learning-rate curves from the logs, and what they give away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reportgen.report import Block, Section, Text
from reportgen.units import plural, shorten

if TYPE_CHECKING:
    from reportgen.experiment import Experiment, Options
    from reportgen.history import History, Run
    from reportgen.history.verdict import Verdict

_MOST_HISTOGRAMS = 12
_READING = 0.5  # of the section's time, for reading the logs


def training(experiment: Experiment, options: Options) -> Section:
    """Loss, metric and learning-rate curves from the logs; overfitting, restarts, damage."""
    from reportgen import history
    from reportgen.deadline import Deadline
    from reportgen.history.bands import bands
    from reportgen.history.budget import Budget
    from reportgen.history.charts import MOST_RUNS, charts_of
    from reportgen.history.findings import check, diagnoses, findings_of
    from reportgen.history.pace import pace_chart
    from reportgen.history.verdict import aged, best_first, by_run, verdict
    from reportgen.sections import _charts, _logs, _runs

    if not experiment.logs:
        return _section(status="empty", reason="no logs were given")
    deadline = Deadline.of(options.time_limit, options.timed).part(_READING)
    logged = history.read(
        experiment.logs,
        pattern=experiment.log_pattern,
        fetch=experiment.fetch,
        progress=options.step,
        budget=Budget(deadline=deadline),
    )
    found = aged(logged, options.now)
    if not found.sources:
        return _section(status="empty", reason="no log file is in what was given as logs")
    failures = _logs.unread(found)
    if not found.runs:
        reason = f"none of {plural(sum(source.files for source in found.sources), 'file')} given as logs holds a curve"
        return _section(status="empty", reason=reason, blocks=(*failures, _logs.sources(found)))
    files = by_run(logged.sources)
    verdicts = [verdict(run, files.get(run.name, ()), options.now) for run in found.runs]
    charts = charts_of(found, best_first(verdicts)[:MOST_RUNS])
    checked = check(found, _charts.drawn(charts))
    flaws = findings_of(checked)
    top = _runs.top_of(found)
    blocks: list[Any] = [
        _runs.totals(found, top),
        _runs.verdict_table(verdicts),
        *_compared(found, verdicts),
        *_charts.curve_blocks(charts),
        *bands(found.runs),
        *([timed] if (timed := pace_chart(found.runs)) is not None else []),
        *_by_layer(found.runs, verdicts),
        *_else_logged(found.runs, verdicts),
        diagnoses(checked),
        _logs.every_series(found),
        *failures,
        _logs.sources(found),
    ]
    summary = _runs.summary(found, top, flaws)
    return _section(summary=summary, blocks=tuple(blocks), findings=tuple(flaws))


def _section(**given: Any) -> Section:
    return Section(name="training", title="Training", **given)


def _compared(found: History, verdicts: Sequence[Verdict]) -> list[Block]:
    """Several runs beside each other."""
    from reportgen.history.comparison import comparison
    from reportgen.history.parallel import parallel

    blocks = [comparison(found.runs, verdicts), parallel(found.runs, verdicts)]
    return [block for block in blocks if block is not None]


def _by_layer(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> list[Block]:
    """Heat maps over time of one run: norms layer by layer, and histograms."""
    from reportgen.history.layers import families, heat, histogram_heat

    chosen = _telling([run for run in runs if run.histograms or families(run)], verdicts)
    if chosen is None:
        return []
    name = shorten(chosen.name, 40) if len(runs) > 1 else ""
    blocks: list[Block] = [heat(family, name) for family in families(chosen)]
    tags = list(chosen.histograms)
    maps = [histogram_heat(tag, chosen.histograms[tag], name) for tag in tags[:_MOST_HISTOGRAMS]]
    blocks += [one for one in maps if one is not None]
    if len(tags) > _MOST_HISTOGRAMS:
        rest = ", ".join(shorten(tag, 60) for tag in tags[_MOST_HISTOGRAMS:])
        text = f"{len(tags):,} histograms are in the log; not drawn: {shorten(rest, 1000)}."
        blocks.append(Text(text=text, group="Histograms"))
    return blocks


def _telling(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Run | None:
    """Of several runs the best."""
    from reportgen.history.verdict import best_first

    named = {run.name: run for run in runs}
    return next((named[name] for name in best_first(verdicts) if name in named), None)


def _else_logged(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> list[Block]:
    """Hyper-parameters, and the pictures and texts of one run."""
    from reportgen.history.comparison import settings_table
    from reportgen.history.media import pictures, texts

    blocks: list[Block | None] = [settings_table(runs)]
    chosen = _telling([run for run in runs if run.images or run.texts], verdicts)
    if chosen is not None:
        name = shorten(chosen.name, 40) if len(runs) > 1 else ""
        blocks += [pictures(chosen, name), *texts(chosen, name)]
    return [block for block in blocks if block is not None]
