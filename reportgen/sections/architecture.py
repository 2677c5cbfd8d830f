"""Architecture: the layers as a tree and as a picture, parameters, FLOPs and memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from reportgen.errors import RAISED, one_line, only_on_meta, type_name
from reportgen.experiment import Experiment, Options, UnreadableOutputError
from reportgen.report import Block, Fact, Facts, Failure, Finding, Section, Severity, Text
from reportgen.timelimit import OutOfTime, time_limit
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from reportgen.trace import Trace

TITLE = "Architecture"
WHOLE = "of the whole input, of which nothing says how many samples it holds"
SLOW = 0.3  # of the section's time, for the trace of a model that took too long before


def architecture(experiment: Experiment, options: Options) -> Section:
    """Layers as a tree and a picture; parameters, FLOPs and activation memory."""
    if experiment.model is None:
        return Section(name="architecture", title=TITLE, status="empty", reason="no model was given")
    from reportgen.trace import picture, table
    from reportgen.trace.cost import cost
    from reportgen.trace.findings import findings

    options.step("trace", 0, 6)
    seen = _seen(experiment, options)
    options.step("picture", 1, 6)
    graph = picture(seen)
    options.step("table", 2, 6)
    problems, found = _problems(experiment, seen)
    blocks: list[Block] = [*problems, _totals(seen)]
    blocks.append(graph if graph is not None else _no_picture(seen))
    blocks.append(table(seen))
    blocks += cost(seen)
    found += findings(seen, experiment.model, task=experiment.task)
    if seen.how != "static" or experiment.example is None:
        blocks += _optional(seen, experiment, options)
    return Section(
        name="architecture",
        title=TITLE,
        summary=_summary(seen),
        blocks=tuple(blocks),
        findings=tuple(found),
    )


def _seen(experiment: Experiment, options: Options) -> Trace:
    """The trace: of the layers alone, where calling the model ended a process, or would take the section's time."""
    from reportgen.trace import trace

    model = experiment.program or experiment.model
    assert model is not None
    why = experiment.fatal if experiment.program is None else ""
    if not why:
        # A model that took too long on one sample may do with fake tensors, and may never come back.
        limit = options.time_limit * SLOW if experiment.slow else 0
        try:
            with time_limit(limit):
                return trace(model, experiment.example, shaped=experiment.shaped)
        except OutOfTime:
            if not limit:
                raise
            why = f"with fake tensors too, the forward pass did not end within {limit:g} s"
    return replace(trace(model, None, shaped=experiment.shaped), failures=(why,))


def _optional(seen: Trace, experiment: Experiment, options: Options) -> list[Block]:
    """What the section can do without: one that raises is a Failure in its place.

    Where the section's time runs out here, what is done is kept and the rest is left out.
    """
    blocks: list[Block] = []
    for number, (name, title, make) in enumerate(_parts(seen, experiment, options)):
        options.step(title, 3 + number, 6)
        try:
            blocks += make()
        except OutOfTime as over:
            message = f"did not end within the section's time ({str(over) or 'over the limit'})"
            hint = "raise time_limit; this part and those after it are left out"
            return [*blocks, Failure(id=name, title=title, error="OutOfTime", message=message, hint=hint)]
        except RAISED as error:  # none of these costs the others
            kind = type_name(error)
            message = one_line(error, 200).removeprefix(f"{kind}: ")
            blocks.append(Failure(id=name, title=title, error=kind, message=message))
    return blocks


def _parts(
    seen: Trace, experiment: Experiment, options: Options
) -> list[tuple[str, str, Callable[[], list[Block]]]]:
    from reportgen.trace.autograd import TITLE as AUTOGRAD
    from reportgen.trace.autograd import autograd_blocks
    from reportgen.trace.profile import profile_blocks
    from reportgen.trace.torchinfo_text import torchinfo_blocks

    model, example = experiment.model, experiment.example
    assert model is not None
    timed = ("time", "Measured time", lambda: profile_blocks(seen, experiment, options))
    return [
        *([timed] if options.profile else []),
        ("torchinfo", "torchinfo", lambda: torchinfo_blocks(seen, model, example, seed=options.seed)),
        ("autograd", AUTOGRAD, lambda: autograd_blocks(seen, experiment, options)),
    ]


