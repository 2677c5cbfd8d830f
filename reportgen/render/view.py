"""A report made ready for the templates: anchors, chips, evidence links, and every block drawn."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any

from reportgen.errors import RAISED, one_line
from reportgen.render import graph as graphs
from reportgen.render import pictures, tables, words
from reportgen.render.figures import KINDS, Figure, figure
from reportgen.render.figures.base import Columns, Palette
from reportgen.render.graph_split import Part, split
from reportgen.render.medium import Medium
from reportgen.report import (
    Code,
    Curves,
    Fact,
    Facts,
    Failure,
    Finding,
    Graph,
    Images,
    Parallel,
    Report,
    Row,
    Section,
    Table,
    Text,
    Tokens,
    slug,
)
from reportgen.units import plural

_FIRST_FINDINGS = 5
LEGIBLE = 0.6  # the scale of a graph at which its names are 5.4 pt
LEAST = 0.56  # and at which they are 5 pt: none is drawn smaller
_ROOM = 72  # pixels: a grid of smaller pictures is printed on a page on its side
_LINES = 1000  # of parallel coordinates
_PARTS = {
    "curves": (("series", 400, "line"), ("marks", 100, "mark")),
    "distribution": (("histograms", 100, "histogram"),),
    "parallel": (("axes", 40, "coordinate"),),
}  # of a chart: field, how many are drawn, noun
_HALF = 470  # pixels that a figure may be wide to stand beside another


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
    turned: bool = False
    drawing: graphs.Drawing | None = None
    parts: tuple[GraphPart, ...] = ()
    data: Columns | None = None
    text: str = ""
    left_out: int = 0
    words: words.Words | None = None
    colours: tuple[int, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Blocks in rows, small charts beside each other: one of several alternatives, or of no title."""

    title: str
    anchor: str
    rows: tuple[tuple[BlockView, ...], ...]


@dataclass(frozen=True)
class Group:
    """Neighbouring blocks under one heading, or under none.

    `unprinted` are (place, title) of those that a page of paper only names.
    """

    title: str
    anchor: str
    folded: bool
    choices: tuple[Choice, ...]
    unprinted: tuple[tuple[str, str], ...] = ()

    @property
    def rows(self) -> tuple[tuple[BlockView, ...], ...]:
        """The rows of all choices."""
        return tuple(row for choice in self.choices for row in choice.rows)

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return sum(len(row) for row in self.rows)

    @property
    def charts(self) -> bool:
        """Whether all of them are drawn."""
        return all(view.figure is not None for row in self.rows for view in row)


@dataclass(frozen=True)
class SectionView:
    """A section and its blocks in groups."""

    section: Section
    groups: tuple[Group, ...]


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
    palette, anchors = Palette.of(report, vector=medium.vector), row_anchors(report, medium)
    sections = [_section(section, medium, palette, anchors[section.name]) for section in report.sections]
    found = [FindingView(finding, *evidence(report, finding)) for finding in report.findings]
    cut = len(found) if medium.printed or len(found) == _FIRST_FINDINGS + 1 else _FIRST_FINDINGS
    return Page(report, tuple(sections), headline(report), tuple(found[:cut]), tuple(found[cut:]))


def _section(section: Section, medium: Medium, palette: Palette, known: Known) -> SectionView:
    """A section laid out; where that fails, each of its blocks alone."""
    try:
        return SectionView(section, _groups(section, medium, palette, known))
    except RAISED:  # its blocks may still be drawn one below the other
        views = [_block(block, section, medium, palette, known) for block in section.blocks]
        plain = tuple((view,) for view in views)
        return SectionView(section, (Group("", f"{section.name}__group-0", False, (Choice("", "", plain),)),))


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


Known = dict[str, tuple[str, str]]
Anchors = dict[str, Known]


