"""Rows of JSON as columns: numbers by their path, numbers that were written as text, and a count of all else."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from reportgen.history.model import Points
from reportgen.history.readers.lines import Columns
from reportgen.history.readers.tables import moment

_DEEPEST = 4  # objects in objects
_MOST_TOLD = 10  # names whose values are no numbers, told one by one
_LONGEST = 60  # characters of a name that is told
_DIGITS = 60  # characters of a number that was written as text
_KINDS = {bool: "boolean", str: "text", dict: "object"}

Others = list[tuple[str, Any]]  # path and value of what is no number


def numbers(row: dict[str, Any], others: Others | None = None) -> dict[str, float]:
    """The entries that are numbers, those of inner objects by their path (`train/loss`); the rest to `others`.

    One too large for float64 is infinite; objects nested more than four deep are left out.
    """
    out: dict[str, float] = {}
    _collect(row, "", out, [] if others is None else others, 0)
    return out


def _collect(row: dict[str, Any], path: str, out: dict[str, float], others: Others, depth: int) -> None:
    for name, value in row.items():
        if type(value) is float:  # most are
            out[f"{path}{name}"] = value
        elif isinstance(value, dict) and depth < _DEEPEST:
            _collect(value, f"{path}{name}/", out, others, depth + 1)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            try:
                out[f"{path}{name}"] = float(value)
            except OverflowError:
                out[f"{path}{name}"] = float("inf") if value > 0 else float("-inf")
        elif value is not None:
            others.append((f"{path}{name}", value))


def as_number(value: Any) -> float | None:
    """The number that a text holds; None for anything else."""
    if not isinstance(value, str) or len(value) > _DIGITS or "_" in value:  # float() takes 1_000
        return None
    try:
        return float(value)
    except ValueError:
        return None


class Rows:
    """The columns as they grow row by row.

    Numbers written as text are numbers where all texts of their column are: with the first that is none, those
    before it are taken out again. What is no number is counted by its name and kind.
    """

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        """The columns as the first rows name them, with these rows in them."""
        rows = list(rows)
        self.columns = Columns(list(dict.fromkeys(name for row in rows for name in row)))
        self._left: dict[tuple[str, str], int] = {}
        self._from_text: dict[str, array[int]] = {}  # the rows whose number was a text, by tag
        self._refused: set[str] = set()
        for row in rows:
            self.add(row)

    def __len__(self) -> int:
        return len(self.columns)

    def add(self, row: dict[str, Any]) -> None:
        """Add one row."""
        others: Others = []
        found = numbers(row, others)
        said = row.get(self.columns.split)
        split = said.strip() if isinstance(said, str) else ""
        for name, value in others:
            number = self._other(name, value, split)
            if number is not None:
                found[name] = number
        self.columns.row(found, split)

    def _other(self, name: str, value: Any, split: str) -> float | None:
        """The number that something else stands for; where it stands for none, it is counted."""
        columns = self.columns
        if name == columns.split and isinstance(value, str):
            return None
        if name == columns.wall and isinstance(value, str) and (time := moment(value)) is not None:
            return time
        tag = f"{split}/{name}" if split and name != columns.epoch else name
        number = as_number(value)
        if number is not None and tag not in self._refused:
            if name != columns.step:
                self._from_text.setdefault(tag, array("q")).append(len(columns))
            return number
        count = 1
        if isinstance(value, str) and name != columns.step:
            self._refused.add(tag)
            before = self._from_text.pop(tag, array("q"))
            columns.take_back(tag, before)
            count += len(before)
        kind = _KINDS.get(type(value), "list")
        self._left[tag, kind] = self._left.get((tag, kind), 0) + count
        return None

    def points(self) -> tuple[dict[str, Points], str, tuple[str, ...]]:
        """The points of each column, what their steps count, and warnings."""
        return self.columns.points()

    def with_last(
        self, row: dict[str, Any]
    ) -> tuple[tuple[dict[str, Points], str, tuple[str, ...]], tuple[str, ...]]:
        """Points and notes with one more row, which is then taken back: more of it may come."""
        count, left = len(self), dict(self._left)
        texts = {tag: array("q", rows) for tag, rows in self._from_text.items()}
        self.add(row)
        found = self.points(), self.notes()
        self.columns.cut(count)
        self._left, self._from_text = left, texts
        return found

    def notes(self) -> tuple[str, ...]:
        """What was left out as it is no number, a line for each name and kind."""
        told = sorted(self._left.items(), key=lambda item: -item[1])
        lines = [_said(name, kind, count) for (name, kind), count in told[:_MOST_TOLD]]
        if len(told) > _MOST_TOLD:
            count = sum(count for _, count in told[_MOST_TOLD:])
            names = len({name for (name, _), _ in told[_MOST_TOLD:]})
            lines.append(f"{count:,} values under {names:,} more names are no numbers: left out")
        return tuple(lines)


def _said(name: str, kind: str, count: int) -> str:
    shown = repr(name[:_LONGEST])
    if count == 1:
        return f"1 value of {shown} is {'an' if kind == 'object' else 'a'} {kind}, not a number: left out"
    return f"{count:,} values of {shown} are {kind}s, not numbers: left out"
