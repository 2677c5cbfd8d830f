"""The layers of a trace as a Table block: a tree with settings, shapes, parameters, FLOPs and calls."""

from __future__ import annotations

from reportgen.report import Column, Row, Table
from reportgen.trace.picture import row_id
from reportgen.trace.steps import PACKED, Layer, Step, TensorInfo, Trace, Weight, shape_text
from reportgen.units import plural, shorten

MOST_ROWS = 2000

COLUMNS = (
    Column(name="Layer"),
    Column(name="Type"),
    Column(name="Settings"),
    Column(name="Input", note="without the batch"),
    Column(name="Output", note="without the batch"),
    Column(name="Parameters", unit="exact", note="of the layer and all inside it, each counted once"),
    Column(name="Share", unit="share", note="of the model's parameters"),
    Column(name="FLOPs", unit="FLOPs", note="a sample; 1 multiply-add = 2 FLOPs"),
    Column(name="Calls", unit="exact", note="in one forward pass"),
    Column(name="Notes"),
)


def table(trace: Trace) -> Table:
    """Every layer in order, the parameters that a layer with inner layers holds itself as rows of their own.

    Where there would be more than 2,000 rows, equal neighbours are shown once.
    """
    layers = list(trace.layers)
    folded: dict[str, str] = {}
    if len(layers) > MOST_ROWS:
        layers, folded = _fold(trace)
    cut = layers[:MOST_ROWS]
    rows = [row for layer in cut for row in _rows(trace, layer, folded.get(layer.path, ""))]
    caption = f"{plural(len(trace.layers), 'layer')}, in order of registration."
    if len(layers) < len(trace.layers):
        caption += (
            f" Over {MOST_ROWS:,} rows, so equal neighbours are shown once: {plural(len(layers), 'row')}."
        )
    if len(cut) < len(layers):
        caption += f" The first {MOST_ROWS:,} are shown."
    if not trace.complete:
        caption += " No complete forward pass was seen, so FLOPs are unknown."
    return Table(
        id="layers",
        title="Layers",
        columns=COLUMNS,
        rows=tuple(rows),
        caption=caption,
        total=len(trace.layers),
    )


def _rows(trace: Trace, layer: Layer, repeated: str) -> list[Row]:
    rows = [_row(trace, layer, repeated)]
    if not layer.leaf:
        rows += [
            _weight_row(trace, layer, weight) for weight in layer.weights if not weight.name.endswith(PACKED)
        ]
    return rows


def _row(trace: Trace, layer: Layer, repeated: str) -> Row:
    name = layer.path.removeprefix(f"{layer.parent}.") if layer.path else layer.type
    cells: tuple[str | int | float | None, ...]
    if layer.alias_of:
        cells = (
            shorten(name, 120),
            layer.type,
            "",
            "",
            "",
            None,
            None,
            None,
            None,
            f"same layer as {shorten(layer.alias_of, 80)}",
        )
        return Row(cells=cells, level=layer.depth, id=row_id(layer.path))
    calls = trace.calls.get(layer.path, [])
    first = calls[0] if calls else None
    parameters = trace.parameters_by_path[layer.path]
    total = trace.totals.parameters + trace.totals.packed
    cells = (
        shorten(name, 120),
        shorten(layer.type, 120),
        layer.settings,
        _shapes(trace, first.inputs if first else ()),
        _shapes(trace, first.outputs if first else ()),
        None if _lazy(layer) else parameters,
        parameters / total if total and layer.registered and not _lazy(layer) else None,
        _flops(trace, layer),
        None if trace.how == "static" or (layer.scripted and not calls) else len(calls),
        "; ".join([*([repeated] if repeated else []), *_notes(trace, layer, calls)]),
    )
    return Row(cells=cells, level=layer.depth, id=row_id(layer.path))


def per_sample(value: int | None, trace: Trace) -> int | float | None:
    """A figure of the whole batch for one sample; None where it or the batch is unknown."""
    if value is None or trace.batch < 1:
        return None
    return value // trace.batch if value % trace.batch == 0 else value / trace.batch


def _flops(trace: Trace, layer: Layer) -> int | float | None:
    flops = trace.flops_by_path[layer.path]
    lost = trace.unknown_by_path[layer.path] and not flops
    # Inside a script it can't be seen which layer a kernel belongs to.
    if not trace.complete or lost or (layer.scripted and not flops):
        return None
    return per_sample(flops, trace)


