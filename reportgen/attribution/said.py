"""What a sample is and what the model takes it for, in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reportgen.attribution.base import Target
from reportgen.attribution.target import Aim, output_name
from reportgen.experiment import Experiment
from reportgen.units import show

if TYPE_CHECKING:
    import torch

LABELS = 4  # named of a sample that has several


def said(aim: Aim, target: Target, probabilities: torch.Tensor | None, truth: torch.Tensor | None) -> str:
    """The true and the predicted class, and the one that the user named; or the values of a regression.

    `probabilities` (classes,), None of values; `truth`: the class number, or the values, None where unknown.
    """
    experiment = aim.experiment
    if probabilities is None:
        return (
            target.name
            if truth is None
            else f"true {_brief(truth.reshape(-1)[target.column])}, {target.name}"
        )
    predicted = int(probabilities.argmax())
    words = f"predicted {_sure(experiment, predicted, probabilities)}"
    if aim.column is not None and aim.column != predicted:
        words += f", explained {_sure(experiment, aim.column, probabilities)}"
    if truth is None:
        return words
    label = int(truth)
    return f"{'no label' if label < 0 else f'true {experiment.class_name(label)}'}, {words}"


def _sure(experiment: Experiment, column: int, probabilities: torch.Tensor) -> str:
    return f"{experiment.class_name(column)} ({float(probabilities[column]):.2f})"


def labelled(
    experiment: Experiment,
    target: Target,
    outputs: torch.Tensor,
    truth: torch.Tensor | None,
    sure: bool,
) -> str:
    """Which of several labels are true of a sample, where `truth` is a 0 or 1 for each of the `outputs` (1, n).

    `sure`: the outputs are probabilities.
    """
    several = outputs.ndim == 2 and outputs.shape[1] > 1
    if not several or truth is None or truth.numel() != outputs.numel():
        return target.name
    flat = truth.reshape(-1)
    if not bool(((flat == 0) | (flat == 1)).all()):
        return target.name
    columns = flat.nonzero()[:, 0].tolist()
    names = [output_name(experiment, column) for column in columns[:LABELS]]
    more = f" + {len(columns) - LABELS} more" if len(columns) > LABELS else ""
    words = target.name
    if sure:
        words = f"{output_name(experiment, target.column)} ({float(outputs[0, target.column]):.2f})"
    return f"true {' + '.join(names) or 'none'}{more}, {words}"


def _brief(value: torch.Tensor) -> str:
    return show(float(f"{float(value):.4g}"))
