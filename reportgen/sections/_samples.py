"""What is said of single samples in tables and under pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.experiment import Experiment
from reportgen.units import shorten, show

if TYPE_CHECKING:
    from reportgen.data import Batch, Inputs

FEATURES = 3  # named of a row of a table


def two(experiment: Experiment) -> list[tuple[str, Inputs]]:
    """The first sample and, where the data has a length, the middle one; or the example input."""
    if experiment.samples is None:
        return [("example 0", experiment.require_forward().take([0]))]
    total = experiment.samples.total
    places = [0] if total is None or total < 2 else [0, total // 2]
    return [(f"sample {place:,}", experiment.batch([place]).inputs) for place in places]


def label(experiment: Experiment, batch: Batch, row: int) -> str:
    """The true class or value of one sample of a batch, or nothing where it has none of one number."""
    from reportgen.targets import shares

    targets = batch.targets
    if targets is not None and experiment.task == "classification" and targets.numel() > len(batch.indices):
        told = shares(targets, targets.numel() // len(batch.indices))
        targets = None if told is None else told.classes
    if targets is None or targets.numel() != len(batch.indices):
        return ""
    value = targets.reshape(-1)[row].item()
    if experiment.task == "classification" and value == int(value):
        return experiment.class_name(int(value))
    return show(float(f"{value:.4g}")) if experiment.task == "regression" else ""


def described(experiment: Experiment, batch: Batch, row: int, centre: np.ndarray, scale: np.ndarray) -> str:
    """A sample in a few words: a text's tokens, or the features of a table that lie furthest from the mean.

    `centre` and `scale` are the features' means and deviations, of no matter where the data is no table.
    """
    tensor = batch.inputs.primary
    if tensor is None or tensor.ndim != 2:
        return ""
    values = tensor[row].cpu()
    if not values.is_floating_point():
        return shorten(_text(experiment, batch, row), 120)
    if experiment.modality != "table" or centre.shape != tuple(values.shape):
        return ""
    far = (values.double().numpy() - centre) / np.where(scale > 0, scale, np.inf)
    order = np.argsort(-np.abs(far).round(6), kind="stable")[:FEATURES]
    parts = [
        f"{shorten(experiment.feature_name(int(i)), 40)} = {show(float(f'{values[i]:.4g}'))} ({far[i]:+.1f} sd)"
        for i in order
    ]
    return "; ".join(parts).replace("(-", "(−")


def _text(experiment: Experiment, batch: Batch, row: int) -> str:
    """The beginning of a text in its own spaces; of one whose tokens have no text, their numbers."""
    from reportgen.attribution.kinds.text import read  # which needs torch; listing the sections does not

    sample = batch.inputs.take([row])
    if experiment.tokenizer is not None:
        return "".join(read(experiment, sample).pieces).strip()
    assert sample.primary is not None
    return " ".join(experiment.token_name(int(token)) for token in sample.primary[0].tolist()[:60])
