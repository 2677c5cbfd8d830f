"""Where torchinfo's totals differ from ours, and why: sums by cause that make the whole difference.

How torchinfo 1.8 counts (its layer_info.py and model_statistics.py):

- Parameters: those of every layer without inner layers that ran, each layer once, and of every other layer what is
  left of its own when those listed below it are subtracted, never less than 0.
- Multiply-adds: of every call of a layer without inner layers, `weight` and `bias` times the first number of the
  output's shape; where "Conv" is in the class's name, times all of them but the second; any other parameter that
  has "weight" or "bias" in its name, times the first two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from reportgen.data import unwrapped
from reportgen.trace.steps import Layer, Trace
from reportgen.units import shorten, show

_SCRIPTED = "layers inside TorchScript, whose calls it does not see"
_UNLISTED = "layers in plain lists or dicts, which it does not see"
_OUTSIDE = "what layers with inner layers compute themselves, which it does not see"
_AROUND = "what runs inside TorchScript, or in the layers around it themselves, which it does not see"
_POSITIONS = "linear layers, whose weights it takes once a sample instead of once a position"
_STEPS = "recurrent layers whose output has two axes, both of which it takes for samples and steps"
_TRANSPOSED = "transposed convolutions, which it takes by the size of their output"
_BIASES = "biases, which are not counted here"
_NORM = "weights of normalisation, which are not counted here"
_TABLES = "tables of embeddings, which are looked up and not multiplied"
_QUANTIZED = "quantized layers, whose weights it does not see"
_PRUNED = "pruned layers, of which it takes the weights that are left"


def differences(trace: Trace, model: nn.Module, statistics: Any) -> str:
    """A paragraph for the parameters and one for the FLOPs, where torchinfo's differ; "" where neither does."""
    said = [_parameters(trace, model, statistics), _flops(trace, model, statistics)]
    return "\n\n".join(part for part in said if part)


# --- parameters --------------------------------------------------------------------------------------------


def _parameters(trace: Trace, model: nn.Module, statistics: Any) -> str:
    ours, theirs = trace.totals.all, int(statistics.total_params)
    if ours == theirs:
        return ""
    packed = (-trace.totals.packed, "leaves out {:,} that quantized layers hold packed")
    causes = [(size, why) for size, why in (*parameter_causes(model, statistics), packed) if size]
    known = sum(size for size, _ in causes) == theirs - ours
    why = "; ".join(f"it {reason.format(abs(size))}" for size, reason in causes) if known else ""
    more = "more" if theirs > ours else "fewer"
    return (
        f"torchinfo counts {theirs:,} parameters, {abs(theirs - ours):,} {more} than the {ours:,} here: "
        f"{why or 'the reason is not known'}."
    )


def parameter_causes(model: nn.Module, statistics: Any) -> list[tuple[int, str]]:
    """How many parameters more (or less) torchinfo counts, by cause; the sum is its total less the unique sum."""
    # Held as long as their ids are compared: a scripted module makes them anew each time it is asked.
    every = list(unwrapped(model).parameters())
    listed: dict[int, int] = {}
    again = masked = rest = 0
    for info in statistics.summary_list:
        if info.is_recursive:
            continue
        if not info.is_leaf_layer:
            rest += max(info.leftover_params(), 0)
            continue
        own = list(info.module.parameters())
        again += sum(one.numel() for one in own if id(one) in listed)
        masked += info.num_params - sum(one.numel() for one in own)
        listed |= {id(one): one.numel() for one in own}
        every += own
    lone = {id(one): one.numel() for one in every if not isinstance(one, _LAZY)}
    held = sum(size for key, size in lone.items() if key not in listed)
    return [
        (again, "counts tied weights twice ({:,})"),
        (masked, "leaves out {:,} that are pruned"),
        (min(rest - held, 0), "leaves out {:,} held by the model itself, by layers with inner ones or that never ran"),
        (max(rest - held, 0), "counts {:,} twice, of layers that it lists apart from one that they are in"),
    ]  # fmt: skip


_LAZY = nn.parameter.UninitializedParameter


# --- FLOPs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Seen:
    """One layer in torchinfo's list: its multiply-adds of all calls, and those of biases; its outputs' shapes."""

    module: nn.Module
    macs: int
    biases: int
    outputs: tuple[tuple[int, ...], ...]


def _flops(trace: Trace, model: nn.Module, statistics: Any) -> str:
    flops, doubled = trace.flops, 2 * int(statistics.total_mult_adds)
    if not trace.complete or flops is None or (doubled == flops and not trace.unknown):
        return ""
    said = f"Twice its multiply-adds are {doubled:,}"
    if trace.unknown:
        said += f"; here at least {flops:,} FLOPs are counted, for not every operation has a formula"
    elif doubled >= 10 * flops > 0:
        said += f", {doubled / flops:,.1f} times the {flops:,} FLOPs counted here"
    elif flops:
        share = show(abs(doubled / flops - 1), "share")
        said += f", {share} {'more' if doubled > flops else 'less'} than the {flops:,} FLOPs counted here"
    else:
        said += "; here no FLOPs are counted"
    causes = sorted(flop_causes(trace, model, statistics).items(), key=lambda cause: -abs(cause[1]))
    parts = [f"{'+' if size > 0 else '−'}{abs(size):,} for {why}" for why, size in causes if size]
    return f"{said}. What makes the difference: {'; '.join(parts)}." if parts else f"{said}."


