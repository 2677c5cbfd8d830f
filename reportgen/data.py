"""What a model is called with: inputs, batches, and how a batch splits into inputs and targets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from reportgen.carriers import Carrier, carrier
from reportgen.errors import InputError
from reportgen.units import plural

IDS = "input_ids"  # what Hugging Face's models call the ids of their tokens
TARGET_KEYS = ("labels", "label", "targets", "target", "y")


@dataclass(frozen=True)
class Inputs:
    """What a model is called with: `model(*args, **kwargs)`, or `model(kwargs)` where `mapped`, batch first.

    `count`: how many samples these are, where whoever made them knows more than the tensors' shapes tell.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    mapped: bool = False
    count: int | None = None

    def call(self, model: Callable[..., Any]) -> Any:
        """What `model` returns. Raises what it raises."""
        return model(dict(self.kwargs)) if self.mapped else model(*self.args, **self.kwargs)

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
        """The same inputs with `change` applied to every tensor in them."""
        return self._with([_walk(value, change) for value in self._values], self.count)

    @property
    def _values(self) -> list[Any]:
        return [*self.args, *self.kwargs.values()]

    def _with(self, values: list[Any], count: int | None) -> Inputs:
        """The same call of other values."""
        args, named = values[: len(self.args)], values[len(self.args) :]
        return Inputs(tuple(args), dict(zip(self.kwargs, named, strict=True)), self.mapped, count)

    @property
    def _carrier(self) -> Carrier | None:
        return carrier([*[""] * len(self.args), *self.kwargs], self._values, self.count)

    @property
    def tensors(self) -> list[torch.Tensor]:
        """Every tensor, in the order of the call."""
        found: list[torch.Tensor] = []
        self.map(lambda tensor: found.append(tensor) or tensor)  # type: ignore[func-returns-value]
        return found

    @property
    def primary(self) -> torch.Tensor | None:
        """What is shown and explained: the token ids where they are named so, else the first tensor.

        Of samples that are packed, in a list or in bags, one tensor of all. None where there is none that has a row
        a sample.
        """
        carried = self._carrier
        if carried is not None:
            return carried.dense
        return None if self._hidden else self._first

    @property
    def _first(self) -> torch.Tensor | None:
        return next(iter(self.tensors[self._place :]), None)

    @property
    def _place(self) -> int:
        """Where the primary tensor stands among `tensors`."""
        if not isinstance(self.kwargs.get(IDS), torch.Tensor):
            return 0
        before = list(self.kwargs)[: list(self.kwargs).index(IDS)]
        return len(Inputs(self.args, {key: self.kwargs[key] for key in before}).tensors)

    def take(self, rows: Sequence[int]) -> Inputs:
        """The samples at these positions of the batch. Raises InputError where the tensors don't tell them apart."""
        carried, count = self._carrier, None if self.count is None else len(rows)
        if carried is not None:
            return self._with(carried.take(self._values, rows), count)
        if self._hidden:
            if list(rows) == list(range(self.size)):
                return self
            raise InputError("the samples of this batch can't be told apart in its tensors")
        index = torch.as_tensor(list(rows), dtype=torch.long)
        size = self.size
        taken = self.map(lambda t: t.index_select(0, index.to(t.device)) if _batched(t, size) else t)
        return replace(taken, count=count)

    def with_primary(self, tensor: torch.Tensor) -> Inputs:
        """The same call with another primary tensor; single rows of the others are repeated to its length."""
        carried, count = self._carrier, None if self.count is None else len(tensor)
        if carried is not None:
            return self._with(carried.swap(self._values, tensor), count)
        size, wanted, places, primary = self.size, len(tensor), itertools.count(), self._place

        def swap(old: torch.Tensor) -> torch.Tensor:
            if next(places) == primary:
                return tensor
            if _batched(old, size) and size == 1 and wanted != 1:
                return old.expand(wanted, *old.shape[1:])
            return old

        return replace(self.map(swap), count=count)

    @property
    def size(self) -> int:
        """How many samples the batch holds; 0 where no tensor says."""
        carried = self._carrier
        if carried is not None:
            return carried.size
        if self.count is not None:
            return self.count
        first = self._first
        return len(first) if first is not None and first.ndim else 0

    @property
    def told(self) -> bool:
        """Whether `size` is known by more than the length of the first tensor."""
        return self.count is not None or self.carried

    @property
    def _hidden(self) -> bool:
        """Whether the batch was counted and its tensors are laid out otherwise: a graph's nodes, say."""
        first = self._first
        return self.count is not None and (first is None or not _batched(first, self.count))

    @property
    def carried(self) -> bool:
        """Whether the samples are packed, in a list or in bags, and not along the first axes of tensors."""
        return self._carrier is not None

    def describe(self) -> str:
        """The shapes and dtypes, for a reader: `float32 (1, 3, 224, 224)`."""
        named = [*((f"{i}", v) for i, v in enumerate(self.args)), *self.kwargs.items()]
        parts = [f"{'' if key.isdigit() else key + ': '}{_describe(value)}" for key, value in named]
        return ", ".join(parts) or "no inputs"


