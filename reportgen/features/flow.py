"""What flows through the layers: activations on real samples, and the gradient of the loss in the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.deadline import NEVER, Deadline
from reportgen.errors import InputError
from reportgen.features.choice import Ran, tensor_of
from reportgen.features.seen import finite_rows
from reportgen.features.tally import Tally
from reportgen.hooks import watching
from reportgen.spread import affordable, spread

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment
    from reportgen.features.weights import Weight
    from reportgen.targets import Shares

MOST = 512  # samples whose activations are looked at
MOST_GRADIENT = 128
BACKWARD = 3.0  # what a forward and a backward pass cost, in forward passes
BUDGET = 300_000_000  # numbers put out by the layers, over all samples
TOGETHER = 16_000_000  # numbers put out by the layers, which the backward pass keeps
LARGEST = 500_000_000  # weights beyond which their gradients take too much memory


def kept_within(layers: Sequence[Ran], most: int, budget: int) -> int:
    """How many samples, 16 to `most`, keep what these layers put out within `budget` numbers."""
    each = sum(layer.numbers for layer in layers)
    return max(min(16, most), min(most, budget // max(1, each)))


def activations(
    experiment: Experiment, layers: Sequence[Ran], seed: int, deadline: Deadline = NEVER
) -> tuple[dict[str, Tally], int, int]:
    """The statistics of each layer's output, before what follows it; the number of samples, and of those left out.

    Left out are samples whose input is not finite: what a layer makes of them says nothing of it. Raises InputError.
    """
    import torch
    from torch import nn

    most = kept_within(layers, affordable(experiment, MOST), BUDGET)
    total = experiment.require_data().total
    expected = most if total is None else min(most, total)
    tallies = {layer.name: Tally(layer.name, seed, rows=expected) for layer in layers}
    count, bad, rows = 0, 0, 0

    def add(name: str, module: Any, given: Any, output: Any) -> None:
        value = tensor_of(output)
        if name in tallies and value is not None:
            tallies[name].add(value, rows)

    assert experiment.model is not None
    for batch in spread(experiment, most, deadline=deadline):
        good = _finite_inputs(batch.inputs, len(batch.indices))
        rows, bad = len(good), bad + len(batch.indices) - len(good)
        if not good:
            continue
        inputs = batch.inputs if rows == len(batch.indices) else batch.inputs.take(good)
        with torch.no_grad(), watching(experiment.model, (nn.Module,), add):
            experiment.call(inputs)
        count += rows
    return tallies, count, bad


def _finite_inputs(inputs: Inputs, rows: int) -> list[int]:
    """The samples of a batch all of whose input numbers are finite."""
    good = [True] * rows
    for tensor in inputs.tensors:
        if tensor.ndim and len(tensor) == rows and tensor.is_floating_point():
            good = [one and other for one, other in zip(good, finite_rows(tensor, rows), strict=True)]
    return [row for row in range(rows) if good[row]]


@dataclass(frozen=True)
class Gradients:
    """The gradient of the mean loss over `count` samples in each tensor of weights, None where it has no part.

    `looked` samples were looked at; those without a label or a finite output are not counted.
    """

    loss: str
    value: float
    count: int
    looked: int
    found: tuple[torch.Tensor | None, ...]


def gradients(
    experiment: Experiment, weights: Sequence[Weight], layers: Sequence[Ran], deadline: Deadline = NEVER
) -> Gradients:
    """By backward passes in eval mode over up to 128 samples, as cost and time allow.

    Those without a label or a finite output are left out. `weights` are parameters of floating point.
    Raises InputError where the outputs and targets give no loss, or the model no gradient.
    """
    import torch

    size = sum(weight.tensor.numel() for weight in weights)
    if size > LARGEST:
        raise InputError(
            f"the model has {size:,} weights, and their gradients would take as much memory again"
        )
    tensors = [weight.tensor for weight in weights]
    if any(tensor.is_inference() for tensor in tensors):
        raise InputError("the weights were made in inference mode, where no gradient can be taken")
    sums: list[torch.Tensor | None] = [None] * len(tensors)
    loss, value, count, looked = "", 0.0, 0, 0
    afforded = affordable(experiment, MOST_GRADIENT, BACKWARD)
    most, each = kept_within(layers, afforded, BUDGET // 2), sum(layer.numbers for layer in layers)
    step = experiment.batch_size
    step = step if experiment.program is not None else max(1, min(step, TOGETHER // max(1, each)))
    with _wanting(tensors), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        for batch in spread(experiment, most, step, deadline):
            loss, total, rows = _loss(experiment, batch.inputs, batch.targets, len(batch.indices))
            looked += len(batch.indices)
            if total is None:
                continue
            if not total.requires_grad:
                raise InputError("the model's output carries no gradient: its forward pass detaches it")
            _add(sums, torch.autograd.grad(total, tensors, allow_unused=True))
            value, count = value + float(total.detach()), count + rows
    if not count:
        raise InputError("no sample had both a label and a finite output")
    found = tuple(None if one is None else one / count for one in sums)
    return Gradients(loss, value / count, count, looked, found)


def _add(sums: list[torch.Tensor | None], parts: Sequence[torch.Tensor | None]) -> None:
    for at, part in enumerate(parts):
        if part is not None:
            before = sums[at]
            sums[at] = part.detach().float() if before is None else before.add_(part)


@contextlib.contextmanager
def _wanting(tensors: Sequence[torch.Tensor]) -> Iterator[None]:
    """Have these tensors ask for a gradient, frozen ones too; afterwards as they were."""
    before = [(tensor, tensor.requires_grad) for tensor in tensors]
    try:
        for tensor, _ in before:
            tensor.requires_grad_(True)
        yield
    finally:
        for tensor, wanted in before:
            tensor.requires_grad_(wanted)


def _loss(
    experiment: Experiment, inputs: Inputs, targets: torch.Tensor | None, rows: int
) -> tuple[str, torch.Tensor | None, int]:
    """The loss's name, its sum over the samples that have one (None where none has), and how many have."""
    if targets is None:
        raise experiment.target_problem or InputError("the data has no targets")
    targets = targets.to(experiment.device)
    scores = experiment.scores(inputs)
    if not scores.ndim or len(scores) != rows:
        raise InputError(f"the output is {tuple(scores.shape)} for {rows} samples, expected a row each")
    good = finite_rows(scores.detach(), rows)
    labelled = _labelled(experiment, targets, scores)
    kept = [row for row in range(rows) if good[row] and labelled[row]]
    if not kept:
        return "", None, 0
    if len(kept) < rows:
        # Not by leaving out their losses: a gradient that flows back as zero through NaN is NaN.
        scores = experiment.scores(inputs.take(kept)).reshape(len(kept), *scores.shape[1:])
    name, total = _summed(
        experiment, scores.flatten(1) if scores.ndim > 1 else scores[:, None], targets[kept]
    )
    return name, total, len(kept)


