"""Any kind of data as numbered samples: Datasets, DataLoaders, streams, arrays."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    default_collate,
)

from reportgen.data import TARGET_KEYS, Batch, Inputs, as_tensor, is_array, joined, split
from reportgen.errors import RAISED, InputError, one_line
from reportgen.targets import UnreadError, read
from reportgen.targets import joined as joined_targets

EXPECTED = "a Dataset, a DataLoader, or a tuple of tensors or arrays (inputs, targets)"
KEPT = 256 << 20  # bytes of samples kept, so that what is shown is what was predicted on
LONGEST = 10_000_000  # samples of a sampler; one that never ends has to be cut somewhere


class Samples:
    """Numbered samples behind any kind of data. What is handed out is a copy, and the same each time.

    `alone`: `probe` saw samples of different sizes, which make a batch one at a time alone.
    `mapped`: the model takes a sample's named inputs as one mapping, and they are handed out so. `spread`: it takes the
    parts of a named tuple each. `counted`: the batches' tensors don't tell how many samples they hold.
    """

    def __init__(
        self, source: Any, *, dtype: torch.dtype | None = None, class_names: Sequence[str] = ()
    ) -> None:
        """`source`: see EXPECTED. Floating inputs are cast to `dtype` (the model's). Raises InputError.

        Targets that are texts are the numbers of these `class_names`.
        """
        self._dtype, self._names = dtype, tuple(class_names)
        self._collate: Callable[[list[Any]], Any] = default_collate
        self.columns: tuple[str, ...] = ()
        self.alone, self.mapped, self.spread, self.counted = False, False, False, False
        self._reader: _Rows | _Indexed | _Stream
        if isinstance(source, DataLoader):
            self._collate = source.collate_fn or default_collate
            self._reader = _loaded(source)
        elif isinstance(source, IterableDataset):
            self._reader = _Stream(source)
        elif isinstance(source, tuple) or is_array(source):
            arrays = source if isinstance(source, tuple) else (source,)
            self._reader = _Rows(arrays)
            self.columns = tuple(str(name) for name in getattr(arrays[0], "columns", ()))
        elif _is_sequence(source):
            if isinstance(source, list) and len(source) == 2 and all(is_array(part) for part in source):
                raise InputError("data: got a list of two arrays, expected a tuple of them (inputs, targets)")
            self._reader = _Indexed(source, range(_length(source)))
        else:
            raise InputError(f"data: got {type(source).__name__}, expected {EXPECTED}")

    @property
    def total(self) -> int | None:
        """How many samples there are, None for a stream whose end was not seen."""
        return self._reader.total

    def probe(self, count: int) -> Batch | None:
        """Up to `count` samples in one batch, None where there are none; finds out whether they are `alone`.

        Then the inputs are those of the first, the targets of all. Raises InputError.
        """
        found = list(self.batches(count, count))
        self.alone = len(found) > 1
        if not self.alone:
            return next(iter(found), None)
        targets, unread = _joined(found)
        numbers = tuple(index for batch in found for index in batch.indices)
        return Batch(found[0].inputs, targets, numbers, unread)

    def batches(self, limit: int, size: int) -> Iterator[Batch]:
        """Up to `limit` samples in order, evenly from the data, `size` at a time; of a stream the first.

        Of different sizes, one at a time. Raises InputError for one unreadable.
        """
        if self.total is not None and self.total > limit:
            places = [number * self.total // limit for number in range(limit)]
            for start in range(0, limit, size):
                yield from self.some(places[start : start + size])
            return
        for start in range(0, limit, size):
            wanted = range(start, min(start + size, limit))
            samples = list(
                itertools.takewhile(lambda found: found is not _END, map(self._reader.read, wanted))
            )
            if samples:
                yield from self._batches(samples, tuple(wanted[: len(samples)]))
            if len(samples) < len(wanted):
                return

    def fetch(self, positions: Sequence[int]) -> Batch:
        """The samples at these positions as one batch. Raises InputError where they make none."""
        found = list(self.some(positions))
        if len(found) > 1:
            sizes = " and ".join(batch.inputs.describe() for batch in found[:2])
            raise InputError(f"data: the samples don't make a batch: {sizes}, expected equal sizes")
        inputs = found[0].inputs
        if inputs.carried and inputs.primary is None:
            said = f"data: the samples don't make one tensor: {inputs.describe()}, expected equal sizes"
            raise InputError(said)
        return found[0]

    def some(self, positions: Sequence[int]) -> Iterator[Batch]:
        """The samples at these positions in one batch; of different sizes, each alone. Raises InputError."""
        wanted = tuple(int(position) for position in positions)
        samples = [self._reader.read(position) for position in wanted]
        if any(sample is _END for sample in samples):
            raise InputError(f"data: there is no sample {max(wanted, default=0)}")
        yield from self._batches(samples, wanted)

    def _batches(self, samples: list[Any], indices: tuple[int, ...]) -> list[Batch]:
        if not samples:
            raise InputError("data: the data set is empty (0 samples)", "give at least one sample")
        if len(samples) == 1:
            return [self._batch(samples, indices)]
        with contextlib.suppress(InputError):
            batch = self._batch(samples, indices)
            # What collates the first sample alone was written for batches of one.
            if batch.inputs.size != 1:
                return [batch]
        apart = [self._batch([sample], (index,)) for sample, index in zip(samples, indices, strict=True)]
        together = joined([batch.inputs for batch in apart])
        if together is None:
            return apart
        targets, unread = _joined(apart)
        return [Batch(together, targets, indices, unread)]

    def _batch(self, samples: list[Any], indices: tuple[int, ...]) -> Batch:
        try:
            inputs, given = self._split(samples)
        except InputError:
            raise
        except RAISED as error:
            raise InputError(f"data: the samples don't make a batch: {one_line(error)}") from error
        inputs = replace(inputs.map(self._cast), mapped=self.mapped)
        if len(samples) > 1 and not inputs.carried and inputs.size not in (1, len(samples)):
            self.counted = True
        inputs = replace(inputs, count=len(samples) if self.counted else None)
        try:
            return Batch(inputs, read(given, self._names), indices)
        except UnreadError as problem:
            return Batch(inputs, None, indices, problem)

    def _split(self, samples: list[Any]) -> tuple[Inputs, Any]:
        """Inputs and targets of samples. What torch can't collate may be the targets: then the inputs alone are."""
        try:
            return split(self._collate(samples), spread=self.spread)
        except RAISED:
            if self._collate is not default_collate:
                raise
            apart = [_target_of(sample) for sample in samples]
            if any(one is None for one in apart):
                raise
            heads, targets = zip(*(one for one in apart if one is not None), strict=True)
            inputs, _ = split(default_collate(list(heads)), spread=self.spread)
            return inputs, list(targets)

    def _cast(self, tensor: torch.Tensor) -> torch.Tensor:
        # .clone(): a stranger's collate function may hand out the very storage of the data set.
        tensor = tensor.detach().clone()
        return tensor.to(self._dtype) if self._dtype is not None and tensor.is_floating_point() else tensor


def _target_of(sample: Any) -> tuple[Any, Any] | None:
    """A sample without its target and the target, None where it has none. Both as `split` reads them of a batch."""
    keys = sample if isinstance(sample, Mapping) else getattr(sample, "_fields", ())
    key = next((name for name in TARGET_KEYS if name in keys), None)
    if isinstance(sample, Mapping):
        rest = {name: value for name, value in sample.items() if name != key}
        return None if key is None else (rest, sample[key])
    if not isinstance(sample, tuple | list) or len(sample) < 2:
        return None
    if key is not None:
        at = list(keys).index(key)
        return (*sample[:at], *sample[at + 1 :], 0), sample[at]
    return None if keys else ((*sample[:-1], 0), sample[-1])


def _joined(batches: Sequence[Batch]) -> tuple[torch.Tensor | None, InputError | None]:
    """The targets of batches of one, and why those that are there can't be read."""
    unread = next((batch.unread for batch in batches if batch.unread is not None), None)
    if unread is not None:
        return None, unread
    try:
        return joined_targets([batch.targets for batch in batches]), None
    except UnreadError as problem:
        return None, problem


_END = object()  # what is read beyond the last sample


class _Rows:
    """Arrays: sample i is row i of each."""

    def __init__(self, arrays: tuple[Any, ...]) -> None:
        if not arrays or not all(is_array(array) for array in arrays):
            kinds = ", ".join(type(array).__name__ for array in arrays) or "nothing"
            raise InputError(f"data: got a tuple of {kinds}, expected tensors or arrays (inputs, targets)")
        self._columns = [as_tensor(_numeric(arrays[0])), *(as_tensor(array) for array in arrays[1:-1])]
        self._columns += [_target_column(array) for array in arrays[1:][-1:]]
        lengths = [len(column) if column.ndim else 0 for column in self._columns]
        if len(set(lengths)) > 1:
            counts = " and ".join(map(str, lengths))
            raise InputError(f"data: got arrays of {counts} rows, expected equal lengths")
        self.total: int | None = lengths[0]

    def read(self, position: int) -> Any:
        if position >= len(self._columns[0]):
            return _END
        row = tuple(column[position] for column in self._columns)
        return row if len(row) > 1 else row[0]


def _target_column(array: Any) -> Any:
    """The last of several arrays: numbers, or whatever it holds, which may be the names of classes."""
    if isinstance(array, torch.Tensor):
        return array
    values = np.asarray(array)
    return as_tensor(array) if values.dtype.kind in "fiub" else values.astype(object)


def _numeric(array: Any) -> Any:
    """A data frame's columns as one array of floats; any other array as it is."""
    if not hasattr(array, "to_numpy") or not hasattr(array, "columns"):
        return array
    for name in array.columns:
        if array[name].dtype.kind not in "fiub":
            raise InputError(f"data: the column {str(name)!r} holds {array[name].dtype}, expected numbers")
    return array.to_numpy(dtype="float64")


class _Indexed:
    """Samples that can be read by number, in a given order."""

    def __init__(self, dataset: Any, order: Sequence[int]) -> None:
        self._dataset, self._order = dataset, order
        self._kept: dict[int, Any] = {}
        self._room = KEPT
        self.total: int | None = len(order)

    def read(self, position: int) -> Any:
        if position in self._kept:
            return self._kept[position]
        if position >= len(self._order):
            return _END
        sample = _read(lambda: self._dataset[self._order[position]], position)
        # Kept, since a data set with random transforms gives another sample each time it is asked.
        self._room -= _bytes(sample)
        if self._room > 0:
            self._kept[position] = sample
        return sample


class _Stream:
    """Samples that come one after the other, once: all that were read are kept, and no more than fit."""

    def __init__(self, source: Any) -> None:
        self._source, self._iterator = source, None
        self._kept: list[Any] = []
        self._room = KEPT
        self.total: int | None = None

    def read(self, position: int) -> Any:
        if self._iterator is None:
            self._iterator = _read(lambda: iter(self._source), 0)
        while len(self._kept) <= position:
            if self._room <= 0 or self.total is not None:
                return _END
            sample = _read(lambda: next(self._iterator, _END), len(self._kept))  # type: ignore[call-overload]
            if sample is _END:
                self.total = len(self._kept)
                return _END
            self._room -= _bytes(sample)
            self._kept.append(sample)
        return self._kept[position]


def _read(get: Callable[[], Any], position: int) -> Any:
    try:
        return get()
    except RAISED as error:
        raise InputError(f"data: sample {position} can't be read: {one_line(error)}") from error


def _bytes(sample: Any) -> int:
    """About how much memory a sample takes."""
    if isinstance(sample, Mapping):
        return sum(_bytes(part) for part in sample.values())
    if isinstance(sample, tuple | list):
        return sum(_bytes(part) for part in sample)
    if hasattr(sample, "nbytes"):
        return int(sample.nbytes)
    width, height = getattr(sample, "width", 8), getattr(sample, "height", 8)
    return width * height * 4 if isinstance(width, int) and isinstance(height, int) else 64


def _loaded(loader: DataLoader[Any]) -> _Indexed | _Stream:
    if loader.batch_size is None and loader.batch_sampler is None:
        raise InputError(
            "data: got a DataLoader that makes no batches (batch_size=None), expected one that batches samples"
        )
    if isinstance(loader.dataset, IterableDataset):
        return _Stream(loader.dataset)
    return _Indexed(loader.dataset, _order(loader))


def _order(loader: DataLoader[Any]) -> Sequence[int]:
    """The samples a loader chooses, without its shuffling. Its generators are left where they are."""
    sampler = loader.sampler
    if loader.batch_sampler is not None and type(loader.batch_sampler) is not BatchSampler:
        batches: Any = loader.batch_sampler
        return _drawn(loader, lambda: [index for batch in batches for index in batch])
    if (
        isinstance(sampler, RandomSampler)
        and not sampler.replacement
        and len(sampler) == _length(loader.dataset)
    ):
        return range(_length(loader.dataset))
    if isinstance(sampler, SubsetRandomSampler):
        return list(sampler.indices)
    return _drawn(loader, lambda: list(itertools.islice(iter(sampler), LONGEST)))


def _drawn(loader: DataLoader[Any], draw: Callable[[], list[int]]) -> list[int]:
    holders = (loader, loader.sampler, loader.batch_sampler)
    generators = [
        generator for holder in holders if (generator := getattr(holder, "generator", None)) is not None
    ]
    states = [generator.get_state() for generator in generators]
    try:
        return draw()
    except RAISED as error:
        raise InputError(f"data: the DataLoader's sampler raised {one_line(error)}") from error
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def _is_sequence(value: Any) -> bool:
    if isinstance(value, str | Mapping):
        return False
    return hasattr(value, "__getitem__") and hasattr(value, "__len__")


def _length(dataset: Any) -> int:
    try:
        return len(dataset)
    except RAISED as error:
        kind = type(dataset).__name__
        raise InputError(f"data: the length of {kind} can't be had: {one_line(error)}") from error
