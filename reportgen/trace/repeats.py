"""Consecutive siblings that are the same, found so that they can be drawn once."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.trace.names import stem
from reportgen.trace.steps import Trace

LONGEST = 12  # the longest pattern looked for, in siblings: conv, norm, relu, pool, ...


@dataclass(frozen=True)
class Group:
    """Siblings drawn once: `members` are the first repetition's steps, `stride` the steps in one.

    `last` is the first step of the last repetition. A group with `hidden` siblings stands for them
    all as one node.
    """

    members: tuple[int, ...]
    times: int
    stride: int
    last: int
    hidden: tuple[int, ...] = ()


class Repeats:
    """The repeats in a trace.

    Two siblings are the same when they are in name (numbers in it apart), class, settings, parameters,
    shapes, inner layers, inner edges, and in how they hang together with the others.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._inner: dict[int, list[tuple[int, int]]] = {}
        self._outer: dict[int, list[int]] = {}
        for link in trace.links:
            self._lift(link.source, link.target)
        self._position = self._positions()
        self._numbers: dict[object, int] = {}
        self._signatures = [0] * len(trace.steps)
        for index in reversed(range(len(trace.steps))):
            self._signatures[index] = self._signature(index)

    def _positions(self) -> list[int]:
        """Each step's place among its siblings."""
        counts: dict[int, int] = {}
        found = []
        for step in self._trace.steps:
            found.append(counts.get(step.parent, 0))
            counts[step.parent] = found[-1] + 1
        return found

    def _lift(self, source: int, target: int) -> None:
        """File a link under the sibling that it enters, at every level up to the common ancestor."""
        steps = self._trace.steps
        at = target
        while at >= 0:
            parent = steps[at].parent
            if parent < source < steps[parent].end or parent < 0:
                sibling = source
                while steps[sibling].parent != parent:
                    sibling = steps[sibling].parent
                if sibling != at:
                    self._outer.setdefault(at, []).append(sibling)
                    self._inner.setdefault(parent, []).append((sibling, at))
                return
            self._outer.setdefault(at, []).append(source)
            self._inner.setdefault(parent, []).append((-1, at))
            at = parent

    def _signature(self, index: int) -> int:
        step = self._trace.steps[index]
        layer = self._trace.by_path.get(step.path) if step.kind == "call" else None
        inner: tuple[object, ...] = ()
        if not step.leaf:
            parts = tuple(self._signatures[part.index] for part in self._trace.inside(index))
            edges = self._inner.get(index, ())
            inner = (parts, tuple((-1 if a < 0 else a - index, b - index) for a, b in edges))
        shapes = (
            tuple((t.shape, t.dtype) for t in step.inputs),
            tuple((t.shape, t.dtype) for t in step.outputs),
        )
        what = (
            step.kind,
            step.type,
            step.settings,
            layer.signature if layer else (),
            shapes,
            inner,
            step.flops,
        )
        return self._numbers.setdefault(what, len(self._numbers))

    def _alike(self, left: int, right: int, start: int, second: int) -> bool:
        """Whether two siblings are equal and take their inputs alike, in a run that begins at `start`.

        Alike is: from siblings at the same distance, from the same place, or (only in the first
        repetition, which ends before `second`) from before the run and from inside it.
        """
        if self._signatures[left] != self._signatures[right]:
            return False
        one, other = self._trace.steps[left], self._trace.steps[right]
        if stem(one.path if one.kind == "call" else "") != stem(other.path if other.kind == "call" else ""):
            return False  # keys and values may be projected alike and yet be no repetition
        ours, theirs = self._outer.get(left, []), self._outer.get(right, [])
        if len(ours) != len(theirs):
            return False
        steps, distance = self._trace.steps, self._position[right] - self._position[left]
        parent = steps[left].parent
        for a, b in zip(ours, theirs, strict=True):
            siblings = steps[a].parent == parent == steps[b].parent
            moved = siblings and self._position[b] - self._position[a] == distance
            if not (a == b or moved or (left < second and a < start <= b)):
                return False
        return True

    def fold(self, siblings: list[int]) -> list[Group]:
        """The siblings in order, repeats as one; linear in their number."""
        groups: list[Group] = []
        at = 0
        while at < len(siblings):
            period, times = self._pattern(siblings, at)
            members = tuple(siblings[at : at + period])
            last = siblings[at + period * (times - 1)]
            stride = self._trace.steps[members[-1]].end - members[0]
            groups.append(Group(members, times, stride, last))
            at += period * times
        return groups

    def _pattern(self, siblings: list[int], at: int) -> tuple[int, int]:
        """The shortest pattern that repeats here, and how often; a pattern of several only from three times."""
        for period in range(1, LONGEST + 1):
            same, needed = 0, period if period == 1 else 2 * period
            if at + period >= len(siblings):
                break
            start, second = siblings[at], siblings[at + period]
            while at + same + period < len(siblings):
                if not self._alike(siblings[at + same], siblings[at + same + period], start, second):
                    break
                same += 1
            if same >= needed:
                return period, same // period + 1
        return 1, 1
