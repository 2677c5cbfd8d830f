"""The last few things that were logged of each tag, in bounded memory."""

from __future__ import annotations

from collections import deque

from reportgen.history.model import Logged


class Latest:
    """The last `most` pictures or texts of each tag, at most `budget` bytes of all tags together."""

    def __init__(self, most: int, budget: int) -> None:
        self._most, self._budget = most, budget
        self._kept: dict[str, deque[Logged]] = {}
        self._bytes = 0
        self._seen = 0

    def add(self, tag: str, one: Logged) -> None:
        """Keep one; the oldest of the tag, or of the tag with most, makes room."""
        self._seen += 1
        self._bytes += len(one.content)
        held = self._kept.setdefault(tag, deque())
        held.append(one)
        if len(held) > self._most:
            self._drop(tag)
        while self._bytes > self._budget:
            self._drop(max(self._kept, key=lambda name: len(self._kept[name])))

    def _drop(self, tag: str) -> None:
        self._bytes -= len(self._kept[tag].popleft().content)
        if not self._kept[tag]:
            del self._kept[tag]

    def items(self) -> dict[str, tuple[Logged, ...]]:
        """What is kept, by tag, in the order logged."""
        return {tag: tuple(held) for tag, held in self._kept.items()}

    def note(self, noun: str, rule: str) -> str:
        """How many were left out, and why; nothing where all are kept."""
        left = self._seen - sum(map(len, self._kept.values()))
        return f"{left:,} of {self._seen:,} {noun}s are left out: {rule}" if left else ""
