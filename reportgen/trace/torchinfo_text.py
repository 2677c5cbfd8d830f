"""torchinfo's summary of a model, and where its totals differ from ours and why."""

from __future__ import annotations

from typing import Any

from torch import nn

from reportgen.data import Inputs
from reportgen.errors import RAISED, one_line
from reportgen.guard import untouched
from reportgen.report import Block, Code, Text
from reportgen.trace.steps import Trace
from reportgen.trace.torchinfo_counts import differences

MOST_LINES = 400
MOST_ROWS = 20_000  # some 10 s
MOST_WORK = 500_000  # layers looked at, half a second; of layers each in the next, 16 deep
COLUMNS = ("input_size", "output_size", "num_params", "mult_adds")
# torchinfo's own parameters, which keyword inputs of these names would be taken for.
RESERVED = ("model", "input_size", "input_data", "batch_dim", "cache_forward_pass", "col_names", "col_width",
            "depth", "device", "dtypes", "mode", "row_settings", "verbose")  # fmt: skip


def torchinfo_blocks(trace: Trace, model: nn.Module, inputs: Inputs | None, *, seed: int) -> list[Block]:
    """The text, folded, and a line on how it differs; one line with the error where torchinfo raises.

    The model is run once more, guarded, where the trace saw it run to the end.
    """
    given = inputs if trace.complete else None
    why_not = _unbearable(trace)
    if why_not:
        return [Text(id="torchinfo", title="torchinfo", text=f"torchinfo was not run: {why_not}.")]
    tensors = given.tensors if given is not None else []
    try:
        with untouched(model, *tensors, seed=seed):
            statistics = _summary(model, given)
            text = str(statistics)
    except RAISED as error:  # torchinfo raises RuntimeError, TypeError and others
        said = f"torchinfo could not summarise this model: {one_line(error, 200)}"
        return [Text(id="torchinfo", title="torchinfo", text=said)]
    lines = text.splitlines()
    caption = f"As torchinfo prints it, to depth 3, {_with(given, trace.batch)}."
    if len(lines) > MOST_LINES:
        caption += f" The first {MOST_LINES} of {len(lines):,} lines, and the totals."
        lines = [*lines[: MOST_LINES - 15], "...", *lines[-14:]]
    block = Code(id="torchinfo", title="torchinfo", text="\n".join(lines), folded=True, caption=caption)
    said = differences(trace, model, statistics)
    return [
        block,
        *([Text(id="torchinfo-differences", title="Where torchinfo differs", text=said)] if said else []),
    ]


def _with(inputs: Inputs | None, batch: int) -> str:
    if inputs is None:
        return "without an input"
    if not batch:
        return f"with {inputs.describe()}"
    return f"with a batch of {batch}" if batch > 1 else "with one sample"


def _summary(model: nn.Module, inputs: Inputs | None) -> Any:
    import torchinfo

    arguments: dict[str, Any] = {"verbose": 0, "depth": 3, "row_settings": ("var_names",)}
    if inputs is None:
        return torchinfo.summary(model, col_names=("num_params", "trainable"), **arguments)
    arguments |= {"col_names": COLUMNS, "col_width": 18, "mode": "eval"}
    if inputs.mapped:
        return torchinfo.summary(model, input_data=[dict(inputs.kwargs)], **arguments)
    if not inputs.args:
        return torchinfo.summary(model, input_data=dict(inputs.kwargs), **arguments)
    clash = [name for name in inputs.kwargs if name in RESERVED]
    if clash:
        raise ValueError(f"the keyword input {clash[0]!r} has the name of one of torchinfo's own parameters")
    return torchinfo.summary(model, input_data=list(inputs.args), **arguments, **inputs.kwargs)


def _unbearable(trace: Trace) -> str:
    """Why torchinfo would take too long, as far as its work can be told beforehand; "" where it would not."""
    rows = sum(len(trace.calls.get(layer.path, ())) or 1 for layer in trace.layers if layer.registered)
    if rows > MOST_ROWS:
        return f"torchinfo's list would have {rows:,} rows, and its time grows with their square"
    if _work(trace) > MOST_WORK:
        depth = max(layer.depth for layer in trace.layers)
        return f"the layers nest {depth} deep, and torchinfo's time doubles with each level"
    return ""


def _work(trace: Trace) -> int:
    """How many layers torchinfo looks at to sum the parameters of every layer once.

    For a layer with inner layers it looks at all those below it and, for each of these that has inner layers too,
    does the same again.
    """
    below = {layer.path: 0 for layer in trace.layers}  # layers below one
    steps = dict(below)  # to sum one layer
    inner = dict(below)  # to sum each layer below it
    for layer in reversed(trace.layers):
        if below[layer.path]:
            steps[layer.path] = below[layer.path] + inner[layer.path]
        if layer.path and layer.registered:
            below[layer.parent] += below[layer.path] + 1
            inner[layer.parent] += inner[layer.path] + steps[layer.path]
    return sum(steps.values())
