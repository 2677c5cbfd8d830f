"""The model's outputs on the data, computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from reportgen.deadline import current
from reportgen.errors import InputError
from reportgen.experiment import Experiment, Predictions
from reportgen.gaps import Gaps
from reportgen.spread import spread
from reportgen.targets import UnreadError, shares

LIMIT = 10_000  # samples; more would change an accuracy by less than its 95 % interval is wide
FEWEST = 100  # samples, whatever the model costs
# What two cores do in two or three minutes. A count, not a clock: the same model gets the same work anywhere.
BUDGET = {"cpu": 1e13, "cuda": 1e15, "mps": 1e14}


def affordable(experiment: Experiment) -> int:
    """How many samples, 10,000 at most, the model's cost allows. Raises InputError."""
    total = experiment.require_data().total
    if total is not None and total <= FEWEST:
        return FEWEST
    return int(min(LIMIT, max(FEWEST, experiment.passes(BUDGET))))


def predict(experiment: Experiment, asked: Sequence[int] = ()) -> Predictions:
    """Outputs, probabilities and targets of the samples `asked` for by number, else of up to 10,000, evenly.

    Fewer, but still evenly, where the current deadline comes first. Raises InputError.
    """
    samples = experiment.require_data()
    experiment.require_forward()
    if len(experiment.output_shape) not in (1, 2):
        shape = experiment.output_shape
        raise InputError(f"the output is {shape}, expected one row of scores or values a sample")
    outputs, targets = [], []
    seen: list[int] = []
    unread: InputError | None = None
    gaps = Gaps()
    most = affordable(experiment)
    batches = (
        (samples.fetch([number]) for number in asked)
        if asked
        else spread(experiment, most, experiment.batch_size, current())
    )
    with torch.no_grad():
        for batch in batches:
            scores = experiment.scores(batch.inputs.map(lambda t: t.to(experiment.device)))
            if len(scores) != len(batch.indices):
                raise InputError(f"the model returned {len(scores)} rows for {len(batch.indices)} samples")
            seen += batch.indices
            outputs.append(scores.detach().float().cpu().reshape(len(scores), -1))
            unread = unread or batch.unread
            gaps.add(experiment, batch.inputs, len(batch.indices))
            if batch.targets is not None:
                targets.append(batch.targets.cpu().reshape(len(scores), -1))
    if not outputs:
        raise InputError("data: the data set is empty (0 samples)", "give at least one sample")
    target, unread = _of_all(targets, len(seen), unread)
    numbers, total, n = np.array(seen, np.int64), samples.total, len(seen)
    order = np.arange(n) if asked else np.argsort(numbers, kind="stable")
    numbers, stacked = numbers[order], _stacked("outputs", outputs)[order]
    target = None if target is None else target[order]
    gaps.marred = [gaps.marred[at] for at in order]
    told = partial(Predictions, gaps=gaps, late=not asked and total is not None and n < min(total, most))
    if experiment.task != "classification":
        if unread is not None:
            return told(stacked, None, None, numbers, total, unread)
        if target is not None and target.shape != stacked.shape:
            said = f"the outputs are {tuple(stacked.shape)}, the targets {tuple(target.shape)}, expected equal shapes"
            return told(stacked, None, None, numbers, total, InputError(said))
        return told(stacked, None, None if target is None else target.float(), numbers, total)
    # By all samples, where those asked for are few: one score alone may look like a probability by chance.
    probabilities = probabilities_of(stacked, experiment.outputs_are_probabilities if asked else None)
    scores = stacked if stacked.shape[1] > 1 else _two_scores(stacked, probabilities)
    found = None if target is None else shares(target, probabilities.shape[1])
    if found is not None:
        soft = found.rows if found.soft else None
        return told(scores, probabilities, found.classes, numbers, total, soft=soft)
    try:
        classes = None if target is None else _classes(target, probabilities.shape[1])
    except InputError as problem:
        unread, classes = problem, None
    assert classes is None or len(classes) == n
    return told(scores, probabilities, classes, numbers, total, unread)


