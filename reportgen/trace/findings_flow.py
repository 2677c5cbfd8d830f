"""Findings about what flows through a model: its output, biases in vain, wide numbers, work for nothing."""

from __future__ import annotations

from reportgen.report import Finding, Severity
from reportgen.trace.steps import Step, Trace
from reportgen.units import plural, shorten, show

PASSING = (
    "identity",
    "dropout",
    "view",
    "reshape",
    "flatten",
    "squeeze",
    "contiguous",
    "clone",
    "alias",
    "to",
)
CLIPPING = ("relu", "relu6", "abs", "softplus", "square")


def flow(trace: Trace, task: str) -> list[Finding | None]:
    """In a fixed order; none where no forward pass ran to its end."""
    if not trace.complete:
        return []
    if trace.cut:  # what followed is not known, and with it where anything goes
        return [_wide(trace)]
    return [_no_distribution(trace, task), _wide(trace), _bias_before_norm(trace), _in_vain(trace)]


def _listed(names: list[str], most: int = 5) -> str:
    said = [shorten(name, 60) for name in names[:most]]
    return ", ".join(said) + (f" and {len(names) - most:,} more" if len(names) > most else "")


# --- the output ----------------------------------------------------------------------------------------


def _no_distribution(trace: Trace, task: str) -> Finding | None:
    """Scores of a classifier that can't be made a distribution, or were made one twice."""
    outputs = [step for step in trace.steps if step.kind == "output"]
    if task != "classification" or len(outputs) != 1 or len(outputs[0].inputs[0].shape) != 2:
        return None
    made = _back(trace, outputs[0].index)
    if made is None:
        return None
    classes, name = outputs[0].inputs[0].shape[1], _kind(made)
    dim = made.settings.rpartition("dim=")[2].partition(",")[0]
    if name in ("softmax", "logsoftmax", "log_softmax"):
        earlier = _back(trace, made.index)
        if dim in ("0", "-2"):
            return _said(
                "serious",
                f"The output comes from a {made.type} over dimension 0, the batch, so a sample's {classes} scores are "
                "no distribution over the classes.",
                "the output of a classifier is a softmax with dim=0",
            )
        if classes == 1:
            return _said(
                "serious",
                f"The output is a {made.type} over a single score, always {1 if name == 'softmax' else 0}.",
                "the output of a classifier is a softmax over an axis of length 1",
            )
        if earlier is not None and _kind(earlier) in ("softmax", "logsoftmax", "log_softmax"):
            if (_kind(earlier), name) != ("softmax", "softmax"):
                return None  # a log-softmax of a log-softmax changes nothing
            return _said(
                "serious",
                f"The output is a softmax of a softmax, so none of the {classes} probabilities can be above "
                f"{show(_highest(classes), 'share')}.",
                "the output of a classifier is a softmax whose input is a softmax",
            )
    if name in CLIPPING and classes > 1:
        return _said(
            "warning",
            f"The {classes} scores come from a {made.type}, so none can be below 0: a class can't be scored down.",
            "the output of a classifier comes from a function that is never negative",
        )
    return None


def _highest(classes: int) -> float:
    """The largest probability that a softmax of probabilities can give: one is 1 and all others are 0."""
    e = 2.718281828459045
    return e / (e + classes - 1)


def _said(severity: Severity, message: str, rule: str) -> Finding:
    return Finding(severity=severity, message=message, rule=rule, evidence="architecture/graph")


def _kind(step: Step) -> str:
    return step.type.lower()


def _back(trace: Trace, index: int) -> Step | None:
    """The step that made what a step is given, past those that hand it through; None where there are several."""
    sources: dict[int, list[int]] = {}
    for link in trace.links:
        sources.setdefault(link.target, []).append(link.source)
    while True:
        before = sources.get(index, [])
        if len(before) != 1:
            return None
        index = before[0]
        step = trace.steps[index]
        if _kind(step) not in PASSING:
            return step


