"""Any other tensor: places in up to 64 blocks, hidden by the sample's mean or by zeros."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Baseline, Parts, Sight
from reportgen.experiment import Experiment
from reportgen.units import plural

MOST = 64  # blocks


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Samples as they come; the baseline is the sample's mean, the other one zeros."""
    import torch

    made = []
    for subject in subjects:
        values = subject.values
        mean = values.double().mean().round() if not values.is_floating_point() else values.mean()
        numbers = blocks(tuple(values.shape[1:]))
        made.append(
            Sight(
                subject=subject,
                score=Score(experiment, subject.inputs, subject.target),
                values=values,
                folded=None,
                baseline=Baseline(torch.full_like(values, mean.item()), "the sample's mean"),
                other=Baseline(torch.zeros_like(values), "zeros"),
                parts=Parts(numbers, plural(int(numbers.max()) + 1, "block")),
            )
        )
    return made


def blocks(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of blocks of `shape`, 64 at the most: each axis in equal stretches, the longest axes in more."""
    pieces = [1] * len(shape)
    while True:
        order = sorted(range(len(shape)), key=lambda axis: -shape[axis] / pieces[axis])
        grown = next((axis for axis in order if pieces[axis] < shape[axis]), None)
        if grown is None or np.prod(pieces) // pieces[grown] * (pieces[grown] + 1) > MOST:
            break
        pieces[grown] += 1
    numbers = np.zeros(shape, np.int64)
    for axis, (length, count) in enumerate(zip(shape, pieces, strict=True)):
        place = np.arange(length) * count // length
        numbers = numbers * count + place.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return numbers
