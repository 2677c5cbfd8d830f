"""The report as plain data: sections of blocks and findings, and their JSON. Knows no model and no HTML."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from reportgen import files
from reportgen.blocks import (
    Block,
    Cluster,
    Code,
    Column,
    Edge,
    Facts,
    Failure,
    Graph,
    Images,
    Node,
    Picture,
    Row,
    Table,
    Text,
    Tokens,
)
from reportgen.charts import (
    Axis,
    Bars,
    Curves,
    Distribution,
    Heatmap,
    Histogram,
    Mark,
    Parallel,
    Scatter,
    Series,
    Signal,
    Strip,
    Swarm,
)
from reportgen.units import show
from reportgen.values import (
    Cell,
    Data,
    Fact,
    Line,
    Lines,
    Many,
    Map,
    Number,
    Numbers,
    Raster,
    Slug,
    bounded,
    slug,
)

__all__ = [
    "NAMES",
    "SEVERITIES",
    "Axis",
    "Bars",
    "Block",
    "Cell",
    "Cluster",
    "Code",
    "Column",
    "Curves",
    "Data",
    "Distribution",
    "Edge",
    "Fact",
    "Facts",
    "Failure",
    "Finding",
    "Graph",
    "Heatmap",
    "Histogram",
    "Images",
    "Line",
    "Lines",
    "Map",
    "Mark",
    "Node",
    "Number",
    "Numbers",
    "Parallel",
    "Picture",
    "Provenance",
    "Raster",
    "Report",
    "Row",
    "Scatter",
    "Section",
    "Series",
    "Severity",
    "Signal",
    "Slug",
    "Status",
    "Strip",
    "Swarm",
    "Table",
    "Text",
    "Tokens",
    "json_schema",
    "slug",
]

NAMES = ("overview", "architecture", "training", "evaluation", "features", "explanations", "environment")
SEVERITIES = ("serious", "warning", "info")

MOST_BLOCKS = 5000  # of a section

Status = Literal["ok", "empty", "skipped", "failed"]
Severity = Literal["serious", "warning", "info"]


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
    blocks: Many[Block] = Field(default=(), max_length=MOST_BLOCKS)
    findings: Many[Finding] = Field(default=(), max_length=5000)

    @model_validator(mode="before")
    @classmethod
    def _identified(cls, given: Any) -> Any:
        """Give each block that has none an id made from its title, once in the section."""
        if not isinstance(given, dict) or not isinstance(given.get("blocks"), list | tuple):
            return given
        if len(given["blocks"]) > MOST_BLOCKS:
            raise ValueError(f"a section has {len(given['blocks']):,} blocks, more than {MOST_BLOCKS:,}")
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
    """Sections of blocks and findings: what came out of looking at an experiment.

    `refresh`: seconds after which an open page looks for a newer one; 0 where this is the last.
    """

    schema_version: Literal[1] = 1
    title: Line
    created: Line
    sections: Many[Section] = Field(max_length=200)
    provenance: Provenance
    refresh: Number = Field(default=0, ge=0, le=86_400)

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
        """The report as one line of JSON; what `from_json` makes of it has the same JSON to the letter."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """A report from its JSON. Raises pydantic.ValidationError (a ValueError) where it is not one.

        Raises ValueError where it is larger than a report can be.
        """
        content = text.encode("utf-8") if isinstance(text, str) else text
        return cls.model_validate_json(bounded(content))

    def save(self, path: str | Path, *, templates: str | Path | None = None) -> Path:
        """Write the report; the format is the path's suffix (.html, .pdf, .json).

        `templates` is a folder whose files replace the built-in templates of the same names.
        Raises ValueError for an unknown suffix, OSError where the file can't be written; an old file
        at `path` is then as it was.
        """
        target = Path(path)
        files.replace(target, self.encode(target, templates=templates))
        return target

    def encode(self, target: str | Path, *, templates: str | Path | None = None) -> bytes:
        """What `save` writes to a file of this name. Raises ValueError for an unknown suffix."""
        path = Path(target)
        name = path.suffix.lstrip(".").lower()
        found = {point.name: point for point in entry_points(group="reportgen.formats")}
        if name not in found:
            known = ", ".join(f".{one}" for one in sorted(found))
            raise ValueError(f"can't write {path.name!r}: the suffix must be one of {known}")
        content: bytes = found[name].load()(self, Path(templates) if templates else None)
        return content

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style stays out of the notebook's."""
        from html import escape

        page = self.encode("report.html").decode("utf-8")
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