# --- numbers and work ----------------------------------------------------------------------------------


def _wide(trace: Trace) -> Finding | None:
    """float64 made from what was narrower, by a constant or a conversion that nobody meant."""
    weights = {
        w.dtype for layer in trace.layers for w in layer.own if w.dtype.startswith(("float", "bfloat"))
    }
    inputs = {tensor.dtype for step in trace.steps if step.kind == "input" for tensor in step.outputs}
    if not weights or "float64" in weights | inputs:
        return None
    wide = [
        step for step in trace.steps
        if step.leaf and step.kind in ("call", "op") and any(tensor.dtype == "float64" for tensor in step.outputs)
    ]  # fmt: skip
    if not wide:
        return None
    first = wide[0]
    where = f"{first.type} in {shorten(first.path or trace.layers[0].type, 60)}"
    return Finding(
        severity="warning",
        message=(
            f"{plural(len(wide), 'step')} of the forward pass {'gives' if len(wide) == 1 else 'give'} float64, though "
            f"no parameter and no input is: the first is {where}."
        ),
        rule="a layer or operation returns float64 where all parameters and inputs are narrower",
        evidence="architecture/graph",
    )


def _bias_before_norm(trace: Trace) -> Finding | None:
    """Batch norm takes the mean away, and with it whatever its input's bias added."""
    targets: dict[int, list[int]] = {}
    for link in trace.links:
        targets.setdefault(link.source, []).append(link.target)
    wasted: dict[str, int] = {}
    kept: set[str] = set()
    for step in trace.steps:
        layer = trace.by_path.get(step.path)
        if step.kind != "call" or layer is None or layer.family not in ("conv", "linear") or not layer.leaf:
            continue
        bias = next((w for w in layer.weights if w.name.rpartition(".")[2] == "bias"), None)
        after = [trace.steps[target] for target in targets.get(step.index, ())]
        norms = all(one.type.startswith("BatchNorm") or one.type == "batch_norm" for one in after)
        if bias is not None and after and norms:
            wasted[step.path] = bias.numel or 0
        else:
            kept.add(step.path)
    wasted = {path: size for path, size in wasted.items() if path not in kept}
    if not wasted:
        return None
    return Finding(
        severity="info",
        message=(
            f"{plural(len(wasted), 'layer')} {'has' if len(wasted) == 1 else 'have'} a bias that the batch norm after "
            f"it cancels ({sum(wasted.values()):,} parameters): {_listed(list(wasted))}."
        ),
        rule="every use of a convolution's or linear layer's output is a batch norm",
        evidence="architecture/layers",
    )


def _in_vain(trace: Trace) -> Finding | None:
    """Layers with FLOPs whose output nothing uses."""
    used = {link.source for link in trace.links}
    idle = [
        step for step in trace.steps
        if step.kind == "call" and step.leaf and step.flops and step.index not in used and step.outputs
        and not _inside_leaf(trace, step)
    ]  # fmt: skip
    total = trace.flops
    # Where an output comes from nowhere, the way to it was lost, and a layer on it would seem idle.
    lost_track = any(step.kind == "output" and not step.fed for step in trace.steps)
    if not idle or not total or lost_track:
        return None
    lost = sum(step.flops for step in idle)
    return Finding(
        severity="warning",
        message=(
            f"What {plural(len(idle), 'layer call')} computed is not used ({show(lost, 'FLOPs')}, "
            f"{show(lost / total, 'share')} of all): {_listed(list(dict.fromkeys(step.path for step in idle)))}."
        ),
        rule="a layer's output goes into no other step and is no output of the model",
        evidence="architecture/graph",
    )


def _inside_leaf(trace: Trace, step: Step) -> bool:
    """Whether a call is a part of a layer that is looked at as one, where no lines are drawn."""
    parent = step.parent
    while parent >= 0:
        if trace.steps[parent].leaf:
            return True
        parent = trace.steps[parent].parent
    return False
