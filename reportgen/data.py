"""The data a report looks at: any Dataset, DataLoader or arrays as numbered samples, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, default_collate

from reportgen.errors import InputError, one_line

TARGET_KEYS = ("labels", "label", "targets", "target", "y")
EXPECTED = "a Dataset, a DataLoader, or a tuple of tensors or arrays (inputs, targets)"


@dataclass(frozen=True)
class Inputs:
    """What a model is called with: `model(*args, **kwargs)`, batch first."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
        """The same inputs with `change` applied to every tensor in them."""
        return Inputs(
            tuple(_walk(value, change) for value in self.args),
            {key: _walk(value, change) for key, value in self.kwargs.items()},
        )

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Every tensor, in the order of the call."""
        found: list[torch.Tensor] = []
        self.map(lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
        return found

    @property
    def primary(self) -> torch.Tensor | None:
        """The first tensor: the one that is shown and explained."""
        return next(iter(self.tensors), None)

    def take(self, rows: Sequence[int]) -> Inputs:
        """The samples at these positions of the batch."""
        index = torch.as_tensor(list(rows), dtype=torch.long)
        size = self.size
        return self.map(lambda t: t.index_select(0, index.to(t.device)) if _batched(t, size) else t)

    def with_primary(self, tensor: torch.Tensor) -> Inputs:
        """The same call with another first tensor; single rows of the others are repeated to its length."""
        size, wanted, seen = self.size, len(tensor), [False]

        def swap(old: torch.Tensor) -> torch.Tensor:
            if not seen[0]:
                seen[0] = True
                return tensor
            if _batched(old, size) and size == 1 and wanted != 1:
                return old.expand(wanted, *old.shape[1:])
            return old

        return self.map(swap)

    @property
    def size(self) -> int:
        """How many samples the batch holds; 0 where no tensor says."""
        first = self.primary
        return len(first) if first is not None and first.ndim else 0

    def describe(self) -> str:
        """The shapes and dtypes, for a reader: `float32 (1, 3, 224, 224)`."""
        named = [*((f"{i}", v) for i, v in enumerate(self.args)), *self.kwargs.items()]
        parts = [f"{'' if key.isdigit() else key + ': '}{_describe(value)}" for key, value in named]
        return ", ".join(parts) or "no inputs"


def _batched(tensor: torch.Tensor, size: int) -> bool:
    return tensor.ndim > 0 and len(tensor) == size


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__


def _walk(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _walk(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_walk(item, change) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(_walk(item, change) for item in value)
    return value


@dataclass(frozen=True)
class Batch:
    """Inputs, their targets where there are any, and the samples' numbers in the data."""

    inputs: Inputs
    targets: torch.Tensor | None
    indices: tuple[int, ...]


class Samples:
    """Numbered samples behind any kind of data; what is handed out is a copy."""

    def __init__(self, source: Any, *, dtype: torch.dtype | None = None) -> None:
        """`source`: see EXPECTED. Floating inputs are cast to `dtype` (the model's). Raises InputError."""
        self._dtype = dtype
        self._collate: Callable[[list[Any]], Any] = default_collate
        self._stream = False
        self._dataset: Any = None
        self._order: Sequence[int] | None = None
        self.columns: tuple[str, ...] = ()
        if isinstance(source, DataLoader):
            self._from_loader(source)
        elif isinstance(source, IterableDataset):
            self._dataset, self._order, self._stream = source, None, True
        elif isinstance(source, tuple) or _is_array(source):
            self._from_arrays(source if isinstance(source, tuple) else (source,))
        elif _is_sequence(source):
            self._dataset, self._order = source, range(_length(source))
        else:
            raise InputError(f"data: got {type(source).__name__}, expected {EXPECTED}")

    def _from_loader(self, loader: DataLoader[Any]) -> None:
        self._dataset, self._collate = loader.dataset, loader.collate_fn or default_collate
        if isinstance(loader.dataset, IterableDataset):
            self._stream = True
            if loader.batch_size is None and loader.batch_sampler is None:
                raise InputError(
                    "data: got a DataLoader whose IterableDataset makes its own batches, "
                    "expected one that yields single samples (batch_size set)"
                )
        elif loader.batch_sampler is not None and type(loader.batch_sampler) is not BatchSampler:
            self._order = [index for batch in loader.batch_sampler for index in batch]
        elif isinstance(loader.sampler, RandomSampler) and not loader.sampler.replacement:
            self._order = range(_length(loader.dataset))
        else:
            self._order = list(loader.sampler)

    def _from_arrays(self, arrays: tuple[Any, ...]) -> None:
        if not arrays or not all(_is_array(array) for array in arrays):
            kinds = ", ".join(type(array).__name__ for array in arrays) or "nothing"
            raise InputError(f"data: got a tuple of {kinds}, expected tensors or arrays (inputs, targets)")
        self.columns = tuple(str(name) for name in getattr(arrays[0], "columns", ()))
        tensors = [_tensor(array) for array in arrays]
        lengths = [len(tensor) if tensor.ndim else 0 for tensor in tensors]
        if len(set(lengths)) > 1:
            counts = " and ".join(map(str, lengths))
            raise InputError(f"data: got arrays of {counts} rows, expected equal lengths")
        self._dataset, self._order = _Rows(tensors), range(lengths[0])

    def __len__(self) -> int:
        """How many samples there are. Raises InputError for a stream, whose length nobody knows."""
        if self._order is None:
            raise InputError("data: a stream has no length")
        return len(self._order)

    @property
    def total(self) -> int | None:
        """How many samples there are, None for a stream."""
        return None if self._order is None else len(self._order)

    def batches(self, limit: int, size: int) -> Iterator[Batch]:
        """The first `limit` samples in order, `size` at a time. Raises InputError for one unreadable."""
        if self._stream:
            yield from self._streamed(limit, size)
            return
        count = min(limit, len(self))
        for start in range(0, count, size):
            yield self.fetch(range(start, min(start + size, count)))

    def fetch(self, positions: Sequence[int]) -> Batch:
        """The samples at these positions as one batch. Raises InputError where a sample can't be read."""
        wanted = tuple(int(position) for position in positions)
        if self._stream:
            last, found = max(wanted, default=-1), {}
            for position, sample in enumerate(self._dataset):
                if position in wanted:
                    found[position] = sample
                if position >= last:
                    break
            return self._batch([found[position] for position in wanted if position in found], wanted)
        samples = []
        for position in wanted:
            try:
                samples.append(self._dataset[self._order[position]])  # type: ignore[index]
            except Exception as error:
                raise InputError(f"data: sample {position} can't be read: {one_line(error)}") from error
        return self._batch(samples, wanted)

    def _streamed(self, limit: int, size: int) -> Iterator[Batch]:
        waiting: list[Any] = []
        start = 0
        for sample in self._dataset:
            waiting.append(sample)
            if len(waiting) == size or start + len(waiting) == limit:
                yield self._batch(waiting, tuple(range(start, start + len(waiting))))
                start, waiting = start + len(waiting), []
            if start >= limit:
                return
        if waiting:
            yield self._batch(waiting, tuple(range(start, start + len(waiting))))

    def _batch(self, samples: list[Any], indices: tuple[int, ...]) -> Batch:
        if not samples:
            raise InputError("data: the data set is empty (0 samples)", "give at least one sample")
        try:
            inputs, targets = split(self._collate(samples))
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"data: the samples don't make a batch: {one_line(error)}") from error
        return Batch(inputs.map(self._cast), targets, indices)

    def _cast(self, tensor: torch.Tensor) -> torch.Tensor:
        # .clone(): a stranger's collate function may hand out the very storage of the data set.
        tensor = tensor.detach().clone()
        return tensor.to(self._dtype) if self._dtype is not None and tensor.is_floating_point() else tensor


