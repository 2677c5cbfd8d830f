"""What went wrong, in words: non-finite values, overfitting, spikes, slow steps."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from reportgen.history.charts import Curve, partner
from reportgen.history.diagnose import Rise, Stalls, non_finite, rise_after_best, spikes, stalls
from reportgen.history.model import Run
from reportgen.history.rules.layers import is_gradient
from reportgen.history.rules.nonfinite import NON_FINITE, NonFinite
from reportgen.history.rules.overfit import OVERFIT
from reportgen.history.rules.spikes import SPIKES, WINDOW, Spikes
from reportgen.history.rules.stalls import STALLS, TIMES
from reportgen.history.sentences.outcomes import Checked, Context, Outcome, judged, outcome
from reportgen.report import Finding, Severity
from reportgen.units import plural, shorten, show

_NOTABLE = 0.05  # of the run's time, from which lost time is worth a warning
_DATA_TIME = re.compile(
    r"data(?:load(?:er|ing)?)?[/_. -]?(?:time|wait|seconds)|time[/_. -]data", re.IGNORECASE
)


def non_finite_values(context: Context) -> Checked:
    """NaN and infinity, in losses first."""
    curves = [curve for curve in context.curves if curve.name.kind not in ("axis", "upkeep")]
    ordered = sorted(curves, key=lambda curve: not curve.name.loss)
    return Checked(NON_FINITE, tuple(judged(context, ordered, partial(_non_finite, context))))


def _non_finite(context: Context, curve: Curve) -> Finding | None:
    bad = non_finite(curve.series)
    if bad is None:
        return None
    severity: Severity = "serious" if bad.permanent and curve.name.loss else "warning"
    how = ", and stays so to the end" if bad.permanent else ""
    if bad.isolated and bad.count > 1:
        how = ", each alone"
    message = (
        f"{context.named(curve)} is NaN or infinite at {bad.count:,} of {plural(bad.n, 'point')} "
        f"({show(bad.share, 'share')}), first at {curve.series.axis} {bad.step:,}{how}{_before(bad)}."
    )
    return context.finding(severity, message, NON_FINITE, curve)


def _before(bad: NonFinite) -> str:
    if not len(bad.before):
        return ""
    if len(bad.before) == 1:
        return f"; the value before is {show(float(bad.before[0]))}"
    low, high, last = (show(float(value)) for value in (bad.before.min(), bad.before.max(), bad.before[-1]))
    return f"; the {len(bad.before)} values before go from {low} to {high}, the last is {last}"


def overfitting(context: Context) -> Checked:
    """Validation losses that rise after their best."""
    return Checked(OVERFIT, tuple(judged(context, context.validation, partial(_overfitting, context))))


def _overfitting(context: Context, curve: Curve) -> Finding | None:
    train = partner(curve, context.trained)
    rise = rise_after_best(curve.series, train.series if train else None)
    if rise is None:
        return None
    kind = "overfit" if rise.overfits else "validation worsened"
    return context.finding("warning", _risen(context, curve, rise), OVERFIT, curve, f"{kind}: ")


def _risen(context: Context, curve: Curve, rise: Rise) -> str:
    sigmas = "" if rise.sigma == 0 else f", {rise.rise / rise.sigma:,.1f} sigma"
    per_cent = "" if rise.best == 0 else f"+{show(round(rise.rise / abs(rise.best), 3), 'share')}"
    by = per_cent or f"+{show(rise.rise)}"
    place = (
        f"{context.named(curve)} rises after {curve.series.axis} {rise.step:,} ({by}{sigmas}, n = {rise.n:,})"
    )
    return f"{place} while training loss still falls." if rise.overfits else f"{place}."


def spiking(context: Context) -> Checked:
    """Spikes of losses and of gradient norms."""
    norms = [curve for curve in context.curves if _gradient_norm(curve)]
    return Checked(SPIKES, tuple(judged(context, [*context.losses, *norms], partial(_spiking, context))))


def _gradient_norm(curve: Curve) -> bool:
    tag = curve.series.tag
    return is_gradient(tag) and "norm" in tag.lower() and curve.name.kind == "metric" and not curve.name.loss


def _spiking(context: Context, curve: Curve) -> Finding | None:
    found = spikes(curve.series)
    if found is None:
        return None
    # A loss that came back has done no harm, a small last batch is enough for it; nor does a gradient's norm alone.
    stays = any(spike.back is None for spike in found.spikes)
    severity: Severity = "warning" if curve.name.loss and stays else "info"
    return context.finding(severity, _spiked(context, curve, found), SPIKES, curve)


def _spiked(context: Context, curve: Curve, found: Spikes) -> str:
    axis, top, count = curve.series.axis, found.largest, len(found.spikes)
    times = "once" if count == 1 else f"{count:,} times"
    recurring = _recurring(found, axis)
    largest = "" if count == 1 else "the largest "
    back = (
        f"not back within {WINDOW} points or to the end"
        if top.back is None
        else f"back at {axis} {top.back:,}"
    )
    stuck = sum(spike.back is None for spike in found.spikes)
    others = f"; {stuck:,} of them not back" if count > 1 and stuck else ""
    return (
        f"{context.named(curve)} spikes {times} in {plural(found.n, 'point')}{recurring}, "
        f"{largest}at {axis} {top.step:,}: {show(top.value)}, "
        f"{top.mads:,.0f} MAD above the median before ({show(top.median)}), {back}{others}."
    )


def _recurring(found: Spikes, axis: str) -> str:
    """At which period, and that an epoch's small last batch would do that: the most common cause, and harmless."""
    if found.period is None:
        return ""
    count, every, places = len(found.spikes), found.period.every, found.period.places
    where = "" if count == places else f" ({count:,} of {places:,} such {axis}s)"
    return f", every {every:,} {axis}s{where}, as a small last batch of each epoch would"