def joined(parts: Sequence[Inputs]) -> Inputs | None:
    """The samples of several batches in one, None where their tensors are of different sizes or kinds."""
    if any(part.carried for part in parts):
        return None
    columns = [part.tensors for part in parts]
    if len({len(tensors) for tensors in columns}) != 1:
        return None
    for tensors in zip(*columns, strict=True):
        if len({(tensor.shape[1:], tensor.dtype) for tensor in tensors}) != 1 or not tensors[0].ndim:
            return None
    together = map(torch.cat, zip(*columns, strict=True))
    return parts[0].map(lambda _: next(together))


def _batched(tensor: torch.Tensor, size: int) -> bool:
    return tensor.ndim > 0 and len(tensor) == size


def _describe(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, PackedSequence):
        return f"{kind} of {plural(int(value.batch_sizes[0]), 'sequence')}, {_describe(value.data)}"
    if isinstance(value, tuple | list) and value and all(isinstance(item, torch.Tensor) for item in value):
        names = getattr(value, "_fields", ("",) * len(value))
        parts = [
            f"{name}{': ' * bool(name)}{_describe(item)}" for name, item in zip(names, value, strict=False)
        ]
        shown = list(dict.fromkeys(parts))[:3] if not names[0] else parts[:6]
        more = ", …" if len(dict.fromkeys(parts)) > len(shown) else ""
        return f"{kind} of {len(value)}: {', '.join(shown)}{more}"
    return kind


