"""The layers of a trace as a Table block: a tree with settings, shapes, parameters, FLOPs, memory and calls."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from reportgen.kept_rows import kept_rows
from reportgen.report import Column, Row, Table
from reportgen.trace.names import row_id, stem
from reportgen.trace.steps import (
    PACKED,
    Layer,
    Step,
    TensorInfo,
    Trace,
    Weight,
    of_what,
    per_sample,
    shape_text,
)
from reportgen.units import plural, shorten

MOST_ROWS = 2000

COLUMNS = (
    Column(name="Layer"),
    Column(name="Type"),
    Column(name="Settings"),
    Column(name="Input", note="without the batch"),
    Column(name="Output", note="without the batch"),
    Column(name="Own", unit="exact", note="parameters of the layer itself"),
    Column(name="Parameters", unit="exact", note="with all inside, each counted once"),
    Column(name="Share", unit="share", note="of the model's parameters"),
    Column(name="Trained"),
    Column(name="FLOPs", unit="FLOPs", note="a sample; 1 multiply-add = 2 FLOPs"),
    Column(name="Activations", unit="bytes", note="made a sample"),
    Column(name="dtype", note="of weights, else output"),
    Column(name="Calls", unit="exact", note="in one forward pass"),
    Column(name="Notes"),
)


def table(trace: Trace) -> Table:
    """Every layer in order, the parameters that a layer with inner layers holds itself as rows of their own.

    A row whose layer equals its neighbour before, all inside it too, says so in `same_as`. Where there
    would be more than 2,000 rows, such rows are left out.
    """
    return _Rows(trace).table()


class _Rows:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.same = _same(trace)
        self.folded: dict[str, str] = {}
        self.usual = next(
            (w.dtype for one in trace.layers for w in one.weights if w.dtype.startswith(("float", "bfloat"))),
            "float32",
        )
        self.total = trace.totals.all
        self.dtypes, self.trained, self.counted = _inside(trace)
        self.lazy = _lazy(trace)

    def table(self) -> Table:
        layers = list(self.trace.layers)
        caption = _modules(self.trace)
        if len(layers) > MOST_ROWS:
            layers = self._folded()
            caption += (
                f" Over {MOST_ROWS:,} rows, so equal neighbours are shown once: {plural(len(layers), 'row')}."
            )
        if len(layers) > MOST_ROWS:
            chosen = kept_rows([layer.depth for layer in layers], MOST_ROWS)
            layers = [layers[at] for at in chosen]
            caption += f" {MOST_ROWS:,} are shown: the outer ones first, and of one level its first and last."
        if not self.trace.complete:
            caption += " No complete forward pass was seen, so FLOPs and activations are unknown."
        rows = tuple(row for layer in layers for row in self._rows(layer))
        return Table(
            id="layers",
            title="Layers",
            columns=tuple(
                column.model_copy(update={"note": of_what(column.note, self.trace)}) for column in COLUMNS
            ),
            rows=rows,
            caption=caption,
            total=len(self.trace.layers),
        )

    def _folded(self) -> list[Layer]:
        """The layers without those that equal a neighbour before them, and what is inside these."""
        hidden: set[str] = set()
        kept = []
        for layer in self.trace.layers:
            if layer.path and (layer.path in self.same or layer.parent in hidden):
                hidden.add(layer.path)
            else:
                kept.append(layer)
        last = {first: path for path, first in self.same.items()}
        count = Counter(self.same.values())
        for first, path in last.items():
            self.folded[first] = f"× {count[first] + 1:,} (to {shorten(path, 60)}), figures of one"
        return kept

    def _rows(self, layer: Layer) -> list[Row]:
        rows = [self._alias(layer) if layer.alias_of else self._layer(layer)]
        if not layer.leaf:
            own = [weight for weight in layer.weights if not weight.name.endswith(PACKED)]
            rows += [self._weight(layer, weight) for weight in own]
        return rows

    def _layer(self, layer: Layer) -> Row:
        trace, path = self.trace, layer.path
        calls = trace.calls.get(path, [])
        first = calls[0] if calls else None
        lazy = any(weight.numel is None for weight in layer.weights)
        parameters = None if path in self.lazy else trace.parameters_by_path[path]
        cells = (
            _name(layer),
            shorten(layer.type, 120),
            layer.settings,
            self._shapes(first.inputs if first else ()),
            self._shapes(first.outputs if first else ()),
            None if lazy else sum(weight.numel or 0 for weight in layer.own),
            parameters,
            self._share(layer, parameters),
            self._trainable(layer),
            *self._costs(layer),
            self._dtype(layer, first),
            self._calls(layer),
            "; ".join([*([self.folded[path]] if path in self.folded else []), *_notes(trace, layer, calls)]),
        )
        return Row(cells=cells, level=layer.depth, id=row_id(path), same_as=_same_row(self.same, path))

    def _alias(self, layer: Layer) -> Row:
        empty = [""] * (len(COLUMNS) - 3)  # all of it stands in the other row
        cells = (_name(layer), layer.type, *empty, f"same layer as {shorten(layer.alias_of, 80)}")
        return Row(cells=cells, level=layer.depth, id=row_id(layer.path))

    def _weight(self, layer: Layer, weight: Weight) -> Row:
        counted = weight.numel if not weight.tied_to else 0
        notes = []
        if weight.tied_to:
            notes.append(f"tied to {shorten(weight.tied_to, 80)}")
        if not weight.trainable:
            notes.append("frozen")
        if weight.numel is None:
            notes.append("lazy: no shape yet")
        cells = (
            shorten(weight.name.removeprefix(f"{layer.path}."), 120),
            "Parameter",
            "×".join(map(str, weight.shape)),
            "",
            "",
            counted,
            counted,
            self._share(layer, counted),
            "yes" if weight.trainable else "no",
            "",
            "",
            weight.dtype,
            "",
            "; ".join(notes),
        )
        return Row(cells=cells, level=layer.depth + 1, id=weight.name)

    def _trainable(self, layer: Layer) -> str:
        counted, trained = self.counted[layer.path], self.trained[layer.path]
        if not counted:
            return ""
        return "yes" if trained == counted else "no" if not trained else "in part"

    def _share(self, layer: Layer, parameters: int | None) -> float | str | None:
        """Of the model's parameters, which those of an unregistered layer are not among."""
        if "" in self.lazy and layer.registered:
            return None  # of how many is not known yet
        return parameters / self.total if self.total and layer.registered and parameters is not None else ""

    def _costs(self, layer: Layer) -> tuple[int | float | str | None, int | float | str | None]:
        """FLOPs and bytes made a sample; nothing where another layer's row has them."""
        trace, path = self.trace, layer.path
        # Inside a script it can't be seen which layer a kernel belongs to.
        if not layer.scripted and _elsewhere(trace, layer):
            return "", ""
        flops, made = trace.flops_by_path[path], trace.made_by_path[path]
        lost = not trace.complete or (not flops and (layer.scripted or trace.unknown_by_path[path] > 0))
        unseen = not trace.complete or (layer.scripted and not made)
        return None if lost else per_sample(flops, trace), None if unseen else per_sample(made, trace)

    def _calls(self, layer: Layer) -> int | str | None:
        calls = _count(self.trace.calls.get(layer.path, []))
        if self.trace.how == "static" or (layer.scripted and not calls):
            return None
        return "" if _elsewhere(self.trace, layer) else calls

    def _dtype(self, layer: Layer, call: Step | None) -> str:
        inside = self.dtypes[layer.path]
        made = dict.fromkeys(tensor.dtype for tensor in call.outputs) if call is not None else {}
        return ", ".join(inside or made)

    def _shapes(self, tensors: tuple[TensorInfo, ...]) -> str:
        texts = [
            shape_text(tensor, self.trace.batch) + ("" if tensor.dtype == self.usual else f" {tensor.dtype}")
            for tensor in tensors
        ]
        return ", ".join(texts[:4]) + (f", and {len(texts) - 4} more" if len(texts) > 4 else "")


