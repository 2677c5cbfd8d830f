"""What carries several samples without a first axis of them: packed sequences, lists of tensors, bags with offsets.

Each says how many samples there are, gives some of them, and shows them as one tensor, samples first: padded, where
they are of different lengths. Any other call holds its samples along the first axis of its tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence, pad_sequence

CHANNELS = (1, 3, 4)  # of a picture: grey, colours, colours and transparency
OFFSETS = "offsets"


class Carrier(Protocol):
    """The samples in the values of one call, which are in the order of its arguments."""

    @property
    def size(self) -> int:
        """How many samples there are."""

    def take(self, values: list[Any], rows: Sequence[int]) -> list[Any]:
        """The values with these samples alone."""

    @property
    def dense(self) -> torch.Tensor | None:
        """The samples (n, ...) as one tensor, padded with zeros; None where they make none."""

    def swap(self, values: list[Any], tensor: torch.Tensor) -> list[Any]:
        """The values with the samples of such a tensor; of one sample before, as many of its length."""


def carrier(names: Sequence[str], values: Sequence[Any], count: int | None) -> Carrier | None:
    """How these values carry their samples, None for along their first axes. `count`: how many, where that is known."""
    packed = next((at for at, value in enumerate(values) if isinstance(value, PackedSequence)), None)
    if packed is not None:
        return Packed(packed, values[packed])
    if values and _is_list(values[0], count):
        return Listed(tuple(values[0]), count)
    return _bag(names, values)


@dataclass(frozen=True)
class Packed:
    """A PackedSequence, the value number `at`; `dense` is (n, T, ...)."""

    at: int
    value: PackedSequence

    @property
    def size(self) -> int:
        """The sequences that have a first step."""
        return int(self.value.batch_sizes[0])

    def _padded(self) -> tuple[torch.Tensor, torch.Tensor]:
        return pad_packed_sequence(self.value, batch_first=True)

    def take(self, values: list[Any], rows: Sequence[int]) -> list[Any]:
        """Packed anew."""
        padded, lengths = self._padded()
        index = torch.as_tensor(list(rows), dtype=torch.long)
        part = pack_padded_sequence(
            padded[index.to(padded.device)], lengths[index], batch_first=True, enforce_sorted=False
        )
        return [part if at == self.at else _rows(value, index, self.size) for at, value in enumerate(values)]

    @property
    def dense(self) -> torch.Tensor | None:
        """(n, T, ...), zeros beyond a sequence's end."""
        return self._padded()[0]

    def swap(self, values: list[Any], tensor: torch.Tensor) -> list[Any]:
        """Steps beyond a sequence's own end are left out again."""
        lengths = _lengths(self._padded()[1], len(tensor))
        packed = pack_padded_sequence(tensor, lengths, batch_first=True, enforce_sorted=False)
        return [
            packed if at == self.at else _spread(value, self.size, len(tensor))
            for at, value in enumerate(values)
        ]


@dataclass(frozen=True)
class Listed:
    """A list or tuple of tensors, one a sample, the first value."""

    items: tuple[Any, ...]
    count: int | None

    @property
    def size(self) -> int:
        """The length of the list."""
        return len(self.items)

    def take(self, values: list[Any], rows: Sequence[int]) -> list[Any]:
        """Further lists of the same length are taken alike."""
        index = torch.as_tensor(list(rows), dtype=torch.long)

        def part(value: Any) -> Any:
            if _is_plain(value) and len(value) == self.size:
                return type(value)(value[row] for row in rows)
            return _rows(value, index, self.size)

        return [part(value) for value in values]

    @property
    def dense(self) -> torch.Tensor | None:
        """(n, ...) where all are of one shape."""
        alike = len({(item.shape, item.dtype) for item in self.items}) == 1
        return torch.stack(list(self.items)) if alike else None

    def swap(self, values: list[Any], tensor: torch.Tensor) -> list[Any]:
        """A list of the tensor's rows."""
        wanted = len(tensor)

        def part(value: Any) -> Any:
            if _is_plain(value) and len(value) == self.size == 1:
                return type(value)(list(value) * wanted)
            return _spread(value, self.size, wanted)

        return [type(values[0])(tensor.unbind()), *map(part, values[1:])]


