"""What a rule says of one series: a finding, a result that is none, or why it could not be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reportgen.history.charts import Chart, Curve, curves_of, training_curves
from reportgen.history.diagnose import NotEnoughError, Rule
from reportgen.history.model import History, Run
from reportgen.report import Finding, Severity
from reportgen.units import shorten

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """Of one series, run or file: `told` is a result that is no finding, `missing` why there is none."""

    name: str
    finding: Finding | None = None
    told: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Checked:
    """A rule, and what it says of each series that it is for."""

    rule: Rule
    outcomes: tuple[Outcome, ...]

    @property
    def findings(self) -> list[Finding]:
        """In the order of the outcomes."""
        return [one.finding for one in self.outcomes if one.finding is not None]

    @property
    def missing(self) -> list[Outcome]:
        """What could not be judged."""
        return [one for one in self.outcomes if one.missing]


class Context:
    """A history as the rules look at it: its curves, which train and which validate, and where they are shown."""

    def __init__(self, history: History, charts: Sequence[Chart]) -> None:
        self.history = history
        self.by_run: list[tuple[Run, list[Curve]]] = [(run, curves_of(run)) for run in history.runs]
        self.curves = [curve for _, curves in self.by_run for curve in curves]
        self.trained = training_curves(self.curves)
        self.losses = [curve for curve in self.curves if curve.name.loss]
        self.training = [curve for curve in self.losses if curve.name.role in ("", "train")]
        self.validation = [curve for curve in self.losses if curve.name.role == "validation"]
        self._ids = {id(curve.series): chart.id for chart in charts for curve in chart.curves}

    def evidence(self, curve: Curve) -> str:
        """`training/` and the id of the chart that draws a curve, or of the table of all series."""
        return f"training/{self._ids.get(id(curve.series), 'series')}"

    def named(self, curve: Curve) -> str:
        """The tag, with its run where there are several."""
        tag = shorten(curve.series.tag, 60)
        return f"{tag} ({shorten(curve.run, 40)})" if self.several else tag

    def run_named(self, run: Run) -> str:
        """The run's name where there are several, else "the run"."""
        return shorten(run.name, 60) if self.several else "the run"

    @property
    def several(self) -> bool:
        """Whether there are several runs."""
        return len(self.by_run) > 1

    def finding(
        self, severity: Severity, message: str, rule: Rule, curve: Curve, prefix: str = ""
    ) -> Finding:
        """A finding about a curve, by a rule."""
        text = f"{prefix}{rule.definition}"
        return Finding(severity=severity, message=message, rule=text, evidence=self.evidence(curve))


def judged(
    context: Context, curves: Iterable[Curve], judge: Callable[[Curve], Finding | str | None]
) -> list[Outcome]:
    """The outcome for each curve; `judge` gives a finding, a result in words, or None where nothing is found."""
    return [outcome(context.named(curve), judge, curve) for curve in curves]


def outcome(name: str, judge: Callable[[T], Finding | str | None], given: T) -> Outcome:
    """What `judge` says of one thing; "not enough data" is an outcome, too."""
    try:
        found = judge(given)
    except NotEnoughError as error:
        return Outcome(name, missing=str(error).removeprefix("not enough data: "))
    return Outcome(name, told=found) if isinstance(found, str) else Outcome(name, finding=found)
