"""The rows that a program printed as columns: steps counted over epochs, the last state of a progress bar."""

from __future__ import annotations

from reportgen.history.model import Points
from reportgen.history.readers.lines import WALL_RANGE, Columns
from reportgen.history.readers.patterns import EVALUATIONS, Pattern, Row
from reportgen.units import plural, shorten

_TYPICAL = 1000  # rows in which a step must have come up, if there are any
_SUMMARY = "train_runtime"  # the Trainer's closing line has it: averages over the whole run
_WALL = "wall_time"

Numbers = tuple[dict[str, float], str]  # the numbers of a row, and its split


class Table:
    """The rows of one file, in the order printed."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._columns: Columns | None = None
        self._head: list[Numbers] = []
        self._waiting: dict[str, tuple[int | None, Numbers]] = {}
        self._epoch: int | None = None
        self._base = pattern.first
        self._step: int | None = None
        self._lengths: set[int] = set()
        self._replaced = 0
        self._bad = 0
        self._first_bad = ("", "")
        self.summary: dict[str, float] = {}

    def begin(self, epoch: int) -> None:
        """An epoch begins: the rows that follow are of it."""
        self._epoch = epoch
        self._release()

    def add(self, row: Row, wall: float | None) -> None:
        """One row, and the time that its line begins with."""
        if row.bad:
            self._first_bad = self._first_bad if self._bad else row.bad[0]
            self._bad += len(row.bad)
        if _SUMMARY in row.metrics:
            self.summary.update(row.metrics)
            return
        if row.epoch is not None:
            self._base = 0 if self._epoch is None and row.epoch == 0 else self._base
            self._epoch = row.epoch
        numbers = {**row.metrics, **self._place(row)}
        wall = row.wall if row.wall is not None else wall
        if wall is not None and WALL_RANGE[0] < wall < WALL_RANGE[1]:
            numbers.setdefault(_WALL, wall)
        if self._is_state(row):
            self._wait((numbers, row.split))
        else:
            self._put((numbers, row.split))

    def _is_state(self, row: Row) -> bool:
        """Whether a later row of the same epoch replaces this one: bars, and the batches of an evaluation."""
        if self._epoch is None:
            return False
        return self._pattern.bar or (row.steps is not None and row.split in EVALUATIONS)

    def _place(self, row: Row) -> dict[str, float]:
        """Step and epoch of a row; a row without a step of its own is of the last."""
        place: dict[str, float] = {} if self._epoch is None else {"epoch": self._epoch}
        if self._pattern.bar:
            return place
        step = row.step
        if row.steps is not None and row.split in EVALUATIONS:
            return place if self._step is None else {"step": self._step}
        if row.steps is not None and step is not None and self._epoch is not None:
            self._lengths.add(row.steps)
            step += (self._epoch - self._base) * row.steps
        if step is None:
            step = self._step
        elif row.split not in EVALUATIONS:
            self._step = step
        return place if step is None else {**place, "step": step}

    def _wait(self, row: Numbers) -> None:
        before = self._waiting.get(row[1])
        if before is not None and before[0] == self._epoch:
            self._replaced += 1
        elif before is not None:
            self._put(before[1])
        self._waiting[row[1]] = (self._epoch, row)

    def _release(self) -> None:
        for _, row in self._waiting.values():
            self._put(row)
        self._waiting.clear()

    def _put(self, row: Numbers) -> None:
        if self._columns is not None:
            self._columns.row(*row)
            return
        self._head.append(row)
        if len(self._head) >= _TYPICAL:
            self._settle()

    def _settle(self) -> Columns:
        """The columns: with steps where the first rows have any."""
        if self._columns is None:
            steps = ["step"] if any("step" in numbers for numbers, _ in self._head) else []
            self._columns = Columns([*steps, "epoch", _WALL])
            for row in self._head:
                self._columns.row(*row)
            self._head.clear()
        return self._columns

    def points(self) -> tuple[dict[str, Points], str, tuple[str, ...]]:
        """The points of each metric, what their steps count, and warnings."""
        self._release()
        points, axis, warnings = self._settle().points()
        notes = list(warnings)
        if self._bad:
            name, text = self._first_bad
            values = "1 value is" if self._bad == 1 else f"{self._bad:,} values are"
            notes.append(f"{values} no number and left out, first {shorten(text, 40)!r} for {name!r}")
        if len(self._lengths) > 1:
            shown = ", ".join(f"{length:,}" for length in sorted(self._lengths)[:4])
            notes.append(f"epochs differ in length ({shown} steps): steps counted over them are not exact")
        return points, axis, tuple(notes)

    def counted(self) -> str:
        """How steps were counted and what of the rows did not become points, for the reader."""
        said = ""
        if len(self._lengths) == 1:
            said += f"; steps counted over epochs of {next(iter(self._lengths)):,}"
        if self._replaced:
            said += f"; {plural(self._replaced, 'state')} of progress bars replaced by the last of the epoch"
        return said
