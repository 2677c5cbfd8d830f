"""The blocks that are drawn: numbers over axes, in a plane, by rows and columns, in time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from reportgen.values import BaseBlock, Data, Line, Lines, Many, Number, Numbers, listed

if TYPE_CHECKING:
    import numpy as np


class Series(Data):
    """One line of a chart. `role` faint is the raw line behind a smoothed one of the same `group`.

    `run` is the training run it belongs to. `epochs` and `times` (seconds since the run's first record) are
    where the same points lie on other axes, NaN where that is unknown. A line that is the exponential mean of
    another, at the same x, names it in `smooths` and its weight in `weight`; its other axes are that one's.
    `low` and `high` are the ends of a band about the line.
    """

    name: Line
    x: Numbers
    y: Numbers
    role: Literal["line", "faint", "dashed", "points"] = "line"
    group: Line = ""
    run: Line = ""
    epochs: Numbers = ()
    times: Numbers = ()
    smooths: Line = ""
    weight: Number = Field(default=0.0, ge=0, lt=1)
    low: Numbers = ()
    high: Numbers = ()

    @model_validator(mode="after")
    def _paired(self) -> Series:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r} has {len(self.x)} x and {len(self.y)} y values")
        if len(self.low) != len(self.high):
            raise ValueError(f"series {self.name!r} has {len(self.low)} low and {len(self.high)} high values")
        others = (("epochs", self.epochs), ("times", self.times), ("low values", self.low))
        for name, other in others:
            if other and len(other) != len(self.x):
                raise ValueError(f"series {self.name!r} has {len(self.x)} x values and {len(other)} {name}")
        return self


class Mark(Data):
    """A point worth pointing at: at `x`, and `y` where it is one of a line's points."""

    x: Number
    y: Number | None = None
    label: Line


class Curves(BaseBlock):
    """Lines over a common x axis. Non-finite y values are drawn as marks at the frame.

    A `strip` is low, to stand under another chart of the same x axis.
    """

    kind: Literal["curves"] = "curves"
    series: Many[Series] = Field(max_length=10_000)
    x_label: Line
    y_label: Line
    log_y: bool = False
    strip: bool = False
    marks: Many[Mark] = Field(default=(), max_length=10_000)


class Bars(BaseBlock):
    """Ranked or ordered bars, horizontal; `low` and `high` are the ends of intervals, where there are any.

    With a `reach` the axis goes from -reach to reach at the least, so that charts side by side share a scale.
    """

    kind: Literal["bars"] = "bars"
    labels: Lines
    values: Numbers
    low: Numbers = ()
    high: Numbers = ()
    unit: Line = ""
    x_label: Line = ""
    reach: Number = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _paired(self) -> Bars:
        lengths = {len(self.labels), len(self.values), *(len(end) for end in (self.low, self.high) if end)}
        if len(lengths) > 1:
            raise ValueError(f"labels, values, low and high differ in length: {sorted(lengths)}")
        return self


class Heatmap(BaseBlock):
    """A matrix of numbers with named rows and columns; NaN cells are left blank.

    Where an axis is one of numbers, `row_ends` or `column_ends` say where its first row (column) begins and its
    last one ends, in `row_unit` or `column_unit`; it then needs no labels, and rows go upwards.
    """

    kind: Literal["heatmap"] = "heatmap"
    row_labels: Lines = ()
    column_labels: Lines = ()
    values: Many[Numbers] = Field(max_length=20_000)
    row_title: Line = ""
    column_title: Line = ""
    unit: Line = ""
    scale: Literal["sequential", "diverging"] = "sequential"
    row_ends: tuple[Number, Number] | None = None
    column_ends: tuple[Number, Number] | None = None
    row_unit: Line = ""
    column_unit: Line = ""

    @model_validator(mode="after")
    def _rectangular(self) -> Heatmap:
        across = len(self.values[0]) if self.values else len(self.column_labels)
        if any(len(row) != across for row in self.values):
            raise ValueError("the rows differ in length")
        axes = (
            ("row", self.row_labels, self.row_ends, len(self.values)),
            ("column", self.column_labels, self.column_ends, across),
        )
        for name, labels, ends, count in axes:
            if len(labels) != count and (labels or ends is None):
                raise ValueError(f"{count} {name}s, {len(labels)} {name} labels")
            if ends is not None and not 0 < abs(ends[1] - ends[0]) < math.inf:
                raise ValueError(f"{name}_ends must be two finite numbers that differ, got {ends}")
        return self


class Histogram(Data):
    """Counts between edges: one edge more than counts."""

    name: Line
    edges: Numbers
    counts: Numbers

    @model_validator(mode="after")
    def _paired(self) -> Histogram:
        if len(self.edges) != len(self.counts) + 1:
            raise ValueError(f"{len(self.counts)} counts need {len(self.counts) + 1} edges")
        return self


class Distribution(BaseBlock):
    """Histograms over a common axis, or with `panels` each in a frame and over an axis of its own."""

    kind: Literal["distribution"] = "distribution"
    histograms: Many[Histogram] = Field(max_length=2000)
    x_label: Line
    y_label: Line = "samples"
    panels: bool = False


class Scatter(BaseBlock):
    """Points in a plane; `member` is each point's index into `groups`.

    The points of the indices `marked` get a ring about them, which means `mark`.
    """

    kind: Literal["scatter"] = "scatter"
    x: Numbers
    y: Numbers
    member: Annotated[Many[int], BeforeValidator(listed)]
    groups: Lines
    x_label: Line
    y_label: Line
    marked: Annotated[Many[int], BeforeValidator(listed)] = ()
    mark: Line = "marked"

    @model_validator(mode="after")
    def _paired(self) -> Scatter:
        if not len(self.x) == len(self.y) == len(self.member):
            raise ValueError("x, y and member differ in length")
        if any(not 0 <= index < len(self.groups) for index in self.member):
            raise ValueError(f"member must be an index into the {len(self.groups)} groups")
        if any(not 0 <= index < len(self.x) for index in self.marked):
            raise ValueError(f"marked must be indices of the {len(self.x)} points")
        return self


class Strip(Data):
    """One row of a swarm: a point for each sample at `x`, its `shade` from 0 (low) to 1 (high), NaN where unknown."""

    name: Line
    x: Numbers
    shades: Numbers = ()

    @model_validator(mode="after")
    def _paired(self) -> Strip:
        if self.shades and len(self.shades) != len(self.x):
            raise ValueError(f"row {self.name!r} has {len(self.x)} points and {len(self.shades)} shades")
        if any(not 0 <= shade <= 1 for shade in self.shades if not math.isnan(shade)):
            raise ValueError(f"row {self.name!r} has shades outside 0 to 1")
        return self


class Swarm(BaseBlock):
    """Signed points in rows, those with the largest mean size on top; `shade` is what their colour means.

    `total` is the number of rows before any were cut.
    """

    kind: Literal["swarm"] = "swarm"
    rows: Many[Strip] = Field(max_length=2000)
    x_label: Line
    shade: Line = "feature value"
    unit: Line = ""
    total: int | None = None


class Axis(Data):
    """One upright axis of parallel coordinates: a value a line, NaN where it has none.

    `labels` are the names of the values 0, 1, 2, ... where they are no numbers.
    """

    name: Line
    values: Numbers
    labels: Lines = ()
    log: bool = False


class Parallel(BaseBlock):
    """Parallel coordinates: a line through all axes for each of `names`, coloured by the last axis."""

    kind: Literal["parallel"] = "parallel"
    names: Lines
    axes: Annotated[Many[Axis], Field(min_length=2, max_length=200)]
    best: int | None = None

    @model_validator(mode="after")
    def _paired(self) -> Parallel:
        if any(len(axis.values) != len(self.names) for axis in self.axes):
            raise ValueError(f"each axis needs a value for each of the {len(self.names)} lines")
        if self.best is not None and not 0 <= self.best < len(self.names):
            raise ValueError(f"best must be an index into the {len(self.names)} lines")
        return self


class Signal(BaseBlock):
    """A sampled waveform, `rate` samples a second, with an optional signed weight a sample.

    A long one in stretches of `each` samples: `values` are their lowest, `high` their highest, `weights` their
    mean weight. See `Signal.of`.
    Where the rate is unknown, `unit` is `samples` and `rate` how many values stand for one of them.
    """

    kind: Literal["signal"] = "signal"
    values: Numbers
    rate: Number = Field(gt=0)
    weights: Numbers = ()
    unit: Literal["s", "samples"] = "s"
    y_label: Line = "amplitude"
    high: Numbers = ()
    each: int = Field(default=1, gt=0)

    @model_validator(mode="after")
    def _paired(self) -> Signal:
        for name, numbers in (("weights", self.weights), ("high values", self.high)):
            if numbers and len(numbers) != len(self.values):
                raise ValueError(f"{len(self.values)} values, {len(numbers)} {name}")
        return self

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        rate: float,
        weights: np.ndarray | None = None,
        *,
        most: int = 2000,
        **more: Any,
    ) -> Signal:
        """From samples (N,) and weights (N,): in at most `most` stretches where there are more than twice as many.

        Numbers are rounded to five significant digits. `more` are the block's other fields.
        """
        import numpy as np

        each = -(-len(values) // most) if len(values) > 2 * most else 1
        starts = np.arange(0, len(values), each)
        wave = np.asarray(values, dtype=np.float64)
        low = np.minimum.reduceat(wave, starts) if len(starts) else wave
        made: dict[str, Any] = {"values": _rounded(low), "rate": rate, "each": each, **more}
        if each > 1:
            made["high"] = _rounded(np.maximum.reduceat(wave, starts))
        if weights is not None and len(weights):
            sums = np.add.reduceat(np.asarray(weights, dtype=np.float64), starts)
            made["weights"] = _rounded(sums / np.diff(np.append(starts, len(values))))
        return cls(**made)


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]
