"""Runs the methods that suit the input on the same samples, within what the model's cost allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Outcome, attempt
from reportgen.attribution.choose import Subject
from reportgen.attribution.gradients import STEPS, grad_cam, integrated_gradients, saliency
from reportgen.attribution.lime_image import RUNS, WANTED, lime_image, segment
from reportgen.attribution.lime_table import lime_table
from reportgen.experiment import Experiment, Options
from reportgen.hooks import convolutions, hidden
from reportgen.units import plural

if TYPE_CHECKING:
    import torch

# What two cores do in about a hundred seconds. A count, not a clock: the same model gets the same work anywhere.
BUDGET = {"cpu": 6e12, "cuda": 3e14, "mps": 6e13}
MOST, LEAST = 10, 2  # perturbations a segment and run
TABLE_PERTURBATIONS = 1000
BACKGROUND = 1000  # samples that set a table's means and deviations
IMAGE_METHODS = ("LIME", "Saliency", "Integrated Gradients", "Grad-CAM")
TABLE_METHODS = ("LIME", "Integrated Gradients")

Rows = list[tuple[Outcome, ...]]


@dataclass(frozen=True)
class Plan:
    """How many samples are explained, with how many perturbations a segment and run of LIME."""

    samples: int
    perturbations: int


def plan(experiment: Experiment, wanted: int) -> Plan:
    """The most that the budget of operations allows for images, but one sample at least."""
    each = experiment.operations
    budget = BUDGET.get(experiment.device.split(":")[0], BUDGET["cpu"])
    if each == 0:
        return Plan(wanted, MOST)
    passes = budget / each / wanted
    # A backward pass costs about two forward ones.
    spare = int((passes - 3 * STEPS) / (RUNS * WANTED))
    if spare >= LEAST:
        return Plan(wanted, min(MOST, spare))
    least = each * (3 * STEPS + LEAST * RUNS * WANTED)
    return Plan(max(1, min(wanted, int(budget / least))), LEAST)


def explain_images(
    experiment: Experiment,
    options: Options,
    subjects: Sequence[Subject],
    pixels: Sequence[np.ndarray],
    share: int,
) -> Rows:
    """One row a subject, the outcomes of IMAGE_METHODS in it.

    `pixels` are the subjects as they are looked at, for the segments; `share`: perturbations a segment.
    """
    size = experiment.batch_size
    said = "the picture's mean colour"

    def lime(at: int, subject: Subject) -> Attribution:
        segments, how = segment(pixels[at])
        return lime_image(
            subject.score,
            subject.values,
            _mean_colour(subject),
            segments,
            said=said,
            how=how,
            perturbations=max(64, share * (int(segments.max()) + 1)),
            seeds=_seeds(options, subject),
            size=size,
        )

    def integrated(at: int, subject: Subject) -> Attribution:
        return integrated_gradients(
            subject.score, subject.values, _mean_colour(subject), said=said, size=size
        )

    def cam(at: int, subject: Subject) -> Attribution:
        found = convolutions(experiment, subject.inputs)
        if not found:
            raise NotApplicable(hidden(experiment) or "no convolutional layer")
        name, layer = found[-1]
        return grad_cam(subject.score, subject.values, layer, name)

    return _run(
        options,
        subjects,
        {"LIME": lime, "Saliency": _saliency, IMAGE_METHODS[2]: integrated, "Grad-CAM": cam},
    )


def _saliency(at: int, subject: Subject) -> Attribution:
    return saliency(subject.score, subject.values)


def _mean_colour(subject: Subject) -> torch.Tensor:
    values = subject.values
    if values.is_floating_point():
        mean = values.mean(dim=(2, 3), keepdim=True)
    else:
        mean = values.float().mean(dim=(2, 3), keepdim=True).round().to(values.dtype)
    return mean.expand_as(values).contiguous()


def explain_table(experiment: Experiment, options: Options, subjects: Sequence[Subject]) -> Rows:
    """One row a subject, the outcomes of TABLE_METHODS in it."""
    import torch

    size = max(experiment.batch_size, 256)
    background = None if experiment.samples is None else _background(experiment)

    def lime(at: int, subject: Subject) -> Attribution:
        if background is None:
            raise NotApplicable("no data, whose means and deviations it needs")
        _check(background)
        return lime_table(
            subject.score,
            subject.values,
            background,
            perturbations=TABLE_PERTURBATIONS,
            seeds=_seeds(options, subject),
            size=size,
        )

    def integrated(at: int, subject: Subject) -> Attribution:
        values = subject.values
        if background is None:
            start, said = torch.zeros_like(values), "zeros"
        else:
            _check(background)
            mean = torch.as_tensor(background.mean(axis=0), dtype=values.dtype, device=values.device)
            start, said = mean[None], f"the mean of {plural(len(background), 'sample')}"
        return integrated_gradients(subject.score, values, start, said=said, size=size)

    return _run(options, subjects, {"LIME": lime, "Integrated Gradients": integrated})


def _background(experiment: Experiment) -> np.ndarray:
    """Up to 1,000 rows, evenly from the data where it has a length; rows with NaN are left out."""
    samples = experiment.require_data()
    total = samples.total
    if total is None:
        parts = [batch.inputs for batch in samples.batches(BACKGROUND, 256)]
    else:
        count = min(total, BACKGROUND)
        parts = [samples.fetch([i * total // count for i in range(count)]).inputs]
    rows = np.concatenate([part.primary.cpu().double().numpy() for part in parts if part.primary is not None])
    return rows[np.isfinite(rows).all(axis=1)]


def _check(background: np.ndarray) -> None:
    if not len(background):
        raise NotApplicable("every sample looked at holds values that are not finite, so there is no mean")


def _seeds(options: Options, subject: Subject) -> list[list[int]]:
    return [[options.seed, subject.number, run] for run in range(RUNS)]


def _run(
    options: Options, subjects: Sequence[Subject], methods: dict[str, Callable[[int, Subject], Attribution]]
) -> Rows:
    columns: list[list[Outcome]] = []
    for name, method in methods.items():
        column: list[Outcome] = []
        for at, subject in enumerate(subjects):
            options.step(name, at, len(subjects))
            column.append(attempt(name, partial(method, at, subject)))
        options.step(name, len(subjects), len(subjects))
        columns.append(column)
    return list(zip(*columns, strict=True))
