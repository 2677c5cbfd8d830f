"""Where a graph's boxes and lines go: asked of Graphviz in a child process, or stacked where it can't be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen.render.graph_split import ancestors
from reportgen.report import Graph

SECONDS = 20.0
_CHILD = Path(__file__).with_name("_dot.py")
_LABEL_HEIGHT = 13

Size = tuple[int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle, its left upper corner first."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right side's x."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower side's y."""
        return self.y + self.height


@dataclass(frozen=True)
class Line:
    """A chain of cubic Bezier curves (1 + 3n points), the arrow's tip, and the label's middle."""

    points: tuple[Point, ...]
    tip: Point
    label: Point | None


@dataclass(frozen=True)
class Layout:
    """Places for a graph's nodes, clusters and edges, each in the graph's own order."""

    width: float
    height: float
    nodes: tuple[Box, ...]
    clusters: tuple[Box | None, ...]
    edges: tuple[Line | None, ...]


def layout(
    graph: Graph,
    sizes: Sequence[Size],
    labels: Sequence[int],
    frames: Sequence[int],
    *,
    seconds: float = SECONDS,
) -> Layout:
    """Places for the nodes of these sizes (pixels), edge labels and frame labels of these widths.

    Graphviz is given a process of its own and `seconds`; where it fails, the nodes are stacked.
    """
    try:
        return _placed(graph, sizes, _asked(_dot(graph, sizes, labels, frames), seconds))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return stacked(graph, sizes)