def row_anchors(report: Report, medium: Medium) -> Anchors:
    """By section and row id: (the first block that shows such a row, the row's id on the page)."""
    found: Anchors = {}
    for section in report.sections:
        known = found.setdefault(section.name, {})
        for block in section.blocks:
            for row in _told(block, medium):
                if row.id and row.id not in known:
                    name = f"row-{slug(row.id)[:40]}-{_digest(section.name, block.id, row.id)}"
                    known[row.id] = (block.id, name)
    return found


def _told(block: Any, medium: Medium) -> tuple[Row, ...]:
    """The rows that are shown; of a table that can't be drawn none."""
    try:
        return _shown(block, medium)
    except RAISED:  # the note in the table's place says so
        return ()


def _shown(block: Any, medium: Medium) -> tuple[Row, ...]:
    if not isinstance(block, Table):
        return ()
    limit = medium.table(folded=block.folded)
    return tables.shown_rows(block, limit, printed=medium.printed)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:8]


def _groups(section: Section, medium: Medium, palette: Palette, known: Known) -> tuple[Group, ...]:
    """The blocks by the headings that they stand under, neighbours together."""
    blocks = [block for block in section.blocks if not _chips(section, block)]
    groups = []
    for number, (title, run) in enumerate(groupby(blocks, key=lambda block: block.group)):
        own = list(run)
        folded = bool(title) and all(block.folded for block in own)
        place = f"{section.name}__group-{number}"
        if folded and medium.printed:
            named = tuple((anchor(section.name, block.id), block.title or block.kind) for block in own)
            groups.append(Group(title, place, folded, (), named))
            continue
        views = [_block(block, section, medium, palette, known) for block in own]
        groups.append(Group(title, place, folded, _choices(views, place, folded)))
    return tuple(groups)


def _choices(views: list[BlockView], place: str, folded: bool) -> tuple[Choice, ...]:
    """Neighbours that are alternatives, by their name; what lies between them stands by itself."""
    found: list[Choice] = []
    for named, run in groupby(views, key=lambda view: bool(view.block.choice)):
        by_name: dict[str, list[BlockView]] = {}
        for view in run:
            by_name.setdefault(view.block.choice, []).append(view)
        for name, own in by_name.items():
            spot = f"{place}-choice-{len(found)}" if named else ""
            found.append(Choice(name, spot, _rows(own, folded)))
    return tuple(found)


def _rows(views: list[BlockView], folded: bool) -> tuple[tuple[BlockView, ...], ...]:
    """Neighbouring small charts of one width in one row, every other block alone."""
    rows: list[list[BlockView]] = []
    for view in views:
        beside = rows and rows[-1][0].block.width == view.block.width
        if beside and _small(view, folded) and _small(rows[-1][0], folded):
            rows[-1].append(view)
        else:
            rows.append([view])
    return tuple(tuple(row) for row in rows)


def _small(view: BlockView, folded: bool) -> bool:
    """Whether it may stand beside another; a block of a folded group does not fold by itself."""
    return view.figure is not None and (folded or not view.block.folded) and view.figure.width <= _HALF


def _block(block: Any, section: Section, medium: Medium, palette: Palette, known: Known) -> BlockView:
    """A block drawn; what can't be drawn is a note in its place, and costs the others nothing."""
    try:
        return _drawn(_cut(block, medium), section, medium, palette, known)
    except RAISED as error:  # whatever a block holds, or a figure raises
        return undrawn(block, section, error)


def undrawn(block: Any, section: Section, error: BaseException) -> BlockView:
    """The note that stands where a block can't be drawn."""
    note = Failure(
        id=block.id,
        title=block.title,
        group=block.group,
        choice=block.choice,
        error=type(error).__name__,
        message=f"this part can't be drawn: {one_line(error, 200)}",
        hint="what it holds is in the report's data, as JSON",
    )
    return BlockView(note, anchor(section.name, block.id))


