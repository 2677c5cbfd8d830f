"""Where pictures count on average: attributions summed up as they stream by, over all and by class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import NotApplicable
from reportgen.attribution.explain import passes
from reportgen.attribution.overview import FEWEST, SHARE, Answers, answers, complete, shortfalls
from reportgen.deadline import NEVER, Deadline, Late
from reportgen.experiment import Experiment
from reportgen.units import plural

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs

MOST = 1000  # samples
STEPS = (50, 10)  # of Integrated Gradients, where the budget allows them; else one gradient
CLASSES = 10  # the most frequent predicted classes; more would cost memory, a map each


@dataclass
class Sums:
    """What is kept of the samples of one row of the page: their count and three running sums, float64."""

    name: str
    count: int = 0
    picture: np.ndarray | float = 0.0
    signed: np.ndarray | float = 0.0
    sizes: np.ndarray | float = 0.0

    def add(self, pictures: np.ndarray, maps: np.ndarray) -> None:
        """Pictures (n, C, H, W) and their maps (n, H, W)."""
        self.count += len(maps)
        self.picture = self.picture + pictures.sum(axis=0)
        self.signed = self.signed + maps.sum(axis=0)
        self.sizes = self.sizes + np.abs(maps).sum(axis=0)


def mean_maps(
    experiment: Experiment, size: int, step: Callable[[int, int], None], deadline: Deadline = NEVER
) -> tuple[list[Sums], str, Answers]:
    """Sums over all samples and over each predicted class, how they were made, and what was explained.

    Raises NotApplicable where there are few samples, or samples of different sizes, Late where the time ends
    before ten are seen, InputError where the data can't be read.
    """
    import torch

    if experiment.require_data().alone:
        raise NotApplicable("the pictures are of different sizes, so a place in one is none in another")
    found = experiment.predictions
    usable = np.flatnonzero(found.outputs.isfinite().all(dim=1).numpy() & ~found.marred)
    allowed = passes(experiment, SHARE)
    wanted = min(MOST, len(usable))
    steps = next((steps for steps in STEPS if allowed >= 3 * steps * wanted), 1)
    count = int(min(wanted, allowed / (3 * steps)))
    if count < FEWEST:
        raise NotApplicable(
            f"the data or the model's cost allows {plural(count, 'sample')}, fewer than {FEWEST}"
        )
    parts = -(-count // size)
    # Each batch from all of the data, so that those before a deadline are too.
    order = np.concatenate([np.arange(part, count, parts) for part in range(parts)])
    rows_ = usable[order * len(usable) // count]
    numbers, raw = found.numbers[rows_], found.outputs[torch.from_numpy(rows_)]
    told = answers(
        experiment, raw[:, 1:] if experiment.output_shape[1:] in ((), (1,)) and raw.shape[1] == 2 else raw
    )
    every = Sums("all")
    rows = {-1: every}
    if experiment.task == "classification":
        classes, counts = np.unique(told.classes.numpy(), return_counts=True)
        most = np.sort(classes[np.argsort(-counts, kind="stable")][:CLASSES])
        rows |= {int(label): Sums(experiment.class_name(int(label))) for label in most}
    errors, seen = [], 0
    for start in range(0, count, size):
        step(start, count)
        inputs = experiment.batch(numbers[start : start + size].tolist()).inputs
        try:
            maps, short = _maps(experiment, inputs, told, start, steps, size, deadline)
        except Late:
            if seen < FEWEST:
                raise
            break
        seen += len(maps)
        primary = inputs.primary
        assert primary is not None
        pictures = primary.detach().cpu().double().numpy()
        given = told.classes.numpy()[start : start + size]
        kept = np.isfinite(maps).all(axis=(1, 2))
        errors.append(short[kept])
        for label, sums in rows.items():
            mine = kept if label < 0 else kept & (given == label)
            if mine.any():
                sums.add(pictures[mine], maps[mine])
    step(count, count)
    how = f"Integrated Gradients, {steps} steps against each picture's mean colour" if steps > 1 else (
        "Gradient × (input − its mean colour), one gradient"
    )  # fmt: skip
    cut = ", as many as the time allows" if seen < count else ""
    how = f"{how}, of {seen:,} samples{cut} ({complete(np.concatenate(errors))})"
    return [sums for sums in rows.values() if sums.count], how, told


def _maps(
    experiment: Experiment,
    inputs: Inputs,
    told: Answers,
    start: int,
    steps: int,
    size: int,
    deadline: Deadline,
) -> tuple[np.ndarray, np.ndarray]:
    """Maps (n, H, W) of a batch that starts at `start` of `told`, summed over the channels; how far they fall short."""
    import torch
    from captum.attr import IntegratedGradients, Saliency

    values = inputs.primary
    assert values is not None
    if not values.is_floating_point():
        raise NotApplicable("the input holds whole numbers, which have no gradient")
    values = values.detach()
    centre = values.mean(dim=(2, 3), keepdim=True).expand_as(values).contiguous()
    places = torch.arange(inputs.size, device=values.device)

    def score(moved: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        deadline.check()
        outputs = experiment.scores(inputs.take(rows.tolist()).with_primary(moved))
        return told.of(outputs, rows + start)

    if steps > 1:
        made = IntegratedGradients(score).attribute(
            values,
            baselines=centre,
            additional_forward_args=(places,),
            n_steps=steps,
            internal_batch_size=max(size, inputs.size),
            method="gausslegendre",
        )
    else:
        leaf = values.clone().requires_grad_()
        made = Saliency(score).attribute(leaf, abs=False, additional_forward_args=(places,)) * (
            values - centre
        )
    found: np.ndarray = made.detach().sum(dim=1).cpu().double().numpy()
    with torch.no_grad():
        ends = torch.stack([score(point, places) for point in (values, centre)]).cpu().double().numpy()
    return found, shortfalls(found.sum(axis=(1, 2)), ends)
