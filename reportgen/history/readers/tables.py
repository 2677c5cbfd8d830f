"""CSV and TSV logs: Lightning's metrics.csv, Ultralytics' results.csv, Keras' CSVLogger, and any like them."""

from __future__ import annotations

import copy
import csv
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from reportgen.history.model import Reading
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.readers.lines import Columns, Lines
from reportgen.history.readers.signs import tells

_MISSING = ("", "na", "n/a", "none", "null", "-", "--")
_DELIMITERS = ",\t;"
_INDEX = "index"  # what pandas' column of row numbers is called here
_MANY = 1024  # rows read at once, fewer where they are wide
_MANY_CELLS = 1 << 18
_EXPECTED = "expected a header with a step or epoch column, and a column of numbers"


def recognise(path: Path, head: bytes) -> str | None:
    """By the header: a step or epoch column beside at least one other."""
    text = head.decode("utf-8-sig", "replace")
    first = next((line for line in text.splitlines() if line.strip()), "")
    names = _header(first)
    step = Columns(names).step
    sign = "" if step or names[:1] != [""] else tells(names)
    if not (step or sign) or len(names) < 2 or b"\0" in head or first.lstrip().startswith(("{", "[")):
        return None
    if path.parent.name.startswith("version_") and path.name == "metrics.csv":
        return f"Lightning CSVLogger: header has {step!r}, in {path.parent.name}"
    if names[0] == "epoch" and any(name.startswith("train/") and name.endswith("_loss") for name in names):
        return "Ultralytics: header starts with 'epoch' and has train/*_loss"
    return (
        f"header has {step!r}"
        if step
        else f"header has {sign!r} behind an index without a name, as pandas writes"
    )


def _header(line: str) -> list[str]:
    return [name.strip() for name in _cells(line, _delimiter(line))]


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _cells(line: str, delimiter: str) -> list[str]:
    """The cells of one line. A stray quote must not swallow the lines behind it, so each is parsed alone."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def number(text: str) -> float | None:
    """The number in a cell; ValueError where there is something else, None where nothing was logged."""
    text = text.strip()
    if text.lower() in _MISSING:
        return None
    if "_" in text:  # float() takes 1_000
        raise ValueError(text)
    return float(text)


class Following:
    """A table that may still grow: each look reads only the lines that have come since."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._table: _Table | None = None

    def read(self) -> Reading:
        """Every number so far; a blank cell was not logged. Raises UnreadableError, OSError."""
        new = self._lines.new()
        if self._table is None:
            self._table = next((_Table(line) for _, line in new), None)
        while self._table is not None and (some := list(islice(new, self._table.rows_at_once))):
            self._table.many(some)
        last, table = self._lines.last(), self._table
        if table is None or last is None:
            return _reading(table)
        # More of the last line may come: it is read on a copy, and taken back.
        rows, table = len(table.columns), table.fork()
        try:
            table.add(*last)
            return _reading(table)
        finally:
            table.columns.cut(rows)


def _reading(table: _Table | None) -> Reading:
    points, axis, warnings = table.columns.points() if table else ({}, "", ())
    if table is None or not points:
        raise UnreadableError(f"no numbers found: {_EXPECTED}")
    axis = "row" if table.counted else axis
    return Reading(points, (*table.warnings(), *warnings), table.damaged, axis)


def read(path: Path) -> Reading:
    """Every number of the table; a blank cell was not logged. Raises UnreadableError, OSError."""
    return Following(path).read()


