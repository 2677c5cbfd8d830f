"""The rows that a program printed as columns: steps counted over epochs, the last state of a progress bar."""

from __future__ import annotations

import numpy as np

from reportgen.history.model import Points
from reportgen.history.readers.lines import WALL_RANGE, Columns
from reportgen.history.readers.patterns import EVALUATIONS, Pattern, Row
from reportgen.units import plural, shorten

_TYPICAL = 1000  # rows in which a step must have come up, if there are any
_SUMMARY = "train_runtime"  # the Trainer's closing line has it: averages over the whole run
_WALL = "wall_time"

Numbers = tuple[dict[str, float], str]  # the numbers of a row, and its split


class Passes:
    """Steps of so many (`12/100`) that no epoch is named with: how often they came to their end, and went on."""

    def __init__(self) -> None:
        self.count = 0
        self._before = self._step = self._steps = self._stride = 0

    def over(self, step: int, steps: int) -> int:
        """A step counted over all passes. One that starts again before the end is a restart, and no next pass."""
        if step < self._step or steps != self._steps:
            if self._step and self._step + self._stride >= self._steps:
                self._before += self._steps
                self.count += 1
        elif step > self._step:
            self._stride = step - self._step
        self._step, self._steps = step, steps
        return self._before + step


class Table:
    """The rows of one file, in the order printed."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._columns: Columns | None = None
        self._head: list[Numbers] = []
        self._waiting: dict[str, tuple[tuple[int | None, ...], Numbers]] = {}
        self._epoch: int | None = None
        self._base = pattern.first
        self._step: int | None = None
        self._lengths: set[int] = set()
        self._within = False
        self._hint = 0
        self._guessed = 0
        self._passes = Passes()
        self._replaced = 0
        self._bad = 0
        self._first_bad = ("", "")
        self.summary: dict[str, float] = {}

    def begin(self, epoch: int) -> None:
        """An epoch begins: the rows that follow are of it."""
        self._enter(epoch)
        self._release()

    def _enter(self, epoch: int) -> None:
        self._base = 0 if self._epoch is None and epoch == 0 else self._base
        self._epoch = epoch

    def recap(self, row: Row) -> None:
        """A row that tells the best of those before it, and has no place among them."""
        best = dict(row.metrics) if row.step is None else {"iteration": float(row.step), **row.metrics}
        self.summary.update({f"best {name}": value for name, value in best.items()})

    def add(self, row: Row, wall: float | None) -> None:
        """One row, and the time that its line begins with."""
        if row.bad:
            self._first_bad = self._first_bad if self._bad else row.bad[0]
            self._bad += len(row.bad)
        if _SUMMARY in row.metrics:
            self.summary.update(row.metrics)
            return
        if row.epoch is not None:
            self._enter(row.epoch)
        numbers = {**row.metrics, **self._place(row)}
        wall = row.wall if row.wall is not None else wall
        if wall is not None and WALL_RANGE[0] < wall < WALL_RANGE[1]:
            numbers.setdefault(_WALL, wall)
        mark = self._mark(row, numbers)
        if mark is None:
            self._put((numbers, row.split))
        else:
            self._wait(mark, (numbers, row.split))

    def _mark(self, row: Row, numbers: dict[str, float]) -> tuple[int | None, ...] | None:
        """What a later row must share to replace this one: bars, and the batches of an evaluation."""
        if row.steps is not None and row.split in EVALUATIONS:
            return (self._epoch, self._passes.count, self._step)
        if self._pattern.bar and self._epoch is not None:
            return (self._epoch,)
        return (int(numbers["step"]),) if self._pattern.repainted and "step" in numbers else None

    def _place(self, row: Row) -> dict[str, float]:
        """Step and epoch of a row; a row without a step of its own is of the last."""
        place: dict[str, float] = {} if self._epoch is None else {"epoch": self._epoch}
        if self._pattern.bar:
            return place
        step = row.step
        if row.steps is not None and row.split in EVALUATIONS:
            return place if self._step is None else {"step": self._step}
        if step is not None and self._pattern.repainted:
            step = max(step, 1)  # a bar at 0 that has a value shows that of the first step
        if row.steps is not None and step is not None:
            step = self._over(step, row.steps)
        self._within |= row.within
        self._hint = max(self._hint, row.of or 0)
        if step is None:
            step = self._step
        elif row.split not in EVALUATIONS:
            self._step = step
        return place if step is None else {**place, "step": step}

    def _over(self, step: int, steps: int) -> int:
        """A step counted over the epochs; where none are named, over the times that it came to its end."""
        if self._epoch is None:
            return self._passes.over(step, steps)
        self._lengths.add(steps)
        return step + (self._epoch - self._base) * steps

    def _wait(self, mark: tuple[int | None, ...], row: Numbers) -> None:
        before = self._waiting.get(row[1])
        if before is not None and before[0] == mark:
            self._replaced += 1
        elif before is not None:
            self._put(before[1])
        self._waiting[row[1]] = (mark, row)

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
        columns = self._settle()
        if self._within and not self._lengths:
            self._guessed = columns.over_epochs(self._hint, self._base)
        points, axis, warnings = columns.points()
        if axis == "step" and "epoch" in points:
            points["epoch"] = _once(points["epoch"])
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
        if self._guessed:
            sign = "" if self._hint else ", the largest step seen in one"
            said += f"; steps counted over epochs of {self._guessed:,}{sign}"
        if self._passes.count:
            said += (
                f"; steps counted on where they start again behind their end, {self._passes.count:,} times"
            )
        if self._replaced:
            of = "step" if self._pattern.repainted else "epoch"
            said += f"; {plural(self._replaced, 'state')} of progress bars replaced by the last of the {of}"
        return said


def _once(points: Points) -> Points:
    """The epochs without those that rows of one step say again."""
    same = (np.diff(points.step) == 0) & (np.diff(points.value) == 0)
    kept = np.append(True, ~same)
    return Points(points.step[kept], points.wall[kept], points.value[kept], points.session[kept])
