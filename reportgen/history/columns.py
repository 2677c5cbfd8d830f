"""Curves that grow point by point, and lists that stay short however much is added."""

from __future__ import annotations

from array import array
from typing import Generic, TypeVar

import numpy as np

from reportgen.history.model import Points

T = TypeVar("T")


class Column:
    """One curve while it is read: 24 bytes a point."""

    def __init__(self) -> None:
        self._step, self._wall, self._value = array("q"), array("d"), array("d")

    def add(self, step: int, wall: float, value: float) -> None:
        """Add one point; OverflowError where the step does not fit 64 bits, and nothing is added."""
        self._step.append(step)
        self._wall.append(wall)
        self._value.append(value)

    def points(self) -> Points:
        """What was added, without a copy."""
        step, wall, value = (
            np.frombuffer(column, column.typecode) for column in (self._step, self._wall, self._value)
        )
        return Points(step, wall, value, np.zeros(len(step), np.int32))


class Thinned(Generic[T]):
    """At most about `most` of the things added, evenly spaced, the first and the last among them."""

    def __init__(self, most: int) -> None:
        self._most, self._every = most, 1
        self._kept: list[T] = []
        self._last: T | None = None
        self.count = 0

    def add(self, thing: T) -> None:
        """Add one; where there are too many, every other one is let go."""
        self._last = None
        if self.count % self._every == 0:
            self._kept.append(thing)
            if len(self._kept) > self._most:
                self._kept, self._every = self._kept[::2], self._every * 2
        if self.count % self._every:
            self._last = thing
        self.count += 1

    @property
    def kept(self) -> list[T]:
        """Those that are kept, in the order added."""
        return self._kept if self._last is None else [*self._kept, self._last]