class _Table:
    """The header, and what has been read of the rows below it."""

    def __init__(self, header: str) -> None:
        self._delimiter = _delimiter(header)
        names = _header(header)
        self._twice = [name for name, count in Counter(names).items() if count > 1]
        # A name given twice keeps both columns apart, by their place.
        before: set[str] = set()
        self._names = []
        for place, name in enumerate(names):
            self._names.append(name if name not in before else f"{name} ({place + 1})")
            before.add(name)
        self._header = names
        indexed = names[:1] == [""] and len(names) > 1
        if indexed:
            self._names[0] = _INDEX
        self.columns = Columns(self._names)
        # An index without a name is that of the rows: no curve, and no axis where there is a better one.
        self.counted = indexed and not self.columns.step
        self._skipped = _INDEX if indexed and self.columns.step else ""
        if self.counted:
            self.columns.step = _INDEX
        self.damaged = 0
        self._notes: list[str] = []
        self._texts: dict[str, tuple[int, int, str]] = {}  # how many cells, and the first one
        self._numbers: set[str] = set()

    @property
    def rows_at_once(self) -> int:
        """How many rows make a block of a bounded size."""
        return max(1, min(_MANY, _MANY_CELLS // len(self._names)))

    def fork(self) -> _Table:
        """A copy that may be added to, but for the columns, which are the same."""
        other = copy.copy(self)
        other._notes, other._texts, other._numbers = list(self._notes), dict(self._texts), set(self._numbers)
        return other

    def many(self, rows: list[tuple[int, str]]) -> None:
        """Read whole rows: at once where each is full of numbers, else one by one."""
        try:
            lines = [line for _, line in rows]
            numbers = np.loadtxt(lines, delimiter=self._delimiter, comments=None, ndmin=2)
        except ValueError:
            numbers = np.zeros((0, 0))
        if numbers.shape == (len(rows), len(self._names)):
            cells = dict(zip(self._names, np.ascontiguousarray(numbers.T), strict=True))
            if self._skipped:
                del cells[self._skipped]
            self.columns.rows(cells)
            self._numbers.update(self._names)
        else:
            for place, line in rows:
                self.add(place, line, ended=True)

    def add(self, place: int, line: str, ended: bool) -> None:
        """Read one row."""
        cells = _cells(line, self._delimiter)
        if not ended:
            cut, said = self._unended(line, cells)
            self._notes.append(f"line {place:,} has no line end{said}: still being written?")
            if cut:
                return
        if len(cells) != len(self._names):
            if self.damaged == 0:
                self._notes.append(
                    f"line {place:,} has {len(cells)} cells, the header {len(self._names)}: left out, "
                    "and any like it"
                )
            self.damaged += 1
            return
        if [cell.strip() for cell in cells] == self._header:
            return
        self._row(place, cells)

    def _unended(self, line: str, cells: list[str]) -> tuple[bool, str]:
        """Whether the last row was evidently cut, and what to say of it.

        One that has all its cells is kept, though its last number may be cut: 0.1 of 0.125 looks whole.
        """
        if len(cells) != len(self._names) or line.count('"') % 2:
            return True, " and is left out, being cut off"
        name, cell = self._names[-1], cells[-1].strip()
        columns = self.columns
        if name and name in (columns.step, columns.epoch, columns.wall, columns.split):
            return True, f" and is left out, as its {name!r} may be cut off"
        try:
            value = number(cell)
        except ValueError:
            text = name in self._texts and name not in self._numbers
            return not text, "" if text else f" and is left out, as {cell[:40]!r} is no number"
        at = dict(zip(self._names, cells, strict=True)).get(columns.step, "").strip()
        where = f" at {columns.step} {at[:40]}" if at else ""
        what = f"{cell[:40]} in {name[:60]!r}{where}"
        return False, "" if value is None else f" and its last number, {what}, may be cut off"

    def _row(self, place: int, cells: list[str]) -> None:
        numbers, split = {}, ""
        for name, cell in zip(self._names, cells, strict=True):
            if self._skipped and name == self._skipped:
                continue
            if name == self.columns.split and not _numeric(cell):
                split = cell.strip()
                continue
            try:
                value = number(cell)
            except ValueError:
                time = moment(cell) if name == self.columns.wall else None
                if time is not None:
                    numbers[name] = time
                    continue
                count, first, text = self._texts.get(name, (0, place, cell.strip()))
                self._texts[name] = (count + 1, first, text)
                continue
            if value is not None:
                numbers[name] = value
                self._numbers.add(name)
        self.columns.row(numbers, split)

    def warnings(self) -> tuple[str, ...]:
        """What was not read, a line each; a column of text alone is no fault."""
        notes = list(self._notes)
        for name, (count, place, text) in self._texts.items():
            if name in self._numbers:
                cells = "1 cell is" if count == 1 else f"{count:,} cells are"
                notes.append(
                    f"column {name!r}: {cells} no number and left out, first {text[:40]!r} in line {place:,}"
                )
        if self._twice:
            notes.append(
                f"column {self._twice[0]!r} is there more than once: the later ones carry their place"
            )
        return tuple(notes)


def moment(text: str) -> float | None:
    """Seconds since 1970 of a time as ISO 8601 writes it, in UTC where it names no zone; None for anything else."""
    try:
        time = datetime.fromisoformat(text.strip())
        return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _numeric(cell: str) -> bool:
    try:
        return number(cell) is not None
    except ValueError:
        return False


READER = Reader(
    name="table",
    likely=lambda path: path.suffix.lower() in (".csv", ".tsv"),
    recognise=recognise,
    read=read,
    follow=Following,
)
