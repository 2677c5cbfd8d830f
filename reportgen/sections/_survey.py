"""What only many samples tell of a network: units that stay zero, and where the samples lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen.errors import InputError, one_line
from reportgen.experiment import Experiment, Options
from reportgen.features.activations import ReluWatch, Silence
from reportgen.features.embedding import Penultimate, commonest, pca, quartiles
from reportgen.features.seen import Seen, one_pass
from reportgen.hooks import hidden
from reportgen.report import Block, Column, Failure, Finding, Row, Scatter, Table
from reportgen.units import plural, show

if TYPE_CHECKING:
    import torch


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


def survey(experiment: Experiment, options: Options, made: Made) -> None:
    """One pass over some hundred samples, for what only many samples tell."""
    if experiment.samples is None:
        made.notes.append("Silent units and an embedding need data; only an example input was given.")
        return
    watch, before = ReluWatch(), Penultimate.of(experiment, experiment.require_forward())
    seen = one_pass(experiment, watch, before)
    if not seen.count:
        message = (
            f"the model's outputs are not finite on {seen.bad:,} of {plural(seen.bad, 'sample')} looked at"
        )
        raise InputError(message, "look for NaN in the weights and in the data")
    of = _looked_at(experiment, seen)
    _silent(experiment, list(watch.found.values()), seen.count, of, made)
    if before is None:
        why = hidden(experiment) or "neither nn.Linear nor a convolution runs in the forward pass"
        made.notes.append(f"There is no embedding: {why}.")
    else:
        _embedding(experiment, before, seen, of, made)


def _looked_at(experiment: Experiment, seen: Seen) -> str:
    total, count = experiment.require_data().total, seen.count + seen.bad
    if total is None:
        of = f"The first {plural(count, 'sample')} of a stream"
    elif total == count:
        of = f"All {plural(count, 'sample')}" if count > 1 else "1 sample"
    else:
        of = f"{count:,} of {plural(total, 'sample')}, evenly from the data"
    return f"{of}, less {seen.bad:,} whose output is not finite" if seen.bad else of


def _silent(experiment: Experiment, found: list[Silence], count: int, of: str, made: Made) -> None:
    if not found:
        why = hidden(experiment) or "no ReLU was seen in the forward pass"
        made.notes.append(f"Silent units were not looked for: {why}.")
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


def _embedding(experiment: Experiment, before: Penultimate, seen: Seen, of: str, made: Made) -> None:
    layer = f"{before.kind} {before.name}".strip()
    values = before.features if before.parts else np.zeros((0, 0))
    if values.shape[0] != seen.count or values.shape[0] < 3 or values.shape[1:] < (2,):
        made.notes.append(
            f"There is no embedding: what goes into {layer} is {values.shape} for {plural(seen.count, 'sample')}, "
            "expected one vector of 2 numbers or more for each of 3 or more."
        )
        return
    plane = pca(values)
    member, groups, by = _groups(experiment, seen)
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


def _groups(experiment: Experiment, seen: Seen) -> tuple[list[int], list[str], str]:
    """Each sample's group, the groups' names, and what they are."""
    if experiment.task == "classification" and seen.said is not None:
        labels = _labels(seen)
        known = labels if labels is not None else _predicted(seen.said, seen.width)
        member, names = commonest(known.tolist(), experiment.class_name)
        return member, names, "predicted class" if labels is None else "true class"
    values = seen.targets if seen.targets is not None else seen.said if seen.width == 1 else None
    if experiment.task == "regression" and values is not None and bool(values.isfinite().all()):
        member, names = quartiles(values.double().numpy())
        return member, names, f"quarter of the {'predicted' if seen.targets is None else 'true'} values"
    return [0] * seen.count, ["all samples"], "nothing"


def _labels(seen: Seen) -> torch.Tensor | None:
    """Class numbers, -1 where there is none of that number; None where the targets are no class numbers."""
    targets = seen.targets
    if targets is None or (targets.is_floating_point() and not bool((targets == targets.round()).all())):
        return None
    numbers = targets.long()
    known = (numbers >= 0) & (numbers < max(2, seen.width))
    return numbers.where(known, -1) if bool(known.any()) else None


def _predicted(said: torch.Tensor, width: int) -> torch.Tensor:
    from reportgen.predictions import probabilities_of

    return probabilities_of(said[:, None]).argmax(dim=1) if width == 1 else said