def _modules(trace: Trace) -> str:
    """How many modules there are, and what they are."""
    seen = trace.census
    kinds = [plural(seen.layers, "layer")]
    if seen.holders:
        kinds.append(f"{seen.holders:,} that {'hold' if seen.holders > 1 else 'holds'} others")
    if seen.parts:
        kinds.append(f"{plural(seen.parts, 'part')} of layers that are counted as one")
    if seen.again:
        kinds.append(f"{seen.again:,} that {'stand' if seen.again > 1 else 'stands'} here again")
    return f"{plural(len(trace.layers), 'module')} in order of registration: {', '.join(kinds)}."


def _name(layer: Layer) -> str:
    """The layer's name under its parent, and the class of the model itself."""
    return shorten(layer.path.removeprefix(f"{layer.parent}.") if layer.path else layer.type, 120)


def _same_row(same: dict[str, str], path: str) -> str:
    """The row that a layer's row equals, or nothing."""
    return row_id(same[path]) if path in same else ""


def _inside(trace: Trace) -> tuple[dict[str, dict[str, None]], dict[str, int], dict[str, int]]:
    """Of each layer and all inside it: the dtypes of its weights, how many tensors are trained, how many there are."""
    dtypes = {one.path: dict.fromkeys(w.dtype for w in one.weights) for one in trace.layers}
    trained = {one.path: sum(w.trainable for w in one.own) for one in trace.layers}
    counted = {one.path: len(one.own) for one in trace.layers}
    for layer in reversed(trace.layers):
        if layer.path:
            dtypes[layer.parent] |= dtypes[layer.path]
            trained[layer.parent] += trained[layer.path]
            counted[layer.parent] += counted[layer.path]
    return dtypes, trained, counted


