"""Findings about training: each one sentence with its numbers, its rule and the block that shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reportgen.history.charts import Chart, Curve, curves_of, partner, training_curves
from reportgen.history.diagnose import LEAST, OVERFIT_RULE, Rise, non_finite, rise_after_best
from reportgen.history.model import DUPLICATE, SUPERSEDED, History, Run, Source
from reportgen.report import Finding, Severity
from reportgen.units import plural, shorten, show

Trained = Mapping[tuple[str, str, str], list[Curve]]

_MOST = 5  # of one kind; the rest is counted
_FEW = 5  # validation points below which a curve says little


class Evidence:
    """Which block shows a series: its chart where it is drawn, else the table of all series."""

    def __init__(self, charts: Sequence[Chart]) -> None:
        self._ids = {id(curve.series): chart.id for chart in charts for curve in chart.curves}
        self.several = len({curve.run for chart in charts for curve in chart.curves}) > 1

    def of(self, curve: Curve) -> str:
        """`training/` and the block's id."""
        return f"training/{self._ids.get(id(curve.series), 'series')}"

    def named(self, curve: Curve) -> str:
        """The tag, with its run where there are several."""
        tag = shorten(curve.series.tag, 60)
        return f"{tag} ({shorten(curve.run, 40)})" if self.several else tag


def findings(history: History, charts: Sequence[Chart]) -> list[Finding]:
    """All findings, in the order of the runs; at most five of a kind, the others counted."""
    evidence = Evidence(charts)
    curves = [curve for run in history.runs for curve in curves_of(run)]
    trained = training_curves(curves)
    losses = [curve for curve in curves if curve.name.loss]
    others = [curve for curve in curves if not curve.name.loss]
    return [
        *_capped([found for curve in losses for found in _non_finite(curve, evidence)]),
        *_capped([found for curve in curves for found in _validation(curve, trained, evidence)]),
        *_capped([found for curve in others for found in _non_finite(curve, evidence)]),
        *_capped([found for run in history.runs for found in _restarts(run, evidence)]),
        *_capped([found for curve in curves for found in _duplicates(curve, evidence)]),
        *_capped([found for source in history.sources for found in _damage(source)]),
    ]


def _capped(found: list[Finding]) -> list[Finding]:
    if len(found) <= _MOST:
        return found
    last = found[_MOST]
    more = f"{len(found) - _MOST:,} more series or files have the like: {shorten(last.message, 120)}"
    return [*found[:_MOST], last.model_copy(update={"message": more})]


def _non_finite(curve: Curve, evidence: Evidence) -> list[Finding]:
    bad = non_finite(curve.series)
    if bad is None or curve.name.kind in ("axis", "upkeep"):
        return []
    severity: Severity = "serious" if bad.permanent and curve.name.loss else "warning"
    until = ", and stays so to the end" if bad.permanent else ""
    message = (
        f"{evidence.named(curve)} is NaN or infinite at {bad.count:,} of {plural(bad.n, 'point')}, "
        f"first at {curve.series.axis} {bad.step:,}{until}."
    )
    return [_finding(severity, message, "value is NaN or infinite", evidence.of(curve))]


def _validation(curve: Curve, trained: Trained, evidence: Evidence) -> list[Finding]:
    """Overfitting, or that there is too little to tell."""
    if curve.name.role != "validation" or not curve.name.loss:
        return []
    count = len(curve.series.shown)
    if count < _FEW:
        message = f"{evidence.named(curve)} was logged {count:,} times: too few points to judge its course."
        if count == 1:
            message = f"{evidence.named(curve)} was logged once: no course to judge."
        return [_finding("info", message, f"validation logged fewer than {_FEW} times", evidence.of(curve))]
    train = partner(curve, trained)
    try:
        rise = rise_after_best(curve.series, train.series if train else None)
    except ValueError as error:
        message = f"{evidence.named(curve)}: {error} to judge overfitting."
        return [_finding("info", message, f"at least {LEAST} validation points", evidence.of(curve))]
    return [] if rise is None else [_risen(curve, rise, evidence)]


def _risen(curve: Curve, rise: Rise, evidence: Evidence) -> Finding:
    sigmas = "" if rise.sigma == 0 else f", {rise.rise / rise.sigma:,.1f} sigma"
    per_cent = "" if rise.best == 0 else f"+{show(round(rise.rise / abs(rise.best), 3), 'share')}"
    by = per_cent or f"+{show(rise.rise)}"
    place = f"{evidence.named(curve)} rises after {curve.series.axis} {rise.step:,} ({by}{sigmas}, n = {rise.n:,})"
    message = f"{place} while training loss still falls." if rise.overfits else f"{place}."
    kind = "overfit" if rise.overfits else "validation worsened"
    return _finding("warning", message, f"{kind}: {OVERFIT_RULE}", evidence.of(curve))


def _restarts(run: Run, evidence: Evidence) -> list[Finding]:
    curves = [curve for curve in curves_of(run) if len(curve.series) and curve.series.segment[-1] > 0]
    if not curves:
        return []
    most = max(curves, key=lambda curve: int(curve.series.segment[-1]))
    series = most.series
    again = series.step[np.flatnonzero(np.diff(series.segment)) + 1]
    gone = int(((series.flags & SUPERSEDED) > 0).sum())
    times = "once" if len(again) == 1 else f"{len(again):,} times"
    message = (
        f"{evidence.named(most)} starts again {times}, first at {series.axis} {int(again[0]):,}: "
        f"{gone:,} of {plural(len(series), 'point')} replaced by later ones."
    )
    severity: Severity = "warning" if gone else "info"
    return [_finding(severity, message, "the step goes back, or a session starts", evidence.of(most))]


def _duplicates(curve: Curve, evidence: Evidence) -> list[Finding]:
    series = curve.series
    count = int(((series.flags & DUPLICATE) > 0).sum())
    if not count or curve.name.kind in ("axis", "upkeep"):
        return []
    message = (
        f"{evidence.named(curve)} has {plural(count, 'point')} of {len(series):,} at {series.axis}s logged again "
        "later; the last of each is drawn."
    )
    return [_finding("warning", message, "two points of one step without a restart", evidence.of(curve))]


def _damage(source: Source) -> list[Finding]:
    """What a file says of itself; whether it is read or not."""
    name = shorten(source.path, 80)
    rule = "the log file is whole and of a known format"
    return [
        _finding("warning", f"{name}: {shorten(warning, 300)}", rule, "training/sources")
        for warning in source.warnings[:_MOST]
    ]


def _finding(severity: Severity, message: str, rule: str, evidence: str) -> Finding:
    return Finding(severity=severity, message=message, rule=rule, evidence=evidence)
