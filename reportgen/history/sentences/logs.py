"""How the runs were logged, in words: restarts, repeated steps, damage, and what was logged too seldom."""

from __future__ import annotations

from functools import partial

import numpy as np

from reportgen.history.charts import Curve
from reportgen.history.model import DUPLICATE, SUPERSEDED, Source
from reportgen.history.rules.hygiene import (
    CONSTANT,
    DAMAGE,
    DUPLICATES,
    FEW,
    FEW_RULE,
    IRREGULAR,
    ONCE,
    RESTARTS,
    constant,
    irregular,
)
from reportgen.history.sentences.outcomes import Checked, Context, Outcome, judged, outcome
from reportgen.report import Finding, Severity
from reportgen.units import plural, shorten, show

_MOST_WARNINGS = 5  # of one file


def seldom(context: Context) -> Checked:
    """Validation losses of too few points."""
    return Checked(FEW_RULE, tuple(judged(context, context.validation, partial(_seldom, context))))


def _seldom(context: Context, curve: Curve) -> Finding | None:
    count = len(curve.series.shown)
    if count >= FEW:
        return None
    message = f"{context.named(curve)} was logged {count:,} times: too few points to judge its course."
    if count == 1:
        message = f"{context.named(curve)} was logged once: no course to judge."
    return context.finding("info", message, FEW_RULE, curve)


def restarts(context: Context) -> Checked:
    """Runs that start again."""
    outcomes = [
        outcome(context.run_named(run), partial(_restarts, context), curves) for run, curves in context.by_run
    ]
    return Checked(RESTARTS, tuple(outcomes))


def _restarts(context: Context, every: list[Curve]) -> Finding | None:
    curves = [curve for curve in every if len(curve.series) and curve.series.segment[-1] > 0]
    if not curves:
        return None
    most = max(curves, key=lambda curve: int(curve.series.segment[-1]))
    series = most.series
    again = series.step[np.flatnonzero(np.diff(series.segment)) + 1]
    gone = int(((series.flags & SUPERSEDED) > 0).sum())
    times = "once" if len(again) == 1 else f"{len(again):,} times"
    message = (
        f"{context.named(most)} starts again {times}, first at {series.axis} {int(again[0]):,}: "
        f"{gone:,} of {plural(len(series), 'point')} replaced by later ones."
    )
    severity: Severity = "warning" if gone else "info"
    return context.finding(severity, message, RESTARTS, most)


def duplicates(context: Context) -> Checked:
    """Steps that were logged again without a restart."""
    curves = [curve for curve in context.curves if curve.name.kind not in ("axis", "upkeep")]
    return Checked(DUPLICATES, tuple(judged(context, curves, partial(_duplicates, context))))


def _duplicates(context: Context, curve: Curve) -> Finding | None:
    series = curve.series
    count = int(((series.flags & DUPLICATE) > 0).sum())
    if not count:
        return None
    message = (
        f"{context.named(curve)} has {plural(count, 'point')} of {len(series):,} at {series.axis}s logged again "
        "later; the last of each is drawn."
    )
    return context.finding("warning", message, DUPLICATES, curve)


def damage(context: Context) -> Checked:
    """What the files say of themselves; whether they are read or not."""
    return Checked(DAMAGE, tuple(one for source in context.history.sources for one in _damage(source)))


def _damage(source: Source) -> list[Outcome]:
    name = shorten(source.path, 80)
    found = [
        Finding(
            severity="warning",
            message=f"{name}: {shorten(warning, 300)}",
            rule=DAMAGE.definition,
            evidence="training/sources",
        )
        for warning in source.warnings[:_MOST_WARNINGS]
    ]
    return [Outcome(name, finding=one) for one in found] or [Outcome(name)]


def unvarying(context: Context) -> Checked:
    """Metrics that never change."""
    curves = [curve for curve in context.curves if curve.name.kind == "metric"]
    return Checked(CONSTANT, tuple(judged(context, curves, partial(_constant, context))))


def _constant(context: Context, curve: Curve) -> Finding | None:
    value = constant(curve.series)
    if value is None:
        return None
    message = f"{context.named(curve)} is {show(value)} at all {plural(len(curve.series.shown), 'point')}."
    return context.finding("info", message, CONSTANT, curve)


def once(context: Context) -> Checked:
    """Metrics of one point, in runs whose others have more."""
    curves = [
        curve
        for _, every in context.by_run
        if any(len(one.series.shown) > 1 for one in every)
        for curve in every
        if curve.name.kind == "metric"
    ]
    return Checked(ONCE, tuple(judged(context, curves, partial(_once, context))))


def _once(context: Context, curve: Curve) -> str | None:
    if len(curve.series.shown) != 1:
        return None
    return f"{context.named(curve)} at {curve.series.axis} {int(curve.series.x[curve.series.shown[0]]):,}"


def irregularly(context: Context) -> Checked:
    """Series whose points lie at varying distances."""
    curves = [curve for curve in context.curves if curve.series.axis in ("step", "epoch")]
    return Checked(IRREGULAR, tuple(judged(context, curves, partial(_irregular, context))))


def _irregular(context: Context, curve: Curve) -> str | None:
    found = irregular(curve.series)
    if found is None:
        return None
    return (
        f"{context.named(curve)}: {found.count:,} of {found.n:,} distances, {found.least:,} to {found.most:,} "
        f"{curve.series.axis}s, median {show(found.median)}"
    )