class _Rows:
    """Arrays as a data set: row i of each."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, index: int) -> Any:
        row = tuple(tensor[index] for tensor in self._tensors)
        return row if len(row) > 1 else row[0]

    def __len__(self) -> int:
        return len(self._tensors[0])


def split(batch: Any) -> tuple[Inputs, torch.Tensor | None]:
    """Inputs and targets of a collated batch.

    A tensor is the input. Of a tuple or list, the last item is the target, unless it is alone. Of a
    mapping, the item under "labels", "label", "targets", "target" or "y" is. Raises InputError.
    """
    if isinstance(batch, torch.Tensor):
        return Inputs((batch,), {}), None
    if isinstance(batch, Mapping):
        key = next((name for name in TARGET_KEYS if name in batch), None)
        rest = {name: value for name, value in batch.items() if name != key}
        return Inputs((), rest), None if key is None else _target(batch[key])
    if isinstance(batch, tuple | list) and batch:
        if len(batch) == 1:
            alone = isinstance(batch[0], torch.Tensor | Mapping)
            return split(batch[0]) if alone else (Inputs((batch[0],), {}), None)
        head, target = batch[:-1], batch[-1]
        if len(head) == 1 and isinstance(head[0], Mapping):
            return Inputs((), dict(head[0])), _target(target)
        return Inputs(tuple(head), {}), _target(target)
    kind = type(batch).__name__
    raise InputError(f"data: got samples of type {kind}, expected tensors, (inputs, target) or a dict")


def _target(value: Any) -> torch.Tensor | None:
    return value.detach().clone() if isinstance(value, torch.Tensor) else None


def example(value: Any, dtype: torch.dtype | None) -> Inputs:
    """Inputs from `example_inputs`: a tensor or array, a tuple of them, or a dict of keyword inputs."""

    def convert(item: Any) -> Any:
        return _tensor(item).detach().clone() if _is_array(item) else item

    if isinstance(value, Mapping):
        inputs = Inputs((), {str(key): convert(item) for key, item in value.items()})
    elif isinstance(value, tuple | list):
        inputs = Inputs(tuple(convert(item) for item in value), {})
    elif _is_array(value):
        inputs = Inputs((convert(value),), {})
    else:
        kind = type(value).__name__
        raise InputError(f"example_inputs: got {kind}, expected a tensor, a tuple or a dict of them")
    if not inputs.tensors:
        raise InputError("example_inputs: holds no tensor")
    return inputs.map(lambda t: t.to(dtype) if dtype is not None and t.is_floating_point() else t)


def _is_sequence(value: Any) -> bool:
    return (
        hasattr(value, "__getitem__") and hasattr(value, "__len__") and not isinstance(value, str | Mapping)
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (hasattr(value, "__array__") and hasattr(value, "shape"))


def _tensor(array: Any) -> torch.Tensor:
    if isinstance(array, torch.Tensor):
        return array
    import numpy as np

    values = np.ascontiguousarray(array)
    if values.dtype.kind not in "fiub":
        raise InputError(f"data: got an array of {values.dtype}, expected numbers")
    return torch.from_numpy(values.copy())


def _length(dataset: Any) -> int:
    try:
        return len(dataset)
    except Exception as error:
        kind = type(dataset).__name__
        raise InputError(f"data: the length of {kind} can't be had: {one_line(error)}") from error