def _cut(block: Any, medium: Medium) -> Any:
    """The block with as many facts, pictures and paragraphs as a page can hold, and how many more there are."""
    if isinstance(block, Facts) and len(block.facts) > medium.facts:
        return _shorter(block, len(block.facts) - medium.facts, "value", facts=block.facts[: medium.facts])
    if isinstance(block, Images) and len(block.pictures) > medium.pictures:
        kept = tuple(
            one
            if one.behind is None or one.behind < medium.pictures
            else one.model_copy(update={"behind": None})
            for one in block.pictures[: medium.pictures]
        )
        return _shorter(block, len(block.pictures) - medium.pictures, "picture", pictures=kept)
    if isinstance(block, Text) and len(block.text) > medium.characters:
        left = len(block.text) - medium.characters
        return _shorter(block, left, "character", text=block.text[: medium.characters] + " …")
    if isinstance(block, Parallel) and len(block.names) > _LINES:
        block = _fewer_lines(block)
    return _cut_parts(block)


def _fewer_lines(block: Parallel) -> Any:
    """The first lines of many, and the best one."""
    at = list(range(_LINES))
    if block.best is not None and block.best >= _LINES:
        at[-1] = block.best
    changes = {
        "names": tuple(block.names[place] for place in at),
        "axes": tuple(
            axis.model_copy(update={"values": tuple(axis.values[place] for place in at)})
            for axis in block.axes
        ),
        "best": at.index(block.best) if block.best is not None else None,
    }
    return _shorter(block, len(block.names) - _LINES, "line", **changes)


def _cut_parts(block: Any) -> Any:
    """A chart with as many parts as anyone can tell apart."""
    for name, most, noun in _PARTS.get(block.kind, ()):
        parts = getattr(block, name)
        if len(parts) > most:
            block = _shorter(block, len(parts) - most, noun, **{name: parts[:most]})
    return block


def _shorter(block: Any, left: int, noun: str, **changes: Any) -> Any:
    more = f"{plural(left, noun)} more {'is' if left == 1 else 'are'} in the report's data."
    return block.model_copy(update={**changes, "caption": f"{block.caption} {more}".strip()})


def _drawn(block: Any, section: Section, medium: Medium, palette: Palette, known: Known) -> BlockView:
    place = anchor(section.name, block.id)
    if block.kind in KINDS:
        sized = replace(palette, width=medium.chart(block.width))
        drawn = figure(block, sized, dark=not medium.printed, rows=medium.data_rows)
        drawable = block.series if isinstance(block, Curves) else ()
        colours = tuple(palette.number(series.group or series.name) for series in drawable)
        return BlockView(block, place, figure=drawn, data=drawn.data, colours=colours)
    if isinstance(block, Table):
        own = {row: name for row, (owner, name) in known.items() if owner == block.id}
        limit = medium.table(folded=block.folded)
        return BlockView(block, place, table=tables.view(block, limit, own, printed=medium.printed))
    if isinstance(block, Images):
        grid = pictures.grid(block, medium.width)
        turned = medium.printed and grid.room < _ROOM
        return BlockView(
            block, place, grid=pictures.grid(block, medium.turned[0]) if turned else grid, turned=turned
        )
    if isinstance(block, Tokens):
        pieces = words.words(block, medium.pieces, folds=not medium.printed)
        return BlockView(block, place, words=pieces, data=words.table(block))
    if isinstance(block, Graph):
        return _graph(block, place, medium, {row: name for row, (_, name) in known.items()})
    if isinstance(block, Code | Failure):
        text = block.text if isinstance(block, Code) else block.details
        lines = text.split("\n")
        shown = "\n".join(_ruled(_ends(lines, medium.lines), medium.columns))
        return BlockView(block, place, text=shown, left_out=max(0, len(lines) - medium.lines))
    return BlockView(block, place)


def _ends(lines: list[str], limit: int) -> list[str]:
    """The first and the last of many lines: totals and the place where something broke come last."""
    if len(lines) <= limit:
        return lines
    last = limit // 2
    return [*lines[: limit - last], "…", *lines[len(lines) - last :]] if last else lines[:limit]


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
