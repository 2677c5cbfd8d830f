"""An exported program as a trace: its graph is walked with fake tensors, so that nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import fx

from reportgen.data import Inputs
from reportgen.trace.families import module_family, settings
from reportgen.trace.layers import Catalogue, weight_of
from reportgen.trace.recorder import Recorder
from reportgen.trace.steps import Layer, Weight

Scope = tuple[str, str]  # path and class of a module call, as the program wrote it down


@dataclass
class _Place:
    """A module's place in the hierarchy, found by its calls or its weights."""

    kind: str = ""
    home: str = ""
    inner: dict[str, None] = field(default_factory=dict)


class Program:
    """What a trace needs of an exported program: its layers, its inputs, and a way to run its graph."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self._graph = program.graph
        signature = program.graph_signature
        held = {**program.constants, **program.state_dict}
        names = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self._held = {at: held[name] for at, name in names.items() if name in held}
        self._outputs = [
            spec.arg.name
            for spec in signature.output_specs
            if spec.kind == torch.export.graph_signature.OutputKind.USER_OUTPUT and hasattr(spec.arg, "name")
        ]
        self._spec = program.call_spec.out_spec
        self._program = program
        self.inputs = _inputs(program)
        self.catalogue = self._catalogue(program)

    def run(self, recorder: Recorder, convert: Any) -> None:
        """Walk the graph; `convert` makes a fake of an input. Raises what an operator raises."""
        users = [node for node in self._graph.nodes if node.op == "placeholder"]
        waiting = iter(self.inputs.map(convert).tensors)
        values: dict[fx.Node, Any] = {}
        given, names = [], []
        for node in users:
            if node.name in self._held:
                values[node] = self._held[node.name]
            elif isinstance(node.meta.get("val"), torch.Tensor):
                values[node] = next(waiting)
                given.append(values[node])
                names.append(node.name)
            else:
                values[node] = node.meta.get("val")
        recorder.play(given, names, lambda: self._walk(recorder, values))

    def _walk(self, recorder: Recorder, values: dict[fx.Node, Any]) -> Any:
        plan = _Plan(self._graph, set(self._held))
        for at, node in enumerate(self._graph.nodes):
            for made in plan.closing.get(at, ()):
                self._leave(recorder, made, values)
            for path, entering in plan.opening.get(at, ()):
                recorder.enter(path, [values[one] for one in entering])
            if node.op == "get_attr":
                values[node] = _attribute(self._program.graph_module, str(node.target))
            elif node.op not in ("placeholder", "output"):
                values[node] = self._call(node, values)
        named = {node.name: node for node in values}
        return self._named([values[named[name]] for name in self._outputs if name in named])

    def _call(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        args, kwargs = fx.map_arg((node.args, node.kwargs), lambda one: values[one])
        assert callable(node.target)
        return node.target(*args, **kwargs)

    def _leave(
        self, recorder: Recorder, scope: tuple[str, list[fx.Node]], values: dict[fx.Node, Any]
    ) -> None:
        path, made = scope
        alone = values[made[0]] if len(made) == 1 else [values[one] for one in made]
        renamed = recorder.leave(path, alone)
        if renamed is not None:
            values[made[0]] = renamed

    def _named(self, outputs: list[Any]) -> Any:
        """The outputs in the containers that the model returned them in."""
        try:
            return torch.utils._pytree.tree_unflatten(outputs, self._spec) if self._spec else outputs
        except Exception:  # noqa: BLE001 - a container that is not known here: the tensors alone
            return outputs

    # --- layers ------------------------------------------------------------------------------------------

    def _catalogue(self, program: torch.export.ExportedProgram) -> Catalogue:
        places: dict[str, _Place] = {"": _Place()}
        calls: dict[str, list[fx.Node]] = {}
        for node in self._graph.nodes:
            for path, kind in _scopes(node, whole=True):
                place = _placed(places, path)
                place.home, _, place.kind = kind.rpartition(".")
                calls.setdefault(path, []).append(node)
        buffers = set(program.graph_signature.buffers)
        weights: dict[str, list[tuple[str, torch.Tensor]]] = {}
        for name, tensor in program.state_dict.items():
            path, _, own = name.rpartition(".")
            _placed(places, path)
            weights.setdefault(path, []).append((own, tensor))
        return _layers(places, weights, buffers, calls)


def _layers(
    places: dict[str, _Place],
    weights: dict[str, list[tuple[str, torch.Tensor]]],
    buffers: set[str],
    calls: dict[str, list[fx.Node]],
) -> Catalogue:
    layers: list[Layer] = []
    tensors: dict[str, torch.Tensor] = {}
    known: dict[int, str] = {}
    first: dict[tuple[Any, ...], torch.Tensor] = {}
    waiting = [""]
    while waiting:
        path = waiting.pop()
        place = places[path]
        kind = place.kind or ("Program" if not path else "Module")
        own: list[Weight] = []
        axes = next((tensor.ndim for name, tensor in weights.get(path, ()) if name == "weight"), 0)
        kept: list[Weight] = []
        for name, tensor in weights.get(path, ()):
            full = f"{path}.{name}" if path else name
            same = first.setdefault(_storage(tensor), tensor)
            weight = weight_of(full, same, known, tensors)
            (kept if full in buffers else own).append(weight)
        said = settings(_seen(kind, dict(weights.get(path, ())), calls.get(path, [])), kind)
        leaf = place.home.startswith("torch.nn.") and (not place.inner or kind == "MultiheadAttention")
        specs = [f"{w.name.rpartition('.')[2]} {w.shape} {w.dtype} {w.trainable}" for w in own]
        layers.append(
            Layer(
                path, path.count(".") + 1 if path else 0, kind, said, module_family(kind, axes), leaf,
                parent=path.rpartition(".")[0], weights=tuple(own), buffers=tuple(kept),
                signature=(f"{place.home}.{kind}", said, *specs),
            )
        )  # fmt: skip
        waiting += [f"{path}.{name}" if path else name for name in reversed(place.inner)]
    return Catalogue(tuple(layers), {}, tensors)


def _storage(tensor: torch.Tensor) -> tuple[Any, ...]:
    """What two names of one tensor share, also after the program was saved and read."""
    where = tensor.data_ptr() if not tensor.is_meta and tensor.numel() else id(tensor)
    return where, tuple(tensor.shape), tensor.stride(), tensor.dtype


def _placed(places: dict[str, _Place], path: str) -> _Place:
    if path not in places:
        parent, _, name = path.rpartition(".")
        _placed(places, parent).inner[name] = None
        places[path] = _Place()
    return places[path]


def _seen(kind: str, weights: dict[str, torch.Tensor], nodes: list[fx.Node]) -> Any:
    """The attributes of a layer that its weights and operators tell, for its settings in words."""
    weight = weights.get("weight")
    if weight is None:
        return None
    shape = tuple(weight.shape)
    if kind == "Linear" and len(shape) == 2:
        return SimpleNamespace(in_features=shape[1], out_features=shape[0])
    if kind == "Conv1D":
        return SimpleNamespace(weight=weight)
    if kind == "Embedding" and len(shape) == 2:
        return SimpleNamespace(num_embeddings=shape[0], embedding_dim=shape[1])
    if kind == "LayerNorm":
        return SimpleNamespace(normalized_shape=shape)
    if kind.startswith("BatchNorm"):
        return SimpleNamespace(num_features=shape[0])
    node = next((one for one in nodes if str(one.target).startswith(f"aten.{kind.lower()}")), None)
    if node is None or not kind.startswith("Conv") or kind.startswith("ConvTranspose"):
        return None
    given = {**_USUAL, **dict(zip(_USUAL, node.args[3:], strict=False)), **node.kwargs}
    groups = given["groups"]
    return SimpleNamespace(
        in_channels=shape[1] * int(str(groups)), out_channels=shape[0], kernel_size=shape[2:],
        **{name: tuple(value) if isinstance(value, list | tuple) else value for name, value in given.items()},
    )  # fmt: skip


_USUAL = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}  # in the order of the operator's arguments


# --- inputs and scopes ---------------------------------------------------------------------------------


def _inputs(program: torch.export.ExportedProgram) -> Inputs:
    """The inputs that the program was exported with, or stand-ins of their shapes."""
    given = program.example_inputs
    wanted = [
        node.meta["val"]
        for node in program.graph.nodes
        if node.op == "placeholder"
        and node.name in program.graph_signature.user_inputs
        and isinstance(node.meta.get("val"), torch.Tensor)
    ]
    if given is not None:
        found = Inputs(tuple(given[0]), dict(given[1]))
        if len(found.tensors) == len(wanted):
            return found
    return Inputs(tuple(torch.empty(_sizes(one), dtype=one.dtype, device="meta") for one in wanted), {})


def _sizes(tensor: torch.Tensor) -> list[int]:
    """The sizes, a free one as the program's hint for it, or 1."""
    return [
        size if isinstance(size, int) else int(size.node.hint) if size.node.has_hint() else 1
        for size in tensor.shape
    ]


