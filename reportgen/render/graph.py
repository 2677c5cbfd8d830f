"""A Graph block as shapes to draw: sizes from its text, places from the layout, slices for the page."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.render.figures.style import FAMILIES
from reportgen.render.graph_split import OUTSIDE
from reportgen.render.layout import Box, Layout, Line, layout
from reportgen.report import Cluster, Graph, Node
from reportgen.units import plural, shorten

MOST = 200
_BETWEEN = 32  # pixels between two columns of a picture
_BADGE = 8  # pixels that a badge stands above its box
_SLACK = 70  # pixels that a cut may move to find a gap
_LINE = 11  # pixels that a line of details takes
_MOST_LINES = 10
_NUMBERS = {name: number for number, name in enumerate(FAMILIES)}
_UNNAMED = ("", "other", OUTSIDE)
_GREY = (
    "input",
    "output",
    "operation",
)  # what the model is given and gives; in a graph of autograd, all it does


@dataclass(frozen=True)
class NodeShape:
    """A box with its words; `colour` is the number of its family's, -1 for none; `frame` the cluster it is in."""

    box: Box
    label: str
    details: tuple[str, ...]
    times: str
    badge: float
    colour: int
    href: str
    title: str
    frame: int
    outside: bool


@dataclass(frozen=True)
class FrameShape:
    """A cluster's frame and its name; `frame` is its number, `parent` that of the one about it, -1 for none."""

    box: Box
    label: str
    wide: float
    frame: int
    parent: int


@dataclass(frozen=True)
class LineShape:
    """An edge: a path, its arrow head, its label, how far up and down it goes, its ends' numbers."""

    path: str
    arrow: str
    label: str
    x: float
    y: float
    top: float
    bottom: float
    source: int
    target: int


@dataclass(frozen=True)
class Drawing:
    """All of a graph's picture, in pixels; `summary` tells the same in words."""

    width: int
    height: int
    frames: tuple[FrameShape, ...]
    lines: tuple[LineShape, ...]
    nodes: tuple[NodeShape, ...]
    families: tuple[tuple[str, int], ...]
    summary: str


@dataclass(frozen=True)
class Slice:
    """A window of the picture, from one height down to another, and what is seen in it."""

    top: int
    height: int
    frames: tuple[FrameShape, ...]
    lines: tuple[LineShape, ...]
    nodes: tuple[NodeShape, ...]


Families = tuple[tuple[str, int], ...]


def drawing(graph: Graph, rows: Mapping[str, str], families: Families | None = None) -> Drawing | None:
    """The picture; `rows` says which anchor a table row's id has. None where there is too much to draw.

    `families` are the colours to use, where it is a part of a graph; else those of its own nodes.
    """
    if not graph.nodes or len(graph.nodes) > MOST or len(graph.edges) > 4 * MOST:
        return None
    families = families_of(graph) if families is None else families
    sizes = [_size(node) for node in graph.nodes]
    labels = [shorten(edge.label, 24) for edge in graph.edges]
    names = [_framed(cluster) for cluster in graph.clusters]
    places = layout(
        graph, sizes,
        [round(_wide(label, 9.5)) + 8 if label else 0 for label in labels],
        [round(_wide(name, 10.5)) + 4 for name in names],
    )  # fmt: skip
    numbers = {cluster.id: at for at, cluster in enumerate(graph.clusters)}
    nodes = tuple(
        _node(node, box, dict(families).get(node.family, -1), rows, numbers.get(node.cluster, -1))
        for node, box in zip(graph.nodes, places.nodes, strict=True)
    )
    frames = tuple(
        FrameShape(box, name, round(_wide(name, 10), 1), at, numbers.get(cluster.parent, -1))
        for at, (cluster, box, name) in enumerate(zip(graph.clusters, places.clusters, names, strict=True))
        if box is not None
    )
    at = {node.id: number for number, node in enumerate(graph.nodes)}
    lines = tuple(
        _edge(line, label, at[edge.source], at[edge.target])
        for edge, line, label in zip(graph.edges, places.edges, labels, strict=True)
        if line
    )
    width, height = _extent(places)
    return Drawing(width, height, frames, lines, nodes, families, words(graph))


def _extent(places: Layout) -> tuple[int, int]:
    return math.ceil(places.width) + 3, math.ceil(places.height) + 3


def families_of(graph: Graph) -> Families:
    """Each family with its colour's number, -1 for the grey of those that are no layers; in the order of the nodes.

    A family of layers has its own colour in every graph. Others take colours that this graph leaves free.
    """
    names = dict.fromkeys(node.family for node in graph.nodes)
    found = [name for name in names if name not in (*_UNNAMED, *_GREY)]
    free = iter([at for at in range(len(_NUMBERS)) if at not in {_NUMBERS.get(name) for name in found}])
    coloured = [(name, _NUMBERS[name] if name in _NUMBERS else next(free, -1)) for name in found]
    return (*coloured, *((name, -1) for name in names if name in _GREY))


def _framed(cluster: Cluster) -> str:
    return shorten(cluster.label, 34) + (f" × {cluster.times}" if cluster.times > 1 else "")


