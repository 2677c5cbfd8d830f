"""Where the attributes of objects and the parts of tensors lie, and whose they are."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import torch
from torch import nn

ABSENT: Any = object()

# Packages whose objects hold nothing of a model's, or far too much of everything else.
_FOREIGN = (
    "torch.fx", "torch.jit", "torch._", "torch.export", "torch.cuda", "torch.package", "torch.futures",
    "torch.multiprocessing",
    "logging", "threading", "concurrent", "asyncio", "multiprocessing", "importlib", "io", "pathlib", "weakref",
    "enum", "typing", "abc", "inspect", "subprocess", "socket", "tempfile", "contextlib", "reportgen",
)  # fmt: skip
ATOMS = frozenset({
    type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis), type(NotImplemented),
    types.ModuleType, types.BuiltinFunctionType, types.GeneratorType, types.CoroutineType, types.CodeType,
    types.FrameType, types.TracebackType, types.MappingProxyType, torch.dtype, torch.device, torch.Size,
    torch.layout, torch.memory_format, memoryview, np.dtype,
})  # fmt: skip
_MODULES = ("torch", "numpy", "builtins", "reportgen")
HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class that was made at run time


def dunder(name: str) -> bool:
    """Whether a name is of Python's own making."""
    return name.startswith("__") and name.endswith("__")


def foreign(kind: type) -> bool:
    """Whether objects of this class hold no attributes that can be read, or none that are a model's."""
    if not kind.__flags__ & HEAP and not kind.__dictoffset__:
        return True
    name = f"{kind.__module__}."
    return any(name.startswith(one if one.endswith("_") else f"{one}.") for one in _FOREIGN)


def own(thing: Any) -> bool:
    """Whether a class or function belongs to a model's package rather than to Python, NumPy or torch."""
    name = thing.__module__
    top = name.partition(".")[0] if isinstance(name, str) else ""
    return top not in _MODULES and (top not in sys.stdlib_module_names or top == "__main__")


def attributes(value: Any) -> dict[str, Any] | None:
    """The `__dict__` of an object as it lies there, None where it has none."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def slots(kind: type) -> tuple[Any, ...]:
    """The descriptors of the slots that a class and those it is made from declare in Python."""
    return tuple(
        value
        for base in kind.__mro__
        if "__slots__" in vars(base)
        for value in vars(base).values()
        if isinstance(value, types.MemberDescriptorType)
    )


def read(slot: Any, value: Any) -> Any:
    """What is in a slot, ABSENT where nothing is."""
    try:
        return slot.__get__(value)
    except AttributeError:
        return ABSENT


def write(slot: Any, value: Any, before: Any) -> None:
    """Put into a slot what was in it."""
    now = read(slot, value)
    if now is before:
        return
    if before is ABSENT:
        slot.__delete__(value)
    else:
        slot.__set__(value, before)


def named(code: types.CodeType) -> set[str]:
    """The names that a function's code, and those within it, look up."""
    names = set(code.co_names)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            names |= named(part)
    return names


def inner_tensors(tensor: torch.Tensor) -> list[Any]:
    """The tensors that a wrapper consists of, [] for one with values of its own."""
    if type(tensor) in (torch.Tensor, nn.Parameter):
        return []
    if getattr(type(tensor), "__torch_dispatch__", None) is torch.Tensor.__torch_dispatch__:
        return []
    held = [*(attributes(tensor) or {}).values(), *(read(slot, tensor) for slot in slots(type(tensor)))]
    if hasattr(tensor, "__tensor_flatten__"):
        held += [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]]
    return [one for one in held if isinstance(one, torch.Tensor)]