def slow_steps(context: Context) -> Checked:
    """Slow steps of each run that has wall times, by its series of most points."""
    outcomes = []
    for run, curves in context.by_run:
        timed = [curve for curve in curves if np.isfinite(curve.series.wall).any()]
        if not timed:
            outcomes.append(Outcome(context.run_named(run), missing="no times in the log"))
            continue
        curve = max(timed, key=lambda one: len(one.series))
        walls = [one.series.wall for one in curves if one.name.role in ("validation", "test")]
        evaluated = np.concatenate(walls) if walls and curve.name.role in ("", "train") else np.array([])
        judge = partial(_slow, context, run, evaluated)
        outcomes.append(outcome(context.run_named(run), judge, curve))
    return Checked(STALLS, tuple(outcomes))


def _slow(context: Context, run: Run, evaluated: np.ndarray, curve: Curve) -> Finding | str | None:
    found = stalls(curve.series, evaluated)
    pauses = ""
    if found.evaluations:
        pauses = (
            f"{plural(found.evaluations, 'interval')} in which validation was logged, "
            f"{show(found.evaluating, 's')} beyond the usual in all, not judged"
        )
    if not found.count:
        return pauses or None
    share = found.lost / found.seconds
    every = f", every {found.every:,} {curve.series.axis}s" if found.every else ""
    parts = [
        f"{found.count:,} of {found.n:,} intervals between points of {context.named(curve)} took more than "
        f"{TIMES} times the median {show(found.median, 's')} a {curve.series.axis}{every}",
        f"the longest {show(found.longest, 's')}, up to {curve.series.axis} {found.longest_step:,}",
        f"{show(found.lost, 's')} lost in all, {show(round(share, 4), 'share')} of the time",
    ]
    severity: Severity = "warning" if share >= _NOTABLE else "info"
    message = "; ".join(part for part in (*parts, _waiting(run, found), pauses) if part) + "."
    return context.finding(severity, message, STALLS, curve, "slow steps: ")


def _waiting(run: Run, found: Stalls) -> str:
    """How much of the slow steps a logged data time explains; nothing where none was logged there."""
    for tag, series in run.series.items():
        if not _DATA_TIME.search(tag):
            continue
        index = series.shown
        times = dict(zip(series.x[index].tolist(), series.value[index].tolist(), strict=True))
        pairs = [(times[x], rate) for x, rate in zip(found.places, found.rates, strict=True) if x in times]
        if pairs:
            share = sum(data for data, _ in pairs) / sum(rate for _, rate in pairs)
            return f"{shorten(tag, 60)} is {show(round(share, 3), 'share')} of them"
    return ""
