"""How each kind of thing that hangs on a model is looked at: what is noted, and what it holds in its turn.

Nothing of a subclass's own is called: containers are read with the methods of `dict`, `list` and so on, attributes
where they lie.
"""

from __future__ import annotations

import array
import functools
import random
import sys
import threading
import types
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reportgen.guard import places, undo

if TYPE_CHECKING:
    from reportgen.guard.objects import Walk

Visit = Callable[["Walk", Any, str], None]  # visit(walk, thing, where it was found)


def of_module(walk: Walk, module: nn.Module, where: str) -> None:
    """A module: its class and attributes; its weights at once, what else it holds later."""
    if isinstance(module, torch.jit.ScriptModule):
        _of_script(walk, module, where)
        return
    attributes = module.__dict__
    _of_class_of(walk, module)
    _note_class(walk, module, where)
    walk.note(undo.mapping(attributes), where)
    known, start = walk.kinds, f"{where}." if where else ""
    for name, value in attributes.items():
        kind = type(value)
        if kind in (OrderedDict, dict) and not value:  # hooks: most of what there is
            walk.vacant.append((value, start + name))
            continue
        if kind is dict and name in ("_parameters", "_buffers", "_modules"):
            # At once, and so without counting against the bound.
            walk.seen[id(value)] = value
            walk.note(undo.mapping(value), start + name)
            for key, tensor in value.items():
                if isinstance(tensor, torch.Tensor) and id(tensor) not in walk.seen:
                    walk.seen[id(tensor)] = tensor
                    walk.guarded(_of_tensor, tensor, start + key)
            continue
        if known.get(kind, places.ABSENT) is not None:
            walk.push(value, start + name)


def _of_script(walk: Walk, module: torch.jit.ScriptModule, where: str) -> None:
    """A scripted module's attributes lie in C++: those that its code names are read as Python's values."""
    for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        walk.push(tensor, f"{where}.{name}" if where else name)
    inner: Any = module._c
    names = {"training"} if inner.hasattr("training") else set()
    for method in inner._method_names():
        graph = inner._get_method(method).graph
        for kind in ("prim::GetAttr", "prim::SetAttr"):
            names |= {node.s("name") for node in graph.findAllNodes(kind)}
    for name in sorted(names):
        if not inner.hasattr(name):
            continue
        value = inner.getattr(name)
        if isinstance(value, torch._C.ScriptModule | torch._C.ScriptObject):
            continue
        walk.push(value, f"{where}.{name}")
        walk.note(functools.partial(undo.script_attribute, inner, name, value), f"{where}.{name}")


def of_object(walk: Walk, value: Any, where: str) -> None:
    """Attributes in `__dict__` and in slots, the class, and what they hold."""
    _of_class_of(walk, value)
    attributes = places.attributes(value)
    if attributes is not None:
        _note_class(walk, value, where)
        if walk.room_for(len(attributes), where):
            walk.note(undo.mapping(attributes), where)
            walk.push_all(attributes.values(), where)
    kind = type(value)
    if kind not in walk.slotted:
        walk.slotted[kind] = places.slots(kind)
    for slot in walk.slotted[kind]:
        held = places.read(slot, value)
        walk.note(functools.partial(places.write, slot, value, held), where)
        walk.push(held, where)


def _also(walk: Walk, value: Any, where: str) -> None:
    """The attributes of a container or tensor whose class is of Python's."""
    if type(value).__flags__ & places.HEAP and type(value).__module__ not in ("builtins", "collections"):
        of_object(walk, value, where)


def _of_dict(walk: Walk, value: Any, where: str) -> None:
    _also(walk, value, where)
    if walk.room_for(dict.__len__(value), where):
        walk.note(undo.mapping(value), where)
        walk.push_all(dict.values(value), where)


def _of_ordered(walk: Walk, value: Any, where: str) -> None:
    _also(walk, value, where)
    if not dict.__len__(value):
        walk.note(functools.partial(undo.emptied, value), where)
    elif walk.room_for(dict.__len__(value), where):
        before = list(OrderedDict.items(value))
        walk.note(functools.partial(undo.reordered, value, before), where)
        walk.push_all([held for _, held in before], where)


def _of_list(walk: Walk, value: Any, where: str) -> None:
    _also(walk, value, where)
    if walk.room_for(list.__len__(value), where):
        before = list.copy(value)
        walk.note(functools.partial(undo.relisted, value, before), where)
        walk.push_all(before, where)


def _of_set(walk: Walk, value: Any, where: str) -> None:
    _also(walk, value, where)
    if walk.room_for(set.__len__(value), where):
        before = list(set.__iter__(value))
        walk.note(functools.partial(undo.recollected, value, before), where)
        walk.push_all(before, where)


def _of_deque(walk: Walk, value: Any, where: str) -> None:
    _also(walk, value, where)
    if walk.room_for(deque.__len__(value), where):
        before = list(deque.__iter__(value))
        walk.note(functools.partial(undo.requeued, value, before), where)
        walk.push_all(before, where)


def _of_fixed(walk: Walk, value: Any, where: str) -> None:
    _also(walk, value, where)
    base = tuple if isinstance(value, tuple) else frozenset
    if walk.room_for(base.__len__(value), where):
        walk.push_all(base.__iter__(value), where)


