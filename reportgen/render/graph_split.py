"""A graph too large for a page, split by depth: an overview with its inner graphs folded, and each of these apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from reportgen.report import Cluster, Edge, Graph, Node
from reportgen.units import plural, shorten

OUTSIDE = "outside this part"  # the family of what stands for a neighbour


@dataclass(frozen=True)
class Part:
    """A graph of its own and what it shows of the whole: "" for the whole or its overview."""

    title: str
    graph: Graph


def split(graph: Graph, fits: Callable[[Graph], bool]) -> tuple[Part, ...]:
    """The graph, where it fits or nothing in it can be folded; else an overview, then each part of it.

    Every node is in exactly one part. A part that still does not fit has no clusters.
    """
    return tuple(_parts(Part("", graph), fits))


def _parts(part: Part, fits: Callable[[Graph], bool]) -> Iterator[Part]:
    graph = part.graph
    tops = [cluster for cluster in graph.clusters if not cluster.parent]
    if not tops or fits(graph):
        yield part
        return
    if len(tops) == 1 and not any(_own(graph, "")):
        # A frame about everything says nothing as a box of its own.
        yield from _parts(Part(part.title or _titled(tops[0]), inside(graph, tops[0].id)), fits)
        return
    depths = {cluster.id: len(ancestors(graph, cluster.id)) for cluster in graph.clusters}
    levels = range(max(depths.values()), 0, -1)
    shown = next((level for level in levels if fits(folded(graph, _at(depths, level)))), 1)
    hidden = _at(depths, shown)
    yield Part(part.title, folded(graph, hidden))
    for cluster in graph.clusters:
        if cluster.id in hidden:
            title = " › ".join(_path(part.title, graph, cluster))
            yield from _parts(Part(title, inside(graph, cluster.id)), fits)


def _own(graph: Graph, cluster: str) -> Iterator[Node]:
    """Nodes right inside a cluster, those that stand for neighbours apart."""
    return (node for node in graph.nodes if node.cluster == cluster and node.family != OUTSIDE)


def _at(depths: dict[str, int], level: int) -> set[str]:
    return {name for name, depth in depths.items() if depth == level}


def _titled(cluster: Cluster) -> str:
    return shorten(cluster.label, 60) + (f" × {cluster.times:,}" if cluster.times > 1 else "")


def _path(title: str, graph: Graph, cluster: Cluster) -> list[str]:
    known = {one.id: one for one in graph.clusters}
    chain = [known[name] for name in reversed(ancestors(graph, cluster.id))]
    return [*([title] if title else []), *(_titled(one) for one in chain)]


def ancestors(graph: Graph, name: str) -> list[str]:
    """The cluster and those about it, the innermost first."""
    parents = {cluster.id: cluster.parent for cluster in graph.clusters}
    chain: list[str] = []
    while name:
        chain.append(name)
        name = parents[name]
    return chain


def folded(graph: Graph, hidden: set[str]) -> Graph:
    """The graph with these clusters as single nodes; lines between the same two are one."""
    place = {}
    for node in graph.nodes:
        around = [name for name in ancestors(graph, node.cluster) if name in hidden]
        place[node.id] = f"cluster {around[-1]}" if around else node.id
    inner = {name: [n for n in graph.nodes if place[n.id] == f"cluster {name}"] for name in hidden}
    boxes = {c.id: _box(c, len(inner[c.id])) for c in graph.clusters if inner.get(c.id)}
    nodes = dict.fromkeys(place[node.id] for node in graph.nodes)
    known = {node.id: node for node in (*graph.nodes, *boxes.values())}
    kept = [c for c in graph.clusters if not hidden.intersection(ancestors(graph, c.id))]
    return graph.model_copy(
        update={
            "nodes": tuple(known[name] for name in nodes),
            "clusters": tuple(kept),
            "edges": _merged((place[e.source], place[e.target], e.label) for e in graph.edges),
            "summary": "",
        }
    )


def _box(cluster: Cluster, count: int) -> Node:
    return Node(
        id=f"cluster {cluster.id}", label=shorten(cluster.label, 30), detail=f"{plural(count, 'node')}, drawn below",
        family="other", times=cluster.times, cluster=cluster.parent,
    )  # fmt: skip


def inside(graph: Graph, name: str) -> Graph:
    """What is in a cluster, and a stub for every neighbour that something comes from or goes to."""
    within = {node.id for node in graph.nodes if name in ancestors(graph, node.cluster)}
    labels = {cluster.id: cluster.label for cluster in graph.clusters}
    seen = {node.id: node for node in graph.nodes}
    around = set(ancestors(graph, name))

    def stub(node: str, word: str) -> Node:
        outer = [one for one in ancestors(graph, seen[node].cluster) if one not in around]
        said = labels[outer[-1]] if outer else seen[node].label
        said = said if seen[node].family == OUTSIDE else f"{word} {said}"
        return Node(id=f"stub {said}", label=shorten(said, 30), family=OUTSIDE)

    stubs: dict[str, dict[str, Node]] = {"from": {}, "to": {}}
    lines = []
    for edge in graph.edges:
        source, target = edge.source in within, edge.target in within
        if not (source or target):
            continue
        first, last = edge.source, edge.target
        if not source:
            first = stubs["from"].setdefault(edge.source, stub(edge.source, "from")).id
        if not target:
            last = stubs["to"].setdefault(edge.target, stub(edge.target, "to")).id
        lines.append((first, last, edge.label))
    own = [_lifted(node, name) for node in graph.nodes if node.id in within]
    before, after = ({node.id: node for node in found.values()}.values() for found in stubs.values())
    clusters = [
        cluster.model_copy(update={"parent": "" if cluster.parent == name else cluster.parent})
        for cluster in graph.clusters
        if cluster.id != name and name in ancestors(graph, cluster.id)
    ]
    return graph.model_copy(
        update={
            "nodes": (*before, *own, *after),
            "clusters": tuple(clusters),
            "edges": _merged(lines),
            "summary": "",
        }
    )


def _lifted(node: Node, name: str) -> Node:
    return node.model_copy(update={"cluster": ""}) if node.cluster == name else node


def _merged(edges: Iterable[tuple[str, str, str]]) -> tuple[Edge, ...]:
    """One line between two nodes, with the labels of all; none from a node to itself."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for source, target, label in edges:
        if source != target:
            found.setdefault((source, target), {})[label] = None
    return tuple(Edge(source=a, target=b, label=", ".join(filter(None, ls))) for (a, b), ls in found.items())
