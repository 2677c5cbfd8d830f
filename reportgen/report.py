"""The report as plain data: sections of blocks and findings, and their JSON. Knows no model and no HTML."""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from reportgen import files
from reportgen.units import show

if TYPE_CHECKING:
    import numpy as np

NAMES = ("overview", "architecture", "training", "evaluation", "features", "explanations", "environment")
SEVERITIES = ("serious", "warning", "info")

Status = Literal["ok", "empty", "skipped", "failed"]
Severity = Literal["serious", "warning", "info"]


# --- plain values ------------------------------------------------------------------------------------

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def _clean(value: object) -> object:
    """Text that every format can hold: control characters and lone surrogates are shown as \\x1b."""
    if not isinstance(value, str):
        return value
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _plain(value: object) -> object:
    """A Python scalar for a NumPy or torch one; NaN and infinity as text, which JSON can carry."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return show(value)
    return _clean(value)


def _listed(value: Any) -> Any:
    """A list for a NumPy array or torch tensor."""
    return value.tolist() if hasattr(value, "tolist") else value


_NUMBER_SCHEMA = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
Line = Annotated[str, BeforeValidator(_clean)]
Cell = Annotated[bool | int | float | str | None, BeforeValidator(_plain)]
Number = Annotated[float, WithJsonSchema(_NUMBER_SCHEMA)]
Numbers = Annotated[tuple[Number, ...], BeforeValidator(_listed)]
Lines = tuple[Line, ...]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]


def slug(text: str) -> str:
    """An identifier from any text: `Loss (train)` becomes `loss-train`; never empty."""
    return "-".join(re.findall("[a-z0-9]+", text.lower()))[:60].strip("-") or "part"


class Data(BaseModel):
    """What every part of a report is: frozen, complete, and the same after a trip through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Fact(Data):
    """One labelled value. `unit` is a word `units.show` knows, or a suffix."""

    label: Line
    value: Cell
    unit: Line = ""
    note: Line = ""


class Raster(Data):
    """A picture as it is: lossless WebP or PNG, base64."""

    media_type: Literal["image/webp", "image/png"]
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    data: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]

    @classmethod
    def from_array(cls, pixels: np.ndarray) -> Raster:
        """From uint8 pixels (height, width) or (height, width, 3)."""
        import io

        from PIL import Image

        if str(pixels.dtype) != "uint8" or pixels.ndim not in (2, 3):
            raise ValueError(f"expected uint8 pixels (H, W) or (H, W, 3), got {pixels.dtype} {pixels.shape}")
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, format="WEBP", lossless=True, quality=80, method=4, exact=True)
        text = base64.b64encode(out.getvalue()).decode("ascii")
        return cls(media_type="image/webp", width=pixels.shape[1], height=pixels.shape[0], data=text)


class Map(Data):
    """A field of numbers over a picture, in 255 steps: value = step / 127 * limit, step in -127..127.

    `signed` maps are drawn on a diverging scale about zero, others from zero to `limit`.
    """

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    limit: Number = Field(ge=0)
    signed: bool
    data: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]

    @classmethod
    def from_array(cls, values: np.ndarray, *, signed: bool, limit: float | None = None) -> Map:
        """From finite numbers (height, width); `limit` is the largest size unless given."""
        import numpy as np

        field = np.asarray(values, dtype=np.float64)
        if field.ndim != 2 or not np.isfinite(field).all():
            raise ValueError(f"expected finite numbers (H, W), got shape {field.shape}")
        top = float(np.abs(field).max()) if limit is None else float(limit)
        steps = np.zeros(field.shape, np.int8) if top == 0 else np.clip(np.rint(field / top * 127), -127, 127)
        packed = zlib.compress(steps.astype(np.int8).tobytes(), 9)
        height, width = field.shape
        text = base64.b64encode(packed).decode("ascii")
        return cls(width=width, height=height, limit=top, signed=signed, data=text)

    def to_array(self) -> np.ndarray:
        """The numbers again, float64 (height, width), to within limit / 254."""
        import numpy as np

        size = self.width * self.height
        try:
            raw = zlib.decompressobj().decompress(base64.b64decode(self.data, validate=True), size + 1)
        except (zlib.error, binascii.Error) as error:
            raise ValueError(f"a map of {self.width}x{self.height} does not unpack: {error}") from None
        if len(raw) != size:
            raise ValueError(f"a map of {self.width}x{self.height} holds {len(raw)} values, expected {size}")
        steps = np.frombuffer(raw, np.int8).reshape(self.height, self.width)
        return steps.astype(np.float64) / 127 * self.limit


# --- blocks: a small, closed vocabulary ------------------------------------------------------------------


class _Block(Data):
    """What all blocks share. `caption` says method, sample size and seed; `id` is made from the title."""

    id: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$", max_length=80)] = ""
    title: Line = ""
    caption: Line = ""
    folded: bool = False


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
    """A table row; `level` is its depth in the tree, `id` the name by which a graph node points at it."""

    cells: tuple[Cell, ...]
    level: int = Field(default=0, ge=0)
    id: Line = ""


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
    """One line of a chart. `role` faint is the raw line behind a smoothed one of the same `group`."""

    name: Line
    x: Numbers
    y: Numbers
    role: Literal["line", "faint", "dashed", "points"] = "line"
    group: Line = ""

    @model_validator(mode="after")
    def _paired(self) -> Series:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r} has {len(self.x)} x and {len(self.y)} y values")
        return self


class Mark(Data):
    """A point worth pointing at: at `x`, and `y` where it is one of a line's points."""

    x: Number
    y: Number | None = None
    label: Line


