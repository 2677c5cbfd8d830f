"""torchviz's graph of what a backward pass goes through, as a Graph block; a note where it can't be read."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reportgen.data import Inputs
from reportgen.errors import RAISED, InputError, one_line
from reportgen.guard import untouched
from reportgen.report import Block, Edge, Failure, Graph, Node, Text
from reportgen.trace.names import row_id, uncompiled
from reportgen.trace.steps import Trace, batch_text
from reportgen.trace.tensors import tensors
from reportgen.units import plural, shorten

if TYPE_CHECKING:
    from reportgen.experiment import Experiment, Options

MOST_NODES = 120
TITLE = "Autograd graph"
_FAMILIES = {
    "lightblue": "parameter", "orange": "saved tensor", "darkolivegreen1": "output", "darkolivegreen3": "output",
    "": "operation",
}  # fmt: skip
# What graphviz writes of a node and an edge; a label is quoted unless it is one word.
_NODE = re.compile(r'\t(-?\d+) \[label=(?:"((?:[^"\\]|\\.)*)"|([^\s\]]+))(?: fillcolor=(\w+))?\]', re.DOTALL)
_EDGE = re.compile(r"\t(-?\d+) -> (-?\d+)(?: \[.*\])?")


def autograd_blocks(seen: Trace, experiment: Experiment, options: Options) -> list[Block]:
    """The graph of the model, or of the layer `options.autograd`; one line where there is none."""
    try:
        return [_graph(seen, experiment, options)]
    except _Note as note:
        return [Text(id="autograd", title=TITLE, text=str(note))]
    except InputError as error:
        message, hint = str(error), error.hint
        return [Failure(id="autograd", title=TITLE, error="InputError", message=message, hint=hint)]
    except RAISED as error:  # a stranger's forward pass or torchviz may raise anything
        return [Text(id="autograd", title=TITLE, text=f"There is no graph: {one_line(error, 200)}.")]


class _Note(Exception):  # noqa: N818 - no error: there is nothing to draw, and this says why
    """Why there is no graph."""


class _Reached(BaseException):
    """Ends a forward pass at the layer that is drawn; no model catches it."""


def _graph(seen: Trace, experiment: Experiment, options: Options) -> Graph:
    path, model = options.autograd, experiment.model
    assert model is not None
    if path:
        check(path, list(seen.by_path))
        if isinstance(model, torch.jit.ScriptModule) or experiment.program is not None:
            kind = "an exported program" if experiment.program is not None else "TorchScript"
            raise _Note(f"There is no graph of {shorten(path, 80)}: in {kind} no layer can be run by itself.")
    if experiment.example is None or experiment.forward_problem is not None or not seen.complete:
        raise _Note("There is no graph, for no forward pass ran to its end.")
    if not path and seen.reached is not None and not seen.autograd:
        raise _Note("There is no graph: no output is connected to a parameter by a gradient.")
    if not path and seen.autograd > MOST_NODES:
        raise _Note(_too_large(seen))
    inputs = experiment.example
    with untouched(model, *inputs.tensors, seed=options.seed), torch.enable_grad():
        if path:
            layer, inputs = _layer(model, inputs, path)
            return _drawn(seen, layer, inputs, options, given=True)
        return _drawn(seen, model, inputs, options, given=False)


def check(path: str, names: list[str]) -> None:
    """Raise InputError, with the names near it, where no layer is called `path`."""
    if path in names:
        return
    near = difflib.get_close_matches(path, names, n=5, cutoff=0.4)
    hint = f"near it: {', '.join(shorten(one, 60) for one in near)}" if near else "see the table of layers"
    raise InputError(f"autograd: got {shorten(path, 80)!r}, expected the name of a layer", hint)


def _too_large(seen: Trace) -> str:
    text = f"The autograd graph has {seen.autograd:,} nodes; more than {MOST_NODES} can't be read."
    fitting = [
        (found[0].end - found[0].index, -at, path)
        for at, (path, found) in enumerate(seen.calls.items())
        if path and 3 <= found[0].end - found[0].index <= MOST_NODES // 5 and seen.parameters_by_path[path]
    ]
    if fitting:
        name = shorten(max(fitting)[2], 80)
        text += f" One layer of the model can be drawn by its name: --autograd {name} (autograd={name!r})."
    return text


def _layer(model: nn.Module, inputs: Inputs, path: str) -> tuple[nn.Module, Inputs]:
    """The layer of this name, and what its first call is given."""
    try:
        layer = model.get_submodule(path)
    except AttributeError:
        raise _Note(f"There is no graph: {shorten(path, 80)} is not registered on the model.") from None
    if isinstance(layer, torch.jit.ScriptModule):
        raise _Note(f"There is no graph: {shorten(path, 80)} is scripted, and its calls can't be watched.")
    found: list[Inputs] = []

    def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        found.append(Inputs(args, kwargs).map(lambda tensor: tensor.detach().clone()))
        raise _Reached

    handle = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        own = inputs.map(lambda tensor: tensor.clone())
        own.call(model)
    except _Reached:
        pass
    finally:
        handle.remove()
    if not found:
        raise _Note(f"There is no graph: {shorten(path, 80)} never ran in the forward pass.")
    return layer, found[0]


def _drawn(seen: Trace, layer: nn.Module, inputs: Inputs, options: Options, *, given: bool) -> Graph:
    from torchviz import make_dot

    names: dict[str, torch.Tensor] = {}
    if given:
        inputs = inputs.map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
        names = {f"input {at}": tensor for at, tensor in enumerate(inputs.tensors, 1)}
    names |= {uncompiled(name): tensor for name, tensor in layer.named_parameters()}
    own = inputs if given else inputs.map(lambda tensor: tensor.clone())
    outputs = tuple(
        tensor for tensor in tensors(layer(*own.args, **own.kwargs)) if tensor.grad_fn is not None
    )
    if not outputs:
        raise _Note("There is no graph: no output is connected to a parameter by a gradient.")
    count = _count(outputs)
    if count > MOST_NODES:
        of = shorten(options.autograd, 80) or "the model"
        raise _Note(f"The autograd graph of {of} has {count:,} nodes; more than {MOST_NODES} can't be read.")
    dot = make_dot(outputs, params=names, show_attrs=options.show_attrs, show_saved=options.show_saved)
    nodes, edges = read(dot.body, lambda name: _row(seen, options.autograd, name))
    of = f"the layer {shorten(options.autograd, 80)}" if options.autograd else "the model"
    caption = (
        f"torchviz's make_dot of {of}, {batch_text(seen)}, in eval mode: {plural(len(nodes), 'node')}. Gradients "
        "flow against the arrows, from the outputs to the parameters."
    )
    if not options.show_attrs and not options.show_saved:
        caption += " With --show-attrs and --show-saved nodes say their settings and what they keep."
    return Graph(id="autograd", title=TITLE, nodes=nodes, edges=edges, folded=True, caption=caption)


def _count(outputs: tuple[torch.Tensor, ...]) -> int:
    """How many nodes a backward pass from here goes through; walked without recursion."""
    waiting = [output.grad_fn for output in outputs]
    known = set(waiting)
    while waiting:
        node = waiting.pop()
        assert node is not None
        further = {inner for inner, _ in node.next_functions if inner is not None} - known
        known |= further
        waiting += further
    return len(known)


def _row(seen: Trace, base: str, name: str) -> str:
    """The table row of a parameter's layer, or of the parameter where it has one of its own."""
    full = f"{base}.{name}" if base else name
    path = full.rpartition(".")[0]
    layer = seen.by_path.get(path)
    if layer is None or name.startswith("input "):
        return ""
    return row_id(path) if layer.leaf else full


