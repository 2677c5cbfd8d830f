"""Text logs line by line, and the points of a table filled cell by cell."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reportgen.history.model import Points
from reportgen.history.readers.base import UnreadableError

LONGEST = 1 << 20  # characters of a line; a longer one is no log's
STEPS = (
    "step", "global_step", "trainer/global_step", "_step", "steps", "iteration", "iterations", "iter", "num_iter",
    "num_updates", "batch", "epoch", "epochs", "train/epoch", "training_iteration",
)  # fmt: skip
EPOCHS = ("epoch", "epochs", "train/epoch")
WALLS = ("wall_time", "walltime", "_timestamp", "timestamp", "time", "datetime")
SPLITS = ("split", "phase", "mode", "stage", "subset", "partition")
WALL_RANGE = (1e8, 1e11)  # seconds since 1970 that a log can bear; smaller ones are durations


def lines(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Number, text and whether a line end follows, of each line that is not blank. Raises UnreadableError, OSError."""
    with path.open("r", encoding="utf-8-sig", errors="replace", newline="") as file:
        number = 0
        while text := file.readline(LONGEST + 1):
            number += 1
            if len(text) > LONGEST:
                raise UnreadableError(
                    f"line {number} is longer than {LONGEST:,} characters: expected one row a line"
                )
            ended = text.endswith(("\n", "\r"))
            if text.strip():
                yield number, text.rstrip("\r\n"), ended


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
            if tag not in self._cells:
                self._cells[tag] = (array("q"), array("d"))
            rows, values = self._cells[tag]
            rows.append(number)
            values.append(value)

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
        return ("epoch" if self.step == self.epoch else "step"), []
