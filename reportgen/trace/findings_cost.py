"""Findings about what a model costs: one layer that takes most of it, tensors that outgrow the input."""

from __future__ import annotations

from reportgen.report import Finding
from reportgen.trace.steps import Layer, TensorInfo, Trace
from reportgen.units import plural, shorten, show

HALF = 0.5  # the share above which one layer is said to take most
NOTABLE = 0.1  # the share of all activations from which tensors that grow with the square are worth a line
FEWEST = 16  # positions below which a square is small whatever is done
PRODUCTS = ("matmul", "bmm", "baddbmm", "einsum")


def cost(trace: Trace) -> list[Finding | None]:
    """In the order of the page: parameters, FLOPs, activation memory, and squares."""
    sizes = {layer.path: sum(w.numel or 0 for w in layer.own) for layer in trace.layers if layer.registered}
    found = [_most(trace, sizes, "parameters", "architecture/most-expensive")]
    if trace.complete:
        leaves = [layer for layer in trace.layers if layer.leaf and not layer.alias_of]
        flops = {layer.path: trace.flops_by_path[layer.path] for layer in leaves}
        found.append(_most(trace, flops, "FLOPs", "architecture/most-expensive"))
        made = {layer.path: trace.made_by_path[layer.path] for layer in leaves}
        found.append(_most(trace, made, "activations", "architecture/most-expensive"))
        found.append(_squares(trace))
    return found


def _most(trace: Trace, taken: dict[str, int], what: str, evidence: str) -> Finding | None:
    """One of three or more layers that takes more than half."""
    total, some = sum(taken.values()), [path for path, value in taken.items() if value]
    if len(some) < 3:
        return None
    path = max(some, key=lambda one: taken[one])
    share = taken[path] / total
    if share <= HALF:
        return None
    layer: Layer = trace.by_path[path]
    name = f"{shorten(path or layer.type, 60)} ({shorten(layer.type, 40)})"
    written = {
        "parameters": f"{taken[path]:,} of {total:,}",
        "FLOPs": f"{show(taken[path], 'FLOPs')} of {show(total, 'FLOPs')} counted in layers",
        "activations": f"{show(taken[path], 'bytes')} of {show(total, 'bytes')} made by layers",
    }[what]
    verb = "holds" if what == "parameters" else "takes" if what == "FLOPs" else "makes"
    said = {
        "parameters": "holds more than half of the parameters itself",
        "FLOPs": "takes more than half of the FLOPs",
        "activations": "makes more than half of the bytes of new tensors in the forward pass",
    }[what]
    return Finding(
        severity="info",
        message=f"{name} {verb} {show(share, 'share')} of the {what}: {written}.",
        rule=f"one of three or more layers {said}",
        evidence=evidence,
    )


def _squares(trace: Trace) -> Finding | None:
    """Products of two activations that have a value for every pair of positions, as attention's scores do."""
    lengths = _positions(trace)
    pairs = {
        tensor.shape[-1]
        for step in trace.steps
        if step.kind == "op" and step.type in PRODUCTS and len(step.inputs) > 1
        for tensor in step.outputs
        if _square(tensor, lengths)
    }
    squares = [
        (step, tensor)
        for step in trace.steps
        if step.kind == "op" and step.made
        for tensor in step.outputs
        if _square(tensor, pairs)
    ]
    total, size = trace.made_by_path.get("", 0), sum(tensor.bytes for _, tensor in squares)
    if not squares or not total or size / total < NOTABLE:
        return None
    step, largest = max(squares, key=lambda pair: pair[1].bytes)
    where = shorten(step.path or trace.layers[0].type, 60)
    count = largest.shape[-1]
    return Finding(
        severity="info",
        message=(
            f"{plural(len(squares), 'tensor')} with a value for each pair of {count:,} positions "
            f"{'makes' if len(squares) == 1 else 'make'} {show(size / total, 'share')} of the activations "
            f"({show(size, 'bytes')}); the largest, {'×'.join(map(str, largest.shape))}, is made in {where}. Twice "
            "the positions make each four times as large."
        ),
        rule=(
            "tensors of three or more axes whose last two are as long as a layer's sequence, where a product of two "
            f"activations is among them, from {show(NOTABLE, 'share')} of the bytes of new tensors on"
        ),
        evidence="architecture/most-expensive",
    )


def _square(tensor: TensorInfo, lengths: set[int]) -> bool:
    return len(tensor.shape) >= 3 and tensor.shape[-1] == tensor.shape[-2] and tensor.shape[-1] in lengths


def _positions(trace: Trace) -> set[int]:
    """How long sequences are: the second axis of what three-dimensional tensors modules hand on."""
    lengths = {
        tensor.shape[1] for step in trace.steps if step.kind == "call" for tensor in step.inputs
        if len(tensor.shape) == 3
    }  # fmt: skip
    inputs = {
        step.outputs[0].shape[1]
        for step in trace.steps
        if step.kind == "input" and len(step.outputs[0].shape) == 2
    }
    return {length for length in lengths | inputs if length >= FEWEST}