def _labelled(experiment: Experiment, targets: torch.Tensor, scores: torch.Tensor) -> list[bool]:
    rows = len(scores)
    if experiment.task == "regression":
        if targets.numel() != scores.numel():
            said = (
                f"the targets are {tuple(targets.shape)}, the outputs {tuple(scores.shape)}, expected as many"
            )
            raise InputError(said)
        return targets.reshape(rows, -1).isfinite().all(dim=1).tolist()
    if experiment.task != "classification":
        raise InputError("whether the targets are classes or values is not known", "say so with task")
    if (told := _shares(targets, scores)) is not None:
        return (told.classes >= 0).tolist()
    if scores.ndim > 2 or targets.numel() != rows:
        said = f"the targets are {tuple(targets.shape)}, the outputs {tuple(scores.shape)}, expected a class a row"
        raise InputError(said)
    flat, classes = targets.reshape(rows), max(2, scores[0].numel())
    return ((flat >= 0) & (flat < classes) & (flat == flat.round())).tolist()


def _shares(targets: torch.Tensor, scores: torch.Tensor) -> Shares | None:
    from reportgen.targets import shares

    return shares(targets, max(2, scores[0].numel())) if scores.ndim <= 2 else None


def _summed(experiment: Experiment, scores: torch.Tensor, targets: torch.Tensor) -> tuple[str, torch.Tensor]:
    """The loss of scores (n, k), summed over the samples; of several values a sample, their mean is squared error."""
    from torch.nn import functional

    scores = scores.float()
    if experiment.task == "regression":
        wanted = targets.reshape(scores.shape).float()
        return "mean squared error", functional.mse_loss(scores, wanted, reduction="sum") / scores.shape[1]
    inside = experiment.outputs_are_probabilities
    told = _shares(targets, scores)
    if told is not None and told.soft and scores.shape[1] > 1:
        logs = scores.clamp(min=1e-12).log() if inside else functional.log_softmax(scores, dim=1)
        return "cross-entropy with shares of classes", -(told.rows * logs).sum()
    if told is not None and told.soft:
        return "cross-entropy with shares of classes", _of_one(scores, told.rows[:, 1], inside)
    labels = (told.classes if told is not None else targets.reshape(len(scores))).long()
    if scores.shape[1] == 1:
        return "cross-entropy", _of_one(scores, labels.float(), inside)
    if inside:
        return "cross-entropy", functional.nll_loss(scores.clamp(min=1e-12).log(), labels, reduction="sum")
    return "cross-entropy", functional.cross_entropy(scores, labels, reduction="sum")


def _of_one(scores: torch.Tensor, second: torch.Tensor, inside: bool) -> torch.Tensor:
    """The cross-entropy of one score a sample (n, 1) with the share (n,) of the second class, summed."""
    from torch.nn import functional

    loss = functional.binary_cross_entropy if inside else functional.binary_cross_entropy_with_logits
    return loss(scores[:, 0], second, reduction="sum")
