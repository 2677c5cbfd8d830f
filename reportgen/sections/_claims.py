"""What the methods say of themselves: sums that add up, linear models that fit, rankings that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from reportgen.attribution.base import Attribution, Missing
from reportgen.attribution.explain import Rows
from reportgen.attribution.gradients import COMPLETENESS
from reportgen.attribution.lime import OVERLAP, R2, STABILITY
from reportgen.attribution.shap import ADDITIVITY, SHAP_STABILITY, SHAP_SUM
from reportgen.attribution.trust import MISSED
from reportgen.report import Column, Finding, Row, Table
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

POOR_FIT, UNSTABLE, INCOMPLETE = 0.5, 0.7, 0.01
UNADDED = 0.05  # of sums that are estimated by drawing, which a hundredth would ask too much of
ALL = "the sum of |values|"


@dataclass(frozen=True)
class Claim:
    """A measure of one method's own: whether more is worse, when it fails, and how that is said.

    Where `judged_by` names another measure, that one decides, and its numbers are told.
    """

    worse_high: bool
    meaning: str
    unknown: str
    limit: float | None = None
    sentence: str = ""
    rule: str = ""
    judged_by: str = ""

    def fails(self, value: float) -> bool:
        """Whether this value is worth a finding."""
        return self.limit is not None and (value > self.limit if self.worse_high else value < self.limit)


_SUMS = "the score is the baseline's, so there is nothing to add up to"
_EQUAL = "all weights of a run are equal"
_FLAT = "no score differs from another by more than rounding, or all values are 0"
CLAIMS = {
    COMPLETENESS: Claim(
        True,
        "by which share of f(x) - f(baseline) the sum of the values misses it",
        _SUMS,
        INCOMPLETE,
        f"{{}} values do not add up to f(x) - f(baseline) on {{}} (off by {{}} of {ALL})",
        f"|sum - (f(x) - f(baseline))| / {ALL} > {show(INCOMPLETE, 'share')}",
        MISSED,
    ),
    ADDITIVITY: Claim(
        True,
        "by which share of f(x) - the references' mean score the sum of the values misses it",
        _SUMS,
        UNADDED,
        f"{{}} values do not add up to f(x) - the references' mean score on {{}} (off by {{}} of {ALL})",
        f"|sum - (f(x) - reference)| / {ALL} > {show(UNADDED, 'share')}",
        MISSED,
    ),
    MISSED: Claim(
        True,
        f"by which share of {ALL} their own sum misses that difference, however small the difference is",
        "all values are 0, and the score is the baseline's",
    ),
    SHAP_SUM: Claim(
        True,
        "by which share of f(x) - f(baseline) the sum of the values misses it: by construction zero but for rounding",
        _SUMS,
    ),
    R2: Claim(
        False,
        "of the linear model on its perturbations; 1 is a perfect fit",
        "all scores are equal",
        POOR_FIT,
        "{} fits poorly on {} (R2 {})",
        f"R2 of the surrogate < {POOR_FIT}",
    ),
    STABILITY: Claim(
        False,
        "cosine of the values of two runs with seeds of their own, in which large ones count for more",
        _FLAT,
        UNSTABLE,
        "{} values change with the seed on {} (cosine {})",
        f"cosine of the values of two seeds < {UNSTABLE}",
    ),
    SHAP_STABILITY: Claim(
        False,
        "cosine of the values of the two halves of the coalitions, each half alone, in which large ones count for more",
        _FLAT,
        UNSTABLE,
        "{} values differ between the two halves of its coalitions on {} (cosine {})",
        f"cosine of the values of the two halves of the coalitions < {UNSTABLE}",
    ),
    OVERLAP: Claim(False, "share of the largest values that stay among them with another seed", _EQUAL),
}


def claim(name: str) -> Claim | None:
    """What is known of a measure by its name; None of f(x) - f(baseline)."""
    return CLAIMS.get(name)


def claims(told: Told, title: str, seed: int) -> Table:
    """One row a method and measure: its median and its worst value over the samples, and what is unknown, why."""
    rows = []
    for method, outcomes in zip(told.methods, zip(*told.rows, strict=True), strict=True):
        made = [one for one in outcomes if isinstance(one, Attribution)]
        if not made:
            lost = next(one for one in outcomes if isinstance(one, Missing))
            rows.append(Row(cells=(method, "–", None, None, f"0 of {len(outcomes)}", lost.reason)))
        for name in dict.fromkeys(name for one in made for name in one.trust if claim(name)):
            rows.append(Row(cells=(method, *_line(name, outcomes))))
    silent = [name for name in told.methods if not any(row.cells[0] == name for row in rows)]
    nothing = f" {', '.join(silent)}: no measure of their own; see what follows." if silent else ""
    return Table(
        title=title,
        caption=f"What each method says of itself, over {plural(len(told.rows), 'sample')}; seed {seed}.{nothing}",
        columns=(
            Column(name="Method"),
            Column(name="Measure"),
            Column(name="Median", unit="exact"),
            Column(name="Worst", unit="exact"),
            Column(name="Known for", note="of the samples"),
            Column(name="What it is, and why it is unknown"),
        ),
        rows=tuple(rows),
    )


def _line(name: str, outcomes: Sequence[Attribution | Missing]) -> tuple[str | float | None, ...]:
    found = claim(name)
    assert found is not None
    known = _values(name, outcomes)
    worst = (max if found.worse_high else min)(known) if known else None
    lost = [one.reason for one in outcomes if isinstance(one, Missing)]
    blank = len(outcomes) - len(known) - len(lost)
    why = [f"unknown for {blank}: {found.unknown}"] if blank else []
    why += [f"nothing for {len(lost)}: {lost[0]}"] if lost else []
    middle = float(f"{median(known):.4g}") if known else None
    said = "; ".join([found.meaning, *why])
    return name, middle, worst, f"{len(known)} of {len(outcomes)}", said


def _values(name: str, outcomes: Sequence[Attribution | Missing]) -> list[float]:
    values = [one.trust.get(name) for one in outcomes if isinstance(one, Attribution)]
    return [brief(value) for value in values if value is not None]


def brief(value: float) -> float:
    """Four digits, and to a millionth: what is less of a share, or of a correlation, is noise of rounding."""
    return float(f"{round(value, 6):.4g}")


def failed(rows: Rows, evidence: str) -> list[Finding]:
    """Where a method's own measure is worse than it should be, a finding a method and measure."""
    found = []
    for outcomes in zip(*rows, strict=True):
        made = [one for one in outcomes if isinstance(one, Attribution)]
        for name in dict.fromkeys(name for one in made for name in one.trust):
            what = claim(name)
            known = _values((what.judged_by if what else "") or name, outcomes)
            failing = sorted(value for value in known if what is not None and what.fails(value))
            if what is not None and failing:
                unit = "share" if what.worse_high else ""
                ends = [show(float(f"{value:.2g}"), unit) for value in (failing[0], failing[-1])]
                reach = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
                on = f"{len(failing)} of {plural(len(known), 'sample')}"
                message = what.sentence.format(made[0].method, on, reach) + "."
                found.append(Finding(severity="warning", message=message, rule=what.rule, evidence=evidence))
    return found