def _walk(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, PackedSequence):  # how it is packed stays as it is; torch wants the sizes on the CPU
        data = change(value.data)
        order = (
            None if part is None else part.to(data.device)
            for part in (value.sorted_indices, value.unsorted_indices)
        )
        return PackedSequence(data, value.batch_sizes, *order)
    if isinstance(value, Mapping):
        return {key: _walk(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_walk(item, change) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(_walk(item, change) for item in value)
    return value


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """What `torch.compile`, DataParallel and DistributedDataParallel wrap: it runs the same, and has the names."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(
            model, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel
        ):
            inner = model.module
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def program_batch(program: torch.export.ExportedProgram) -> int | None:
    """The one batch size that a program takes, None where it takes any."""
    users = program.graph_signature.user_inputs
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and node.name in users and isinstance(value, torch.Tensor) and value.ndim:
            return value.shape[0] if isinstance(value.shape[0], int) else None
    return None


def program_name(program: torch.export.ExportedProgram) -> str:
    """The class that a program was exported from, as it wrote it down."""
    for node in program.graph.nodes:
        for path, kind in (node.meta.get("nn_module_stack") or {}).values():
            if not path:
                return kind.rpartition(".")[2] if isinstance(kind, str) else str(kind.__name__)
    return "Program"


@dataclass(frozen=True)
class Batch:
    """Inputs, their targets where there are any, and the samples' numbers in the data.

    `unread`: why targets that are there can't be read.
    """

    inputs: Inputs
    targets: torch.Tensor | None
    indices: tuple[int, ...]
    unread: InputError | None = None


def split(batch: Any, *, spread: bool = False) -> tuple[Inputs, Any]:
    """Inputs and targets of a collated batch, the latter as they come, None where there are none.

    A tensor is the input, and so is a packed sequence. Of a tuple or list, the last item is the target, unless it is
    alone. Of a mapping or a named tuple, the item called "labels", "label", "targets", "target" or "y" is. A named
    tuple without one is the input, or a tuple where `spread`. Raises InputError.
    """
    if isinstance(batch, torch.Tensor | PackedSequence):
        return Inputs((batch,), {}), None
    if isinstance(batch, Mapping):
        key = next((name for name in TARGET_KEYS if name in batch), None)
        rest = {name: value for name, value in batch.items() if name != key}
        return Inputs((), rest), None if key is None else batch[key]
    if is_named(batch):
        key = next((name for name in TARGET_KEYS if name in batch._fields), None)
        if key is not None:
            others = tuple(value for name, value in zip(batch._fields, batch, strict=True) if name != key)
            return Inputs(others, {}), getattr(batch, key)
        if not spread:
            return Inputs((batch,), {}), None
    if isinstance(batch, tuple | list) and batch:
        if len(batch) == 1:
            alone = isinstance(batch[0], torch.Tensor | Mapping)
            return split(batch[0]) if alone else (Inputs((batch[0],), {}), None)
        head, target = batch[:-1], batch[-1]
        if len(head) == 1 and isinstance(head[0], Mapping):
            return Inputs((), dict(head[0])), target
        return Inputs(tuple(head), {}), target
    kind = type(batch).__name__
    raise InputError(f"data: got samples of type {kind}, expected tensors, (inputs, target) or a dict")


def is_named(value: Any) -> bool:
    """Whether this is a named tuple, and not how torch packs sequences."""
    return isinstance(value, tuple) and hasattr(value, "_fields") and not isinstance(value, PackedSequence)


def example(value: Any, dtype: torch.dtype | None, *, alone: bool = False) -> Inputs:
    """Inputs from `example_inputs`: a tensor or array, a tuple of them, or a dict of keyword inputs.

    A named tuple is one argument, and so is a list of pictures where the model takes one (`alone`).
    """

    def convert(item: Any) -> Any:
        if is_array(item):
            return as_tensor(item).detach().clone()
        if isinstance(item, PackedSequence):
            return _walk(item, lambda tensor: tensor.detach().clone())
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            return type(item)(*map(convert, item))
        return type(item)(map(convert, item)) if type(item) in (tuple, list) else item

    if isinstance(value, Mapping):
        inputs = Inputs((), {str(key): convert(item) for key, item in value.items()})
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        inputs = Inputs((convert(value),), {})
    elif isinstance(value, tuple | list):
        inputs = Inputs(tuple(convert(item) for item in value), {})
        if alone and isinstance(value, list) and len(value) > 1:
            listed = Inputs((list(inputs.args),), {})
            inputs = listed if listed.carried else inputs
    elif is_array(value):
        inputs = Inputs((convert(value),), {})
    else:
        kind = type(value).__name__
        raise InputError(f"example_inputs: got {kind}, expected a tensor, a tuple or a dict of them")
    if not inputs.tensors:
        raise InputError("example_inputs: holds no tensor")
    return inputs.map(lambda t: t.to(dtype) if dtype is not None and t.is_floating_point() else t)


def is_array(value: Any) -> bool:
    """Whether this is a tensor, or an array of NumPy's or pandas' kind."""
    return isinstance(value, torch.Tensor) or (hasattr(value, "__array__") and hasattr(value, "shape"))


def as_tensor(array: Any) -> torch.Tensor:
    """A tensor of an array's numbers (a copy). Raises InputError where it holds none."""
    if isinstance(array, torch.Tensor):
        return array
    import numpy as np

    values = np.ascontiguousarray(array)
    if values.dtype.kind not in "fiub":
        raise InputError(f"data: got an array of {values.dtype}, expected numbers")
    wide = np.float64 if values.dtype.kind == "f" and values.dtype.itemsize > 8 else values.dtype
    return torch.from_numpy(values.astype(np.dtype(wide).newbyteorder("="), copy=True))