def _size(node: Node) -> tuple[int, int]:
    """Room for the node's words in any usual sans-serif face."""
    details = _details(node)
    widest = max(_wide(shorten(node.label, 30), 12), *(_wide(line, 9.5) for line in details), 0)
    badge = 14 if node.times > 1 else 0
    return round(min(250, max(84, widest + 26 + badge))), 25 + round(_LINE * len(details))


def _details(node: Node) -> tuple[str, ...]:
    """The lines under a node's name, the first ones of many."""
    lines = [shorten(line, 38) for line in node.detail.splitlines() if line.strip()]
    return tuple(lines if len(lines) <= _MOST_LINES else [*lines[: _MOST_LINES - 1], "…"])


def _wide(text: str, size: float) -> float:
    """About how wide a text is, on the generous side."""
    return size * sum(1.05 if unicodedata.east_asian_width(char) in "WF" else 0.585 for char in text)


def _node(node: Node, box: Box, colour: int, rows: Mapping[str, str], frame: int) -> NodeShape:
    times = f"× {node.times:,}" if node.times > 1 else ""
    return NodeShape(
        box=box,
        label=shorten(node.label, 30),
        details=_details(node),
        times=times,
        badge=round(_wide(times, 9.5) + 9, 1),
        colour=colour,
        href=f"#{rows[node.row]}" if node.row in rows else "",
        title=shorten(" ".join(part for part in (node.label, node.detail, times) if part), 300),
        frame=frame,
        outside=node.family == OUTSIDE,
    )


def _edge(line: Line, label: str, source: int, target: int) -> LineShape:
    first, rest = line.points[0], line.points[1:]
    path = f"M{_at(first)}" + (f"C{' '.join(_at(point) for point in rest)}" if len(rest) >= 3 else "")
    tail = line.points[-1]
    x, y = line.label or ((first[0] + line.tip[0]) / 2, (first[1] + line.tip[1]) / 2)
    heights = [point[1] for point in (*line.points, line.tip)]
    arrow = _arrow(tail, line.tip)
    return LineShape(
        path, arrow, label if line.label else "", round(x + 4, 1), round(y, 1), min(heights), max(heights),
        source, target,
    )  # fmt: skip


def _at(point: tuple[float, float]) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _arrow(tail: tuple[float, float], tip: tuple[float, float]) -> str:
    """A small triangle from the line's end to its tip."""
    across, down = tip[0] - tail[0], tip[1] - tail[1]
    length = math.hypot(across, down) or 1.0
    aside = (-down / length * 2.4, across / length * 2.4)
    left = (tail[0] + aside[0], tail[1] + aside[1])
    right = (tail[0] - aside[0], tail[1] - aside[1])
    return f"M{_at(left)}L{_at(tip)}L{_at(right)}Z"


def words(graph: Graph) -> str:
    """The graph told in words: its own summary, or what follows what."""
    if graph.summary:
        return graph.summary
    names = {node.id: shorten(node.label, 40) for node in graph.nodes}
    flows = [f"{names[edge.source]} → {names[edge.target]}" for edge in graph.edges[:120]]
    left = len(graph.edges) - len(flows)
    more = f"; and {plural(left, 'more edge')}" if left > 0 else ""
    return (
        f"{plural(len(graph.nodes), 'node')}, {plural(len(graph.edges), 'edge')}. {'; '.join(flows)}{more}."
    )


def slices(picture: Drawing, room: int, tallest: int, scale: float) -> tuple[Slice, ...]:
    """The picture in columns, read down and then to the right, where it is too tall for one.

    `room`: the page's width in pixels; `tallest`: how high a column may be; `scale`: how large it is drawn.
    """
    beside = max(1, int(room // (picture.width * scale + _BETWEEN)))
    count = max(1, math.ceil(picture.height / tallest))
    aimed = tallest if count > beside else math.ceil(picture.height / count)
    cuts = [0]
    while picture.height - cuts[-1] > aimed + _SLACK:
        aim = cuts[-1] + aimed
        cuts.append(min(range(aim - _SLACK, aim + 1), key=lambda y: (_crossed(picture, y), aim - y)))
    return tuple(
        _window(picture, top, bottom) for top, bottom in zip(cuts, [*cuts[1:], picture.height], strict=True)
    )


def _window(picture: Drawing, top: int, bottom: int) -> Slice:
    """What of the picture is seen between two heights."""
    return Slice(
        top=top,
        height=bottom - top,
        frames=tuple(frame for frame in picture.frames if frame.box.y < bottom and frame.box.bottom > top),
        lines=tuple(line for line in picture.lines if line.top < bottom and line.bottom > top),
        nodes=tuple(node for node in picture.nodes if _top(node) < bottom and node.box.bottom > top),
    )


def _top(node: NodeShape) -> float:
    return node.box.y - (_BADGE if node.times else 0)


def _crossed(picture: Drawing, y: int) -> int:
    """How much a cut at this height would go through; a box is worse than a label."""
    boxes = sum(_top(node) - 3 < y < node.box.bottom + 3 for node in picture.nodes)
    labels = sum(bool(line.label) and abs(line.y - y) < 8 for line in picture.lines)
    frames = sum(abs(frame.box.y + 9 - y) < 12 for frame in picture.frames)
    return 10 * boxes + labels + frames