def _weight_row(trace: Trace, layer: Layer, weight: Weight) -> Row:
    counted = weight.numel if not weight.tied_to else 0
    total = trace.totals.parameters + trace.totals.packed
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
        counted / total if total and counted is not None and layer.registered else None,
        None,
        None,
        "; ".join(notes),
    )
    return Row(cells=cells, level=layer.depth + 1, id=weight.name)


def _shapes(trace: Trace, tensors: tuple[TensorInfo, ...]) -> str:
    usual = next(
        (w.dtype for layer in trace.layers for w in layer.weights if w.dtype.startswith(("float", "bfloat"))),
        "float32",
    )
    texts = [
        shape_text(tensor, trace.batch) + ("" if tensor.dtype == usual else f" {tensor.dtype}")
        for tensor in tensors
    ]
    return ", ".join(texts[:4]) + (f", and {len(texts) - 4} more" if len(texts) > 4 else "")


def _lazy(layer: Layer) -> bool:
    return any(weight.numel is None for weight in layer.weights)


def _notes(trace: Trace, layer: Layer, calls: list[Step]) -> list[str]:
    notes = [
        f"{shorten(weight.name.rpartition('.')[2], 40)} tied to {shorten(weight.tied_to, 80)}"
        for weight in layer.weights
        if weight.tied_to and layer.leaf
    ]
    if len(calls) > 1:
        notes.append(f"reused: {len(calls)} calls")
        if len({(call.inputs, call.outputs) for call in calls}) > 1:
            notes.append("shapes of the first call")
    weights = [weight for weight in layer.weights if not weight.name.endswith(PACKED)]
    frozen = sum(not weight.trainable for weight in weights)
    if frozen and layer.leaf:
        notes.append("frozen" if frozen == len(weights) else f"frozen: {frozen} of {len(weights)} tensors")
    if _lazy(layer):
        notes.append("lazy: no shape yet")
    if layer.quantized:
        kinds = dict.fromkeys(weight.dtype for weight in layer.weights if weight.name.endswith(PACKED))
        notes.append(f"quantized: packed {', '.join(kinds)}")
    if not layer.registered:
        notes.append("in a plain list or dict: not among the model's parameters()")
    if trace.unknown_by_path[layer.path] and trace.flops_by_path[layer.path]:
        notes.append(f"no FLOPs known of {plural(trace.unknown_by_path[layer.path], 'operation')}")
    if trace.complete and layer.leaf and not calls:
        ran = any(weight.name in trace.used or weight.tied_to in trace.used for weight in layer.weights)
        inside = layer.scripted or (trace.by_path[layer.parent].leaf and not layer.weights)
        notes += ["runs inside another layer"] if ran else [] if inside else ["never ran"]
    return notes


def _fold(trace: Trace) -> tuple[list[Layer], dict[str, str]]:
    """The layers without the later ones of equal neighbours; and what the first ones then stand for."""
    inner: dict[str, list[Layer]] = {}
    for layer in trace.layers:
        if layer.path or layer.alias_of:
            inner.setdefault(layer.parent, []).append(layer)
    numbers: dict[object, int] = {}
    signature: dict[str, int] = {}
    for layer in reversed(trace.layers):
        parts = tuple(signature[part.path] for part in inner.get(layer.path, ()))
        first = trace.calls.get(layer.path, [None])[0]
        shapes = (first.inputs, first.outputs) if first is not None else None
        what = (layer.signature, layer.alias_of, shapes, parts)
        signature[layer.path] = numbers.setdefault(what, len(numbers))
    kept, said = [], {}
    waiting = [trace.layers[0]]
    while waiting:
        layer = waiting.pop()
        kept.append(layer)
        shown: list[Layer] = []
        lasts: dict[str, tuple[int, Layer]] = {}
        for part in inner.get(layer.path, ()):
            if shown and signature[shown[-1].path] == signature[part.path]:
                count, _ = lasts.get(shown[-1].path, (1, part))
                lasts[shown[-1].path] = (count + 1, part)
            else:
                shown.append(part)
        for path, (count, last) in lasts.items():
            said[path] = f"× {count:,} (to {shorten(last.path, 60)}), figures of one"
        waiting += reversed(shown)
    return kept, said
