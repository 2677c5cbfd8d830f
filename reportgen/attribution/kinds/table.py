"""Rows of a table (n, features): each feature a part, hidden by its mean, or its most frequent category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Baseline, Parts, Sight
from reportgen.attribution.table import Table, table_of
from reportgen.experiment import Experiment
from reportgen.units import plural

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Rows; the baseline is the mean of the data, the other one its median, or zeros without data.

    For gradients, each row is seen with its categories held: between two codes there is nothing.
    """
    table = table_of(experiment, [subject.inputs for subject in subjects])
    return [_sight(experiment, table, subject) for subject in subjects]


def _sight(experiment: Experiment, table: Table, subject: Subject) -> Sight:
    values = table.values(subject.inputs)
    ends = _ends(table, values)
    numbers = np.arange(values.shape[1])
    made = Sight(
        subject=subject,
        score=Score(experiment, subject.inputs, subject.target, table.feed),
        values=values,
        folded=None,
        baseline=ends[0],
        other=ends[1],
        parts=Parts(numbers, plural(len(numbers), "feature")),
        table=table,
    )
    # A tensor of whole numbers alone says itself that it has no gradient.
    return made if table.plain or table.smooth.all() else replace(made, smooth=_held(made, table))


def _ends(table: Table, values: torch.Tensor) -> list[Baseline]:
    import torch

    if not len(table.rows):
        return [Baseline(torch.zeros_like(values), "zeros")] * 2
    of = plural(len(table.rows), "sample")
    more = ", of categories the most frequent" if table.categorical else ""
    ends = []
    for kind in ("mean", "median"):
        centre = torch.as_tensor(table.centre(kind), device=values.device)[None]
        centre = centre if values.is_floating_point() else centre.round()
        ends.append(Baseline(centre.to(values.dtype), f"the {kind} of {of}{more}"))
    return ends


def _held(sight: Sight, table: Table) -> Sight:
    """The sight in which only what has a gradient moves, and the rest is as in the sample."""
    import torch

    free = torch.as_tensor(table.smooth, device=sight.values.device)

    def feed(experiment: Experiment, inputs: Inputs, values: torch.Tensor) -> torch.Tensor:
        return table.feed(experiment, inputs, torch.where(free, values, sight.values))

    def held(end: Baseline) -> Baseline:
        said = end.said.partition(", of categories")[0]
        return Baseline(torch.where(free, end.values, sight.values), f"{said}, the rest as in the sample")

    score = replace(sight.score, feed=feed)
    ends = held(sight.baseline), held(sight.other)
    return replace(sight, score=score, unknown=~table.smooth, baseline=ends[0], other=ends[1])
