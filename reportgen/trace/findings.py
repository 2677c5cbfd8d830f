"""What is worth knowing about a model's build: each with its numbers and the rule that found it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reportgen.dense import dense
from reportgen.errors import RAISED
from reportgen.report import Finding, Severity
from reportgen.trace.findings_cost import cost
from reportgen.trace.findings_flow import flow
from reportgen.trace.names import uncompiled
from reportgen.trace.steps import PACKED, Layer, Trace, Weight
from reportgen.units import plural, shorten, show

ODD = 10  # one in so many is an exception, more are a choice


def findings(trace: Trace, model: nn.Module, *, task: str = "") -> tuple[Finding, ...]:
    """All findings, in a fixed order. `model` is only read, for values that are not finite."""
    found = [
        _not_finite(model),
        *_never_run(trace),
        _no_gradient(trace),
        _unregistered(trace),
        *flow(trace, task),
        _tied(trace),
        _frozen(trace),
        _mixed_weights(trace),
        *cost(trace),
    ]
    return tuple(finding for finding in found if finding is not None)


def _names(names: Iterable[str], most: int = 5) -> str:
    listed = [shorten(name, 60) for name in names]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _verb(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _not_finite(model: nn.Module) -> Finding | None:
    parameters = [(n, p) for n, p in model.named_parameters() if not is_lazy(p) and not p.is_meta]
    buffers = [(n, b) for n, b in model.named_buffers() if not is_lazy(b) and not b.is_meta]
    broken = [uncompiled(name) for name, tensor in parameters if _has(tensor, torch.isfinite, every=True)]
    # Infinity is at home in buffers: masks hold it.
    marred = [uncompiled(name) for name, tensor in buffers if _has(tensor, torch.isnan, every=False)]
    parts = []
    if broken:
        of = plural(len(parameters), "parameter tensor")
        parts.append(f"{len(broken)} of {of} {_verb(len(broken), 'holds', 'hold')} NaN or infinity")
    if marred:
        parts.append(
            f"{len(marred)} of {plural(len(buffers), 'buffer')} {_verb(len(marred), 'holds', 'hold')} NaN"
        )
    if not parts:
        return None
    return Finding(
        severity="serious",
        message=f"{' and '.join(parts)}: {_names([*broken, *marred])}.",
        rule="a parameter holds NaN or infinity, or a buffer NaN",
        evidence="architecture/layers",
    )


def _has(tensor: torch.Tensor, test: object, *, every: bool) -> bool:
    """Whether a tensor fails `test` (isfinite, for all values) or meets it (isnan, for any)."""
    if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.layout != torch.strided:
        return False
    with torch.no_grad():
        # 8-bit floats have no test of their own.
        try:
            values = dense(tensor)
        except RAISED:  # a class of its own that shows no values
            return False
        values = values.float() if values.element_size() == 1 else values
        if bool(torch.isfinite(values.sum())):
            return False  # NaN and infinity stay in a sum, which takes no memory of the tensor's size
        result = test(values)  # type: ignore[operator]
        return not bool(result.all()) if every else bool(result.any())


def _counted(trace: Trace) -> list[tuple[Layer, Weight]]:
    return [
        (layer, weight)
        for layer in trace.layers
        if layer.registered
        for weight in layer.own
        if not weight.name.endswith(PACKED)
    ]


def _never_run(trace: Trace) -> list[Finding]:
    """Parameters that nothing read: in no mode, in eval mode alone, or as far as could be seen."""
    if not trace.complete:
        return []
    idle = [(layer, w) for layer, w in _counted(trace) if w.name not in trace.used and w.numel]
    read = trace.training or frozenset()
    whole = trace.how == "program" or (trace.training is not None and not trace.training_error)
    training = [weight for _, weight in idle if weight.name in read]
    rest = [(layer, weight) for layer, weight in idle if weight.name not in read]
    never = [weight for layer, weight in rest if whole and layer.path not in trace.kept]
    unsure = [weight for layer, weight in rest if not whole or layer.path in trace.kept]
    why = "their layers keep tensors of their own, which may be made of them"
    if not whole:
        why = f"a pass in training mode raised {shorten(trace.training_error, 120)}"
    found = [
        _idle(
            trace, never, "warning", "not used in the traced forward pass", "",
            "no kernel of one forward pass in eval mode, and of one in training mode, read the parameter",
        ),
        _idle(
            trace, unsure, "info", "not seen in the traced forward pass in eval mode",
            f" This does not show that they are idle: {why}.",
            "no kernel of one forward pass in eval mode read the parameter, and more can't be seen",
        ),
        _idle(
            trace, training, "info", "read in training mode, and not in the traced forward pass in eval mode",
            " Eval mode leaves them out, or reads what was made of them before.",
            "a kernel of a forward pass in training mode read the parameter, and none of one in eval mode did",
        ),
    ]  # fmt: skip
    return [finding for finding in found if finding is not None]


def _idle(
    trace: Trace, idle: list[Weight], severity: Severity, what: str, more: str, rule: str
) -> Finding | None:
    if not idle:
        return None
    size = sum(weight.numel or 0 for weight in idle)
    share = show(size / trace.totals.all, "share")
    return Finding(
        severity=severity,
        message=(
            f"{plural(len(idle), 'parameter tensor')} ({size:,} values, {share} of all) "
            f"{_verb(len(idle), 'was', 'were')} {what}: {_names(w.name for w in idle)}.{more}"
        ),
        rule=rule,
        evidence="architecture/layers",
    )


def _no_gradient(trace: Trace) -> Finding | None:
    """Trainable parameters that ran and that no output leads back to."""
    trained = [weight for _, weight in _counted(trace) if weight.trainable and weight.numel]
    if trace.reached is None or not trained:
        return None
    cut = [weight for weight in trained if weight.name in trace.used and weight.name not in trace.reached]
    if not cut:
        return None
    if not trace.reached:
        return Finding(
            severity="info",
            message="No output is connected to a parameter by a gradient: this forward pass can't be trained through.",
            rule="with gradients on, no output of the forward pass leads back to a trainable parameter",
            evidence="architecture/layers",
        )
    size = sum(weight.numel or 0 for weight in cut)
    share = show(size / trace.totals.all, "share")
    return Finding(
        severity="warning",
        message=(
            f"{plural(len(cut), 'trainable parameter tensor')} ({size:,} values, {share} of all) "
            f"{_verb(len(cut), 'runs', 'run')} but never {_verb(len(cut), 'gets', 'get')} a gradient: "
            f"{_names(w.name for w in cut)}."
        ),
        rule="a kernel of the forward pass in eval mode read the parameter, and no output's gradient leads to it",
        evidence="architecture/layers",
    )


def _mixed_weights(trace: Trace) -> Finding | None:
    """One matrix in another floating point type than all others; norms and biases are kept wide on purpose."""
    matrices = [w for _, w in _counted(trace) if len(w.shape) > 1 and w.dtype.startswith(("float", "bfloat"))]
    counts = Counter(weight.dtype for weight in matrices)
    usual = max(counts, key=lambda kind: counts[kind]) if counts else ""
    odd = [weight for weight in matrices if weight.dtype != usual]
    if not odd or len(odd) * ODD > len(matrices):
        return None
    kinds = " and ".join(dict.fromkeys(weight.dtype for weight in odd))
    return Finding(
        severity="info",
        message=(
            f"{len(odd)} of {len(matrices):,} weight matrices "
            f"{_verb(len(odd), 'is', 'are')} {kinds}, the others {usual}: {_names(w.name for w in odd)}."
        ),
        rule=f"fewer than 1 in {ODD} parameters of two or more axes have another floating point type than most",
        evidence="architecture/layers",
    )


def _unregistered(trace: Trace) -> Finding | None:
    hidden = [layer for layer in trace.layers if not layer.registered and not layer.alias_of]
    size = sum(weight.numel or 0 for layer in hidden for weight in layer.own)
    tops = [layer.path for layer in hidden if trace.by_path[layer.parent].registered]
    if not size:
        return None
    return Finding(
        severity="warning",
        message=(
            f"{plural(len(tops), 'layer')} with {size:,} parameters {_verb(len(tops), 'is', 'are')} held in a plain "
            f"list or dict, unseen by parameters() and state_dict(): {_names(tops)}."
        ),
        rule="a module is in a list, tuple or dict attribute and nowhere registered",
        evidence="architecture/layers",
    )


def _tied(trace: Trace) -> Finding | None:
    tied = [
        w
        for layer in trace.layers
        if layer.registered and not layer.alias_of
        for w in layer.weights
        if w.tied_to
    ]
    if not tied:
        return None
    size = sum(weight.numel or 0 for weight in tied)
    pairs = [f"{shorten(weight.name, 60)} to {shorten(weight.tied_to, 60)}" for weight in tied]
    listed = "; ".join(pairs[:3]) + (f"; and {len(pairs) - 3} more" if len(pairs) > 3 else "")
    return Finding(
        severity="info",
        message=f"{plural(len(tied), 'parameter')} ({size:,} values) {_verb(len(tied), 'is', 'are')} tied: {listed}.",
        rule="the same tensor is registered under two names; it is counted once",
        evidence="architecture/layers",
    )


def _frozen(trace: Trace) -> Finding | None:
    parameters = _counted(trace)
    frozen = [(layer, weight) for layer, weight in parameters if not weight.trainable]
    size, total = sum(weight.numel or 0 for _, weight in frozen), trace.totals.all
    if not frozen or not total:
        return None
    layers = list(dict.fromkeys(layer.path or layer.type for layer, _ in frozen))
    where = "in all layers" if len(frozen) == len(parameters) else f"in {_names(layers)}"
    return Finding(
        severity="info",
        message=f"{size:,} of {total:,} parameters ({show(size / total, 'share')}) are frozen, {where}.",
        rule="requires_grad is False",
        evidence="architecture/layers",
    )
