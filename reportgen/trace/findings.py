"""What is worth knowing about a model's build: each with its numbers and the rule that found it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reportgen.report import Finding
from reportgen.trace.steps import PACKED, Layer, Trace, Weight
from reportgen.units import plural, shorten, show

HALF = 0.5  # the share of all parameters above which one layer is said to hold most of them


def findings(trace: Trace, model: nn.Module, *, task: str = "") -> tuple[Finding, ...]:
    """All findings, in a fixed order. `model` is only read, for values that are not finite."""
    found = [
        _not_finite(model),
        _never_run(trace),
        _unregistered(trace),
        _no_distribution(trace, task),
        _tied(trace),
        _frozen(trace),
        _bias_before_norm(trace),
        _most_parameters(trace),
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
    broken = [name for name, tensor in parameters if _has(tensor, torch.isfinite, every=True)]
    # Infinity is at home in buffers: masks hold it.
    marred = [name for name, tensor in buffers if _has(tensor, torch.isnan, every=False)]
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
        values = tensor.detach().float() if tensor.element_size() == 1 else tensor.detach()
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


def _never_run(trace: Trace) -> Finding | None:
    if not trace.complete:
        return None
    idle = [weight for _, weight in _counted(trace) if weight.name not in trace.used and weight.numel]
    if not idle:
        return None
    size = sum(weight.numel or 0 for weight in idle)
    share = show(size / trace.totals.parameters, "share")
    return Finding(
        severity="warning",
        message=(
            f"{plural(len(idle), 'parameter tensor')} ({size:,} values, {share} of all) "
            f"{_verb(len(idle), 'was', 'were')} not used in the traced forward pass: {_names(w.name for w in idle)}."
        ),
        rule="no kernel of one forward pass in eval mode read the parameter",
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


def _no_distribution(trace: Trace, task: str) -> Finding | None:
    """A softmax over the batch: its rows can't sum to 1. Only where the softmax is the very output."""
    if task != "classification" or not trace.complete:
        return None
    outputs = [step for step in trace.steps if step.kind == "output"]
    if len(outputs) != 1 or len(outputs[0].inputs[0].shape) != 2:
        return None
    source = next((link.source for link in trace.links if link.target == outputs[0].index), None)
    if source is None:
        return None
    step = trace.steps[source]
    if step.type.lower() not in ("softmax", "logsoftmax", "log_softmax") or step.settings != "dim=0":
        return None
    return Finding(
        severity="serious",
        message=(
            f"The output comes from a {step.type} over dimension 0, the batch, so a sample's "
            f"{outputs[0].inputs[0].shape[1]} scores are no distribution over the classes."
        ),
        rule="the output of a classifier is a softmax with dim=0",
        evidence="architecture/graph",
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
    size, total = sum(weight.numel or 0 for _, weight in frozen), trace.totals.parameters
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


def _bias_before_norm(trace: Trace) -> Finding | None:
    """Batch norm takes the mean away, and with it whatever its input's bias added."""
    targets: dict[int, list[int]] = {}
    for link in trace.links:
        targets.setdefault(link.source, []).append(link.target)
    wasted: dict[str, int] = {}
    for step in trace.steps:
        layer = trace.by_path.get(step.path)
        if step.kind != "call" or layer is None or layer.family not in ("conv", "linear") or not layer.leaf:
            continue
        bias = next((w for w in layer.weights if w.name.rpartition(".")[2] == "bias"), None)
        after = [trace.steps[target] for target in targets.get(step.index, ())]
        if bias is not None and after and all(one.type.startswith("BatchNorm") for one in after):
            wasted[step.path] = bias.numel or 0
    if not wasted:
        return None
    return Finding(
        severity="info",
        message=(
            f"{plural(len(wasted), 'layer')} {_verb(len(wasted), 'has', 'have')} a bias that the batch norm after "
            f"it cancels ({sum(wasted.values()):,} parameters): {_names(wasted)}."
        ),
        rule="every use of a convolution's or linear layer's output is a batch norm",
        evidence="architecture/layers",
    )


def _most_parameters(trace: Trace) -> Finding | None:
    sizes = [
        (sum(weight.numel or 0 for weight in layer.own), layer)
        for layer in trace.layers
        if layer.registered and layer.own
    ]
    total = sum(size for size, _ in sizes)
    if len(sizes) < 3 or not total:
        return None
    size, layer = max(sizes, key=lambda pair: pair[0])
    if size / total <= HALF:
        return None
    return Finding(
        severity="info",
        message=(
            f"{shorten(layer.path or layer.type, 60)} ({shorten(layer.type, 40)}) holds {show(size / total, 'share')} "
            f"of the parameters: {size:,} of {total:,}."
        ),
        rule="one of three or more layers holds more than half of the parameters itself",
        evidence="architecture/layers",
    )
