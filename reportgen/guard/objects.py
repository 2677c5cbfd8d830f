"""What a model is made of, noted object by object, and put back where it changed.

Nothing of a subclass's own is called: its containers are read and written with the methods of `dict`, `list` and so
on, its attributes where they lie. What the walk can't follow, or what is beyond its bound, is said.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from reportgen.errors import RAISED, one_line
from reportgen.guard import places, undo, visits
from reportgen.guard.tensors import COPY_LIMIT, hold
from reportgen.guard.visits import Visit
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
        self.values = values
        self._left = MOST
        self.room = COPY_LIMIT
        self.seen: dict[int, Any] = {}
        self._waiting: deque[tuple[Visit, Any, str]] = deque()
        self.kinds: dict[type, Visit | None] = {}
        self._undo: list[tuple[Callable[[], None], str]] = []
        self._beyond: dict[str, None] = {}
        self.slotted: dict[type, tuple[Any, ...]] = {}
        self.vacant: list[tuple[Any, str]] = []  # dicts with nothing in them

    def model(self, model: nn.Module) -> None:
        """Note a model: each module with its attributes and its class, and all that these hold."""
        for name, module in members(model):
            if id(module) not in self.seen:
                self.seen[id(module)] = module
                self.guarded(visits.of_module, module, name)
        self._go()

    def thing(self, thing: Any, where: str) -> None:
        """Note any other object, and all that it holds."""
        self.push(thing, where)
        self._go()

    def end(self) -> None:
        """Note the tensors that were found, and how all is put back: attributes first, then the values they hold."""
        if self._beyond:
            for place in self._beyond:
                self.steps.said.unseen(f"more than {MOST:,} things hang on it: those furthest away", place)
        if self.values:
            hold(self.steps, self.tensors)
        self.steps.add("objects", self._put_back)

    def _put_back(self) -> None:
        stopped: BaseException | None = None
        for holder, where in self.vacant:
            if holder:
                self.note(functools.partial(undo.emptied, holder), where)
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
            self.guarded(visit, value, where)

    def guarded(self, visit: Visit, value: Any, where: str) -> None:
        """Look at this; where that raises, it is said."""
        try:
            visit(self, value, where)
        except RAISED as error:
            self.steps.said.unseen(
                f"{type(value).__name__} can't be looked at: {one_line(error, 120)}", where
            )

    def push(self, value: Any, where: str) -> None:
        """Look at this later, if it is not a plain value and was not looked at."""
        kind = type(value)
        visit = self.kinds.get(kind, places.ABSENT)
        if visit is places.ABSENT:
            visit = self.kinds[kind] = self._visitor(kind)
        if visit is None or id(value) in self.seen:
            return
        self.seen[id(value)] = value
        self._waiting.append((visit, value, where))

    def push_all(self, values: Iterable[Any], where: str) -> None:
        """Look at all of these later."""
        known = self.kinds
        for value in values:
            if known.get(type(value), places.ABSENT) is not None:
                self.push(value, where)

    def _visitor(self, kind: type) -> Visit | None:
        if kind in places.ATOMS:
            return None
        for base, visit in visits.TABLE:
            if base in kind.__mro__:
                return visit
        return None if places.foreign(kind) else visits.of_object

    def room_for(self, count: int, where: str) -> bool:
        """Whether so many elements more may be looked at."""
        if count > self._left:
            self._beyond[where] = None
            return False
        self._left -= count
        return True

    def note(self, step: Callable[[], None], where: str) -> None:
        """Do this `step` when things are put back."""
        self._undo.append((step, where))
