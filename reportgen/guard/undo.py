"""How what a model holds is put back. Each step compares first, and writes only where something changed.

Containers are read and written with the methods of `dict`, `list` and so on, never with a subclass's own.
"""

from __future__ import annotations

import functools
import itertools
import operator
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from reportgen.guard import places


def mapping(holder: dict[Any, Any]) -> Callable[[], None]:
    """What puts a dict's contents back."""
    if not dict.__len__(holder):
        return functools.partial(emptied, holder)
    return functools.partial(refilled, holder, dict.copy(holder))


def emptied(holder: Any) -> None:
    """Of a dict that held nothing."""
    if dict.__len__(holder):
        (OrderedDict if isinstance(holder, OrderedDict) else dict).clear(holder)


def _alike(now: Iterable[Any], before: Iterable[Any]) -> bool:
    """Whether two equally long rows hold the very same objects."""
    return all(map(operator.is_, now, before))


def refilled(holder: Any, before: dict[Any, Any]) -> None:
    """Of a dict: where it has its keys in their order, their values; else all of it."""
    if dict.__len__(holder) == len(before) and _alike(dict.keys(holder), before):
        if not _alike(dict.values(holder), before.values()):
            for name, value in before.items():
                dict.__setitem__(holder, name, value)
        return
    dict.clear(holder)
    dict.update(holder, before)


def reordered(holder: Any, before: list[tuple[Any, Any]]) -> None:
    """Of an OrderedDict, whose order is kept apart from the dict's."""
    now = list(OrderedDict.items(holder))
    flat = itertools.chain.from_iterable
    if len(now) == len(before) and _alike(flat(now), flat(before)):
        return
    OrderedDict.clear(holder)
    for name, value in before:
        OrderedDict.__setitem__(holder, name, value)


def relisted(holder: Any, before: list[Any]) -> None:
    """Of a list."""
    if list.__len__(holder) != len(before) or not _alike(list.__iter__(holder), before):
        list.__setitem__(holder, slice(None), before)


def recollected(holder: Any, before: list[Any]) -> None:
    """Of a set: what is missing is added, what is new goes."""
    now, wanted = {id(one): one for one in set.__iter__(holder)}, {id(one): one for one in before}
    for key in now.keys() - wanted.keys():
        set.discard(holder, now[key])
    for key in wanted.keys() - now.keys():
        set.add(holder, wanted[key])


def requeued(holder: Any, before: list[Any]) -> None:
    """Of a deque."""
    if deque.__len__(holder) != len(before) or not _alike(deque.__iter__(holder), before):
        deque.clear(holder)
        deque.extend(holder, before)


def rewritten(holder: bytearray, before: bytes) -> None:
    """Of a bytearray."""
    if bytes(holder) != before:
        bytearray.__setitem__(holder, slice(None), before)


def numbers(holder: Any, before: Any) -> None:
    """Of an array.array."""
    if holder.tobytes() != before.tobytes():
        holder[:] = before


def array_of_objects(array: np.ndarray, before: list[Any]) -> None:
    """Of an array of Python objects."""
    if array.size != len(before) or not _alike(array.ravel().tolist(), before):
        for place, value in zip(np.ndindex(array.shape), before, strict=True):
            array[place] = value


def array(value: np.ndarray, plain: np.ndarray, before: np.ndarray) -> None:
    """`plain` is the array's memory as it was seen; `value` may have another shape or dtype by now."""
    if value.dtype != before.dtype:
        value.dtype = before.dtype  # type: ignore[misc]
    if value.shape != before.shape:
        value.shape = before.shape
    if plain.tobytes() != before.tobytes():
        if not plain.flags.writeable:
            plain.flags.writeable = True
        plain[...] = before


def generator(generator: torch.Generator, state: torch.Tensor) -> None:
    """Of a random generator of torch's."""
    if not torch.equal(generator.get_state(), state):
        generator.set_state(state)


def script_attribute(inner: Any, name: str, before: Any) -> None:
    """Of an attribute that lies in a scripted module."""
    now = inner.getattr(name)
    if isinstance(before, torch.Tensor):
        if now is not before:
            inner.setattr(name, before)
    elif now != before:
        inner.setattr(name, before)


def about_tensor(
    tensor: torch.Tensor,
    leaf: bool,
    wanted: bool,
    gradient: torch.Tensor | None,
    hooks: list[tuple[str, Any]],
) -> None:
    """requires_grad, grad, the hooks; and a tensor that was written to by what is differentiated is none of that."""
    with torch._C.DisableTorchFunctionSubclass():
        if leaf and not tensor.is_leaf:
            tensor.detach_()
        if leaf:
            if tensor.requires_grad != wanted:
                tensor.requires_grad_(wanted)
            if tensor.grad is not gradient:
                tensor.grad = gradient
        for name, before in hooks:
            now = getattr(tensor, name, None)
            if now is not before and (before is not None or now):
                setattr(tensor, name, before)


def default_values(function: types.FunctionType, positional: Any, keywords: Any) -> None:
    """Of the default values of a function."""
    if function.__defaults__ is not positional:
        function.__defaults__ = positional
    if function.__kwdefaults__ is not keywords:
        function.__kwdefaults__ = keywords


def of_class(kind: type, before: dict[str, Any]) -> None:
    """Attributes that changed or went, and new ones but for those that Python itself keeps there."""
    now = dict(vars(kind))
    if len(now) == len(before) and _alike(now.values(), before.values()):
        return
    for name in now.keys() - before.keys():
        if not places.dunder(name) or isinstance(now[name], types.FunctionType):
            type.__delattr__(kind, name)
    for name, value in before.items():
        if now.get(name, places.ABSENT) is not value and name not in ("__dict__", "__weakref__"):
            type.__setattr__(kind, name, value)


def retyped(value: Any, kind: type) -> None:
    """The class of an object."""
    if type(value) is not kind:
        object.__setattr__(value, "__class__", kind)
