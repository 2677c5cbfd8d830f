"""JSONL logs: one flat JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reportgen.history.model import Reading
from reportgen.history.readers.base import HEAD, Reader, UnreadableError
from reportgen.history.readers.lines import STEPS, Columns, Lines

_EXPECTED = "expected one flat JSON object a line, with a step or epoch and numbers"
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".jsonlines")
_NAMED = 1000  # rows in which the step's name must have come up
_DEEPEST = 4  # objects in objects
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
    for row in rows:
        step = next((name for name in row or {} if name.strip().lower() in STEPS), None)
        if step is not None and len(numbers(row or {})) > 1:
            return f"one object a line, with {step!r}"
    return None


def _object(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def numbers(row: dict[str, Any]) -> dict[str, float]:
    """The entries that are numbers, those of inner objects by their path (`train/loss`).

    One too large for float64 is infinite; objects nested more than four deep are left out.
    """
    out: dict[str, float] = {}
    _collect(row, "", out, 0)
    return out


def _collect(row: dict[str, Any], path: str, out: dict[str, float], depth: int) -> None:
    for name, value in row.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            _collect(value, f"{path}{name}/", out, depth + 1)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            try:
                out[f"{path}{name}"] = float(value)
            except OverflowError:
                out[f"{path}{name}"] = float("inf") if value > 0 else float("-inf")


class Following:
    """A JSONL log that may still grow: each look reads only the lines that have come since."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._head: list[dict[str, Any]] = []
        self._columns: Columns | None = None
        self._notes: list[str] = []
        self._damaged = 0

    def read(self) -> Reading:
        """Every number of every line so far. Raises UnreadableError, OSError."""
        for place, line in self._lines.new():
            self._add(place, line)
        head, columns, notes, damaged = self._head, self._columns, list(self._notes), self._damaged
        rows, last = len(columns or ()), self._lines.last()
        if last is not None:
            place, line, ended = last
            row = _object(line)
            if row is None:
                damaged += ended
                notes += [_cut(place)] if not ended else [_no_object(place)] if damaged == 1 else []
            elif columns is None:
                head = [*head, row]
            else:
                _add(columns, row)
        points, axis, warnings = (_columns(head) if columns is None else columns).points()
        if columns is not None:
            columns.cut(rows)  # more of the last line may come
        if not points:
            raise UnreadableError(f"no numbers found: {_EXPECTED}")
        return Reading(points, (*notes, *warnings), damaged, axis)

    def _add(self, place: int, line: str) -> None:
        row = _object(line)
        if row is None:
            self._damaged += 1
            self._notes += [_no_object(place)] if self._damaged == 1 else []
        elif self._columns is not None:
            _add(self._columns, row)
        else:
            self._head.append(row)
            self._columns = _columns(self._head) if len(self._head) == _NAMED else None


def _no_object(place: int) -> str:
    return f"line {place:,} is no JSON object: left out, and any like it"


def _cut(place: int) -> str:
    return f"the last line, {place:,}, is cut off and left out: still being written?"


def read(path: Path) -> Reading:
    """Every number of every line. Raises UnreadableError, OSError."""
    return Following(path).read()


def _columns(rows: list[dict[str, Any]]) -> Columns:
    """The columns as the first rows name them, with these rows in them."""
    columns = Columns(list(dict.fromkeys(name for row in rows for name in row)))
    for row in rows:
        _add(columns, row)
    return columns


def _add(columns: Columns, row: dict[str, Any]) -> None:
    split = row.get(columns.split)
    columns.row(numbers(row), split.strip() if isinstance(split, str) else "")


READER = Reader(
    name="JSONL",
    likely=lambda path: path.suffix.lower() in _SUFFIXES,
    recognise=recognise,
    read=read,
    follow=Following,
)
