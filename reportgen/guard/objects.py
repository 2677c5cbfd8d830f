"""What a model is made of, noted object by object, and put back where it changed.

Nothing of a subclass's own is called: its containers are read and written with the methods of `dict`, `list` and so
on, its attributes where they lie. What the walk can't follow, or what is beyond its bound, is said.
"""

from __future__ import annotations

import array
import functools
import random
import sys
import threading
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reportgen.errors import RAISED, one_line
from reportgen.guard import places, undo
from reportgen.guard.tensors import COPY_LIMIT, hold
from reportgen.process import Steps

MOST = 2_000_000  # elements that are looked at beside the modules' own attributes
EACH = 10  # as many elements as looking at one object costs


def members(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Each module of a model once, by its name; where they lie, for a class may have its own idea of `modules()`."""
    waiting, seen = [("", model)], set()
    while waiting:
        name, module = waiting.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield name, module
        scripted = isinstance(module, torch.jit.ScriptModule)
        inner = module.named_children() if scripted else (module.__dict__.get("_modules") or {}).items()
        waiting += [(f"{name}.{at}" if name else at, one) for at, one in inner if isinstance(one, nn.Module)][
            ::-1
        ]


class Walk:
    """Visits what hangs on a model, nearest first, and notes how each thing is put back."""

    def __init__(self, steps: Steps, *, values: bool = True) -> None:
        """Without `values` no bytes of tensors and arrays are noted: of a data set there are too many."""
        self.steps = steps
        self.tensors: dict[int, tuple[torch.Tensor, str]] = {}
        self._values = values
        self._left = MOST
        self._room = COPY_LIMIT
        self._seen: dict[int, Any] = {}
        self._waiting: deque[tuple[Callable[[Any, str], None], Any, str]] = deque()
        self._kinds: dict[type, Callable[[Any, str], None] | None] = {}
        self._undo: list[tuple[Callable[[], None], str]] = []
        self._beyond: dict[str, None] = {}
        self._slotted: dict[type, tuple[Any, ...]] = {}
        self._vacant: list[tuple[Any, str]] = []  # dicts with nothing in them

    def model(self, model: nn.Module) -> None:
        """Note a model: each module with its attributes and its class, and all that these hold."""
        for name, module in members(model):
            if id(module) not in self._seen:
                self._seen[id(module)] = module
                self._guarded(self._of_module, module, name)
        self._go()

    def thing(self, thing: Any, where: str) -> None:
        """Note any other object, and all that it holds."""
        self._push(thing, where)
        self._go()

    def end(self) -> None:
        """Note the tensors that were found, and how all is put back: attributes first, then the values they hold."""
        if self._beyond:
            places = list(self._beyond)
            for place in places:
                self.steps.said.unseen(f"more than {MOST:,} things hang on it: those furthest away", place)
        if self._values:
            hold(self.steps, self.tensors)
        self.steps.add("objects", self._put_back)

    def _put_back(self) -> None:
        stopped: BaseException | None = None
        for holder, where in self._vacant:
            if holder:
                self._note(functools.partial(undo.emptied, holder), where)
        for step, where in reversed(self._undo):
            try:
                step()
            except RAISED as error:
                self.steps.said.lost(f"it can't be put back: {one_line(error, 120)}", where)
            except BaseException as stop:  # noqa: BLE001 - raised when all is put back
                stopped = stop
        if stopped is not None:
            raise stopped

    # --- the walk ---------------------------------------------------------------------------------------

    def _go(self) -> None:
        while self._waiting:
            visit, value, where = self._waiting.popleft()
            self._left -= EACH
            if self._left < 0:
                self._beyond[where] = None
                self._waiting.clear()
                return
            self._guarded(visit, value, where)

    def _guarded(self, visit: Callable[[Any, str], None], value: Any, where: str) -> None:
        try:
            visit(value, where)
        except RAISED as error:
            self.steps.said.unseen(
                f"{type(value).__name__} can't be looked at: {one_line(error, 120)}", where
            )

    def _push(self, value: Any, where: str) -> None:
        kind = type(value)
        visit = self._kinds.get(kind, places.ABSENT)
        if visit is places.ABSENT:
            visit = self._kinds[kind] = self._visitor(kind)
        if visit is None or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        self._waiting.append((visit, value, where))

    def _push_all(self, values: Iterable[Any], where: str) -> None:
        known = self._kinds
        for value in values:
            if known.get(type(value), places.ABSENT) is not None:
                self._push(value, where)

    def _visitor(self, kind: type) -> Callable[[Any, str], None] | None:
        if kind in places.ATOMS:
            return None
        for base, visit in self._table():
            if base in kind.__mro__:
                return visit
        return None if places.foreign(kind) else self._of_object

    def _table(self) -> Iterator[tuple[type, Callable[[Any, str], None]]]:
        yield torch.Tensor, self._of_tensor
        yield nn.Module, self._of_module
        yield OrderedDict, self._of_ordered
        yield dict, self._of_dict
        yield list, self._of_list
        yield set, self._of_set
        yield deque, self._of_deque
        yield tuple, self._of_fixed
        yield frozenset, self._of_fixed
        yield bytearray, self._of_bytes
        yield array.array, self._of_numbers
        yield threading.local, lambda value, where: self._push(value.__dict__, where)
        yield np.ndarray, self._of_array
        yield torch.Generator, self._of_generator
        yield np.random.BitGenerator, self._of_bits
        yield np.random.Generator, lambda value, where: self._push(value.bit_generator, where)
        yield np.random.RandomState, self._of_random_state
        yield random.SystemRandom, lambda value, where: None
        yield random.Random, self._of_random
        yield types.FunctionType, self._of_function
        yield types.MethodType, lambda value, where: self._push_all((value.__self__, value.__func__), where)
        yield (
            functools.partial,
            lambda value, where: self._push_all(
                (value.func, value.args, value.keywords, value.__dict__), where
            ),
        )
        yield type, self._of_class

    def _room_for(self, count: int, where: str) -> bool:
        if count > self._left:
            self._beyond[where] = None
            return False
        self._left -= count
        return True

    def _note(self, step: Callable[[], None], where: str) -> None:
        self._undo.append((step, where))

    # --- what there is ----------------------------------------------------------------------------------

    def _of_module(self, module: nn.Module, where: str) -> None:
        if isinstance(module, torch.jit.ScriptModule):
            self._of_script(module, where)
            return
        attributes = module.__dict__
        self._of_class_of(module)
        self._note_class(module, where)
        self._note(undo.mapping(attributes), where)
        known, start = self._kinds, f"{where}." if where else ""
        for name, value in attributes.items():
            kind = type(value)
            if kind in (OrderedDict, dict) and not value:  # hooks: most of what there is
                self._vacant.append((value, start + name))
                continue
            if kind is dict and name in ("_parameters", "_buffers", "_modules"):
                # At once, and so without counting against the bound.
                self._seen[id(value)] = value
                self._note(undo.mapping(value), start + name)
                for key, tensor in value.items():
                    if isinstance(tensor, torch.Tensor) and id(tensor) not in self._seen:
                        self._seen[id(tensor)] = tensor
                        self._guarded(self._of_tensor, tensor, start + key)
                continue
            if known.get(kind, places.ABSENT) is not None:
                self._push(value, start + name)

    def _of_script(self, module: torch.jit.ScriptModule, where: str) -> None:
        """A scripted module's attributes lie in C++: those that its code names are read as Python's values."""
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            self._push(tensor, f"{where}.{name}" if where else name)
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
            self._push(value, f"{where}.{name}")
            self._note(functools.partial(undo.script_attribute, inner, name, value), f"{where}.{name}")

    def _of_object(self, value: Any, where: str) -> None:
        """Attributes in `__dict__` and in slots, the class, and what they hold."""
        self._of_class_of(value)
        attributes = places.attributes(value)
        if attributes is not None:
            self._note_class(value, where)
            if self._room_for(len(attributes), where):
                self._note(undo.mapping(attributes), where)
                self._push_all(attributes.values(), where)
        kind = type(value)
        if kind not in self._slotted:
            self._slotted[kind] = places.slots(kind)
        for slot in self._slotted[kind]:
            held = places.read(slot, value)
            self._note(functools.partial(places.write, slot, value, held), where)
            self._push(held, where)

    def _also(self, value: Any, where: str) -> None:
        """The attributes of a container or tensor whose class is of Python's."""
        if type(value).__flags__ & places.HEAP and type(value).__module__ not in ("builtins", "collections"):
            self._of_object(value, where)

    def _of_dict(self, value: Any, where: str) -> None:
        self._also(value, where)
        if self._room_for(dict.__len__(value), where):
            self._note(undo.mapping(value), where)
            self._push_all(dict.values(value), where)

    def _of_ordered(self, value: Any, where: str) -> None:
        self._also(value, where)
        if not dict.__len__(value):
            self._note(functools.partial(undo.emptied, value), where)
        elif self._room_for(dict.__len__(value), where):
            before = list(OrderedDict.items(value))
            self._note(functools.partial(undo.reordered, value, before), where)
            self._push_all([held for _, held in before], where)

    def _of_list(self, value: Any, where: str) -> None:
        self._also(value, where)
        if self._room_for(list.__len__(value), where):
            before = list.copy(value)
            self._note(functools.partial(undo.relisted, value, before), where)
            self._push_all(before, where)

    def _of_set(self, value: Any, where: str) -> None:
        self._also(value, where)
        if self._room_for(set.__len__(value), where):
            before = list(set.__iter__(value))
            self._note(functools.partial(undo.recollected, value, before), where)
            self._push_all(before, where)

    def _of_deque(self, value: Any, where: str) -> None:
        self._also(value, where)
        if self._room_for(deque.__len__(value), where):
            before = list(deque.__iter__(value))
            self._note(functools.partial(undo.requeued, value, before), where)
            self._push_all(before, where)

    def _of_fixed(self, value: Any, where: str) -> None:
        self._also(value, where)
        base = tuple if isinstance(value, tuple) else frozenset
        if self._room_for(base.__len__(value), where):
            self._push_all(base.__iter__(value), where)

    def _of_bytes(self, value: bytearray, where: str) -> None:
        self._also(value, where)
        if self._room_for(len(value) // 8, where):
            self._note(functools.partial(undo.rewritten, value, bytes(value)), where)

    def _of_numbers(self, value: array.array, where: str) -> None:
        self._also(value, where)
        if self._room_for(len(value), where):
            self._note(functools.partial(undo.numbers, value, value[:]), where)

    def _of_array(self, value: np.ndarray, where: str) -> None:
        self._also(value, where)
        plain = value.view(np.ndarray)
        if plain.dtype.hasobject:
            if plain.dtype == object and self._room_for(plain.size, where):
                before = plain.ravel().tolist()
                self._note(functools.partial(undo.array_of_objects, plain, before), where)
                self._push_all(before, where)
        elif self._values and plain.flags.writeable:
            self._room -= plain.nbytes
            if self._room < 0:
                self.steps.said.unseen("arrays too large to copy", where)
            else:
                self._note(functools.partial(undo.array, value, plain, plain.copy()), where)

    def _of_generator(self, value: torch.Generator, where: str) -> None:
        state = value.get_state()
        self._note(functools.partial(undo.generator, value, state), where)

    def _of_bits(self, value: Any, where: str) -> None:
        state = value.state
        self._note(lambda: setattr(value, "state", state), where)

    def _of_random_state(self, value: np.random.RandomState, where: str) -> None:
        state = np.random.RandomState.get_state(value)
        self._note(lambda: np.random.RandomState.set_state(value, state), where)

    def _of_random(self, value: random.Random, where: str) -> None:
        self._also(value, where)
        state = random.Random.getstate(value)
        self._note(lambda: random.Random.setstate(value, state), where)

    def _of_tensor(self, tensor: torch.Tensor, where: str) -> None:
        """What is about a tensor is noted here; its values with all others, at the end."""
        with torch._C.DisableTorchFunctionSubclass():
            self._about(tensor, where)
            self._also(tensor, where)
            if is_lazy(tensor):
                return
            inner = places.inner_tensors(tensor)
            self._push_all(inner, where)
            real = (
                not inner
                and tensor.device.type != "meta"
                and not isinstance(tensor, torch._subclasses.FakeTensor)
            )
        if real:
            self.tensors[id(tensor)] = (tensor, where)

    def _about(self, tensor: torch.Tensor, where: str) -> None:
        leaf = tensor.is_leaf
        gradient = tensor.grad if leaf else None
        if gradient is not None:
            self._push(gradient, f"{where}.grad")
        hooks = [
            (name, getattr(tensor, name, None)) for name in ("_backward_hooks", "_post_accumulate_grad_hooks")
        ]
        for _, found in hooks:
            self._push(found, where)
        self._note(
            functools.partial(undo.about_tensor, tensor, leaf, tensor.requires_grad, gradient, hooks), where
        )

    def _of_function(self, function: types.FunctionType, where: str) -> None:
        """A function's own attributes and default values, and the functions and classes beside it that it names."""
        if not places.own(function):
            return
        self._push(function.__dict__, where)
        self._push(function.__defaults__, where)
        self._push(function.__kwdefaults__, where)
        defaults, keywords = function.__defaults__, function.__kwdefaults__
        self._note(functools.partial(undo.default_values, function, defaults, keywords), where)
        beside = function.__globals__
        for name in places.named(function.__code__):
            found = beside.get(name)
            if isinstance(found, types.FunctionType | type) and found.__module__ == function.__module__:
                self._push(found, name)

    def _of_class_of(self, value: Any) -> None:
        for kind in type(value).__mro__:
            if id(kind) not in self._seen:
                self._push(kind, kind.__qualname__)

    def _of_class(self, kind: type, where: str) -> None:
        """A class's attributes; of one that belongs to the model also what they hold."""
        if not kind.__flags__ & places.HEAP or kind.__module__.partition(".")[0] in sys.stdlib_module_names:
            return
        before = dict(vars(kind))
        self._note(functools.partial(undo.of_class, kind, before), where)
        if not places.own(kind):
            return
        for base in kind.__mro__[1:]:
            self._push(base, base.__qualname__)
        for name, value in before.items():
            if isinstance(value, staticmethod | classmethod):
                value = value.__func__
            elif isinstance(value, property):
                self._push_all((value.fget, value.fset), f"{where}.{name}")
            if isinstance(value, types.FunctionType) or not places.dunder(name):
                self._push(value, f"{where}.{name}")

    def _note_class(self, value: Any, where: str) -> None:
        kind = type(value)
        if kind.__flags__ & places.HEAP:
            self._note(functools.partial(undo.retyped, value, kind), where)
