"""torchinfo's summary of a model, and where its totals differ from ours and why."""

from __future__ import annotations

from typing import Any

from torch import nn

from reportgen.data import Inputs
from reportgen.errors import one_line
from reportgen.guard import untouched
from reportgen.report import Block, Code, Text
from reportgen.trace.steps import Trace
from reportgen.units import show

MOST_LINES = 400
COLUMNS = ("input_size", "output_size", "num_params", "mult_adds")
# torchinfo's own parameters, which keyword inputs of these names would be taken for.
RESERVED = ("model", "input_size", "input_data", "batch_dim", "cache_forward_pass", "col_names", "col_width",
            "depth", "device", "dtypes", "mode", "row_settings", "verbose")  # fmt: skip


def torchinfo_blocks(trace: Trace, model: nn.Module, inputs: Inputs | None, *, seed: int) -> list[Block]:
    """The text, folded, and a line on how it differs; one line with the error where torchinfo raises.

    The model is run once more, guarded, where the trace saw it run to the end.
    """
    given = inputs if trace.complete else None
    tensors = given.tensors if given is not None else []
    try:
        with untouched(model, *tensors, seed=seed):
            statistics = _summary(model, given)
            text = str(statistics)
    except Exception as error:  # noqa: BLE001 - torchinfo raises RuntimeError, TypeError and others
        said = f"torchinfo could not summarise this model: {one_line(error, 200)}"
        return [Text(id="torchinfo", title="torchinfo", text=said)]
    lines = text.splitlines()
    caption = "As torchinfo prints it, to depth 3"
    caption += ", with one sample of the data." if given is not None else ", without an input."
    if len(lines) > MOST_LINES:
        caption += f" The first {MOST_LINES} of {len(lines):,} lines, and the totals."
        lines = [*lines[: MOST_LINES - 15], "...", *lines[-14:]]
    if given is not None and trace.batch != 1:
        caption = caption.replace("one sample of the data", f"a batch of {trace.batch}")
    block = Code(id="torchinfo", title="torchinfo", text="\n".join(lines), folded=True, caption=caption)
    said = _differences(trace, statistics)
    return [
        block,
        *([Text(id="torchinfo-differences", title="Where torchinfo differs", text=said)] if said else []),
    ]


def _summary(model: nn.Module, inputs: Inputs | None) -> Any:
    import torchinfo

    arguments: dict[str, Any] = {"verbose": 0, "depth": 3, "row_settings": ("var_names",)}
    if inputs is None:
        return torchinfo.summary(model, col_names=("num_params", "trainable"), **arguments)
    arguments |= {"col_names": COLUMNS, "col_width": 18, "mode": "eval"}
    if not inputs.args:
        return torchinfo.summary(model, input_data=dict(inputs.kwargs), **arguments)
    clash = [name for name in inputs.kwargs if name in RESERVED]
    if clash:
        raise ValueError(f"the keyword input {clash[0]!r} has the name of one of torchinfo's own parameters")
    return torchinfo.summary(model, input_data=list(inputs.args), **arguments, **inputs.kwargs)


def _differences(trace: Trace, statistics: Any) -> str:
    parts = []
    ours, theirs = trace.totals.parameters, int(statistics.total_params)
    if ours != theirs:
        parts.append(
            f"torchinfo counts {theirs:,} parameters, {abs(theirs - ours):,} {'more' if theirs > ours else 'fewer'} "
            f"than the {ours:,} here: {_parameter_reason(trace, theirs - ours)}."
        )
    flops, doubled = trace.flops, 2 * int(statistics.total_mult_adds)
    if flops and doubled != flops and not trace.unknown:
        share = show(abs(doubled / flops - 1), "share")
        parts.append(
            f"Twice its multiply-adds are {doubled:,}, {share} {'more' if doubled > flops else 'less'} than the "
            f"{flops:,} FLOPs counted here: it counts biases and normalisation too, multiplies the weights of "
            "layers other than convolutions by the batch alone, and sees no product of two activations."
        )
    return "\n\n".join(parts)


def _parameter_reason(trace: Trace, difference: int) -> str:
    """The sum of known causes that makes the difference exactly, or that there is none."""
    registered = [layer for layer in trace.layers if layer.registered and not layer.alias_of]
    tied = sum(weight.numel or 0 for layer in registered for weight in layer.weights if weight.tied_to)
    root = sum(weight.numel or 0 for weight in trace.layers[0].own) if not trace.layers[0].leaf else 0
    nested = sum(weight.numel or 0 for layer in registered[1:] if not layer.leaf for weight in layer.own)
    said = {
        tied: "it counts tied weights twice",
        -root: f"it leaves out {root:,} held by the model itself and not by a layer",
        tied
        - root: f"it counts tied weights twice ({tied:,}) and leaves out {root:,} held by the model itself",
        -nested: f"it leaves out {nested:,} held by layers that have inner layers",
        tied
        - root
        - nested: f"it counts tied weights twice ({tied:,}) and leaves out {root + nested:,} held by "
        "the model itself or by layers that have inner layers",
    }
    return said.get(difference, "the reason is not known")
