"""The blocks: a small, closed vocabulary of what a section can show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from reportgen.values import Cell, Data, Fact, Line, Lines, Map, Number, Numbers, Raster, listed


class _Block(Data):
    """What all blocks share. `caption` says method, sample size and seed; `id` is made from the title.

    Neighbours of one `group` stand under one heading that folds; where all of them are `folded`, it is folded
    at first, and on paper only their titles are given. `width` is a figure's share of a wide page's width.
    """

    id: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$", max_length=80)] = ""
    title: Line = ""
    caption: Line = ""
    folded: bool = False
    group: Line = ""
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
    """Ranked or ordered bars, horizontal; `low` and `high` are the ends of intervals, where there are any."""

    kind: Literal["bars"] = "bars"
    labels: Lines
    values: Numbers
    low: Numbers = ()
    high: Numbers = ()
    unit: Line = ""
    x_label: Line = ""

    @model_validator(mode="after")
    def _paired(self) -> Bars:
        lengths = {len(self.labels), len(self.values), *(len(end) for end in (self.low, self.high) if end)}
        if len(lengths) > 1:
            raise ValueError(f"labels, values, low and high differ in length: {sorted(lengths)}")
        return self


class Heatmap(_Block):
    """A matrix of numbers with named rows and columns; NaN cells are left blank."""

    kind: Literal["heatmap"] = "heatmap"
    row_labels: Lines
    column_labels: Lines
    values: tuple[Numbers, ...]
    row_title: Line = ""
    column_title: Line = ""
    unit: Line = ""
    scale: Literal["sequential", "diverging"] = "sequential"

    @model_validator(mode="after")
    def _rectangular(self) -> Heatmap:
        shape = (len(self.row_labels), len(self.column_labels))
        if len(self.values) != shape[0] or any(len(row) != shape[1] for row in self.values):
            raise ValueError(f"expected {shape[0]} rows of {shape[1]} values")
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
    """Histograms over a common axis."""

    kind: Literal["distribution"] = "distribution"
    histograms: tuple[Histogram, ...]
    x_label: Line
    y_label: Line = "samples"


class Scatter(_Block):
    """Points in a plane; `member` is each point's index into `groups`."""

    kind: Literal["scatter"] = "scatter"
    x: Numbers
    y: Numbers
    member: Annotated[tuple[int, ...], BeforeValidator(listed)]
    groups: Lines
    x_label: Line
    y_label: Line

    @model_validator(mode="after")
    def _paired(self) -> Scatter:
        if not len(self.x) == len(self.y) == len(self.member):
            raise ValueError("x, y and member differ in length")
        if any(not 0 <= index < len(self.groups) for index in self.member):
            raise ValueError(f"member must be an index into the {len(self.groups)} groups")
        return self


class Picture(Data):
    """One place in a grid of images: pixels, a map laid over them (or alone), or why there is neither."""

    caption: Line = ""
    alt: Line = ""
    raster: Raster | None = None
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


class Tokens(_Block):
    """Pieces of text with signed weights."""

    kind: Literal["tokens"] = "tokens"
    tokens: Lines
    weights: Numbers

    @model_validator(mode="after")
    def _paired(self) -> Tokens:
        if len(self.tokens) != len(self.weights):
            raise ValueError(f"{len(self.tokens)} tokens, {len(self.weights)} weights")
        return self


class Signal(_Block):
    """A sampled waveform, `rate` samples a second, with an optional signed weight a sample.

    Where the rate is unknown, `unit` is `samples` and `rate` how many values stand for one of them.
    """

    kind: Literal["signal"] = "signal"
    values: Numbers
    rate: Number = Field(gt=0)
    weights: Numbers = ()
    unit: Literal["s", "samples"] = "s"
    y_label: Line = "amplitude"


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
    | Parallel | Images | Tokens | Signal | Graph | Failure,
    Field(discriminator="kind"),
]  # fmt: skip
