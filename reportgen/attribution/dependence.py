"""Partial dependence: how the model's mean answer moves as one feature is set to each of several values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.attribution.overview import View
from reportgen.deadline import NEVER, Deadline
from reportgen.experiment import Experiment

DECILES = 11
CODES = 20  # categories of a feature at most, the most frequent


@dataclass(frozen=True)
class Dependence:
    """Of one feature: the answers float64 (rows, grid, outputs) with the feature set to each value of `grid`.

    The mean over the rows is the partial dependence (Friedman 2001), a row alone its individual conditional
    expectation (Goldstein et al. 2015).
    """

    feature: int
    grid: np.ndarray
    answers: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The partial dependence (grid, outputs)."""
        made: np.ndarray = self.answers.mean(axis=0)
        return made


def grid_of(view: View, feature: int) -> np.ndarray:
    """The deciles of a number in the data, from the least to the most; the codes of a category that occur in it."""
    column = view.table.rows[:, feature]
    if view.table.features[feature].levels is not None:
        codes, counts = np.unique(column, return_counts=True)
        return np.sort(codes[np.argsort(-counts, kind="stable")][:CODES])
    deciles = np.quantile(column, np.linspace(0, 1, DECILES))
    return np.unique(np.round(deciles) if view.table.features[feature].whole else deciles)


def dependence(
    experiment: Experiment,
    view: View,
    feature: int,
    grid: np.ndarray,
    rows: int,
    size: int,
    deadline: Deadline = NEVER,
) -> Dependence:
    """Over `rows` of the view's samples, evenly, `size` at a time. Raises InputError, or Late.

    The answers are class probabilities where the model tells classes, else its outputs.
    """
    import torch

    count = min(rows, len(view.numbers))
    numbers = view.numbers[np.arange(count) * len(view.numbers) // count]
    parts = []
    with torch.no_grad():
        for start in range(0, count, size):
            inputs = experiment.batch(numbers[start : start + size].tolist()).inputs
            values = view.table.values(inputs)
            at_each = []
            for value in grid:
                deadline.check()
                moved = values.clone()
                moved[:, feature] = torch.as_tensor(value, dtype=moved.dtype)
                outputs = view.table.feed(experiment, inputs, moved).detach().float().cpu()
                at_each.append(_answer(experiment, view, outputs.reshape(len(moved), -1)))
            parts.append(np.stack(at_each, axis=1))
    return Dependence(feature, grid, np.concatenate(parts))


def _answer(experiment: Experiment, view: View, outputs: object) -> np.ndarray:
    import torch

    assert isinstance(outputs, torch.Tensor)
    if experiment.task == "classification":
        outputs = view.answers.probabilities(outputs)
    return outputs.double().numpy()