def flop_causes(trace: Trace, model: nn.Module, statistics: Any) -> dict[str, int]:
    """FLOPs that torchinfo has more (or less), by cause; the sum is twice its multiply-adds less our FLOPs."""
    seen = _listed(trace, model, statistics)
    ours: dict[str, int] = {}
    for step in trace.steps:
        ours[step.path] = ours.get(step.path, 0) + step.flops
    causes: dict[str, int] = {}
    unknown: dict[str, int] = {}
    for path in dict.fromkeys([*ours, *seen]):
        layer, theirs = trace.by_path[path], seen.get(path)
        biases = 0
        if theirs is not None and layer.family != "norm":
            biases = 2 * theirs.biases
            causes[_BIASES] = causes.get(_BIASES, 0) + biases
        left = (2 * theirs.macs if theirs is not None else 0) - biases - ours.get(path, 0)
        why = _reason(trace, layer, theirs, ours.get(path, 0)) if left else ""
        found, key = (causes, why) if why else (unknown, layer.type)
        found[key] = found.get(key, 0) + left
    for why in (_OUTSIDE, _AROUND):
        if why in causes:
            unseen = causes.pop(why)
            causes[why + _attention(trace, seen, -unseen)] = unseen
    return causes | {f"{shorten(kind, 40)}, for a reason that is not known": n for kind, n in unknown.items()}


def _listed(trace: Trace, model: nn.Module, statistics: Any) -> dict[str, _Seen]:
    """What torchinfo lists of each layer without inner layers, by the layer's path."""
    paths = {id(module): path for path, module in unwrapped(model).named_modules()}
    found: dict[str, _Seen] = {}
    for info in statistics.summary_list:
        path = paths.get(id(info.module))
        if path is None or not info.is_leaf_layer or path not in trace.by_path:
            continue
        before = found.get(path, _Seen(info.module, 0, 0, ()))
        found[path] = _Seen(
            info.module,
            before.macs + info.macs,
            before.biases + (_biases(info) if info.macs else 0),
            (*before.outputs, tuple(info.output_size)),
        )
    return found


def _biases(info: Any) -> int:
    """The multiply-adds that torchinfo counts for the biases of a layer, as it counts them."""
    size = info.output_size
    total = 0
    for name, parameter in info.module.named_parameters():
        if name == "bias":
            times = prod(size[:1] + size[2:]) if "Conv" in info.class_name else size[0]
        elif "bias" in name and "weight" not in name:
            times = prod(size[:2])
        else:
            continue
        total += times * parameter.numel()
    return total


def _reason(trace: Trace, layer: Layer, seen: _Seen | None, ours: int) -> str:
    """Why a layer's own multiply-adds differ, biases apart; "" where that is not known."""
    if layer.scripted:
        return _SCRIPTED
    if not layer.registered:
        return _UNLISTED
    if layer.quantized and (seen is None or not seen.macs):
        return _QUANTIZED
    if seen is None:
        # Of a scripted layer the trace sees the operations alone, as the outer layer's.
        scripted = any(one.scripted for one in trace.layers if one.parent == layer.path)
        return _AROUND if scripted else _OUTSIDE
    if ours == 0:
        return {"norm": _NORM, "embedding": _TABLES}.get(layer.family, "")
    return _miscounted(layer, seen, ours)


def _miscounted(layer: Layer, seen: _Seen, ours: int) -> str:
    """What torchinfo does to the weights of a layer that multiplies, where just that makes its number."""
    weight = getattr(seen.module, "weight", None)
    size = weight.numel() if isinstance(weight, torch.Tensor) else 0
    if any(name.endswith("_orig") for name, _ in seen.module.named_parameters()):
        return _PRUNED
    positions = sum(prod(shape[:-1]) for shape in seen.outputs)
    if "Conv" in layer.type and not hasattr(seen.module, "kernel_size"):
        return f"{shorten(layer.type, 40)}, a linear layer that it takes for a convolution by its name" \
            if 2 * size * positions == ours else ""  # fmt: skip
    if getattr(seen.module, "transposed", False):
        return _TRANSPOSED
    if layer.family == "recurrent" and all(len(shape) == 2 for shape in seen.outputs):
        return _STEPS
    if layer.family == "linear" and 2 * size * positions == ours:
        return _POSITIONS
    return ""


def _attention(trace: Trace, seen: Iterable[str], unseen: int) -> str:
    """How much of what torchinfo does not see is attention's."""
    total = sum(
        step.flops
        for step in trace.steps
        if step.family == "attention" and step.path not in seen and trace.by_path[step.path].registered
    )
    return f" ({'all' if total == unseen else f'{total:,}'} of it attention)" if total else ""
