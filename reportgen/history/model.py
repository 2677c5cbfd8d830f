"""Training histories as arrays: runs of series of (step, wall time, value), and where they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from reportgen.errors import InputError

DUPLICATE = 1  # a later point of the same segment has the same step
SUPERSEDED = 2  # training started again at or before this step
NONFINITE = 4  # the value is NaN or infinite


class HistoryError(InputError):
    """A log that the user named and that can't be looked at."""


@dataclass(frozen=True, eq=False)
class Points:
    """What one file says of one tag, in the order written.

    step int64, wall float64 (seconds since 1970, NaN where unknown), value float64, session int32 (how many
    session starts the file had before the point); all of shape (n,).
    """

    step: np.ndarray
    wall: np.ndarray
    value: np.ndarray
    session: np.ndarray

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader got out of one file.

    `axis` is what the steps count ("step", "epoch", "row"), `purges` the first step of each session start,
    `summary` values that hold for the whole run (train_runtime).
    """

    points: Mapping[str, Points]
    warnings: tuple[str, ...] = ()
    damaged: int = 0
    axis: str = "step"
    purges: tuple[int, ...] = ()
    summary: Mapping[str, float] = field(default_factory=dict)
    hyperparameters: bool = False


@dataclass(frozen=True, eq=False)
class Series:
    """One curve: step int64, wall float64, value float64, segment int32, flags uint8, each of shape (n,).

    A segment is a stretch between restarts. `axis` names what the steps count: "step", "epoch", "row"
    (rows of a table without usable steps) or "point" (logged without a step).
    """

    tag: str
    step: np.ndarray
    wall: np.ndarray
    value: np.ndarray
    segment: np.ndarray
    flags: np.ndarray
    axis: str = "step"

    def __len__(self) -> int:
        return len(self.step)

    @property
    def shown(self) -> np.ndarray:
        """Indices of the points that stand: not superseded by a restart, the last of each step."""
        return np.flatnonzero((self.flags & (DUPLICATE | SUPERSEDED)) == 0)

    @property
    def x(self) -> np.ndarray:
        """The axis, int64 (n,): the steps, or the points' numbers where nothing else was logged."""
        return np.arange(len(self.step)) if self.axis == "point" else self.step


@dataclass(frozen=True, eq=False)
class Run:
    """One training run: its curves by tag, and values that hold for the whole of it."""

    name: str
    series: Mapping[str, Series]
    summary: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """Wall-clock seconds between the first and the last record; None where no times were logged."""
        walls = [s.wall[np.isfinite(s.wall)] for s in self.series.values()]
        known = [w for w in walls if len(w)]
        if not known:
            return None
        return float(max(w.max() for w in known) - min(w.min() for w in known))


@dataclass(frozen=True)
class Source:
    """One file that was looked at. `format` is empty where it was not recognised or could not be read."""

    path: str
    format: str
    why: str
    points: int
    warnings: tuple[str, ...] = ()
    run: str = ""
    damaged: int = 0


@dataclass(frozen=True, eq=False)
class History:
    """Every run found, and every file looked at."""

    runs: tuple[Run, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def points(self) -> int:
        """Points in all runs."""
        return sum(len(series) for run in self.runs for series in run.series.values())
