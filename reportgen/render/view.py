"""A report made ready for the templates: anchors, chips, evidence links, and every block drawn."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from reportgen.render import graph as graphs
from reportgen.render import pictures, tables
from reportgen.render.figures import KINDS, Figure, figure
from reportgen.render.figures.base import Columns, Palette
from reportgen.render.graph_split import Part, split
from reportgen.report import (
    Code,
    Fact,
    Facts,
    Failure,
    Finding,
    Graph,
    Images,
    Report,
    Row,
    Section,
    Table,
    Tokens,
    slug,
)
from reportgen.units import show

_FIRST_FINDINGS = 5
LEGIBLE = 0.6  # the scale of a graph at which its names are 5.4 pt
LEAST = 0.56  # and at which they are 5 pt: none is drawn smaller
_HALF = 470  # pixels that a figure may be wide to stand beside another


@dataclass(frozen=True)
class Medium:
    """What a page is made for.

    How many rows of a table, of the data behind a chart and lines of a listing it shows; the pixels that a
    picture may be wide and high; the largest scale that a graph is drawn at; a chart's width in inches, and how
    many marks of one are drawn one by one; the pixels of a page on its side; how many characters of a listing
    stand beside each other, 0: any number.
    """

    name: Literal["screen", "print"]
    rows: int
    data_rows: int
    lines: int
    width: int
    height: int
    scale: float
    inches: float
    vector: int
    turned: tuple[int, int] = (0, 0)
    columns: int = 0

    @property
    def printed(self) -> bool:
        """Whether it is paper: nothing folds, nothing can be pressed."""
        return self.name == "print"


SCREEN = Medium(
    "screen", rows=400, data_rows=40, lines=4000, width=928, height=900, scale=1.0, inches=4.8, vector=1500
)
PRINT = Medium(
    "print", rows=200, data_rows=0, lines=60, width=640, height=840, scale=0.8, inches=3.9, vector=150,
    turned=(1040, 600), columns=150,
)  # fmt: skip


@dataclass(frozen=True)
class GraphPart:
    """A picture of a graph or of a part of it, in slices where a page can't hold it, at a scale.

    `turned`: on a page on its side. No slices where it is too wide for that too.
    """

    title: str
    drawing: graphs.Drawing
    slices: tuple[graphs.Slice, ...]
    scale: float
    turned: bool = False


@dataclass(frozen=True)
class BlockView:
    """A block, its place on the page, and what was drawn of it (by kind)."""

    block: Any
    anchor: str
    figure: Figure | None = None
    table: tables.TableView | None = None
    grid: pictures.Grid | None = None
    drawing: graphs.Drawing | None = None
    parts: tuple[GraphPart, ...] = ()
    data: Columns | None = None
    text: str = ""
    left_out: int = 0
    tokens: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class SectionView:
    """A section and its blocks in groups: two of a group of small charts stand beside each other."""

    section: Section
    groups: tuple[tuple[BlockView, ...], ...]


@dataclass(frozen=True)
class FindingView:
    """A finding and where its evidence is: a link and its words."""

    finding: Finding
    href: str
    place: str


@dataclass(frozen=True)
class Page:
    """Everything the templates ask for."""

    report: Report
    sections: tuple[SectionView, ...]
    headline: tuple[Fact, ...]
    first: tuple[FindingView, ...]
    more: tuple[FindingView, ...]


def page(report: Report, medium: Medium) -> Page:
    """The report drawn for one medium."""
    palette, anchors = Palette.of(report, medium.inches, medium.vector), row_anchors(report, medium)
    sections = []
    for section in report.sections:
        views = [
            _block(block, section, medium, palette, anchors)
            for block in section.blocks
            if not _chips(section, block)
        ]
        sections.append(SectionView(section, _grouped(views)))
    found = [FindingView(finding, *evidence(report, finding)) for finding in report.findings]
    cut = len(found) if medium.printed or len(found) == _FIRST_FINDINGS + 1 else _FIRST_FINDINGS
    return Page(report, tuple(sections), headline(report), tuple(found[:cut]), tuple(found[cut:]))


def headline(report: Report) -> tuple[Fact, ...]:
    """The numbers under the title: the overview's facts called `headline`."""
    for section in report.sections:
        block = section.block("headline") if section.name == "overview" else None
        if isinstance(block, Facts):
            return block.facts
    return ()


def _chips(section: Section, block: Any) -> bool:
    return section.name == "overview" and isinstance(block, Facts) and block.id == "headline"


def anchor(section: str, block: str) -> str:
    """A block's id on the page; the two hyphens occur in no name."""
    return f"{section}--{block}"


def evidence(report: Report, finding: Finding) -> tuple[str, str]:
    """(href, words) of a finding's evidence; what points nowhere leads to its section, or to no place."""
    name, _, identifier = finding.evidence.partition("/")
    section = next((section for section in report.sections if section.name == name), None)
    if section is None:
        return "", ""
    block = section.block(identifier) if identifier else None
    if block is None or _chips(section, block):
        return f"#{name}", section.title
    return f"#{anchor(name, block.id)}", f"{section.title}: {block.title}" if block.title else section.title


Anchors = dict[str, dict[str, tuple[str, str]]]


