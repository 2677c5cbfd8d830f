"""Tensors as a trace meets them: found in what modules pass around, described, and led back to their makers."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from reportgen.trace.steps import TensorInfo

_PLAIN = (int, float, str, torch.dtype, torch.device)
MAX_DEPTH = 6  # of tuples in tuples: deeper ones hold no tensors that anyone passes between layers


def tensors_in(value: Any, depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor in nested tuples, lists, dicts and data classes, with its place: `hidden[0]`."""
    if isinstance(value, torch.Tensor):
        yield "", value
        return
    if depth == MAX_DEPTH:
        return
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        items = zip(value._fields, value, strict=False)
    elif isinstance(value, tuple | list):
        items = ((f"[{number}]", item) for number, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        items = ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
    for key, item in items:
        for name, tensor in tensors_in(item, depth + 1):
            yield f"{key}{name if not name or name.startswith('[') else '.' + name}", tensor


def tensors(value: Any) -> list[torch.Tensor]:
    """Every tensor in nested containers, in order."""
    found: list[torch.Tensor] = []
    _gather(value, found, 0)
    return found


def _gather(value: Any, found: list[torch.Tensor], depth: int) -> None:
    """What `tensors_in` finds, without the names: this runs several times for every kernel."""
    if isinstance(value, torch.Tensor):
        found.append(value)
    elif value is None or isinstance(value, _PLAIN) or depth == MAX_DEPTH:
        return
    elif type(value) in (tuple, list):
        for item in value:
            _gather(item, found, depth + 1)
    else:
        found += (tensor for _, tensor in tensors_in(value, depth))


def info(tensor: torch.Tensor) -> TensorInfo:
    """Shape, dtype and size of a tensor, which may be fake, lazy or sparse."""
    shape = tuple(int(size) for size in tensor.shape)
    size = tensor.element_size()
    for length in shape:
        size *= length
    return TensorInfo(shape, str(tensor.dtype).removeprefix("torch."), size)


def version(tensor: torch.Tensor) -> int:
    """A number that grows when a tensor, or what it shares its storage with, is written to."""
    return 0 if tensor.is_inference() else tensor._version


class Producers:
    """Which step made a tensor: by its identity, else by its storage, so that views lead to their base.

    Nothing is kept alive: a weak reference to the storage keeps its address from being used again,
    and one to the tensor says whether an id still means the same.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[weakref.ref[torch.Tensor], int]] = {}
        self._stored: dict[int, int] = {}
        self._views: dict[int, list[int]] = {}
        self._kept: dict[int, StorageWeakRef] = {}

    def key(self, tensor: torch.Tensor) -> int | None:
        """The storage's address, None for a tensor without one (sparse)."""
        try:
            storage = tensor.untyped_storage()
        except (NotImplementedError, RuntimeError):
            # What torch.func.vmap and grad pass on has no storage itself, but the tensor inside it has.
            inner = torch._C._functorch
            wrapped = inner.is_functorch_wrapped_tensor(tensor)
            return self.key(inner.get_unwrapped(tensor)) if wrapped else None
        address = int(storage._cdata)
        if address not in self._kept:
            self._kept[address] = StorageWeakRef(storage)
        return address

    def of(self, tensor: torch.Tensor) -> int | None:
        """The step that made this tensor, None where no step is known."""
        known = self._made.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return known[1]
        key = self.key(tensor)
        return None if key is None else self._stored.get(key)

    def set(self, tensor: torch.Tensor, step: int, *, overwrite: bool = False) -> None:
        """`step` made this tensor; with `overwrite`, also what its storage held before."""
        key = self.key(tensor)
        if key is not None:
            if overwrite:
                for view in self._views.pop(key, ()):
                    self._made.pop(view, None)
                self._stored[key] = step
            self._stored.setdefault(key, step)
            self._views.setdefault(key, []).append(id(tensor))
        self._made[id(tensor)] = (weakref.ref(tensor), step)

    def forget_dead(self) -> list[int]:
        """Drop what is known of tensors and storages that are gone; returns the addresses of the latter."""
        dead = [address for address, kept in self._kept.items() if kept.expired()]
        for address in dead:
            self._stored.pop(address, None)
            self._views.pop(address, None)
            del self._kept[address]
        for number in [number for number, (tensor, _) in self._made.items() if tensor() is None]:
            del self._made[number]
        return dead

    def __len__(self) -> int:
        """How many storages are known."""
        return len(self._kept)
