"""How many samples one forward pass was of: what the inputs know, held against what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from reportgen.data import Inputs
from reportgen.errors import InputError
from reportgen.experiment import main_output


@dataclass(frozen=True)
class Rows:
    """What may say how many samples came out: the output's shape, and its length where it is a list of several."""

    shape: tuple[int, ...] = ()
    items: int = 0


def rows_of(raw: Any) -> Rows:
    """Of what a model returned."""
    items = len(raw) if isinstance(raw, list) else 0
    try:
        return Rows(tuple(main_output(raw).shape), items)
    except InputError:
        return Rows((), items)


def samples_in(inputs: Inputs, model: nn.Module | None, out: Rows | None) -> int:
    """How many samples a pass was of, 0 where nothing says.

    Known are samples that were counted, are packed, in a list or in bags, and the second axis of what goes into
    torch's own layers that take time first. The first axis of the inputs is that of the samples where the output has
    it too, or loses it and has but one row. Otherwise the output's first axis is where another input has it as its
    first, where the inputs have it as their second (time first), or where the output is a table of fewer rows: one
    a graph, a bag, a pair.
    """
    if inputs.told:
        return inputs.size
    primary = inputs.primary
    if primary is None or not primary.ndim:
        return 0
    first, rest = len(primary), tuple(primary.shape[1:])
    if primary.ndim == 3 and _time_first(model):
        return int(rest[0])
    if out is None or not out.shape:
        return first if out is None or not out.items or out.items == first else 0
    rows = out.shape[0]
    if rows == first:
        return first
    if any(tensor.ndim and len(tensor) == rows for tensor in inputs.tensors[1:]):
        return rows
    # The axis of a single sample is lost, or each place of the samples has a row.
    if first == 1 or (rest and rows == first * rest[0]):
        return first
    if rest and rest[0] == rows:
        return rows
    return rows if len(out.shape) == 2 and rows < first else 0


_STACKS = (nn.TransformerEncoder, nn.TransformerDecoder, nn.Sequential)
_SEQUENCES = (
    nn.RNNBase, nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer,
)  # fmt: skip


def _time_first(model: nn.Module | None) -> bool:
    """Whether a model is, or begins with, one of torch's layers that take sequences (time, samples, ...)."""
    first: Any = model
    while isinstance(first, _STACKS):
        stack: Any = first
        first = next(iter(getattr(stack, "layers", stack)), None)
    inside = getattr(first, "self_attn", first)
    return isinstance(first, _SEQUENCES) and not getattr(inside, "batch_first", True)
