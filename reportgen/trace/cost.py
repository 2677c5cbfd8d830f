"""Where the cost of a model is: its blocks ranked by parameters, FLOPs and memory, its most expensive layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.report import Bars, Block, Column, Row, Table
from reportgen.trace.names import span
from reportgen.trace.steps import Layer, Trace, of_what, per_sample
from reportgen.units import plural, shorten

MOST_BARS = 20
MOST_LAYERS = 10
NEARLY_ALL = 0.9  # the share of the parameters from which a block alone says too little
COUNTED = (
    "1 multiply-add = 2 FLOPs; elementwise work, normalisation, pooling, interpolation and sums count as 0"
)


def cost(trace: Trace) -> list[Block]:
    """A table of the layers that take most, and bars of what the blocks take."""
    return [*_most_expensive(trace), *_by_block(trace)]


# --- by block ------------------------------------------------------------------------------------------


def _by_block(trace: Trace) -> list[Block]:
    """Parameters, FLOPs and activation memory of the blocks at the top, the largest first."""
    top = _top(trace)
    inner = _opened(trace, top)
    names = [_short(path, top) for path in inner]
    sizes = [trace.parameters_by_path[path] for path in inner]
    own = trace.parameters_by_path[top] - sum(sizes)
    of = f"{plural(len(names), 'block')} of {shorten(top, 60) if top else 'the model'}"
    blocks = [
        _ranked("parameters-by-block", "Parameters by block", names, sizes, own, "params", of, "; each once.")
    ]
    if trace.complete:
        flops, rest = _shared(trace, trace.flops_by_path, inner, top)
        said = of_what(f", a sample; {COUNTED}.", trace)
        blocks.append(_ranked("flops-by-block", "FLOPs by block", names, flops, rest, "FLOPs", of, said))
        made, rest = _shared(trace, trace.made_by_path, inner, top)
        said = of_what(
            ", a sample: all tensors made in the forward pass, as many bytes as training keeps at the most.",
            trace,
        )
        title = "Activation memory by block"
        blocks.append(_ranked("activations-by-block", title, names, made, rest, "bytes", of, said))
    return [block for block in blocks if block is not None]


def _shared(trace: Trace, figures: dict[str, int], inner: list[str], top: str) -> tuple[list[float], float]:
    """A figure of each block, a sample, and what is left outside them."""
    count = trace.batch or 1
    values = [figures[path] / count for path in inner]
    return values, figures[top] / count - sum(values)


def _inner(trace: Trace, path: str) -> list[str]:
    return [
        one.path
        for one in trace.layers
        if one.path and one.parent == path and one.registered and not one.alias_of
    ]


def _top(trace: Trace) -> str:
    """The model, or where all of it is one layer, the first inside that has several."""
    path = ""
    while len(inner := _inner(trace, path)) == 1 and not trace.by_path[path].own:
        if not _inner(trace, inner[0]):
            break
        path = inner[0]
    return path


def _opened(trace: Trace, top: str) -> list[str]:
    """The blocks in `top`; one that holds nearly all of the parameters is opened, while they stay few."""
    blocks, total = _inner(trace, top), trace.parameters_by_path[top]
    while True:
        large = next((p for p in blocks if trace.parameters_by_path[p] > NEARLY_ALL * total), None)
        inner = _inner(trace, large) if large is not None else []
        if large is None or not inner or len(blocks) + len(inner) > MOST_BARS:
            return blocks
        at = blocks.index(large)
        blocks = [*blocks[:at], *inner, *blocks[at + 1 :]]


def _short(path: str, top: str) -> str:
    return shorten(path.removeprefix(f"{top}.") if top else path, 60)


def _ranked(
    identifier: str,
    title: str,
    names: Sequence[str],
    values: Sequence[float],
    own: float,
    unit: str,
    of: str,
    said: str,
) -> Bars | None:
    """Bars of the blocks that have any, `of` how many there are, and of what lies outside of them."""
    pairs = [(name, value) for name, value in zip(names, values, strict=True) if value]
    none = len(names) - len(pairs)
    others = "the other has none" if none == 1 else f"the other {none:,} have none"
    caption = f"{len(pairs):,} of the {of}; {others}" if none else f"The {of}"
    if own > 0:
        pairs.append(("outside these blocks", own))
    if len(pairs) < 2:
        return None
    pairs.sort(key=lambda pair: -pair[1])
    if len(pairs) > MOST_BARS:
        rest = pairs[MOST_BARS - 1 :]
        pairs = [*pairs[: MOST_BARS - 1], (f"{len(rest):,} others", sum(value for _, value in rest))]
    labels, sizes = zip(*pairs, strict=True)
    return Bars(
        id=identifier, title=title, labels=labels, values=sizes, unit=unit, caption=f"{caption}{said}"
    )


# --- layer by layer ------------------------------------------------------------------------------------

COLUMNS = (
    Column(name="Layer"),
    Column(name="Type"),
    Column(name="Settings"),
    Column(name="Layers", unit="exact", note="alike"),
    Column(name="FLOPs", unit="FLOPs", note="of each, a sample"),
    Column(name="Share of FLOPs", unit="share", note="all alike"),
    Column(name="Parameters", unit="count", note="of each"),
    Column(name="Share of parameters", unit="share", note="all alike"),
    Column(name="Activations", unit="bytes", note="made by each, a sample"),
    Column(name="Share of activations", unit="share", note="all alike"),
)


@dataclass
class _Alike:
    """Layers of one class, settings and cost."""

    layers: list[Layer]
    flops: int
    parameters: int
    made: int


def _most_expensive(trace: Trace) -> list[Block]:
    """Ten kinds of layers, those first of which one takes most; none where there are fewer than three layers."""
    by_flops = trace.complete and bool(trace.flops)
    groups = _alike(trace)
    if sum(len(group.layers) for group in groups) < 3:
        return []
    ranked = sorted(groups, key=lambda g: (-g.flops, -g.parameters) if by_flops else (-g.parameters, -g.made))
    shown = [group for group in ranked if (group.flops if by_flops else group.parameters)][:MOST_LAYERS]
    if not shown:
        return []
    totals = (
        trace.flops if trace.complete else 0,
        trace.totals.all,
        trace.made_by_path[""] if trace.complete else 0,
    )
    what = "FLOPs" if by_flops else "parameters"
    caption = (
        f"Layers without inner layers, by the {what} of one; those that are alike share a row. {COUNTED}."
    )
    rows = tuple(_row(trace, group, totals) for group in shown)
    title = "The most expensive layers"
    columns = tuple(column.model_copy(update={"note": of_what(column.note, trace)}) for column in COLUMNS)
    return [Table(id="most-expensive", title=title, columns=columns, rows=rows, caption=caption)]


def _alike(trace: Trace) -> list[_Alike]:
    found: dict[object, _Alike] = {}
    for layer in trace.layers:
        if not layer.leaf or layer.alias_of or not layer.registered:
            continue
        path = layer.path
        costs = trace.flops_by_path[path], trace.parameters_by_path[path], trace.made_by_path[path]
        key = (layer.signature, layer.settings, costs)
        found.setdefault(key, _Alike([], *costs)).layers.append(layer)
    return list(found.values())


def _row(trace: Trace, group: _Alike, totals: tuple[int | None, int, int]) -> Row:
    first, count, known = group.layers[0], len(group.layers), trace.complete
    flops, parameters, made = totals
    unknown = trace.unknown_by_path[first.path] > 0 and not group.flops
    return Row(
        cells=(
            shorten(span([layer.path for layer in group.layers]) or first.type, 80),
            shorten(first.type, 60),
            first.settings,
            count,
            per_sample(group.flops, trace) if known and not unknown else None,
            group.flops * count / flops if known and flops and not unknown else None,
            group.parameters,
            group.parameters * count / parameters if parameters else None,
            per_sample(group.made, trace) if known else None,
            group.made * count / made if known and made else None,
        )
    )
