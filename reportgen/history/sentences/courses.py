"""The rules that are not calibrated, in words: courses of losses, learning rates, gradients by layer."""

from __future__ import annotations

from functools import partial

from reportgen.history.charts import Curve, partner
from reportgen.history.model import Run
from reportgen.history.rules.courses import (
    DIVERGENCE,
    GAP,
    NOISY,
    PLATEAU,
    STILL,
    divergence,
    gap,
    noisy_best,
    slope_at_end,
    still_improving,
)
from reportgen.history.rules.layers import GRADIENTS, Gradient, gradients, norms
from reportgen.history.rules.rates import JUMPS, SCHEDULE, loss_at, schedule
from reportgen.history.sentences.outcomes import Checked, Context, Outcome, judged, outcome
from reportgen.report import Finding
from reportgen.units import plural, shorten, show


def diverging(context: Context) -> Checked:
    """Training losses that end above where they began."""
    return Checked(DIVERGENCE, tuple(judged(context, context.training, partial(_diverging, context))))


def _diverging(context: Context, curve: Curve) -> Finding | None:
    found = divergence(curve.series)
    if found is None:
        return None
    message = (
        f"{context.named(curve)} ends higher than it began: first {show(found.first)}, median of the last 10 % of "
        f"{plural(found.n, 'point')} {show(found.last)}."
    )
    return context.finding("info", message, DIVERGENCE, curve)


def plateaus(context: Context) -> Checked:
    """How each loss goes over its last 30 %."""
    return Checked(PLATEAU, tuple(judged(context, context.losses, partial(_plateau, context))))


def _plateau(context: Context, curve: Curve) -> str | None:
    found = slope_at_end(curve.series)
    if not found.flat:
        return None
    return (
        f"{context.named(curve)} is flat from {curve.series.axis} {found.since:,} on: change {show(found.change)} "
        f"(95 % {show(found.low)} to {show(found.high)}, n = {found.n:,})"
    )


def noisy(context: Context) -> Checked:
    """Validation losses whose best is within the noise of others."""
    return Checked(NOISY, tuple(judged(context, context.validation, partial(_noisy, context))))


def _noisy(context: Context, curve: Curve) -> str | None:
    found = noisy_best(curve.series)
    if found is None:
        return None
    nearest = ", ".join(f"{step:,}" for step in found.nearest)
    axis = curve.series.axis
    return (
        f"{context.named(curve)}: {found.count:,} of {found.n:,} points within one sigma ({show(found.sigma)}) of "
        f"the best, {show(found.best)} at {axis} {found.step:,}: {axis} {nearest}"
    )


def improving(context: Context) -> Checked:
    """Validation losses that are best at their last point."""
    return Checked(STILL, tuple(judged(context, context.validation, partial(_improving, context))))


def _improving(context: Context, curve: Curve) -> Finding | None:
    found = still_improving(curve.series)
    if found is None:
        return None
    p = "p < .001" if found.p < 0.001 else f"p = {found.p:.3f}".replace("0.", ".")
    message = (
        f"{context.named(curve)} is best at its last point, {show(found.value)} at {curve.series.axis} "
        f"{found.step:,}, and its last half falls ({p}, n = {found.n:,}): it may still be improving."
    )
    return context.finding("info", message, STILL, curve)


def gaps(context: Context) -> Checked:
    """The gap between validation and training."""
    outcomes = []
    for curve in context.validation:
        train = partner(curve, context.trained)
        if train is None:
            outcomes.append(Outcome(context.named(curve), missing="no training loss of its name"))
        else:
            outcomes.append(outcome(context.named(curve), partial(_gap, context, train), curve))
    return Checked(GAP, tuple(outcomes))


def _gap(context: Context, train: Curve, curve: Curve) -> str:
    found, axis = gap(curve.series, train.series), curve.series.axis
    return (
        f"{context.named(curve)} less {shorten(train.series.tag, 60)}: {show(found.at_best)} at the best ({axis} "
        f"{found.best_step:,}), {show(found.at_end)} at the end ({axis} {found.last_step:,})"
    )


