"""Findings about what a model costs: one layer that takes most of it."""

from __future__ import annotations

from reportgen.report import Finding
from reportgen.trace.findings_squares import squares
from reportgen.trace.steps import Layer, Trace
from reportgen.units import shorten, show

HALF = 0.5  # the share above which one layer is said to take most


def cost(trace: Trace) -> list[Finding | None]:
    """In the order of the page: parameters, FLOPs, activation memory, and squares."""
    sizes = {layer.path: sum(w.numel or 0 for w in layer.own) for layer in trace.layers if layer.registered}
    evidence = "architecture/most-expensive"
    found = [_most(trace, sizes, sum(sizes.values()), "parameters", evidence)]
    if trace.complete:
        leaves = [layer for layer in trace.layers if layer.leaf and not layer.alias_of]
        flops = {layer.path: trace.flops_by_path[layer.path] for layer in leaves}
        found.append(_most(trace, flops, trace.flops or 0, "FLOPs", evidence))
        made = {layer.path: trace.made_by_path[layer.path] for layer in leaves}
        found.append(_most(trace, made, trace.made_by_path[""], "activations", evidence))
        found.append(squares(trace))
    return found


def _most(trace: Trace, taken: dict[str, int], total: int, what: str, evidence: str) -> Finding | None:
    """One of three or more layers that takes more than half of all, what runs outside of layers included."""
    some = [path for path, value in taken.items() if value]
    if len(some) < 3:
        return None
    path = max(some, key=lambda one: taken[one])
    share = taken[path] / total
    if share <= HALF:
        return None
    layer: Layer = trace.by_path[path]
    name = f"{shorten(path or layer.type, 60)} ({shorten(layer.type, 40)})"
    known = " that are known" if trace.unknown else ""
    written = {
        "parameters": f"{taken[path]:,} of {total:,}",
        "FLOPs": f"{show(taken[path], 'FLOPs')} of {show(total, 'FLOPs')}{known}",
        "activations": f"{show(taken[path], 'bytes')} of {show(total, 'bytes')}",
    }[what]
    verb = "holds" if what == "parameters" else "takes" if what == "FLOPs" else "makes"
    said = {
        "parameters": "holds more than half of the parameters itself",
        "FLOPs": "takes more than half of the FLOPs",
        "activations": "makes more than half of the bytes of new tensors in the forward pass",
    }[what]
    return Finding(
        severity="info",
        message=f"{name} {verb} {show(share, 'share')} of the {what}: {written}.",
        rule=f"one of three or more layers {said}",
        evidence=evidence,
    )
