"""What only many samples tell of a network: units that stay zero, and where the samples lie."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen.errors import InputError, one_line
from reportgen.experiment import Experiment
from reportgen.features.activations import ReluWatch, Silence
from reportgen.features.embedding import Penultimate, commonest, pca, quartiles
from reportgen.report import Block, Column, Failure, Finding, Row, Scatter, Table
from reportgen.units import plural, show

if TYPE_CHECKING:
    import torch

    from reportgen.data import Batch

LIMIT = 512  # samples looked at
ENOUGH = 64  # samples below which a silent unit says little
SILENT = "Units that stay zero"
NAMED = 3  # layers that get a finding each


@dataclass
class Made:
    """The section as it grows: its blocks, findings, and what could not be shown."""

    blocks: list[Block] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def failure(title: str, problem: Exception) -> Failure:
    """What could not be looked at, and why."""
    kind = type(problem).__name__
    hint = problem.hint if isinstance(problem, InputError) else ""
    return Failure(title=title, error=kind, message=one_line(problem).removeprefix(f"{kind}: "), hint=hint)


def survey(experiment: Experiment, made: Made) -> None:
    """One pass over up to 512 samples, for what only many samples tell."""
    if experiment.samples is None:
        made.notes.append("Silent units and an embedding need data; only an example input was given.")
        return
    watch, before = ReluWatch(), Penultimate.of(experiment, experiment.require_forward())
    targets, outputs, count = _pass(experiment, watch, before)
    bad = int((~outputs.isfinite().all(dim=1)).sum())
    if bad:
        message = f"the model's outputs are not finite on {bad:,} of {plural(count, 'sample')} looked at"
        raise InputError(message, "look for NaN in the weights and in the data")
    of = _looked_at(experiment, count)
    _silent(list(watch.found.values()), count, of, made)
    if before is None:
        made.notes.append(
            "There is no embedding: neither nn.Linear nor a convolution runs in the forward pass."
        )
    else:
        _embedding(experiment, before, targets, outputs, count, of, made)


def _pass(
    experiment: Experiment, watch: ReluWatch, before: Penultimate | None
) -> tuple[torch.Tensor | None, torch.Tensor, int]:
    """Targets (n, k) or None, outputs (n, values), and n."""
    import torch

    targets, outputs, count = [], [], 0
    assert experiment.model is not None
    for batch in _spread(experiment):
        inputs = batch.inputs.map(lambda t: t.to(experiment.device))
        gathering = before.gather(experiment) if before is not None else contextlib.nullcontext()
        with torch.no_grad(), watch.look(experiment.model), gathering:
            scores = experiment.scores(inputs)
        outputs.append(scores.detach().float().cpu().reshape(len(scores), -1))
        if batch.targets is not None:
            targets.append(batch.targets.reshape(len(batch.targets), -1))
        count += len(batch.indices)
    return torch.cat(targets) if targets else None, torch.cat(outputs), count


def _spread(experiment: Experiment) -> Iterator[Batch]:
    """Up to 512 samples: evenly from the data, or the first of a stream."""
    samples, size = experiment.require_data(), experiment.batch_size
    if samples.total is None:
        yield from samples.batches(LIMIT, size)
        return
    count = min(samples.total, LIMIT)
    places = [i * samples.total // count for i in range(count)]
    for start in range(0, count, size):
        yield samples.fetch(places[start : start + size])


def _looked_at(experiment: Experiment, count: int) -> str:
    total = experiment.require_data().total
    if total is None:
        return f"The first {plural(count, 'sample')} of a stream"
    if total == count:
        return f"All {plural(count, 'sample')}"
    return f"{count:,} of {plural(total, 'sample')}, evenly from the data"


def _silent(found: list[Silence], count: int, of: str, made: Made) -> None:
    if not found:
        made.notes.append("Silent units were not looked for: no ReLU was seen in the forward pass.")
        return
    columns = (
        Column(name="ReLU after"),
        Column(name="Units", unit="count", note="channels of a convolution, neurons of a linear layer"),
        Column(name="Always zero", unit="count"),
        Column(name="Zeros", unit="share", note="share of all values"),
        Column(name="Which", note="the first eight"),
    )
    rows = tuple(
        Row(
            cells=(
                silence.after,
                len(silence.passed),
                len(silence.dead),
                float(f"{silence.zeros:.4g}"),
                ", ".join(map(str, silence.dead[:8])) + ("…" if len(silence.dead) > 8 else ""),
            )
        )
        for silence in found
    )
    made.blocks.append(
        Table(
            title=SILENT, caption=f"{of}; a unit counts where it is zero on each.", columns=columns, rows=rows
        )
    )
    dead = [silence for silence in found if silence.dead]
    total = sum(len(silence.passed) for silence in found)
    made.said.append(f"{sum(len(s.dead) for s in dead):,} of {total:,} ReLU units stay zero on all samples")
    if count >= ENOUGH:
        made.findings += _silent_findings(dead, count)


def _silent_findings(dead: list[Silence], count: int) -> list[Finding]:
    """The layers with the most silent units by name, the others in one sentence."""
    order = sorted(dead, key=lambda silence: -len(silence.dead))
    messages = [
        f"{len(s.dead)} of {len(s.passed)} {s.noun} after {s.after} are zero on all {plural(count, 'sample')}."
        for s in order[:NAMED]
    ]
    rest = order[NAMED:]
    if rest:
        silent, units = sum(len(s.dead) for s in rest), sum(len(s.passed) for s in rest)
        layers = plural(len(rest), "further layer")
        messages.append(
            f"{silent:,} of {units:,} units of {layers} are zero on all {plural(count, 'sample')}."
        )
    rule = f"output of a ReLU zero on every sample and at every place, {ENOUGH} samples at least"
    evidence = "features/units-that-stay-zero"
    return [Finding(severity="warning", message=text, rule=rule, evidence=evidence) for text in messages]


def _embedding(
    experiment: Experiment,
    before: Penultimate,
    targets: torch.Tensor | None,
    outputs: torch.Tensor,
    count: int,
    of: str,
    made: Made,
) -> None:
    layer = f"{before.kind} {before.name}".strip()
    values = before.features if before.parts else np.zeros((0, 0))
    if values.shape[0] != count or values.shape[0] < 3 or values.shape[1:] < (2,):
        made.notes.append(
            f"There is no embedding: what goes into {layer} is {values.shape} for {plural(count, 'sample')}, "
            "expected one vector of 2 numbers or more for each of 3 or more."
        )
        return
    plane = pca(values)
    member, groups, by = _groups(experiment, targets, outputs)
    shares = [show(float(f"{share:.3g}"), "share") for share in plane.shares]
    both = show(float(f"{sum(plane.shares):.3g}"), "share")
    x, y = (tuple(float(f"{value:.6g}") for value in column) for column in plane.points.T)
    made.blocks.append(
        Scatter(
            title="Embedding",
            caption=f"Input of {layer} ({values.shape[1]:,} numbers a sample) on its first two principal axes, "
            f"which hold {both} of the variance. {of}; coloured by {by}. PCA has no random part.",
            x=x,
            y=y,
            member=tuple(member),
            groups=tuple(groups),
            x_label=f"first principal axis ({shares[0]} of the variance)",
            y_label=f"second principal axis ({shares[1]} of the variance)",
        )
    )
    made.said.append(f"two principal axes hold {both} of the variance of what goes into {layer}")


def _groups(
    experiment: Experiment, targets: torch.Tensor | None, outputs: torch.Tensor
) -> tuple[list[int], list[str], str]:
    """Each sample's group, the groups' names, and what they are."""
    one = targets is not None and targets.shape[1] == 1
    if experiment.task == "classification":
        from reportgen.predictions import probabilities_of

        labels = (
            targets[:, 0].long() if targets is not None and one else probabilities_of(outputs).argmax(dim=1)
        )
        member, names = commonest(labels.tolist(), experiment.class_name)
        return member, names, "true class" if one else "predicted class"
    known = targets if targets is not None and one else outputs
    if experiment.task == "regression" and known.shape[1] == 1 and bool(known.isfinite().all()):
        member, names = quartiles(known[:, 0].double().numpy())
        return member, names, f"quarter of the {'true' if one else 'predicted'} values"
    return [0] * len(outputs), ["all samples"], "nothing"