def schedules(context: Context) -> Checked:
    """The course of each learning rate."""
    return Checked(SCHEDULE, tuple(judged(context, _rates(context), partial(_schedule, context))))


def _rates(context: Context) -> list[Curve]:
    return [curve for curve in context.curves if curve.name.kind == "lr"]


def _schedule(context: Context, curve: Curve) -> str:
    found, axis = schedule(curve.series), curve.series.axis
    if found.kind == "constant" and found.warmup is None:
        return f"{context.named(curve)}: constant, {show(found.last)}"
    until = "" if found.warmup is None else f" (peak {show(found.peak)} at {axis} {found.warmup:,})"
    return f"{context.named(curve)}: {found}{until}, from {show(found.first)} to {show(found.last)}"


def jumps(context: Context) -> Checked:
    """What training losses do where the learning rate jumps."""
    outcomes = []
    for rate in _rates(context):
        losses = [
            one
            for one in context.training
            if one.run == rate.run and one.series.axis == rate.series.axis and len(one.series.shown) > 1
        ]
        for loss in losses[:1]:
            outcomes.append(outcome(context.named(rate), partial(_jumped, context, loss), rate))
    return Checked(JUMPS, tuple(outcomes))


def _jumped(context: Context, loss: Curve, rate: Curve) -> Finding | str | None:
    found = loss_at(loss.series, schedule(rate.series).jumps)
    if not found:
        return None
    largest = max(found, key=lambda jump: abs(jump.after - jump.before))
    several = "" if len(found) == 1 else f", the largest of {len(found)}"
    sigmas = (
        "" if largest.sigma == 0 else f", {abs(largest.after - largest.before) / largest.sigma:,.1f} sigma"
    )
    message = (
        f"{context.named(loss)} goes from {show(largest.before)} to {show(largest.after)} where "
        f"{shorten(rate.series.tag, 60)} jumps at {loss.series.axis} {largest.step:,}{several}{sigmas}"
    )
    rises = largest.after > largest.before
    return context.finding("info", f"{message}.", JUMPS, loss) if rises else message


def gradients_by_layer(context: Context) -> Checked:
    """Layers whose gradients die, vanish or explode, a finding a run and kind."""
    outcomes = []
    for run, _ in context.by_run:
        layers = norms(run)
        if len(layers) > 0:
            outcomes += _layers(context, run, layers)
    return Checked(GRADIENTS, tuple(outcomes))


def _layers(context: Context, run: Run, layers: dict) -> list[Outcome]:
    found: list[Gradient] = []
    whole = outcome(context.run_named(run), lambda given: found.extend(gradients(given)), layers)
    if not found:
        return [whole]
    outcomes = []
    for kind in dict.fromkeys(one.kind for one in found):
        same = [one for one in found if one.kind == kind]
        outcomes.append(Outcome(whole.name, finding=_gradient(context, run, kind, same, len(layers))))
    return outcomes


def _gradient(context: Context, run: Run, kind: str, same: list[Gradient], layers: int) -> Finding:
    worst = (
        max(same, key=lambda one: one.last) if kind == "exploding" else min(same, key=lambda one: one.last)
    )
    against = {"dead": "", "vanishing": ", the median layer's ", "exploding": ", in its first half "}[kind]
    usual = f"{against}{show(worst.usual)}" if against else ""
    of = f" of {context.run_named(run)}" if context.several else ""
    message = (
        f"{len(same):,} of {layers:,} layers{of} have {kind} gradients at the end: {shorten(worst.tag, 60)} "
        f"{show(worst.last)}{usual} (n = {worst.n:,})."
    )
    curve = next((one for one in context.curves if one.series is run.series.get(worst.tag)), None)
    evidence = "training/series" if curve is None else context.evidence(curve)
    return Finding(severity="info", message=message, rule=GRADIENTS.definition, evidence=evidence)
