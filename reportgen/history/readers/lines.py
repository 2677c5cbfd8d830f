"""Text logs line by line, and the points of a table filled cell by cell."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reportgen.history.budget import halt, more, series
from reportgen.history.model import Points
from reportgen.history.readers.base import UnreadableError

LONGEST = 1 << 20  # characters of a line; a longer one is no log's
_CROWDED = 4  # values of one metric an epoch, from which on an epoch is no place on an axis
_BLOCK = 1 << 20  # bytes read at once
_WIDEST = 4  # bytes of a character, at most
STEPS = (
    "step", "global_step", "trainer/global_step", "_step", "steps", "iteration", "iterations", "iter", "num_iter",
    "num_updates", "batch", "epoch", "epochs", "train/epoch", "training_iteration",
)  # fmt: skip
EPOCHS = ("epoch", "epochs", "train/epoch")
WALLS = ("wall_time", "walltime", "_timestamp", "timestamp", "time", "datetime")
SPLITS = ("split", "phase", "mode", "stage", "subset", "partition")
WALL_RANGE = (1e8, 1e11)  # seconds since 1970 that a log can bear; smaller ones are durations


class Lines:
    """The lines of a text file that may still grow; blank ones are counted, but not given."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""  # the last line, as far as it has been written
        self._read = self._number = 0
        self._stopped = False
        self._long = ""  # of which line there is no getting past

    def new(self) -> Iterator[tuple[int, str]]:
        """Number and text of each line that has been finished since the last call. Raises UnreadableError, OSError."""
        self._stopped = bool(self._long)
        if self._long:
            halt(self._long)
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            while block := file.read(_BLOCK):
                self._read += len(block)
                before = self._number
                *whole, self._rest = (self._rest + block).splitlines(keepends=True)
                # A line feed may still follow upon a carriage return.
                if self._rest.endswith(b"\n"):
                    whole, self._rest = [*whole, self._rest], b""
                for line in whole:
                    yield from self._line(line)
                    if self._stopped:
                        return
                if len(self._rest) > _WIDEST * LONGEST:
                    self._too_long(self._number + 1)
                self._stopped = self._stopped or not more(len(block), self._number - before)
                if self._stopped:
                    return

    def last(self) -> tuple[int, str, bool] | None:
        """The last line where it may still grow, and whether it has an end; None where there is none or a blank one.

        Where reading stopped before the end of the file, there is none.
        """
        if self._stopped:
            return None
        text = self._text(self._rest, self._number + 1)
        ended = text.endswith("\r")
        return (self._number + 1, text.rstrip("\r\n"), ended) if text.strip() else None

    def _line(self, line: bytes) -> Iterator[tuple[int, str]]:
        self._number += 1
        text = self._text(line, self._number)
        if text.strip():
            yield self._number, text.rstrip("\r\n")

    def _text(self, line: bytes, number: int) -> str:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
        if len(text) <= LONGEST:
            return text
        self._too_long(number)
        return ""

    def _too_long(self, number: int) -> None:
        """Stop here, where there were lines before; else there is nothing to keep."""
        why = f"line {number:,} is longer than {LONGEST:,} characters"
        if number == 1 or not halt(why):
            raise UnreadableError(f"{why}: expected one row a line")
        self._stopped, self._long = True, why


