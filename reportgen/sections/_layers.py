"""Weights, activations and gradients, layer by layer: a few drawn, all of them in tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reportgen.errors import InputError
from reportgen.experiment import Experiment, Options
from reportgen.features.choice import STAGES, Ran, holds_weights, layers_that_ran, picked, stages
from reportgen.features.flow import MOST_GRADIENT
from reportgen.features.flow import activations as flow
from reportgen.features.flow import gradients as backward
from reportgen.features.tally import BINS, KEPT, Tally
from reportgen.features.weights import ROOM, Weight, tally_of, weights_of
from reportgen.hooks import hidden
from reportgen.kept_rows import SAID, depth, kept_rows
from reportgen.report import Cell, Column, Curves, Distribution, Finding, Row, Series, Table
from reportgen.sections._made import Made, brief, looked_at
from reportgen.units import plural, show

DRAWN = 9  # layers
ROWS = 300
TIME = 0.18  # of the section's for a pass over the data, where the clock may decide
UNUSABLE = "label or output is missing or"  # not finite
DEEP = 6  # layers from which on their order is drawn too


@dataclass(frozen=True)
class _Kind:
    """Weights, activations or gradients: the words for them, and how their samples were taken."""

    title: str
    noun: str
    x_label: str
    how: str


def weights(experiment: Experiment, options: Options, made: Made) -> None:
    """The distribution of the weights of chosen layers, and statistics of every tensor of them."""
    assert experiment.model is not None
    found, unread = weights_of(experiment.model)
    if unread:
        said = "can't be read: without values, sparse, complex or quantised"
        made.notes.append(f"{plural(unread, 'weight tensor')} {said}.")
    if not found:
        made.notes.append("There are no weights to look at.")
        return
    tallies = [(weight, tally_of(weight, options.seed)) for weight in found]
    shared = sum(bool(weight.also) for weight in found)
    tied = f" {plural(shared, 'tensor')} that several layers share stand here once." if shared else ""
    part = any(tally.sampled for _, tally in tallies)
    some = f" Quantiles and bins of {ROOM:,} values of a larger tensor, seed {options.seed}." if part else ""
    kind = _Kind("Weights", "weight tensor", "weight", f"{some}{tied}".strip())
    rows = [(weight.name, weight, tally) for weight, tally in tallies]
    _add(kind, _tensors(experiment, options, found), rows, None, made)
    _unsound(rows, "its values", made, "Weights")


def activations(experiment: Experiment, options: Options, made: Made) -> None:
    """The distribution of what chosen layers put out on real samples, and statistics of every layer with weights."""
    if experiment.samples is None:
        made.notes.append("Activations by layer need data; only an example input was given.")
        return
    example = experiment.require_forward()
    ran = layers_that_ran(experiment, example)
    named = layers_that_ran(experiment, example, options.layers) if options.layers else []
    for name in options.layers:
        if name not in {layer.name for layer in named}:
            made.notes.append(f"The layer {name} was not seen to put out a tensor in the forward pass.")
    every = list({layer.name: layer for layer in (*ran, *named)}.values())
    if not every:
        why = hidden(experiment) or "no layer with weights was seen in the forward pass"
        made.notes.append(f"There are no activations by layer: {why}.")
        return
    tallies, count, bad = flow(experiment, every, options.seed, made.deadline.part(TIME))
    drawn = [layer.name for layer in (named or picked(stages(ran), DRAWN))]
    if not count:
        raise InputError(f"the inputs of {plural(bad, 'sample')} are not finite", "look for NaN in the data")
    of = looked_at(experiment, count + bad, bad, "input")
    each = max(1, KEPT // count)
    part = any(tally.sampled for tally in tallies.values())
    sampled = (
        f"; quantiles and bins of up to {plural(each, 'value')} a sample, seed {options.seed}" if part else ""
    )
    how = f"What a layer puts out, before what follows it. {of}{sampled}."
    rows = [(layer.name, layer, tallies[layer.name]) for layer in every]
    depth = _depth([tallies[layer.name] for layer in ran], of) if len(ran) >= DEEP else None
    _add(_Kind("Activations", "layer", "activation", how), drawn, rows, depth, made)
    _unsound(rows, "its outputs", made, "Activations", f" on {plural(count, 'sample')}")


def gradients(experiment: Experiment, options: Options, made: Made) -> None:
    """The gradient of the loss in the weights: the distribution in chosen layers, statistics of every tensor."""
    if experiment.samples is None:
        return
    assert experiment.model is not None
    parameters, _ = weights_of(experiment.model, learned=True)
    floating = [weight for weight in parameters if weight.tensor.is_floating_point()]
    if not floating:
        return
    ran = layers_that_ran(experiment, experiment.require_forward())
    try:
        found = backward(experiment, floating, ran, made.deadline.part(TIME))
    except InputError as problem:
        made.notes.append(f"There are no gradients of the loss: {problem}.")
        return
    tallies = []
    for weight, gradient in zip(floating, found.found, strict=True):
        if gradient is not None:
            tally = Tally(weight.name, options.seed, room=ROOM)
            tally.add(gradient)
            tallies.append((weight.name, weight, tally))
    apart = len(floating) - len(tallies)
    none = f" {plural(apart, 'tensor')} without a part in the output are left out." if apart else ""
    loss = f"mean {found.loss} ({show(float(f'{found.value:.3g}'))})".replace("mean mean", "mean")
    of = looked_at(experiment, found.looked, found.looked - found.count, UNUSABLE, MOST_GRADIENT)
    how = f"Gradient of the {loss}, in eval mode, frozen weights too. {of}.{none}"
    kind = _Kind("Gradients", "weight tensor", "derivative of the loss", how)
    deep = sum(weight.tensor.ndim > 1 for _, weight, _ in tallies) >= DEEP
    sizes = _sizes(tallies, options.seed, how) if deep else None
    _add(kind, _tensors(experiment, options, floating), tallies, sizes, made)
    _unsound(tallies, "its gradients", made, "Gradients", f" over {plural(found.count, 'sample')}")


def _tensors(experiment: Experiment, options: Options, found: Sequence[Weight]) -> list[str]:
    """Of each layer to be drawn, the name of its largest tensor of weights."""
    names = []
    for layer in _chosen(experiment, options):
        start = f"{layer}." if layer else ""
        below = [
            w for w in found if w.name.startswith(start) and (w.tensor.ndim > 1 or layer in options.layers)
        ]
        own = [w for w in below if "." not in w.name[len(start) :]]
        best = max(own or below, key=lambda w: (w.tensor.ndim > 1, w.tensor.numel()), default=None)
        if best is not None and best.name not in names:
            names.append(best.name)
    return names


def _chosen(experiment: Experiment, options: Options) -> list[str]:
    """The layers to draw: those that were named; of those that run, by stages; of others, by containers."""
    if options.layers:
        return list(options.layers)
    assert experiment.model is not None
    ran: list[Ran] = []
    if experiment.example is not None and experiment.forward_problem is None and not hidden(experiment):
        ran = layers_that_ran(experiment, experiment.example)
    if not ran:
        named = experiment.model.named_modules()
        ran = [Ran(name, type(module).__name__, (), False) for name, module in named if holds_weights(module)]
    return [layer.name for layer in picked(stages(ran), DRAWN)] if ran else []


def _add(
    kind: _Kind,
    drawn: Sequence[str],
    rows: Sequence[tuple[str, Weight | Ran, Tally]],
    depth: Curves | None,
    made: Made,
) -> None:
    """The figure of the chosen ones, the curve over the depth, and the table of all."""
    tallies = {name: tally for name, _, tally in rows}
    shown = [name for name in drawn if name in tallies]
    group = f"{kind.title} by layer"
    if shown:
        few = f"{len(shown)} of {plural(len(rows), kind.noun)}" if len(shown) < len(rows) else "All"
        chosen = f": the first, middle and last of each stage ({STAGES})" if len(shown) < len(rows) else ""
        made.blocks.append(
            Distribution(
                title=f"{kind.title}: distributions",
                caption=f"{few}{chosen}, each over the middle 99 % of its own values, {BINS} bins. {kind.how}".strip(),
                histograms=tuple(tallies[name].histogram(name or "the model") for name in shown),
                x_label=kind.x_label,
                y_label="share of values",
                panels=True,
                group=group,
            )
        )
    made.blocks += [block for block in (depth, _table(kind, rows, group)) if block is not None]


def _table(kind: _Kind, rows: Sequence[tuple[str, Weight | Ran, Tally]], group: str) -> Table:
    columns = (
        Column(name="Tensor" if kind.title != "Activations" else "Layer"),
        Column(name="Shape", note="" if kind.title != "Activations" else "of one sample's output"),
        Column(name="Norm" if kind.title != "Activations" else "RMS", unit="exact",
               note="root of the sum of squares" if kind.title != "Activations" else "root of the mean square"),
        *(Column(name=name, unit="exact") for name in ("Mean", "Std", "Min", "1 %", "Median", "99 %", "Max")),
        *(Column(name=name, unit="exact", note="%") for name in ("Zeros", "Not finite")),
    )  # fmt: skip
    shown = [rows[at] for at in kept_rows([depth(name) for name, *_ in rows], ROWS)]
    cut = f"Of more than {ROWS}, {SAID}." if len(shown) < len(rows) else ""
    return Table(
        title=f"{kind.title}: all layers" if kind.title == "Activations" else f"{kind.title}: all tensors",
        caption=f"{kind.how} Statistics are of the finite values. {cut}".strip(),
        columns=columns,
        rows=tuple(Row(cells=_cells(name, what, tally)) for name, what, tally in shown),
        total=len(rows) if len(rows) > len(shown) else None,
        paths=True,
        group=group,
        folded=True,
    )


def _cells(name: str, what: Weight | Ran, tally: Tally) -> tuple[Cell, ...]:
    seen = tally.summary()
    if isinstance(what, Weight):
        shape, size = tuple(what.tensor.shape), seen.norm
        name = ", ".join((name, *what.also[:2])) + (", …" if len(what.also) > 2 else "")
    else:
        shape, size = what.shape[1:], seen.rms
    # To a hundred thousandth of the values' size: a mean of next to nothing is what rounding left.
    mean = round(seen.mean, 5 - math.floor(math.log10(seen.rms))) if seen.rms > 0 else seen.mean
    shares = (100 * seen.zeros, 100 * seen.bad)
    numbers = (size, mean, seen.std, seen.low, *seen.quantiles, seen.high, *shares)
    return (name or "the model", " × ".join(map(str, shape)) or "1", *map(brief, numbers))


def _depth(tallies: Sequence[Tally], of: str) -> Curves:
    """Median and the middle 98 % of what the layers put out, one after the other."""
    low, middle, high = zip(*(tally.summary().quantiles for tally in tallies), strict=True)
    steps = tuple(float(at) for at in range(1, len(tallies) + 1))
    line = Series(
        name="median, and the middle 98 %",
        x=steps,
        y=tuple(map(brief, middle)),
        low=tuple(map(brief, low)),
        high=tuple(map(brief, high)),
    )
    return Curves(
        title="Activations by depth",
        caption=f"Median of what each layer puts out, and the band from the 1 % to the 99 % quantile. {of}.",
        series=(line,),
        x_label="layer, as in the table",
        y_label="activation",
        group="Activations by layer",
    )


def _sizes(rows: Sequence[tuple[str, Weight, Tally]], seed: int, how: str) -> Curves:
    """Root mean squares of gradients and weights, tensor by tensor: what vanishes or explodes over the depth."""
    matrices = [(weight, tally) for _, weight, tally in rows if weight.tensor.ndim > 1]
    steps = tuple(float(at) for at in range(1, len(matrices) + 1))
    sizes = (
        ("gradients", tuple(brief(tally.summary().rms) for _, tally in matrices)),
        ("weights", tuple(brief(tally_of(weight, seed).summary().rms) for weight, _ in matrices)),
    )
    return Curves(
        title="Gradients by depth",
        caption=f"Root mean square of each tensor of two dimensions or more, in the order of the model. {how}",
        series=tuple(Series(name=name, x=steps, y=values) for name, values in sizes),
        x_label="tensor, in the order of the model",
        y_label="root mean square",
        log_y=True,
        group="Gradients by layer",
    )


def _unsound(
    rows: Sequence[tuple[str, Weight | Ran, Tally]],
    what: str,
    made: Made,
    title: Literal["Weights", "Activations", "Gradients"],
    of: str = "",
) -> None:
    """A finding on the first layer that holds values that are not finite, with the number of those like it."""
    bad = [(name, tally) for name, _, tally in rows if tally.bad]
    if not bad:
        return
    name, tally = bad[0]
    others = f"; so are some of {plural(len(bad) - 1, 'further layer')}" if len(bad) > 1 else ""
    made.findings.append(
        Finding(
            severity="serious",
            message=f"{name or 'the model'}: {tally.bad:,} of {tally.count:,} of {what}{of} are not finite{others}.",
            rule="any value that is NaN or infinite; the first layer in order is named",
            evidence=f"features/{title.lower()}-all-{'layers' if title == 'Activations' else 'tensors'}",
        )
    )