def _of_all(
    targets: Sequence[torch.Tensor], n: int, unread: InputError | None
) -> tuple[torch.Tensor | None, InputError | None]:
    """The targets of all samples in one, or why they can't be read; None and None where there are none."""
    if unread is not None or not targets:
        return None, unread
    held = sum(map(len, targets))
    if held != n:
        hint = "give -1 as the class number of a sample that has no label, or leave it out of the data"
        return None, UnreadError(f"{held:,} of {n:,} samples have a target, and the others none", hint)
    return _stacked("targets", targets), None


def _stacked(what: str, parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The rows of all batches. Raises InputError where they are of different lengths."""
    lengths = sorted({part.shape[1] for part in parts})
    if len(lengths) > 1:
        said = f"the {what} of the samples hold {lengths[0]} to {lengths[-1]} numbers"
        raise InputError(f"{said}, expected equally many")
    return torch.cat(list(parts))


PROBED = 4  # samples by which it is told what a map is


def judged_probabilities(experiment: Experiment) -> bool:
    """Whether a classifier's outputs are probabilities: its predictions on the data, else on the example inputs, say.

    Of maps of scores, and of outputs that are no classes (several labels, say), a few samples say whether all are from
    0 to 1. Some outputs look like probabilities by chance, so nothing decides it anew for those. Raises InputError.
    """
    if len(experiment.output_shape) not in (1, 2) or experiment.task != "classification":
        return bool(((_probed(experiment) >= 0) & (_probed(experiment) <= 1)).all())
    if experiment.samples is not None or experiment.data_problem is not None:
        return experiment.predictions.already
    with torch.no_grad():
        raw = experiment.scores(experiment.require_forward()).detach().float().cpu()
    return are_probabilities(raw.reshape(len(raw), -1))


def _probed(experiment: Experiment) -> torch.Tensor:
    """The outputs of a few samples, evenly from the data, or of the example inputs."""
    inputs, samples = experiment.require_forward(), experiment.samples
    if samples is not None and samples.total is not None:
        inputs = experiment.batch(sorted({at * samples.total // PROBED for at in range(PROBED)})).inputs
    with torch.no_grad():
        return torch.cat([experiment.scores(inputs.take([row])) for row in range(inputs.size)])


def probabilities_of(outputs: torch.Tensor, already: bool | None = None) -> torch.Tensor:
    """Class probabilities (n, classes) of raw outputs (n, classes) or, for two classes, (n, 1).

    Outputs that are no probabilities go through softmax or, alone, through the logistic function. `already` says
    whether they are, where it is known from more than these (`Experiment.outputs_are_probabilities`).
    """
    told = are_probabilities(outputs) if already is None else already
    if outputs.shape[1] == 1:
        positive = outputs if told else outputs.sigmoid()
        return torch.cat([1 - positive, positive], dim=1)
    return outputs if told else outputs.softmax(dim=1)


def _two_scores(output: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """Scores (n, 2) of one output (n, 1), by which the same class wins as by the probabilities (n, 2)."""
    if torch.equal(probabilities[:, 1:], output):  # a probability already: above a half, not above zero
        return probabilities
    return torch.cat([-output, output], dim=1)


def are_probabilities(outputs: torch.Tensor) -> bool:
    """Whether every row (n, classes) that is finite is non-negative and sums to 1; of one output, is from 0 to 1."""
    rows = outputs[outputs.isfinite().all(dim=1)]
    if rows.shape[1] == 1:
        return bool(((rows >= 0) & (rows <= 1)).all())
    sums = rows.sum(dim=1)
    return bool((rows >= 0).all()) and bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-3))


def _classes(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Class numbers (n,), -1 where the number is negative or NaN: no label, as -1 and -100 mean elsewhere."""
    if targets.shape[1] != 1:
        raise InputError(f"the targets are {tuple(targets.shape)}, expected one class number a sample")
    if targets.is_floating_point() and not bool(((targets == targets.round()) | targets.isnan()).all()):
        raise InputError(
            "the targets hold fractions, expected class numbers",
            "say task='regression' if they are values, or give a column a class if they are shares",
        )
    numbers = targets[:, 0].nan_to_num(-1).long()
    if bool((numbers >= classes).any()):
        low, high = int(numbers.min()), int(numbers.max())
        raise InputError(f"the targets run from {low} to {high}, expected class numbers 0 to {classes - 1}")
    return numbers.clamp(min=-1)
