"""Findings about training: each one sentence with its numbers, its rule and the block that shows it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.history.charts import Chart
from reportgen.history.model import History
from reportgen.history.sentences import courses, faults, logs
from reportgen.history.sentences.outcomes import Checked, Context, Outcome
from reportgen.report import Column, Finding, Row, Table
from reportgen.units import shorten

_MOST = 5  # of one kind; the rest is counted
_MOST_TOLD = 3  # results or reasons in a cell of the table

RULES = (
    faults.non_finite_values,
    faults.overfitting,
    faults.spiking,
    faults.slow_steps,
    logs.restarts,
    logs.duplicates,
    logs.damage,
    logs.seldom,
    courses.diverging,
    courses.improving,
    courses.jumps,
    courses.gradients_by_layer,
    logs.unvarying,
    courses.plateaus,
    courses.noisy,
    courses.gaps,
    courses.schedules,
    logs.once,
    logs.irregularly,
)


def check(history: History, charts: Sequence[Chart]) -> tuple[Checked, ...]:
    """What every rule says of every series that it is for, in the order of RULES."""
    context = Context(history, charts)
    with np.errstate(all="ignore"):  # sums of values near the largest float are infinite, and said to be
        return tuple(rule(context) for rule in RULES)


def findings(history: History, charts: Sequence[Chart]) -> list[Finding]:
    """All findings; at most five of a kind, the others counted."""
    return findings_of(check(history, charts))


def findings_of(checked: Sequence[Checked]) -> list[Finding]:
    """The findings among what the rules say; at most five of a kind, the others counted."""
    return [found for one in checked for found in _capped(one.findings)]


def _capped(found: list[Finding]) -> list[Finding]:
    if len(found) <= _MOST:
        return found
    last = found[_MOST]
    more = f"{len(found) - _MOST:,} more series or files have the like: {shorten(last.message, 120)}"
    return [*found[:_MOST], last.model_copy(update={"message": more})]


def diagnoses(checked: Sequence[Checked]) -> Table:
    """Every rule with its definition, on how many it was judged, what came out, and where data were too few."""
    columns = (
        Column(name="Rule"),
        Column(name="Judged on", unit="exact", note="series, runs or files that had enough data"),
        Column(name="Result"),
        Column(name="Not enough data"),
        Column(name="Definition", note="and what it rests on"),
    )
    return Table(
        id="diagnoses",
        title="What was checked",
        caption="Counted: a fact about the log. Simulated: a judgement with at most 5 % false and at least 95 % found "
        "on the cases of benchmarks.diagnoses. Information: error rates unknown, and no warning.",
        folded=True,
        columns=columns,
        rows=tuple(_row(one) for one in checked),
    )


def _row(checked: Checked) -> Row:
    judged = len(checked.outcomes) - len(checked.missing)
    return Row(
        cells=(
            checked.rule.name,
            judged,
            _result(checked, judged),
            _missing(checked.missing),
            f"{checked.rule.basis}: {checked.rule.definition}",
        )
    )


def _result(checked: Checked, judged: int) -> str:
    told = [one.finding.message.rstrip(".") if one.finding else one.told for one in checked.outcomes]
    said = [shorten(text, 300) for text in told if text]
    if not said:
        return "nothing found" if judged else "nothing to judge"
    return _joined(said)


def _missing(missing: Sequence[Outcome]) -> str:
    return _joined([f"{one.name}: {one.missing}" for one in missing]) if missing else "–"


def _joined(parts: Sequence[str]) -> str:
    more = f"; and {len(parts) - _MOST_TOLD:,} more" if len(parts) > _MOST_TOLD else ""
    return "; ".join(parts[:_MOST_TOLD]) + more
