"""Training histories as arrays: runs of series of (step, wall time, value), and where they were read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reportgen.errors import InputError

DUPLICATE = 1  # a later point of the same segment has the same step
SUPERSEDED = 2  # training started again at or before this step
NONFINITE = 4  # the value is NaN or infinite


Setting = str | float | bool  # the value of a hyper-parameter


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
class Histogram:
    """The distribution of a tensor at one step: counts float64 (n,) between edges float64 (n + 1,).

    `wall` is in seconds since 1970, NaN where unknown.
    """

    step: int
    wall: float
    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Logged:
    """A text, or an encoded image (PNG, JPEG, GIF, WebP as the log holds it), that was logged at one step."""

    step: int
    wall: float
    content: str | bytes


@dataclass(frozen=True, eq=False)
class Reading:
    """What a reader got out of one file, or of one run of a file that holds several.

    `axis` is what the steps count ("step", "epoch", "row"), `purges` the first step of each session start,
    `summary` values that hold for the whole run (train_runtime), `notes` what was left out for lack of room
    and no fault of the file's. `settings` are hyper-parameters; with
    `only_settings` what curves there are belong to them and are none of the training. `histograms`, `images`
    and `texts` are by tag, in the order written. `run` names the run within the file, `state` is what the log
    itself says of its end ("finished", "failed", "stopped", "running"), "" where it says nothing. `why` says by which
    sign the whole file was read, where that is more than its start shows.
    """

    points: Mapping[str, Points]
    warnings: tuple[str, ...] = ()
    damaged: int = 0
    axis: str = "step"
    purges: tuple[int, ...] = ()
    summary: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    only_settings: bool = False
    histograms: Mapping[str, Sequence[Histogram]] = field(default_factory=dict)
    images: Mapping[str, Sequence[Logged]] = field(default_factory=dict)
    texts: Mapping[str, Sequence[Logged]] = field(default_factory=dict)
    run: str = ""
    state: str = ""
    why: str = ""


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
    """One training run: its curves by tag, values that hold for the whole of it, and what else was logged.

    `together` names the chart of curves that were logged for one: tag to the tag that they share.
    """

    name: str
    series: Mapping[str, Series]
    summary: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    histograms: Mapping[str, Sequence[Histogram]] = field(default_factory=dict)
    images: Mapping[str, Sequence[Logged]] = field(default_factory=dict)
    texts: Mapping[str, Sequence[Logged]] = field(default_factory=dict)
    state: str = ""
    together: Mapping[str, str] = field(default_factory=dict)

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
    """One file that was looked at. `format` is empty where it was not recognised or could not be read.

    `modified` is when the file was last written, in seconds since 1970, NaN where that is unknown. `files`: how many
    files it stands for, where they are told together.
    """

    path: str
    format: str
    why: str
    points: int
    warnings: tuple[str, ...] = ()
    run: str = ""
    damaged: int = 0
    notes: tuple[str, ...] = ()
    modified: float = field(default=math.nan, compare=False)
    files: int = 1


@dataclass(frozen=True, eq=False)
class History:
    """Every run found, and every file looked at."""

    runs: tuple[Run, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def points(self) -> int:
        """Points in all runs."""
        return sum(len(series) for run in self.runs for series in run.series.values())