def _problems(experiment: Experiment, seen: Trace) -> tuple[list[Block], list[Finding]]:
    """What stopped the forward pass, named with its layer."""
    problem = experiment.forward_problem
    if problem is None and not seen.error:
        return [], []
    where = ""
    if seen.error_path is not None:
        layer = seen.by_path[seen.error_path]
        name = (
            f"{shorten(layer.path, 80)} ({shorten(layer.type, 40)})"
            if layer.path
            else f"{layer.type}.forward"
        )
        where = f" in {name}"
    severity: Severity = "serious"
    title, rule = "The forward pass did not end", "one forward pass on one sample runs to its end"
    message, hint = seen.error, ""
    text = f"The forward pass raised{where}: {shorten(seen.error or str(problem), 200)}"
    if problem is not None:
        message, hint = str(problem), problem.hint
        if isinstance(problem, UnreadableOutputError):
            title, rule = (
                "The output can't be read",
                "the model returns a tensor, or a tuple or dict of tensors",
            )
            severity, text = (
                "warning",
                f"The model runs, but its output can't be read: {shorten(str(problem), 200)}",
            )
        if seen.how == "meta" and only_on_meta(seen.error):
            severity = "warning"
            text = (
                f"The forward pass can't run on the meta device: it raised{where}: {shorten(seen.error, 200)}"
            )
        elif seen.how == "static" or (experiment.slow and not seen.error):
            text = f"The forward pass does not come back: {shorten(str(problem), 200)}"
    else:
        severity, text = "warning", f"The model runs, but its trace ended{where}: {shorten(seen.error, 200)}"
    message = f"{message.rstrip('.')}; raised{where}." if where else message
    block = Failure(
        id="failure",
        title=title,
        error=(seen.error or "InputError").partition(":")[0],
        message=message,
        hint=hint,
        details=experiment.fatal_trace,
    )
    finding = Finding(
        severity=severity,
        message=text,
        rule=rule,
        evidence="architecture/failure",
    )
    return [block], [finding]


def _no_picture(seen: Trace) -> Text:
    return Text(
        id="graph", title="The model as a graph", text=f"There is no picture: {'; '.join(seen.failures)}."
    )


def _totals(seen: Trace) -> Facts:
    from reportgen.trace.capture import NAMES

    totals = seen.totals
    more = []
    if totals.lazy:
        more.append(f"{plural(totals.lazy, 'lazy parameter')} without a shape yet left out")
    if totals.packed:
        more.append(
            f"{totals.packed:,} of them packed weights of quantized layers, which parameters() leaves out"
        )
    dtypes = dict.fromkeys(w.dtype for layer in seen.layers if layer.registered for w in layer.own)
    share = f"{show(totals.trainable / totals.all, 'share')} of all" if totals.all else ""
    facts = (
        Fact(
            label="Parameters",
            value=totals.all,
            unit="exact",
            note="; ".join(["each counted once", *more]),
        ),
        Fact(label="Trainable parameters", value=totals.trainable, unit="exact", note=share),
        Fact(
            label="Buffers",
            value=totals.buffers,
            unit="exact",
            note="values saved or kept beside the parameters",
        ),
        Fact(
            label="Size on disk",
            value=totals.bytes,
            unit="bytes",
            note=f"of the state dict, {' and '.join(dtypes)}" if dtypes else "",
        ),
        _flops(seen),
        _memory(seen),
        Fact(label="Captured with", value=NAMES[seen.how], note=_how(seen)),
    )
    return Facts(id="totals", title="Totals", facts=facts)


def _unknown(seen: Trace) -> str:
    return seen.error or "; ".join(seen.failures)


def _flops(seen: Trace) -> Fact:
    from reportgen.trace.steps import per_sample

    label = _label(seen, "FLOPs")
    if not seen.complete:
        return Fact(label=label, value=None, unit="FLOPs", note=_unknown(seen))
    total = seen.known + sum(count for _, count in seen.unknown)
    note = f"known for {seen.known:,} of {plural(total, 'operation')}; 1 multiply-add = 2 FLOPs"
    if seen.unknown:
        missing = ", ".join(f"{shorten(name, 60)} × {count}" for name, count in seen.unknown[:5])
        note += f"; no formula for {missing}" + (" and others" if len(seen.unknown) > 5 else "")
    if seen.batch > 1:
        note += f"; a batch of {seen.batch} divided by {seen.batch}"
    if not seen.batch:
        note += f"; {WHOLE}"
    value = None if seen.unknown and not seen.known else per_sample(seen.flops, seen)
    return Fact(label=label, value=value, unit="FLOPs", note=note)


def _label(seen: Trace, what: str) -> str:
    return what if seen.complete and not seen.batch else f"{what} a sample"


def _memory(seen: Trace) -> Fact:
    from reportgen.trace.steps import per_sample

    label = _label(seen, "Activation memory")
    if seen.peak is None:
        return Fact(label=label, value=None, unit="bytes", note=_unknown(seen))
    note = "peak, each tensor freed after its last use; without weights, inputs and what kernels use inside"
    note += "" if seen.batch else f"; {WHOLE}"
    return Fact(label=label, value=per_sample(seen.peak, seen), unit="bytes", note=note)


def _how(seen: Trace) -> str:
    """What it was run on, and why the ways before this one did not do."""
    ways = {
        "fake": "shapes only: nothing was computed",
        "meta": "the model has no values, only shapes",
        "real": "in eval mode",
        "program": "nothing was computed",
        "static": "nothing was run",
    }
    parts = [ways[seen.how], *([seen.inputs] if seen.inputs else []), *seen.failures]
    return "; ".join(parts)


def _summary(seen: Trace) -> str:
    name = shorten(seen.layers[0].type, 60)
    text = f"{name}: {show(seen.totals.all, 'count')} parameters in {plural(seen.census.layers, 'layer')}"
    flops = _flops(seen)
    if flops.value is None:
        return f"{text}; FLOPs unknown."
    of = "a sample" if seen.batch else "for the whole input"
    return f"{text}, {'at least ' if seen.unknown else ''}{show(flops.value, 'FLOPs')} {of}."
