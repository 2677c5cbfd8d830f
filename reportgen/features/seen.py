"""One pass over many samples: layers are watched, and little is kept of outputs and targets."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.deadline import NEVER, Deadline
from reportgen.experiment import Experiment
from reportgen.features.embedding import Penultimate
from reportgen.features.functions import FunctionWatch
from reportgen.spread import affordable, spread

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs


@dataclass(frozen=True)
class Seen:
    """What is kept of the samples with a finite output, `count` of them; `bad` were left out.

    `targets` (count,) where each sample has one number. `said` (count,): the output where it is one number
    a sample, the place of the largest where it is a row of `width`. None where it is neither.
    """

    count: int
    bad: int
    targets: torch.Tensor | None
    said: torch.Tensor | None
    width: int


def one_pass(
    experiment: Experiment,
    watches: Sequence[FunctionWatch],
    before: Penultimate | None,
    deadline: Deadline = NEVER,
) -> Seen:
    """Up to 512 samples through the model, watched, as cost and time allow. Raises InputError."""
    targets: list[torch.Tensor | None] = []
    said: list[torch.Tensor | None] = []
    count, bad, width = 0, 0, 0
    for batch in spread(experiment, affordable(experiment), deadline=deadline):
        scores, kept = _watched(experiment, batch.inputs, len(batch.indices), watches, before)
        count, bad = count + len(kept), bad + len(batch.indices) - len(kept)
        if scores is not None:
            said.append(_said(scores, len(kept)))
            targets.append(_single(experiment, batch.targets, len(batch.indices), kept))
            width = scores.shape[1] if scores.ndim == 2 else 1
    return Seen(count, bad, _joined(targets), _joined(said), width)


class _NotFiniteError(Exception):
    """Ends a look whose numbers a sample without a finite output would spoil."""


def _watched(
    experiment: Experiment,
    inputs: Inputs,
    rows: int,
    watches: Sequence[FunctionWatch],
    before: Penultimate | None,
) -> tuple[torch.Tensor | None, list[int]]:
    """The outputs of the samples that have finite ones, and which these are; what is watched is of them alone."""
    import torch

    assert experiment.model is not None
    kept = list(range(rows))
    while kept:
        taken = inputs.take(kept) if len(kept) < rows else inputs
        with contextlib.suppress(_NotFiniteError), torch.no_grad(), contextlib.ExitStack() as looks:
            for watch in watches:
                looks.enter_context(watch.look(experiment.model))
            if before is not None:
                looks.enter_context(before.gather(experiment))
            scores = experiment.scores(taken).detach()
            good = finite_rows(scores, len(kept))
            if not all(good):
                raise _NotFiniteError
            return scores, kept
        kept = [row for row, fine in zip(kept, good, strict=True) if fine]
    return None, []


def finite_rows(scores: torch.Tensor, rows: int) -> list[bool]:
    """Which rows are finite: all or none where the output does not have a row a sample."""
    finite = scores.isfinite()
    if not scores.ndim or len(scores) != rows:
        return [bool(finite.all())] * rows
    return finite.flatten(1).all(dim=1).tolist() if scores.ndim > 1 else finite.tolist()


def _said(scores: torch.Tensor, rows: int) -> torch.Tensor | None:
    if scores.ndim not in (1, 2) or len(scores) != rows or not scores.numel():
        return None
    flat = scores.float().cpu().reshape(rows, -1)
    return flat[:, 0] if flat.shape[1] == 1 else flat.argmax(dim=1)


def _single(
    experiment: Experiment, targets: torch.Tensor | None, rows: int, kept: list[int]
) -> torch.Tensor | None:
    from reportgen.targets import shares

    if targets is not None and experiment.task == "classification" and targets.numel() > rows:
        told = shares(targets, targets.numel() // rows)
        return None if told is None else told.classes.cpu()[kept]
    return targets.cpu().reshape(rows)[kept] if targets is not None and targets.numel() == rows else None


def _joined(parts: list[torch.Tensor | None]) -> torch.Tensor | None:
    import torch

    known = [part for part in parts if part is not None]
    return torch.cat(known) if known and len(known) == len(parts) else None
