"""The blocks: a small, closed vocabulary of what a section can show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reportgen.charts import Bars, Curves, Distribution, Heatmap, Parallel, Scatter, Signal, Swarm
from reportgen.values import (
    MOST,
    BaseBlock,
    Cell,
    Data,
    Fact,
    Line,
    Lines,
    Many,
    Map,
    Number,
    Numbers,
    Prose,
    Raster,
)

DEEPEST = 100  # frames of a graph inside each other


class Facts(BaseBlock):
    """Labelled values."""

    kind: Literal["facts"] = "facts"
    facts: Many[Fact] = Field(max_length=MOST)


class Column(Data):
    """A column's head; a unit other than "" or "text" makes its cells right-aligned numbers."""

    name: Line
    unit: Line = "text"
    note: Line = ""


class Row(Data):
    """A table row; `level` is its depth in the tree, `id` the name by which a graph node points at it.

    `same_as` is the id of the first of equal neighbours, this one and all under it being like that one.
    """

    cells: Many[Cell] = Field(max_length=2000)
    level: int = Field(default=0, ge=0)
    id: Line = ""
    same_as: Line = ""


class Table(BaseBlock):
    """Rows and columns; a tree where rows nest. `total` is the number of rows before any were cut.

    `paths`: the first cells are paths (`encoder.layer.0`), in order: where rows are left out, the shallow ones stay.
    """

    kind: Literal["table"] = "table"
    columns: Many[Column] = Field(max_length=2000)
    rows: Many[Row] = Field(max_length=MOST)
    total: int | None = None
    paths: bool = False

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"a row has {len(row.cells)} cells, the table {len(self.columns)} columns")
        return self


class Text(BaseBlock):
    """Plain paragraphs, a blank line between two."""

    kind: Literal["text"] = "text"
    text: Prose


class Code(BaseBlock):
    """Text that keeps its spaces."""

    kind: Literal["code"] = "code"
    text: Prose
    language: Line = ""


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


class Images(BaseBlock):
    """A grid of pictures, `columns` to a row, row by row."""

    kind: Literal["images"] = "images"
    pictures: Many[Picture] = Field(max_length=20_000)
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


class Tokens(BaseBlock):
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


class Graph(BaseBlock):
    """A directed graph; where it is drawn from coordinates, `summary` tells the flow in words."""

    kind: Literal["graph"] = "graph"
    nodes: Many[Node] = Field(max_length=MOST)
    edges: Many[Edge] = Field(max_length=MOST)
    clusters: Many[Cluster] = Field(default=(), max_length=MOST)
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
        parents = {cluster.id: cluster.parent for cluster in self.clusters}
        depths: dict[str, int] = {"": 0}
        for cluster in self.clusters:
            path: list[str] = []
            name = cluster.id
            while name not in depths and name not in path and len(path) <= DEEPEST:  # a circle is walked once
                path.append(name)
                name = parents[name]
            for place, inner in enumerate(reversed(path)):
                depths[inner] = depths.get(name, 0) + place + 1
            if depths[cluster.id] > DEEPEST:
                raise ValueError(f"clusters lie in each other more than {DEEPEST} deep")
        return self


class Failure(BaseBlock):
    """What went wrong, in one line; how to mend it; and the traceback for who wants it."""

    kind: Literal["failure"] = "failure"
    error: Line
    message: Line
    hint: Line = ""
    details: Prose = ""


Block = Annotated[
    Facts | Table | Text | Code | Curves | Bars | Heatmap | Distribution | Scatter
    | Swarm | Parallel | Images | Tokens | Signal | Graph | Failure,
    Field(discriminator="kind"),
]  # fmt: skip