class Columns:
    """Named columns of numbers, each with its own rows, that grow cell by cell.

    `split` columns (train, val) name a part: its metrics are kept apart as `val/loss`.
    """

    def __init__(self, names: list[str]) -> None:
        lowered = {name.strip().lower(): name for name in reversed(names)}
        self.step = next((lowered[name] for name in STEPS if name in lowered), "")
        self.epoch = next((lowered[name] for name in EPOCHS if name in lowered), "")
        self.wall = next((lowered[name] for name in WALLS if name in lowered), "")
        self.split = next((lowered[name] for name in SPLITS if name in lowered), "")
        self._cells: dict[str, tuple[array[int], array[float]]] = {}
        self._steps: array[float] = array("d")
        self._walls: array[float] = array("d")
        self._epochs: array[float] = array("d")
        self._room = series()

    def row(self, numbers: dict[str, float], split: str = "") -> None:
        """Add one row; `numbers` holds only what was logged in it."""
        number = len(self._steps)
        self._steps.append(numbers.get(self.step, math.nan))
        self._epochs.append(numbers.get(self.epoch, math.nan))
        wall = numbers.get(self.wall, math.nan)
        timed = WALL_RANGE[0] < wall < WALL_RANGE[1]
        self._walls.append(wall if timed else math.nan)
        for name, value in numbers.items():
            if name == self.step or (timed and name == self.wall):
                continue
            tag = f"{split}/{name}" if split and name != self.epoch else name
            cells = self._cells.get(tag)
            if cells is None:
                if len(self._cells) > self._room:
                    continue  # one more than there is room for, by which it is told
                cells = self._cells[tag] = (array("q"), array("d"))
            cells[0].append(number)
            cells[1].append(value)

    def rows(self, numbers: dict[str, np.ndarray]) -> None:
        """Add rows that hold every column: float64 (n,) each."""
        begin, count = len(self._steps), len(next(iter(numbers.values())))
        missing = np.full(count, np.nan)
        wall = numbers.get(self.wall, missing)
        timed = (wall > WALL_RANGE[0]) & (wall < WALL_RANGE[1])
        self._steps.frombytes(numbers.get(self.step, missing).tobytes())
        self._epochs.frombytes(numbers.get(self.epoch, missing).tobytes())
        self._walls.frombytes(np.where(timed, wall, np.nan).tobytes())
        for name, values in numbers.items():
            kept = np.flatnonzero(~timed) if name == self.wall else np.arange(count)
            if name != self.step and len(kept) and (name in self._cells or len(self._cells) <= self._room):
                cells = self._cells.setdefault(name, (array("q"), array("d")))
                cells[0].frombytes((kept + begin).tobytes())
                cells[1].frombytes(values[kept].tobytes())

    def __len__(self) -> int:
        return len(self._steps)

    def cut(self, rows: int) -> None:
        """Take back all rows behind the first so many."""
        for column in (self._steps, self._walls, self._epochs):
            del column[rows:]
        for tag, (places, values) in list(self._cells.items()):
            while places and places[-1] >= rows:
                del places[-1], values[-1]
            if not places:
                del self._cells[tag]

    def take_back(self, tag: str, rows: array[int]) -> None:
        """Take the cells of these rows out of a column."""
        if not rows or tag not in self._cells:
            return
        places, values = (np.array(column) for column in self._cells.pop(tag))
        kept = ~np.isin(places, np.array(rows))
        if kept.any():
            self._cells[tag] = (array("q", places[kept].tolist()), array("d", values[kept].tolist()))

    def over_epochs(self, length: int, first: int) -> int:
        """Count steps that start again in each epoch over all of them; how many an epoch has, 0 where they don't.

        An epoch has `length` steps, or where that is 0, as many as were seen of any; `first` is the first one.
        """
        steps, epochs = np.array(self._steps), np.array(self._epochs)
        known = np.flatnonzero(np.isfinite(steps) & np.isfinite(epochs))
        if not ((np.diff(steps[known]) < 0) & (np.diff(epochs[known]) > 0)).any():
            return 0
        length = length or int(steps[known].max() + (steps[known].min() == 0))
        steps[known] += (epochs[known] - first) * length
        self._steps = array("d", steps.tolist())
        return length

    def points(self) -> tuple[dict[str, Points], str, tuple[str, ...]]:
        """The points of each column, what their steps count, and warnings."""
        steps = np.array(self._steps)
        whole = np.isfinite(steps) & (np.abs(steps) < 2**53)
        whole[whole] &= steps[whole] == np.floor(steps[whole])
        axis, warnings = self._axis(steps, whole)
        if axis == "row":
            steps, whole = np.arange(len(steps), dtype=np.float64), np.ones(len(steps), bool)
        elif not whole.all():
            warnings.append(
                f"{int((~whole).sum()):,} rows without a whole number in {self.step!r} are left out"
            )
        walls, out = np.array(self._walls), {}
        for tag, (rows, values) in self._cells.items():
            at = np.array(rows, np.int64)
            kept = whole[at]
            if kept.any():
                at = at[kept]
                session = np.zeros(len(at), np.int32)
                out[tag] = Points(steps[at].astype(np.int64), walls[at], np.array(values)[kept], session)
        return out, axis, tuple(warnings)

    def _crowded(self, steps: np.ndarray) -> bool:
        """Whether a column has several values an epoch: steps that were logged by the epoch alone."""
        counts = [
            (len(rows), len(np.unique(steps[np.array(rows, np.int64)]))) for rows, _ in self._cells.values()
        ]
        return any(count >= _CROWDED * different for count, different in counts)

    def _axis(self, steps: np.ndarray, whole: np.ndarray) -> tuple[str, list[str]]:
        if not self.step:
            return "row", []
        if not whole.any() or (
            self.step == self.epoch and not whole.all() and np.isfinite(steps).mean() > 0.5
        ):
            return "row", [f"{self.step!r} holds no whole numbers: rows are counted instead"]
        epochs = np.array(self._epochs)
        back = np.diff(steps) < 0
        if self.step != self.epoch and back.any() and (np.diff(epochs)[back] > 0).all():
            return "row", [f"{self.step!r} starts again in each epoch: rows are counted instead"]
        if self.step == self.epoch and self._crowded(steps):
            return "row", [f"{self.step!r} is the same on many rows: rows are counted instead"]
        return ("epoch" if self.step == self.epoch else "step"), []