def _lazy(trace: Trace) -> set[str]:
    """Paths of the layers that hold, or have inside, a parameter without a shape yet."""
    found: set[str] = set()
    for layer in reversed(trace.layers):
        if layer.path in found or any(weight.numel is None for weight in layer.weights):
            found |= {layer.path, layer.parent}
    return found


def _elsewhere(trace: Trace, layer: Layer) -> str:
    """How a layer that was not called took part in the pass all the same; nothing where it did not."""
    if not trace.complete or not layer.leaf or trace.calls.get(layer.path):
        return ""
    if any(weight.name in trace.used or weight.tied_to in trace.used for weight in layer.weights):
        return "runs inside another layer"
    if trace.by_path[layer.parent].leaf and not layer.weights and not layer.scripted:
        return "a part of a layer that is counted as one"
    return ""


def _count(calls: list[Step]) -> int:
    return sum(1 + call.further for call in calls)


def _notes(trace: Trace, layer: Layer, calls: list[Step]) -> list[str]:
    notes = [
        f"{shorten(weight.name.rpartition('.')[2], 40)} tied to {shorten(weight.tied_to, 80)}"
        for weight in layer.weights
        if weight.tied_to and layer.leaf
    ]
    if _count(calls) > 1:
        notes.append(f"reused: {_count(calls):,} calls")
        if len({(call.inputs, call.outputs) for call in calls}) > 1:
            notes.append("shapes of the first call")
    weights = [weight for weight in layer.weights if not weight.name.endswith(PACKED)]
    frozen = sum(not weight.trainable for weight in weights)
    if frozen and layer.leaf:
        notes.append("frozen" if frozen == len(weights) else f"frozen: {frozen} of {len(weights)} tensors")
    if any(weight.numel is None for weight in layer.weights):
        notes.append("lazy: no shape yet")
    if layer.path in trace.shaped:
        notes.append("lazy: shaped by this input")
    if layer.quantized:
        kinds = dict.fromkeys(weight.dtype for weight in layer.weights if weight.name.endswith(PACKED))
        notes.append(f"quantized: packed {', '.join(kinds)}")
    if not layer.registered:
        notes.append("in a plain list or dict: not among the model's parameters()")
    if trace.unknown_by_path[layer.path] and trace.flops_by_path[layer.path]:
        notes.append(f"no FLOPs known of {plural(trace.unknown_by_path[layer.path], 'operation')}")
    if elsewhere := _elsewhere(trace, layer):
        notes.append(elsewhere)
    elif trace.complete and layer.leaf and not calls and not layer.scripted:
        notes.append("never ran")
    return notes


def _same(trace: Trace) -> dict[str, str]:
    """Each layer that equals the sibling before it, numbers in its name apart, and the first of these equals."""
    inner: dict[str, list[Layer]] = {}
    for layer in trace.layers:
        if layer.path or layer.alias_of:
            inner.setdefault(layer.parent, []).append(layer)
    numbers: dict[object, int] = {}
    signature: dict[str, int] = {}
    for layer in reversed(trace.layers):
        parts = tuple(signature[part.path] for part in inner.get(layer.path, ()))
        calls = [
            (call.inputs, call.outputs, call.flops, call.made) for call in trace.calls.get(layer.path, ())
        ]
        notes = _notes(trace, layer, trace.calls.get(layer.path, []))
        what = (layer.signature, layer.alias_of, tuple(calls), tuple(notes), parts)
        signature[layer.path] = numbers.setdefault(what, len(numbers))
    same: dict[str, str] = {}
    for siblings in inner.values():
        for one, after in pairwise(siblings):
            if signature[one.path] == signature[after.path] and stem(one.path) == stem(after.path):
                same[after.path] = same.get(one.path, one.path)
    return same
