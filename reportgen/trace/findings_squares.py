"""The finding about tensors that grow with the square of the input, as attention's scores do."""

from __future__ import annotations

from math import prod

from reportgen.report import Finding
from reportgen.trace.steps import FEWEST, Step, TensorInfo, Trace, is_square
from reportgen.units import plural, shorten, show

NOTABLE = 0.1  # the share of all activations from which such tensors are worth a line
PRODUCTS = ("matmul", "bmm", "baddbmm", "einsum")


def squares(trace: Trace) -> Finding | None:
    """Products of two activations that have a value for every pair of positions, and what is made of them."""
    found = [*_of_operations(trace), *_inside_layers(trace)]
    total, size = trace.made_by_path.get("", 0), sum(tensor.bytes for _, tensor in found)
    if not found or not total or size / total < NOTABLE:
        return None
    step, largest = max(found, key=lambda pair: pair[1].bytes)
    where = shorten(step.path or trace.layers[0].type, 60)
    count = largest.shape[-1]
    return Finding(
        severity="info",
        message=(
            f"{plural(len(found), 'tensor')} with a value for each pair of {count:,} positions "
            f"{'makes' if len(found) == 1 else 'make'} {show(size / total, 'share')} of the activations "
            f"({show(size, 'bytes')}); the largest, {'×'.join(map(str, largest.shape))}, is made in {where}. Twice "
            "the positions make each four times as large."
        ),
        rule=(
            "tensors of three or more axes whose last two are as long as a layer's sequence or have a place for each "
            "pixel of a layer's output, where a product of two activations is among them, from "
            f"{show(NOTABLE, 'share')} of the bytes of new tensors on"
        ),
        evidence="architecture/most-expensive",
    )


def _of_operations(trace: Trace) -> list[tuple[Step, TensorInfo]]:
    """Those that operations outside of leaves made."""
    sequences, pixels, channels = _sequences(trace), _pixels(trace), _channels(trace)
    pairs: set[int] = set()
    for step in trace.steps:
        if step.kind != "op" or step.type not in PRODUCTS or step.fed < 2:
            continue
        for tensor in step.outputs:
            count = tensor.shape[-1] if is_square(tensor) else 0
            # A product over the positions has a value for each pair of channels: it is no larger for a larger input.
            contracted = prod(step.inputs[-2].shape) * count // max(1, prod(tensor.shape))
            if count in sequences or (count in pixels and (count not in channels or count > contracted)):
                pairs.add(count)
    return [
        (step, tensor)
        for step in trace.steps
        if step.kind == "op" and step.made
        for tensor in step.outputs
        if is_square(tensor) and tensor.shape[-1] in pairs
    ]


def _inside_layers(trace: Trace) -> list[tuple[Step, TensorInfo]]:
    """Those that a leaf's own kernels made: PyTorch's attention where its weights are asked for."""
    sequences = _sequences(trace)
    return [
        (step, tensor) for step in trace.steps for tensor in step.squares if tensor.shape[-1] in sequences
    ]


def _sequences(trace: Trace) -> set[int]:
    """How long sequences are: the second axis of what three-dimensional tensors modules are given."""
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


def _maps(trace: Trace) -> list[tuple[int, ...]]:
    """The shapes (batch, channels, height, width) that convolutions put out, or of more axes."""
    return [
        tensor.shape
        for step in trace.steps
        if step.kind == "call" and step.leaf and step.family == "conv"
        for tensor in step.outputs
        if len(tensor.shape) >= 4
    ]


def _pixels(trace: Trace) -> set[int]:
    return {prod(shape[2:]) for shape in _maps(trace)}


def _channels(trace: Trace) -> set[int]:
    return {shape[1] for shape in _maps(trace)}