def row_anchors(report: Report, medium: Medium) -> Anchors:
    """By section and row id: (the first block that shows such a row, the row's id on the page)."""
    found: Anchors = {}
    for section in report.sections:
        known = found.setdefault(section.name, {})
        for block in section.blocks:
            for row in _shown(block, medium):
                if row.id and row.id not in known:
                    name = f"row-{slug(row.id)[:40]}-{_digest(section.name, block.id, row.id)}"
                    known[row.id] = (block.id, name)
    return found


def _shown(block: Any, medium: Medium) -> tuple[Row, ...]:
    if not isinstance(block, Table):
        return ()
    return tables.unfolded(block, medium.rows, printed=medium.printed)[: medium.rows]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:8]


def _grouped(views: list[BlockView]) -> tuple[tuple[BlockView, ...], ...]:
    """Neighbouring small charts in one group, every other block alone."""
    groups: list[list[BlockView]] = []
    for view in views:
        if groups and _small(view) and _small(groups[-1][0]):
            groups[-1].append(view)
        else:
            groups.append([view])
    return tuple(tuple(group) for group in groups)


def _small(view: BlockView) -> bool:
    return view.figure is not None and not view.block.folded and view.figure.width <= _HALF


def _block(block: Any, section: Section, medium: Medium, palette: Palette, anchors: Anchors) -> BlockView:
    place, known = anchor(section.name, block.id), anchors[section.name]
    if block.kind in KINDS:
        drawn = figure(block, palette, dark=not medium.printed, rows=medium.data_rows)
        return BlockView(block, place, figure=drawn, data=drawn.data)
    if isinstance(block, Table):
        own = {row: name for row, (owner, name) in known.items() if owner == block.id}
        return BlockView(block, place, table=tables.view(block, medium.rows, own, printed=medium.printed))
    if isinstance(block, Images):
        return BlockView(block, place, grid=pictures.grid(block, medium.width))
    if isinstance(block, Tokens):
        tokens = _tokens(block)
        rows = [[token, weight] for token, _, weight in tokens[: medium.rows]]
        data = Columns(["token", "weight"], rows, len(tokens))
        return BlockView(block, place, tokens=tokens, data=data)
    if isinstance(block, Graph):
        return _graph(block, place, medium, {row: name for row, (_, name) in known.items()})
    if isinstance(block, Code | Failure):
        text = block.text if isinstance(block, Code) else block.details
        lines = text.split("\n")
        shown = "\n".join(_ruled(lines[: medium.lines], medium.columns))
        return BlockView(block, place, text=shown, left_out=max(0, len(lines) - medium.lines))
    return BlockView(block, place)


def _ruled(lines: list[str], columns: int) -> list[str]:
    """Lines of one character, drawn across a listing, are cut where they would wrap."""
    return [line[:columns] if columns and len(set(line)) == 1 else line for line in lines]


def _graph(block: Graph, place: str, medium: Medium, rows: dict[str, str]) -> BlockView:
    """On a screen one picture that scrolls; on paper as many as it takes, each on a page where it can be."""
    families = graphs.families_of(block)
    draw = cache(lambda graph: graphs.drawing(graph, rows, families))
    picture = draw(block)
    if picture is None:
        return BlockView(block, place, text=graphs.words(block))

    def fits(graph: Graph) -> bool:
        drawn = draw(graph)
        return drawn is not None and _scale(drawn, medium) >= LEGIBLE

    found = split(block, fits) if medium.printed else (Part("", block),)
    drawn = [(part.title, draw(part.graph)) for part in found]
    parts = tuple(_part(title, one, medium) for title, one in drawn if one is not None)
    return BlockView(block, place, drawing=picture, parts=parts, text=picture.summary)


def _part(title: str, picture: graphs.Drawing, medium: Medium) -> GraphPart:
    if not medium.printed:
        return GraphPart(title, picture, graphs.slices(picture, medium.width, picture.height, 1.0), 1.0)
    whole = _scale(picture, medium)
    if whole >= LEGIBLE:
        return GraphPart(title, picture, graphs.slices(picture, medium.width, picture.height, whole), whole)
    (width, height), turned = (medium.width, medium.height), False
    if width / picture.width < LEAST:
        (width, height), turned = medium.turned, True
    scale = min(medium.scale, width / picture.width)
    if scale < LEAST:
        return GraphPart(title, picture, (), scale)
    cut = graphs.slices(picture, width, math.floor(height / scale), scale)
    return GraphPart(title, picture, cut, scale, turned)


def _scale(picture: graphs.Drawing, medium: Medium) -> float:
    """How large a picture is drawn to be on one page."""
    return min(medium.scale, medium.width / picture.width, medium.height / picture.height)


def _tokens(block: Tokens) -> tuple[tuple[str, int, str], ...]:
    """Each piece with its step on the diverging scale (-5 to 5) and its weight written out."""
    top = max((abs(weight) for weight in block.weights if math.isfinite(weight)), default=0.0) or 1.0
    return tuple(
        (token, round(5 * weight / top) if math.isfinite(weight) else 0, show(weight))
        for token, weight in zip(block.tokens, block.weights, strict=True)
    )
