"""JSONL logs: one flat JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reportgen.history.model import Reading
from reportgen.history.readers.base import HEAD, Reader, UnreadableError
from reportgen.history.readers.lines import STEPS, Lines
from reportgen.history.readers.rows import Others, Rows, as_number, numbers

_EXPECTED = "expected one flat JSON object a line, with a step or epoch and numbers"
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonlines")
_NAMED = 1000  # rows in which the step's name must have come up
_TRIED = 5  # lines that recognition looks at


def recognise(path: Path, head: bytes) -> str | None:
    """By the first lines: each is an object, and one of them has a step or epoch and a number."""
    text = head.decode("utf-8-sig", "replace")
    found = [line for line in text.splitlines() if line.strip()]
    if len(head) >= HEAD or (text and not text.endswith(("\n", "\r"))):
        found = found[:-1] or found
    rows = [_object(line) for line in found[:_TRIED]]
    if not rows or any(row is None for row in rows):
        return None
    if len(rows) == 1 and path.suffix.lower() == ".json":  # one object alone is a config, or results
        return None
    for row in rows:
        step = next((name for name, value in (row or {}).items() if _is_step(name, value)), None)
        if step is not None and _count(row or {}) > 1:
            return f"one object a line, with {step!r}"
    return None


def _is_step(name: str, value: Any) -> bool:
    return name.strip().lower() in STEPS and not isinstance(value, dict | list)


def _count(row: dict[str, Any]) -> int:
    """How many numbers a row holds, those that are written as text among them."""
    others: Others = []
    return len(numbers(row, others)) + sum(as_number(value) is not None for _, value in others)


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


class Following:
    """A JSONL log that may still grow: each look reads only the lines that have come since."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._head: list[dict[str, Any]] = []
        self._rows: Rows | None = None
        self._notes: list[str] = []
        self._damaged = 0

    def read(self) -> Reading:
        """Every number of every line so far. Raises UnreadableError, OSError."""
        for place, line in self._lines.new():
            self._add(place, line)
        damaged, notes, row = self._damaged, list(self._notes), None
        last = self._lines.last()
        if last is not None:
            place, line, ended = last
            row = _object(line)
            if row is None:
                damaged += ended
                notes += [_cut(place)] if not ended else [_no_object(place)] if damaged == 1 else []
        if self._rows is not None and row is not None:
            found, left = self._rows.with_last(row)
        else:
            rows = self._rows or Rows([*self._head, row] if row is not None else self._head)
            found, left = rows.points(), rows.notes()
        points, axis, warnings = found
        if not points:
            raise UnreadableError(f"no numbers found: {_EXPECTED}")
        return Reading(points, (*notes, *warnings), damaged, axis, notes=left)

    def _add(self, place: int, line: str) -> None:
        row = _object(line)
        if row is None:
            self._damaged += 1
            self._notes += [_no_object(place)] if self._damaged == 1 else []
        elif self._rows is not None:
            self._rows.add(row)
        else:
            self._head.append(row)
            if len(self._head) == _NAMED:
                self._rows, self._head = Rows(self._head), []


def _no_object(place: int) -> str:
    return f"line {place:,} is no JSON object: left out, and any like it"


def _cut(place: int) -> str:
    return f"the last line, {place:,}, is cut off and left out: still being written?"


def read(path: Path) -> Reading:
    """Every number of every line. Raises UnreadableError, OSError."""
    return Following(path).read()


READER = Reader(
    name="JSONL",
    likely=lambda path: path.suffix.lower() in _SUFFIXES,
    recognise=recognise,
    read=read,
    follow=Following,
)
