"""The blocks: a small, closed vocabulary of what a section can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from reportgen.values import Cell, Data, Fact, Line, Lines, Map, Number, Numbers, Raster, listed

if TYPE_CHECKING:
    import numpy as np


class _Block(Data):
    """What all blocks share. `caption` says method, sample size and seed; `id` is made from the title.

    Neighbours of one `group` stand under one heading that folds; where all of them are `folded`, it is folded
    at first, and on paper only their titles are given. Of neighbours that name a `choice` the page shows one
    choice at a time, all those of one name together; without a script, and on paper, one after the other.
    `width` is a figure's share of a wide page's width.
    """

    id: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$", max_length=80)] = ""
    title: Line = ""
    caption: Line = ""
    folded: bool = False
    group: Line = ""
    choice: Line = ""
    width: Literal["full", "half", "third"] = "half"


class Facts(_Block):
    """Labelled values."""

    kind: Literal["facts"] = "facts"
    facts: tuple[Fact, ...]


class Column(Data):
    """A column's head; a unit other than "" or "text" makes its cells right-aligned numbers."""

    name: Line
    unit: Line = "text"
    note: Line = ""


class Row(Data):
    """A table row; `level` is its depth in the tree, `id` the name by which a graph node points at it.

    `same_as` is the id of the first of equal neighbours, this one and all under it being like that one.
    """

    cells: tuple[Cell, ...]
    level: int = Field(default=0, ge=0)
    id: Line = ""
    same_as: Line = ""


class Table(_Block):
    """Rows and columns; a tree where rows nest. `total` is the number of rows before any were cut."""

    kind: Literal["table"] = "table"
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: int | None = None

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"a row has {len(row.cells)} cells, the table {len(self.columns)} columns")
        return self


class Text(_Block):
    """Plain paragraphs, a blank line between two."""

    kind: Literal["text"] = "text"
    text: Line


class Code(_Block):
    """Text that keeps its spaces."""

    kind: Literal["code"] = "code"
    text: Line
    language: Line = ""


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


class Curves(_Block):
    """Lines over a common x axis. Non-finite y values are drawn as marks at the frame.

    A `strip` is low, to stand under another chart of the same x axis.
    """

    kind: Literal["curves"] = "curves"
    series: tuple[Series, ...]
    x_label: Line
    y_label: Line
    log_y: bool = False
    strip: bool = False
    marks: tuple[Mark, ...] = ()


class Bars(_Block):
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


class Heatmap(_Block):
    """A matrix of numbers with named rows and columns; NaN cells are left blank.

    Where an axis is one of numbers, `row_ends` or `column_ends` say where its first row (column) begins and its
    last one ends, in `row_unit` or `column_unit`; it then needs no labels, and rows go upwards.
    """

    kind: Literal["heatmap"] = "heatmap"
    row_labels: Lines = ()
    column_labels: Lines = ()
    values: tuple[Numbers, ...]
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


class Distribution(_Block):
    """Histograms over a common axis, or with `panels` each in a frame and over an axis of its own."""

    kind: Literal["distribution"] = "distribution"
    histograms: tuple[Histogram, ...]
    x_label: Line
    y_label: Line = "samples"
    panels: bool = False


class Scatter(_Block):
    """Points in a plane; `member` is each point's index into `groups`.

    The points of the indices `marked` get a ring about them, which means `mark`.
    """

    kind: Literal["scatter"] = "scatter"
    x: Numbers
    y: Numbers
    member: Annotated[tuple[int, ...], BeforeValidator(listed)]
    groups: Lines
    x_label: Line
    y_label: Line
    marked: Annotated[tuple[int, ...], BeforeValidator(listed)] = ()
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


class Swarm(_Block):
    """Signed points in rows, those with the largest mean size on top; `shade` is what their colour means.

    `total` is the number of rows before any were cut.
    """

    kind: Literal["swarm"] = "swarm"
    rows: tuple[Strip, ...]
    x_label: Line
    shade: Line = "feature value"
    unit: Line = ""
    total: int | None = None


class Picture(Data):
    """One place in a grid of images: pixels, a map laid over them (or alone), or why there is neither.

    `behind` is the place in the grid of the picture whose pixels lie under this one's map, which are then kept once.
    """

    caption: Line = ""
    alt: Line = ""
    raster: Raster | None = None
    behind: int | None = None
    map: Map | None = None
    missing: Line = ""