@dataclass(frozen=True)
class Bag:
    """The tokens (N,) of all samples in a row and where each sample begins (n,), as nn.EmbeddingBag takes them.

    `closed`: the offsets end with N. What else has N numbers belongs to the tokens.
    """

    tokens: int
    offsets: int
    values: tuple[Any, ...]
    closed: bool

    @property
    def size(self) -> int:
        """The offsets, without the end."""
        return len(self.values[self.offsets]) - self.closed

    def _ends(self) -> list[int]:
        starts = [int(start) for start in self.values[self.offsets]]
        return starts if self.closed else [*starts, len(self.values[self.tokens])]

    def _put(self, values: list[Any], parts: list[torch.Tensor], rest: list[Any]) -> list[Any]:
        old = values[self.offsets]
        ends = [0]
        for part in parts:
            ends.append(ends[-1] + len(part))
        made = list(rest)
        made[self.tokens] = torch.cat(parts) if parts else values[self.tokens][:0]
        made[self.offsets] = torch.tensor(
            ends if self.closed else ends[:-1], dtype=old.dtype, device=old.device
        )
        return made

    def take(self, values: list[Any], rows: Sequence[int]) -> list[Any]:
        """The tokens of these samples, and their beginnings."""
        ends, whole = self._ends(), len(values[self.tokens])
        spans = [slice(ends[row], ends[row + 1]) for row in rows]
        index = torch.as_tensor(list(rows), dtype=torch.long)

        def part(value: Any) -> Any:
            if isinstance(value, torch.Tensor) and value.ndim and len(value) == whole:
                return torch.cat([value[span] for span in spans]) if spans else value[:0]
            return _rows(value, index, self.size)

        return self._put(
            values, [values[self.tokens][span] for span in spans], [part(value) for value in values]
        )

    @property
    def dense(self) -> torch.Tensor | None:
        """(n, T), zeros beyond a sample's end."""
        ends, tokens = self._ends(), self.values[self.tokens]
        parts = [tokens[start:end] for start, end in pairwise(ends)]
        return pad_sequence(parts, batch_first=True)

    def swap(self, values: list[Any], tensor: torch.Tensor) -> list[Any]:
        """The tokens up to each sample's own end."""
        ends = self._ends()
        own = torch.tensor([end - start for start, end in pairwise(ends)])
        lengths = _lengths(own, len(tensor)).tolist()
        whole, wanted = len(values[self.tokens]), len(tensor)

        def part(value: Any) -> Any:
            if self.size == 1 and isinstance(value, torch.Tensor) and value.ndim and len(value) == whole:
                return value.repeat(wanted, *[1] * (value.ndim - 1))
            return _spread(value, self.size, wanted)

        parts = [row[:length] for row, length in zip(tensor, lengths, strict=True)]
        return self._put(values, parts, [part(value) for value in values])


def _is_plain(value: Any) -> bool:
    return isinstance(value, list | tuple) and not hasattr(value, "_fields")


def _is_list(value: Any, count: int | None) -> bool:
    """Whether a list of tensors holds a sample each, and not several tensors with a row a sample each.

    Pictures (channels, height, width) do, and what is of one or two axes and different lengths: the first axes of
    tensors that share their samples are equal. Else the `count` tells, where it fits the list alone.
    """
    if not _is_plain(value) or not value:
        return False
    if not all(isinstance(item, torch.Tensor) and item.ndim for item in value):
        return False
    first, lengths = value[0], {len(item) for item in value}
    if all(item.ndim == 3 and len(item) in CHANNELS and min(item.shape[1:]) > 4 for item in value):
        return True
    if len(lengths) > 1 and all(item.ndim <= 2 and item.shape[1:] == first.shape[1:] for item in value):
        return True
    return count is not None and len(value) == count and lengths != {count}


def _bag(names: Sequence[str], values: Sequence[Any]) -> Bag | None:
    """Tokens and offsets among the values: by name, or two rows of whole numbers of which one can only be offsets."""
    rows = [
        at
        for at, value in enumerate(values)
        if isinstance(value, torch.Tensor) and value.ndim == 1 and value.dtype in (torch.int64, torch.int32)
    ]
    if len(rows) < 2 or any(values[at].is_meta for at in rows):
        return None
    tokens = rows[0]
    at = next((row for row in rows[1:] if names[row] == OFFSETS), rows[1])
    whole, offsets = len(values[tokens]), values[at]
    named = names[at] == OFFSETS
    if not len(offsets) or (not named and len(offsets) >= whole):
        return None
    starts = offsets.tolist()
    if starts[0] != 0 or starts != sorted(starts) or starts[-1] > whole:
        return None
    return Bag(tokens, at, tuple(values), closed=len(starts) > 1 and starts[-1] == whole)


def _rows(value: Any, index: torch.Tensor, size: int) -> Any:
    """The rows of a tensor that has one a sample; any other value as it is."""
    batched = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == size
    return value.index_select(0, index.to(value.device)) if batched else value


def _spread(value: Any, size: int, wanted: int) -> Any:
    """The single row of a tensor as often as it is wanted; any other value as it is."""
    single = isinstance(value, torch.Tensor) and value.ndim > 0 and len(value) == size == 1 != wanted
    return value.expand(wanted, *value.shape[1:]) if single else value


def _lengths(own: torch.Tensor, wanted: int) -> torch.Tensor:
    return own.expand(wanted) if len(own) == 1 else own