def _asked(dot: str, seconds: float) -> Mapping[str, object]:
    """What the child answers. -P: a file in the working directory is never taken for a library."""
    done = subprocess.run(
        [sys.executable, "-P", str(_CHILD)],
        input=dot.encode("ascii"), capture_output=True, timeout=seconds, check=True,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    if not isinstance(answer, dict):
        raise ValueError("the layout is no object")
    return answer


def _dot(graph: Graph, sizes: Sequence[Size], labels: Sequence[int], frames: Sequence[int]) -> str:
    """The graph in DOT, with names of ours alone and sizes for all that would be written."""
    lines = [
        "digraph g {",
        'graph [rankdir=TB, nodesep=0.25, ranksep=0.22, margin=0, pad=0, fontname="sans"];',
        'node [shape=box, fixedsize=true, label="", margin=0];',
        "edge [arrowsize=0.5];",
    ]
    numbers = {node.id: at for at, node in enumerate(graph.nodes)}
    lines += _nested(graph, frames, "")
    for at, (width, height) in enumerate(sizes):
        lines.append(f"n{at} [width={width / 72:.4f}, height={height / 72:.4f}];")
    for at, edge in enumerate(graph.edges):
        label = f", label={_spacer(labels[at], _LABEL_HEIGHT)}" if labels[at] else ""
        start, end = numbers[edge.source], numbers[edge.target]
        # The chain stays straight; what skips bends about it.
        weight = 20 if end == start + 1 else 1
        lines.append(f'n{start} -> n{end} [id="e{at}", weight={weight}{label}];')
    return "\n".join([*lines, "}"])


def _nested(graph: Graph, frames: Sequence[int], parent: str) -> list[str]:
    lines = []
    for at, cluster in enumerate(graph.clusters):
        if cluster.parent != parent:
            continue
        lines.append(f'subgraph cluster_{at} {{ margin=9; labeljust="l"; label={_spacer(frames[at], 15)};')
        lines += [f"n{number};" for number, node in enumerate(graph.nodes) if node.cluster == cluster.id]
        lines += _nested(graph, frames, cluster.id)
        lines.append("}")
    return lines


def _spacer(width: int, height: int) -> str:
    """An empty label of a fixed size, so that no font of the machine is measured."""
    return (
        f'<<TABLE FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}" BORDER="0"><TR><TD></TD></TR></TABLE>>'
    )


def _placed(graph: Graph, sizes: Sequence[Size], answer: Mapping[str, object]) -> Layout:
    """The child's answer with the y axis turned downwards."""
    width, height = _float(answer["width"]), _float(answer["height"])
    nodes, clusters, edges = answer["nodes"], answer["clusters"], answer["edges"]
    if not isinstance(nodes, dict) or not isinstance(clusters, dict) or not isinstance(edges, dict):
        raise ValueError("the layout has no nodes, clusters or edges")
    boxes = []
    for at, (wide, high) in enumerate(sizes):
        x, y = nodes[f"n{at}"]
        boxes.append(Box(round(x - wide / 2, 1), round(height - y - high / 2, 1), wide, high))
    frames: list[Box | None] = []
    for at in range(len(graph.clusters)):
        corners = clusters.get(f"cluster_{at}")
        frames.append(_frame(corners, height) if corners else None)
    lines = [_line(edges.get(f"e{at}"), height) for at in range(len(graph.edges))]
    return Layout(width, height, tuple(boxes), tuple(frames), tuple(lines))


def _float(value: object) -> float:
    if not isinstance(value, int | float):
        raise ValueError(f"expected a number, got {value!r}")
    return float(value)


def _frame(corners: Sequence[float], height: float) -> Box:
    left, low, right, high = corners
    return Box(round(left, 1), round(height - high, 1), round(right - left, 1), round(high - low, 1))


def _line(edge: dict[str, list[list[float]]] | None, height: float) -> Line | None:
    if edge is None:
        return None
    points = tuple((x, height - y) for x, y in edge["points"])
    label = edge["label"]
    middle = (float(label[0]), height - float(label[1])) if label else None  # type: ignore[arg-type]
    return Line(points[:-1], points[-1], middle)


# --- without Graphviz ----------------------------------------------------------------------------------


def stacked(graph: Graph, sizes: Sequence[Size]) -> Layout:
    """One node below the other in the graph's order; what skips nodes runs down the right side."""
    gap, widest = 26.0, max((width for width, _ in sizes), default=0)
    runs = _runs(graph)
    left = 12.0 * (1 + max((len(ancestors(graph, c.id)) for c in graph.clusters), default=0))
    boxes, y = [], 8.0
    for at, (width, height) in enumerate(sizes):
        y += 24.0 * sum(at == first for first, _, _ in runs)
        boxes.append(Box(left + (widest - width) / 2, y, width, height))
        y += height + gap + 8.0 * sum(at == last for _, last, _ in runs)
    frames = _frames(graph, runs, boxes, left, widest)
    lines, lane = _stacked_lines(graph, boxes, left + widest)
    return Layout(lane + 12, max(y - gap + 8, 1.0), tuple(boxes), tuple(frames), tuple(lines))


def _runs(graph: Graph) -> list[tuple[int, int, int]]:
    """(first node, last node, cluster): a cluster's longest stretch of neighbouring nodes."""
    found = []
    for number, cluster in enumerate(graph.clusters):
        inside = [cluster.id in ancestors(graph, node.cluster) for node in graph.nodes]
        best, at = (0, -1), 0
        while at < len(inside):
            end = at
            while end < len(inside) and inside[end]:
                end += 1
            best = max(best, (at, end - 1), key=lambda run: run[1] - run[0]) if end > at else best
            at = end + 1
        if best[1] >= best[0]:
            found.append((best[0], best[1], number))
    return found


def _frames(
    graph: Graph, runs: list[tuple[int, int, int]], boxes: list[Box], left: float, widest: float
) -> list[Box | None]:
    frames: list[Box | None] = [None] * len(graph.clusters)
    for first, last, number in runs:
        inner = sum(1 for a, b, other in runs if first <= a and b <= last and other != number)
        depth = len(ancestors(graph, graph.clusters[number].id))
        space = max(4.0, left - 12.0 * depth)
        above = 22.0 + 24.0 * sum(1 for a, _, other in runs if a == first and _deeper(graph, other, number))
        below = 7.0 + 8.0 * min(inner, 1)
        top = boxes[first].y - above
        frames[number] = Box(left - space, top, widest + 2 * space, boxes[last].bottom + below - top)
    return frames


def _deeper(graph: Graph, one: int, than: int) -> bool:
    first, second = graph.clusters[one].id, graph.clusters[than].id
    return first != second and second in ancestors(graph, first)


def _stacked_lines(graph: Graph, boxes: list[Box], right: float) -> tuple[list[Line | None], float]:
    numbers = {node.id: at for at, node in enumerate(graph.nodes)}
    lines: list[Line | None] = []
    lane = right + 24
    for edge in graph.edges:
        start, end = numbers[edge.source], numbers[edge.target]
        one, other = boxes[start], boxes[end]
        if end == start + 1:
            x, tip = one.x + one.width / 2, (other.x + other.width / 2, other.y)
            label = (x + 34, (one.bottom + other.y) / 2)
            points = ((x, one.bottom), (x, one.bottom + 6), (tip[0], tip[1] - 10), (tip[0], tip[1] - 5))
        else:
            lane += 14
            y, below = one.y + one.height / 2, other.y + other.height / 2
            tip, label = (other.right, below), (lane - 4, (y + below) / 2)
            points = ((one.right, y), (lane, y), (lane, below), (other.right + 5, below))
        lines.append(Line(points, tip, label))
    return lines, lane + 40