def _of_bytes(walk: Walk, value: bytearray, where: str) -> None:
    _also(walk, value, where)
    if walk.room_for(len(value) // 8, where):
        walk.note(functools.partial(undo.rewritten, value, bytes(value)), where)


def _of_numbers(walk: Walk, value: array.array, where: str) -> None:
    _also(walk, value, where)
    if walk.room_for(len(value), where):
        walk.note(functools.partial(undo.numbers, value, value[:]), where)


def _of_array(walk: Walk, value: np.ndarray, where: str) -> None:
    _also(walk, value, where)
    plain = value.view(np.ndarray)
    if plain.dtype.hasobject:
        if plain.dtype == object and walk.room_for(plain.size, where):
            before = plain.ravel().tolist()
            walk.note(functools.partial(undo.array_of_objects, plain, before), where)
            walk.push_all(before, where)
    elif walk.values and plain.flags.writeable:
        walk.room -= plain.nbytes
        if walk.room < 0:
            walk.steps.said.unseen("arrays too large to copy", where)
        else:
            walk.note(functools.partial(undo.array, value, plain, plain.copy()), where)


def _of_generator(walk: Walk, value: torch.Generator, where: str) -> None:
    state = value.get_state()
    walk.note(functools.partial(undo.generator, value, state), where)


def _of_bits(walk: Walk, value: Any, where: str) -> None:
    state = value.state
    walk.note(lambda: setattr(value, "state", state), where)


def _of_random_state(walk: Walk, value: np.random.RandomState, where: str) -> None:
    state = np.random.RandomState.get_state(value)
    walk.note(lambda: np.random.RandomState.set_state(value, state), where)


def _of_random(walk: Walk, value: random.Random, where: str) -> None:
    _also(walk, value, where)
    state = random.Random.getstate(value)
    walk.note(lambda: random.Random.setstate(value, state), where)


def _of_tensor(walk: Walk, tensor: torch.Tensor, where: str) -> None:
    """What is about a tensor is noted here; its values with all others, at the end."""
    with torch._C.DisableTorchFunctionSubclass():
        _about(walk, tensor, where)
        _also(walk, tensor, where)
        if is_lazy(tensor):
            return
        inner = places.inner_tensors(tensor)
        walk.push_all(inner, where)
        real = (
            not inner
            and tensor.device.type != "meta"
            and not isinstance(tensor, torch._subclasses.FakeTensor)
        )
    if real:
        walk.tensors[id(tensor)] = (tensor, where)


def _about(walk: Walk, tensor: torch.Tensor, where: str) -> None:
    leaf = tensor.is_leaf
    gradient = tensor.grad if leaf else None
    if gradient is not None:
        walk.push(gradient, f"{where}.grad")
    hooks = [
        (name, getattr(tensor, name, None)) for name in ("_backward_hooks", "_post_accumulate_grad_hooks")
    ]
    for _, found in hooks:
        walk.push(found, where)
    walk.note(
        functools.partial(undo.about_tensor, tensor, leaf, tensor.requires_grad, gradient, hooks), where
    )


def _of_function(walk: Walk, function: types.FunctionType, where: str) -> None:
    """A function's own attributes and default values, and the functions and classes beside it that it names."""
    if not places.own(function):
        return
    walk.push(function.__dict__, where)
    walk.push(function.__defaults__, where)
    walk.push(function.__kwdefaults__, where)
    defaults, keywords = function.__defaults__, function.__kwdefaults__
    walk.note(functools.partial(undo.default_values, function, defaults, keywords), where)
    beside = function.__globals__
    for name in places.named(function.__code__):
        found = beside.get(name)
        if isinstance(found, types.FunctionType | type) and found.__module__ == function.__module__:
            walk.push(found, name)


def _of_class_of(walk: Walk, value: Any) -> None:
    for kind in type(value).__mro__:
        if id(kind) not in walk.seen:
            walk.push(kind, kind.__qualname__)


def _of_class(walk: Walk, kind: type, where: str) -> None:
    """A class's attributes; of one that belongs to the model also what they hold."""
    if not kind.__flags__ & places.HEAP or kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        return
    before = dict(vars(kind))
    walk.note(functools.partial(undo.of_class, kind, before), where)
    if not places.own(kind):
        return
    for base in kind.__mro__[1:]:
        walk.push(base, base.__qualname__)
    for name, value in before.items():
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        elif isinstance(value, property):
            walk.push_all((value.fget, value.fset), f"{where}.{name}")
        if isinstance(value, types.FunctionType) or not places.dunder(name):
            walk.push(value, f"{where}.{name}")


def _note_class(walk: Walk, value: Any, where: str) -> None:
    kind = type(value)
    if kind.__flags__ & places.HEAP:
        walk.note(functools.partial(undo.retyped, value, kind), where)


# What is looked at in which way: the first class that another is, or is made from.
TABLE: tuple[tuple[type, Visit], ...] = (
    (torch.Tensor, _of_tensor),
    (nn.Module, of_module),
    (OrderedDict, _of_ordered),
    (dict, _of_dict),
    (list, _of_list),
    (set, _of_set),
    (deque, _of_deque),
    (tuple, _of_fixed),
    (frozenset, _of_fixed),
    (bytearray, _of_bytes),
    (array.array, _of_numbers),
    (threading.local, lambda walk, value, where: walk.push(value.__dict__, where)),
    (np.ndarray, _of_array),
    (torch.Generator, _of_generator),
    (np.random.BitGenerator, _of_bits),
    (np.random.Generator, lambda walk, value, where: walk.push(value.bit_generator, where)),
    (np.random.RandomState, _of_random_state),
    (random.SystemRandom, lambda walk, value, where: None),
    (random.Random, _of_random),
    (types.FunctionType, _of_function),
    (types.MethodType, lambda walk, value, where: walk.push_all((value.__self__, value.__func__), where)),
    (
        functools.partial,
        lambda walk, value, where: walk.push_all(
            (value.func, value.args, value.keywords, value.__dict__), where
        ),
    ),
    (type, _of_class),
)