class Axis(Data):
    """One upright axis of parallel coordinates: a value a line, NaN where it has none.

    `labels` are the names of the values 0, 1, 2, ... where they are no numbers.
    """

    name: Line
    values: Numbers
    labels: Lines = ()
    log: bool = False


class Parallel(_Block):
    """Parallel coordinates: a line through all axes for each of `names`, coloured by the last axis."""

    kind: Literal["parallel"] = "parallel"
    names: Lines
    axes: Annotated[tuple[Axis, ...], Field(min_length=2)]
    best: int | None = None

    @model_validator(mode="after")
    def _paired(self) -> Parallel:
        if any(len(axis.values) != len(self.names) for axis in self.axes):
            raise ValueError(f"each axis needs a value for each of the {len(self.names)} lines")
        if self.best is not None and not 0 <= self.best < len(self.names):
            raise ValueError(f"best must be an index into the {len(self.names)} lines")
        return self


class Images(_Block):
    """A grid of pictures, `columns` to a row, row by row."""

    kind: Literal["images"] = "images"
    pictures: tuple[Picture, ...]
    columns: int = Field(default=8, gt=0)
    column_titles: Lines = ()
    row_titles: Lines = ()

    @model_validator(mode="after")
    def _known(self) -> Images:
        for picture in self.pictures:
            at = picture.behind
            if at is not None and not (0 <= at < len(self.pictures) and self.pictures[at].raster is not None):
                raise ValueError(f"behind must be the place of a picture with pixels, got {at}")
        return self


class Tokens(_Block):
    """Pieces of text with signed weights.

    `joined` pieces stand exactly as in the text, with their own white space; others are words, set apart.
    `limit` is the weight at either end of the colour scale: the same one makes blocks comparable; None is the
    largest weight's size.
    """

    kind: Literal["tokens"] = "tokens"
    tokens: Lines
    weights: Numbers
    joined: bool = False
    limit: Number | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _paired(self) -> Tokens:
        if len(self.tokens) != len(self.weights):
            raise ValueError(f"{len(self.tokens)} tokens, {len(self.weights)} weights")
        return self


class Signal(_Block):
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


class Node(Data):
    """A box of a graph. `family` colours it, `times` folds repeats, `row` is the id of its table row."""

    id: Line
    label: Line
    detail: Line = ""
    family: Line = "other"
    times: int = 1
    cluster: Line = ""
    row: Line = ""


class Edge(Data):
    """From one node to another; `label` is the shape that flows."""

    source: Line
    target: Line
    label: Line = ""


class Cluster(Data):
    """A frame about nodes, inside its parent's."""

    id: Line
    label: Line
    parent: Line = ""
    times: int = 1


class Graph(_Block):
    """A directed graph; where it is drawn from coordinates, `summary` tells the flow in words."""

    kind: Literal["graph"] = "graph"
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    clusters: tuple[Cluster, ...] = ()
    summary: Line = ""

    @model_validator(mode="after")
    def _connected(self) -> Graph:
        known = {node.id for node in self.nodes}
        if len(known) != len(self.nodes):
            raise ValueError("two nodes share an id")
        for edge in self.edges:
            if edge.source not in known or edge.target not in known:
                raise ValueError(f"edge {edge.source!r} -> {edge.target!r} names an unknown node")
        frames = {cluster.id for cluster in self.clusters}
        for name in (*(n.cluster for n in self.nodes), *(c.parent for c in self.clusters)):
            if name and name not in frames:
                raise ValueError(f"cluster {name!r} is not among the clusters")
        return self


class Failure(_Block):
    """What went wrong, in one line; how to mend it; and the traceback for who wants it."""

    kind: Literal["failure"] = "failure"
    error: Line
    message: Line
    hint: Line = ""
    details: Line = ""


Block = Annotated[
    Facts | Table | Text | Code | Curves | Bars | Heatmap | Distribution | Scatter
    | Swarm | Parallel | Images | Tokens | Signal | Graph | Failure,
    Field(discriminator="kind"),
]  # fmt: skip