def read(body: list[str], row: Any) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Nodes and edges of the lines of a graphviz Digraph, numbered as they appear; `row` gives a row by a name."""
    numbers: dict[str, str] = {}
    labels: dict[str, tuple[str, str]] = {}
    pairs: dict[tuple[str, str], None] = {}
    for line in body:
        edge, node = _EDGE.match(line), _NODE.match(line)
        for name in edge.groups() if edge else [node[1]] if node else []:
            numbers.setdefault(name, f"a{len(numbers)}")
        if edge:
            pairs[edge[1], edge[2]] = None
        elif node:
            # What a tensor is drawn as last stands: an output that is a parameter, say.
            labels[node[1]] = (_plain(node[2]) if node[2] is not None else node[3], node[4] or "")
    nodes = tuple(_node(number, *labels.get(name, ("", "")), row) for name, number in numbers.items())
    return nodes, tuple(Edge(source=numbers[a], target=numbers[b]) for a, b in pairs)


def _plain(quoted: str) -> str:
    """A quoted label as it was before graphviz quoted it: only quotes are escaped."""
    return quoted.replace('\\"', '"')


def _node(number: str, label: str, colour: str, row: Any) -> Node:
    first, _, rest = label.partition("\n")
    family = _FAMILIES.get(colour, "operation")
    details = [line for line in rest.splitlines() if line.strip("- ")]
    named = first.strip() or ("tensor" if family == "saved tensor" else family)
    detail = "\n".join(re.sub(r"\s+", " ", line).strip() for line in details)
    if family == "parameter" and named.startswith("input "):
        family = "input"
    return Node(
        id=number, label=shorten(named, 40), detail=detail, family=family,
        row=row(first.strip()) if family == "parameter" else "",
    )  # fmt: skip
