"""Rows of a table (n, features): each feature a part, hidden by its mean in the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Baseline, Parts, Sight
from reportgen.experiment import Experiment
from reportgen.units import plural

BACKGROUND = 1000  # samples that set a table's means and deviations


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Rows; the baseline is the mean of the data, the other one its median, or zeros without data."""
    import torch

    rows = background(experiment)
    made = []
    for subject in subjects:
        values = subject.values
        if len(rows):
            centres = [
                torch.as_tensor(row, dtype=values.dtype, device=values.device)[None]
                for row in (rows.mean(axis=0), np.median(rows, axis=0))
            ]
            of = plural(len(rows), "sample")
            ends = [
                Baseline(centre, f"the {name} of {of}")
                for centre, name in zip(centres, ("mean", "median"), strict=True)
            ]
        else:
            ends = [Baseline(torch.zeros_like(values), "zeros")] * 2
        numbers = np.arange(values.shape[1])
        made.append(
            Sight(
                subject=subject,
                score=Score(experiment, subject.inputs, subject.target),
                values=values,
                folded=None,
                baseline=ends[0],
                other=ends[1],
                parts=Parts(numbers, plural(len(numbers), "feature")),
            )
        )
    return made


def background(experiment: Experiment) -> np.ndarray:
    """Up to 1,000 rows, evenly from the data where it has a length, float64; rows with NaN are left out."""
    if experiment.samples is None:
        return np.zeros((0, 0))
    total = experiment.samples.total
    if total is None:
        parts = [batch.inputs for batch in experiment.samples.batches(BACKGROUND, 256)]
    else:
        count = min(total, BACKGROUND)
        parts = [experiment.samples.fetch([i * total // count for i in range(count)]).inputs]
    rows = np.concatenate([part.primary.cpu().double().numpy() for part in parts if part.primary is not None])
    return rows[np.isfinite(rows).all(axis=1)]