class Curves(_Block):
    """Lines over a common x axis. Non-finite y values are drawn as marks at the frame."""

    kind: Literal["curves"] = "curves"
    series: tuple[Series, ...]
    x_label: Line
    y_label: Line
    log_y: bool = False
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
    member: Annotated[tuple[int, ...], BeforeValidator(_listed)]
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
    """A sampled waveform, `rate` samples a second, with an optional signed weight a sample."""

    kind: Literal["signal"] = "signal"
    values: Numbers
    rate: Number = Field(gt=0)
    weights: Numbers = ()
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
    | Images | Tokens | Signal | Graph | Failure,
    Field(discriminator="kind"),
]  # fmt: skip


# --- sections and the report ------------------------------------------------------------------------------


class Finding(Data):
    """One sentence with its numbers, the rule that found it, and where to see it.

    `evidence` is "section" or "section/block-id".
    """

    severity: Severity
    message: Line
    rule: Line
    evidence: Line


class Section(Data):
    """What one look at the experiment found."""

    name: Slug
    title: Line
    status: Status = "ok"
    reason: Line = ""
    summary: Line = ""
    seconds: Number | None = None
    blocks: tuple[Block, ...] = ()
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _identified(cls, given: Any) -> Any:
        """Give each block that has none an id made from its title, once in the section."""
        if not isinstance(given, dict) or not isinstance(given.get("blocks"), list | tuple):
            return given
        taken = {_get(block, "id") for block in given["blocks"]} - {""}
        blocks = []
        for block in given["blocks"]:
            if _get(block, "id") == "" and _get(block, "kind"):
                block = _with(block, id=_free(slug(_get(block, "title") or _get(block, "kind")), taken))
            blocks.append(block)
        return {**given, "blocks": tuple(blocks)}

    @model_validator(mode="after")
    def _explained(self) -> Section:
        if self.status != "ok" and not self.reason:
            raise ValueError(f"section {self.name!r} is {self.status} and gives no reason")
        ids = [block.id for block in self.blocks]
        if len(set(ids)) != len(ids):
            raise ValueError(f"section {self.name!r} has two blocks of one id")
        return self

    def block(self, identifier: str) -> Any:
        """The block of that id, or None."""
        return next((block for block in self.blocks if block.id == identifier), None)


def _get(block: Any, key: str) -> str:
    value = block.get(key, "") if isinstance(block, dict) else getattr(block, key, "")
    return value if isinstance(value, str) else ""


def _with(block: Any, **changes: str) -> Any:
    return {**block, **changes} if isinstance(block, dict) else block.model_copy(update=changes)


def _free(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}-{count}"
    taken.add(name)
    return name


class Provenance(Data):
    """Where the report comes from, and whether the same inputs would give the same bytes again."""

    generator: Line
    model: Line = ""
    commit: Line = ""
    command: Line = ""
    seed: int | None = None
    reproducible: bool = True
    notes: Lines = ()


class Report(Data):
    """Sections of blocks and findings: what came out of looking at an experiment."""

    schema_version: Literal[1] = 1
    title: Line
    created: Line
    sections: tuple[Section, ...]
    provenance: Provenance

    @model_validator(mode="after")
    def _unique(self) -> Report:
        names = [section.name for section in self.sections]
        if len(set(names)) != len(names):
            raise ValueError("two sections share a name")
        return self

    def section(self, name: str) -> Section:
        """The section of that name; KeyError where there is none."""
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(f"no section {name!r}; there are {', '.join(s.name for s in self.sections)}")

    @property
    def failed(self) -> tuple[Section, ...]:
        """The sections that broke."""
        return tuple(section for section in self.sections if section.status == "failed")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, the most serious first, in the order of the sections."""
        found = [finding for section in self.sections for finding in section.findings]
        return tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity)))

    def to_json(self) -> str:
        """The report as one line of JSON; `from_json` gives an equal report back."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """A report from its JSON. Raises pydantic.ValidationError (a ValueError) where it is not one."""
        return cls.model_validate_json(text)

    def save(self, path: str | Path, *, templates: str | Path | None = None) -> Path:
        """Write the report; the format is the path's suffix (.html, .pdf, .json).

        `templates` is a folder whose files replace the built-in templates of the same names.
        Raises ValueError for an unknown suffix, OSError where the file can't be written; an old file
        at `path` is then as it was.
        """
        target = Path(path)
        encode = self._format(target.suffix.lstrip(".").lower(), target)
        files.replace(target, encode(self, Path(templates) if templates else None))
        return target

    @staticmethod
    def _format(name: str, target: Path) -> Any:
        found = {point.name: point for point in entry_points(group="reportgen.formats")}
        if name not in found:
            known = ", ".join(f".{suffix}" for suffix in sorted(found))
            raise ValueError(f"can't write {target.name!r}: the suffix must be one of {known}")
        return found[name].load()

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style stays out of the notebook's."""
        from html import escape

        page = self._format("html", Path("report.html"))(self, None).decode("utf-8")
        return f'<iframe srcdoc="{escape(page)}" width="100%" height="800"></iframe>'

    def __repr__(self) -> str:
        lines = [f"<Report {self.title!r}, {self.created}>"]
        for section in self.sections:
            size = len(section.model_dump_json().encode()) / 1024
            time = "" if section.seconds is None else f", {show(section.seconds, 's')}"
            lines.append(f"  {section.name:<14} {section.status:<8} {size:7.1f} KB{time}")
        return "\n".join(lines)

    __str__ = __repr__


def json_schema() -> dict[str, Any]:
    """The JSON schema of a report, draft 2020-12."""
    schema = Report.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "reportgen report", **schema}
