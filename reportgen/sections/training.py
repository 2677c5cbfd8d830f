"""Training: loss, metric and learning-rate curves from the logs, and what they give away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reportgen.report import Block, Section, Text
from reportgen.units import plural, shorten

if TYPE_CHECKING:
    from reportgen.experiment import Experiment, Options
    from reportgen.history import History, Run
    from reportgen.history.charts import Chart
    from reportgen.history.verdict import Verdict

_MOST_CHARTS = 60
_MOST_RUNS = 8  # of which heat maps, histograms, pictures and texts are shown
_MOST_HISTOGRAMS = 12


def training(experiment: Experiment, options: Options) -> Section:
    """Loss, metric and learning-rate curves from the logs; overfitting, restarts, damage."""
    from reportgen import history
    from reportgen.history.charts import charts_of
    from reportgen.history.findings import check, diagnoses, findings_of
    from reportgen.history.verdict import verdict
    from reportgen.sections import _logs, _runs

    if not experiment.logs:
        return _section(status="empty", reason="no logs were given")
    found = history.read(
        experiment.logs, pattern=experiment.log_pattern, fetch=experiment.fetch, progress=options.step
    )
    if not found.sources:
        return _section(status="empty", reason="no log file is in what was given as logs")
    failures = _logs.unread(found)
    if not found.runs:
        reason = f"none of {plural(len(found.sources), 'file')} given as logs holds a curve"
        return _section(status="empty", reason=reason, blocks=(*failures, _logs.sources(found)))
    charts = charts_of(found)
    drawn = charts[:_MOST_CHARTS]
    checked = check(found, drawn)
    flaws = findings_of(checked)
    verdicts = [verdict(run, found.sources, options.now) for run in found.runs]
    blocks: list[Any] = [
        _runs.totals(found, charts),
        _runs.verdict_table(verdicts),
        *_compared(found, verdicts),
        *_curves(charts),
        *_by_layer(found.runs),
        *_else_logged(found.runs),
        diagnoses(checked),
        _logs.every_series(found),
        *failures,
        _logs.sources(found),
    ]
    summary = _runs.summary(found, charts, flaws)
    return _section(summary=summary, blocks=tuple(blocks), findings=tuple(flaws))


def _section(**given: Any) -> Section:
    return Section(name="training", title="Training", **given)


def _compared(found: History, verdicts: Sequence[Verdict]) -> list[Block]:
    """Several runs beside each other."""
    from reportgen.history.comparison import comparison
    from reportgen.history.names import parse
    from reportgen.history.parallel import parallel

    tag = next((one.best_tag for one in verdicts if one.best is not None), "")
    blocks = [comparison(found.runs, verdicts), parallel(found.runs, verdicts, parse(tag).direction)]
    return [block for block in blocks if block is not None]


def _curves(charts: Sequence[Chart]) -> list[Block]:
    from reportgen.history.curves import block
    from reportgen.history.display import columns_for

    drawn = charts[:_MOST_CHARTS]
    columns = columns_for(sum(len(chart.curves) for chart in drawn))
    blocks: list[Block] = [block(chart, columns) for chart in drawn]
    if len(charts) > len(drawn):
        rest = ", ".join(chart.title for chart in charts[_MOST_CHARTS:])
        text = f"Not drawn, for lack of room: {shorten(rest, 2000)}. Their numbers are in the table of all series."
        blocks.append(Text(id="not-drawn", text=text))
    return blocks


def _by_layer(runs: Sequence[Run]) -> list[Block]:
    """Heat maps over time: norms layer by layer, and histograms."""
    from reportgen.history.layers import families, heat, histogram_heat

    several = len(runs) > 1
    blocks: list[Block] = []
    for run in runs[:_MOST_RUNS]:
        name = shorten(run.name, 40) if several else ""
        blocks += [heat(family, name) for family in families(run)]
        maps = [
            histogram_heat(tag, found, name) for tag, found in list(run.histograms.items())[:_MOST_HISTOGRAMS]
        ]
        blocks += [one for one in maps if one is not None]
        if len(run.histograms) > _MOST_HISTOGRAMS:
            rest = ", ".join(shorten(tag, 60) for tag in list(run.histograms)[_MOST_HISTOGRAMS:])
            text = f"{len(run.histograms):,} histograms are in the log; not drawn: {shorten(rest, 1000)}."
            blocks.append(Text(text=text))
    return blocks


def _else_logged(runs: Sequence[Run]) -> list[Block]:
    """Hyper-parameters, pictures and texts that the logs hold."""
    from reportgen.history.comparison import settings_table
    from reportgen.history.media import pictures, texts

    named = len(runs) > 1
    blocks: list[Block] = []
    for run in runs[:_MOST_RUNS]:
        blocks += [
            one for one in (settings_table(run, named=named), pictures(run, named=named)) if one is not None
        ]
        blocks += texts(run, named=named)
    return blocks
