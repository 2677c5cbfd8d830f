"""The module graph of a trace as a Graph block: repeats once, at most 60 nodes, expanded breadth first."""

from __future__ import annotations

from reportgen.report import Cluster, Edge, Graph, Node
from reportgen.trace.names import between, row_id
from reportgen.trace.repeats import Group, Repeats
from reportgen.trace.steps import Step, Trace, batch_text, shape_text
from reportgen.units import shorten

BUDGET = 60
SPARSE = 20  # fewer nodes than this, and a layer too wide for the budget is opened in part


def picture(trace: Trace, *, budget: int = BUDGET) -> Graph | None:
    """Draw a trace; None where nothing ran. A node's `row` is the id of its layer's table row."""
    if trace.root is None:
        return None
    return _Picture(trace, budget).graph()


class _Picture:
    def __init__(self, trace: Trace, budget: int) -> None:
        self.trace, self.steps, self.budget = trace, trace.steps, budget
        self.repeats = Repeats(trace)
        assert trace.root is not None
        self.root: int = trace.root
        ends = [step.index for step in self.steps if step.kind in ("input", "output")]
        self.ends = ends if len(ends) <= budget // 3 else [*ends[: budget // 6], *ends[-(budget // 6) :]]
        self.open: dict[int, list[Group]] = {}
        self.where: dict[int, tuple[Group, int]] = {}
        self.count = len(self.ends)
        self._expand()

    # --- what is opened --------------------------------------------------------------------------------

    def _expand(self) -> None:
        """Open the calls level by level: a whole level where it fits, else one class after the other."""
        if self.steps[self.root].leaf or not any(True for _ in self.trace.inside(self.root)):
            self._place([Group((self.root,), 1, self.steps[self.root].end - self.root, self.root)])
            return
        level = self._open(self.root, self.budget - self.count)
        while level:
            inner: list[int] = []
            whole = sum(self._cost(call) for call in level)
            for call in level if self.count + whole <= self.budget else self._some(level):
                self.count -= 1
                inner += self._open(call, self.budget - self.count)
            if not inner and self.count < SPARSE:
                rest = [call for call in level if call not in self.open]
                if rest:
                    self.count -= 1
                    inner = self._open(rest[0], self.budget - self.count)
            level = inner

    def _some(self, calls: list[int]) -> list[int]:
        """The calls of one class where they all fit, else the first one of each inner structure."""
        chosen: list[int] = []
        room = self.budget - self.count
        for kind in dict.fromkeys(self.steps[call].type for call in calls):
            same = [call for call in calls if self.steps[call].type == kind]
            if sum(self._cost(call) for call in same) > room:
                firsts: dict[tuple[str, ...], int] = {}
                for call in same:
                    firsts.setdefault(tuple(step.type for step in self.trace.inside(call)), call)
                same = list(firsts.values())
            for call in same:
                if self._cost(call) <= room:
                    chosen.append(call)
                    room -= self._cost(call)
        return sorted(chosen)

    def _cost(self, call: int) -> int:
        return sum(len(group.members) for group in self._folded(call)) - 1

    def _folded(self, call: int) -> list[Group]:
        return self.repeats.fold([step.index for step in self.trace.inside(call)])

    def _open(self, call: int, room: int) -> list[int]:
        """Put what is inside a call in its place; returns the calls that can be opened next."""
        groups = self._folded(call)
        if sum(len(group.members) for group in groups) > room:
            groups = _elide(groups, self.steps, min(room, self.budget // 2))
        self.open[call] = groups
        return self._place(groups)

    def _place(self, groups: list[Group]) -> list[int]:
        inner = []
        for group in groups:
            self.count += 1 if group.hidden else len(group.members)
            for index in group.hidden or group.members:
                self.where[index] = (group, 0)
            if group.hidden:
                continue
            inner += [index for index in group.members if self._can_open(index)]
        return inner

    def _can_open(self, index: int) -> bool:
        return any(True for _ in self.trace.inside(index))

    # --- where a step is drawn ---------------------------------------------------------------------------

    def locate(self, index: int) -> tuple[int, tuple[tuple[int, int], ...]] | None:
        """The step that a step is drawn as, and for each repeat it is in, which repetition."""
        if self.steps[index].parent < 0 and index != self.root:
            return (index, ()) if index in self.ends else None
        chain = [index]
        while self.steps[chain[-1]].parent not in (-1, self.root):
            chain.append(self.steps[chain[-1]].parent)
        if self.root not in self.open:
            return self.root, ()
        turns: list[tuple[int, int]] = []
        shift, at = 0, self.root
        for step in reversed(chain):
            group, turn = self._find(at, step - shift)
            if group.hidden:
                return group.hidden[0], tuple(turns)
            shift += turn * group.stride
            turns.append((group.members[0], turn))
            at = step - shift
            if at not in self.open:
                break
        return at, tuple(turns)

    def _find(self, parent: int, step: int) -> tuple[Group, int]:
        """The group of a step directly inside an opened call, and in which repetition it is."""
        known = self.where.get(step)
        if known is not None:
            return known
        groups = self.open[parent]
        low, high = 0, len(groups) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if groups[middle].members[0] <= step:
                low = middle
            else:
                high = middle - 1
        group = groups[low]
        found = (group, (step - group.members[0]) // group.stride)
        self.where[step] = found
        return found

    # --- what is drawn -------------------------------------------------------------------------------------

    def graph(self) -> Graph:
        nodes = [self._end(index) for index in self.ends if self.steps[index].kind == "input"]
        clusters: list[Cluster] = []
        if self.root in self.open:
            self._draw(self.root, "", nodes, clusters)
        else:
            nodes.append(self._node(self.root, "", 1, shorten(self.steps[self.root].type, 40)))
        nodes += [self._end(index) for index in self.ends if self.steps[index].kind == "output"]
        edges = self._edges()
        return Graph(
            id="graph", title="The model as a graph", nodes=tuple(nodes), edges=tuple(edges),
            clusters=tuple(clusters), summary=self._words(edges), caption=self._caption(),
        )  # fmt: skip

    def _draw(self, call: int, cluster: str, nodes: list[Node], clusters: list[Cluster]) -> None:
        """The inside of an opened call. Depth is bounded by the budget of nodes."""
        base = self.steps[call].path
        for group in self.open[call]:
            if group.hidden:
                nodes.append(self._hidden(group, cluster, base))
                continue
            frame, times = cluster, group.times
            if len(group.members) > 1:
                frame, times = f"c{group.members[0]}-{group.times}", 1
                label = _range(self._name(group.members[0], base), self._name(group.last, base))
                clusters.append(Cluster(id=frame, label=label, parent=cluster, times=group.times))
            for member in group.members:
                last = group.last if len(group.members) == 1 else member
                label = _range(self._name(member, base), self._name(last, base))
                if member not in self.open:
                    nodes.append(self._node(member, frame, times, label))
                    continue
                inner = f"c{member}"
                kind = self.steps[member].type
                clusters.append(
                    Cluster(id=inner, label=shorten(f"{label} {kind}", 60), parent=frame, times=times)
                )
                self._draw(member, inner, nodes, clusters)

    def _name(self, index: int, base: str) -> str:
        step = self.steps[index]
        if step.kind != "call":
            return step.name
        inside = f"{base}." if base else ""
        return step.path.removeprefix(inside) if step.path != base else step.type

    def _node(self, index: int, cluster: str, times: int, label: str) -> Node:
        step = self.steps[index]
        detail = f"{step.type} {step.settings}" if step.kind == "call" else step.settings
        return Node(
            id=f"n{index}", label=label, detail=shorten(detail.strip(), 60), family=step.family, times=times,
            cluster=cluster, row=row_id(step.path),
        )  # fmt: skip

    def _end(self, index: int) -> Node:
        step = self.steps[index]
        tensor = (step.outputs or step.inputs)[0]
        detail = f"{shape_text(tensor, self.trace.batch)} {tensor.dtype}"
        return Node(id=f"n{index}", label=shorten(step.name, 40), detail=detail, family=step.kind, row="root")

    def _hidden(self, group: Group, cluster: str, base: str) -> Node:
        kinds: dict[str, int] = {}
        for index in group.hidden:
            kinds[self.steps[index].type] = kinds.get(self.steps[index].type, 0) + 1
        most = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        detail = ", ".join(f"{count} {kind}" for kind, count in most[:4])
        return Node(
            id=f"n{group.hidden[0]}", label=f"… {len(group.hidden):,} more", detail=shorten(detail, 60),
            cluster=cluster, row=row_id(base),
        )  # fmt: skip

    def _edges(self) -> list[Edge]:
        found: dict[tuple[int, int], list[str]] = {}
        for link in self.trace.links:
            source, target = self.locate(link.source), self.locate(link.target)
            if source is None or target is None or source[0] == target[0]:
                continue
            turns = dict(source[1])
            if any(turns.get(group, turn) != turn for group, turn in target[1]):
                continue  # from one repetition to the next: "× N" says it
            labels = found.setdefault((source[0], target[0]), [])
            text = shape_text(link.tensor, self.trace.batch)
            if text not in labels:
                labels.append(text)
        return [
            Edge(
                source=f"n{a}",
                target=f"n{b}",
                label=", ".join(labels[:2]) + (", …" if len(labels) > 2 else ""),
            )
            for (a, b), labels in sorted(found.items())
        ]

    # --- in words --------------------------------------------------------------------------------------------

    def _words(self, edges: list[Edge]) -> str:
        """The flow through the top level, as a sentence."""
        parts = [self._said(index) for index in self.ends if self.steps[index].kind == "input"]
        flow = [" and ".join(parts) or "No input"]
        said = [self._group_said(group) for group in self.open.get(self.root, [])]
        flow += said if len(said) <= 30 else [*said[:15], f"{len(said) - 30:,} more", *said[-15:]]
        if self.root not in self.open:
            flow.append(self.steps[self.root].type)
        ends = [self._said(index) for index in self.ends if self.steps[index].kind == "output"]
        flow.append(" and ".join(ends) or "no output")
        incoming: dict[str, int] = {}
        for edge in edges:
            incoming[edge.target] = incoming.get(edge.target, 0) + 1
        joins = sum(count > 1 for count in incoming.values())
        join = f" Branches meet at {joins} of the nodes drawn." if joins else ""
        return f"In order of execution: {' → '.join(flow)}.{join}"

    def _said(self, index: int) -> str:
        step = self.steps[index]
        name = shorten(step.name, 40)
        named = name if name.startswith(step.kind) else f"{step.kind} {name}"
        return f"{named} ({shape_text((step.outputs or step.inputs)[0], self.trace.batch)})"

    def _group_said(self, group: Group) -> str:
        if group.hidden:
            return f"{len(group.hidden):,} more layers and operations"
        names = [self._one_said(self.steps[member]) for member in group.members]
        text = ", ".join(names)
        return f"{group.times} × ({text})" if group.times > 1 else text

    def _one_said(self, step: Step) -> str:
        if step.kind == "op":
            return step.name
        return f"{shorten(step.path, 40)} {shorten(step.type, 40)}".strip()

    def _caption(self) -> str:
        trace = self.trace
        drawn = sum(1 for step in self.steps if step.leaf and step.kind in ("call", "op"))
        text = (
            f"{drawn:,} layer calls and operations of one forward pass on {batch_text(trace)} ({trace.inputs}); "
            f"repeats once, at most {self.budget} nodes. Edges carry shapes without the batch."
        )
        if trace.cut:
            text = (
                f"{text} The picture is cut: the pass went on after {trace.cut:,} steps, and what followed is "
                "counted and not drawn."
            )
        if trace.error:
            text = f"{text} The pass did not end: the picture shows what ran before the error."
        return text


def _elide(groups: list[Group], steps: tuple[Step, ...], room: int) -> list[Group]:
    """The groups with their middle as one node, `room` nodes at most."""
    sizes = [len(group.members) for group in groups]
    head, used = 0, 0
    while used + sizes[head] <= (room - 1) // 2:
        used += sizes[head]
        head += 1
    tail, used = len(groups), 0
    while used + sizes[tail - 1] <= (room - 1) // 2:
        tail -= 1
        used += sizes[tail]
    hidden: list[int] = []
    at = groups[head].members[0]
    end = groups[tail].members[0] if tail < len(groups) else steps[steps[at].parent].end
    while at < end:
        hidden.append(at)
        at = steps[at].end
    middle = Group((hidden[0],), 1, end - hidden[0], hidden[0], tuple(hidden))
    return [*groups[:head], middle, *groups[tail:]]


def _range(first: str, last: str) -> str:
    """`layers.0-79` for `layers.0` and `layers.79`."""
    if first == last:
        return shorten(first, 40)
    named = between(first, last)
    return shorten(named, 40) if named else f"{shorten(first, 20)} … {shorten(last, 20)}"