def _scopes(node: fx.Node, *, whole: bool = False) -> list[Scope]:
    """The module calls that an operator belongs to, the outermost first; the model itself with `whole`.

    The second call of a module is written `name@1`.
    """
    found = []
    for path, kind in (node.meta.get("nn_module_stack") or {}).values():
        name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        clean = ".".join(part.partition("@")[0] for part in str(path).split("."))
        if path or whole:
            found.append((clean if whole else str(path), name))
    return found


def _bare(path: str) -> str:
    return ".".join(part.partition("@")[0] for part in path.split("."))


def _attribute(owner: Any, path: str) -> Any:
    for name in path.split("."):
        owner = getattr(owner, name)
    return owner


class _Plan:
    """Where in the graph module calls begin and end, and what goes in and comes out of each."""

    def __init__(self, graph: fx.Graph, held: set[str]) -> None:
        self.opening: dict[int, list[tuple[str, list[fx.Node]]]] = {}
        self.closing: dict[int, list[tuple[str, list[fx.Node]]]] = {}
        nodes = list(graph.nodes)
        self._at = {node: at for at, node in enumerate(nodes)}
        opened: list[tuple[str, int]] = []
        for at, node in enumerate(nodes):
            if node.op in ("placeholder", "get_attr"):
                continue
            scopes = [path for path, _ in _scopes(node)]
            same = 0
            while same < min(len(scopes), len(opened)) and scopes[same] == opened[same][0]:
                same += 1
            while len(opened) > same:
                path, start = opened.pop()
                self._close(nodes, path, start, at, held)
            for path in scopes[same:]:
                opened.append((path, at))
        while opened:
            path, start = opened.pop()
            self._close(nodes, path, start, len(nodes), held)

    def _close(self, nodes: list[fx.Node], path: str, start: int, end: int, held: set[str]) -> None:
        within = nodes[start:end]
        given = dict.fromkeys(
            source
            for node in within
            for source in node.all_input_nodes
            if self._at[source] < start and source.name not in held and source.op != "get_attr"
        )
        made = [node for node in within if any(self._at[user] >= end for user in node.users)]
        # A call that ends last began last: outer ones are put before it.
        self.opening.setdefault(start, []).insert(0, (_bare(path), list(given)))
        self.closing.setdefault(end, []).append((_bare(path), made))
