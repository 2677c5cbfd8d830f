"""Which number of the model's output is explained: the one that was named, or the largest."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from reportgen.attribution.base import Target
from reportgen.errors import InputError
from reportgen.experiment import Experiment
from reportgen.units import show

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Aim:
    """How a sample's target is found: `column` where the user named an output, the largest one otherwise."""

    experiment: Experiment
    column: int | None = None

    @classmethod
    def of(cls, experiment: Experiment) -> Aim:
        """For this experiment. Raises InputError for a target that the output does not have."""
        wanted = experiment.target
        if wanted is None:
            return cls(experiment)
        shape = experiment.output_shape[1:]
        width = shape[0] if len(shape) > 1 else prod(shape)
        if experiment.task == "classification":
            width = max(2, width)
        names = experiment.class_names
        if isinstance(wanted, str) and wanted in names:
            return cls(experiment, names.index(wanted))
        number = int(wanted) if isinstance(wanted, int) or wanted.isdecimal() else -1
        if 0 <= number < width:
            return cls(experiment, number)
        named = f", or one of {', '.join(names[:8])}{' …' if len(names) > 8 else ''}" if names else ""
        raise InputError(f"target: got {wanted!r}, expected an output's number from 0 to {width - 1}{named}")

    def at(self, outputs: torch.Tensor, probabilities: torch.Tensor | None) -> Target:
        """The target of a sample, by its outputs (1, ...) and, of classes, its probabilities (classes,)."""
        if self.experiment.output_shape[2:] and self.experiment.modality == "image":
            return self._map(outputs)
        single = prod(self.experiment.output_shape[1:]) == 1
        if probabilities is not None:
            column = int(probabilities.argmax()) if self.column is None else self.column
            sign = -1 if single and column == 0 else 1
            return Target(self.experiment.class_name(column), 0 if single else column, sign)
        flat = outputs.reshape(-1)
        column = int(flat.argmax()) if self.column is None else self.column
        value = show(float(f"{float(flat[column]):.4g}"))
        if single:
            return Target(f"predicted {value}", 0)
        return Target(f"{self._named(column)} = {value}", column)

    def _named(self, column: int) -> str:
        names = self.experiment.class_names
        return names[column] if column < len(names) else f"output {column}"

    def _map(self, outputs: torch.Tensor) -> Target:
        """The mean score of one class over the places that the model gives to it (all, where there are none)."""
        maps = outputs[0]
        if len(maps) == 1:
            column, region = 0, maps[0] > 0
        else:
            given = maps.argmax(dim=0)
            column = int(given.flatten().bincount().argmax()) if self.column is None else self.column
            region = given == column
        if not bool(region.any()):
            region = region | True
        share = show(float(f"{float(region.float().mean()):.3g}"), "share")
        return Target(f"{self._named(column)} on {share} of the places", column, region=region)


def explained(experiment: Experiment) -> str:
    """What the explained number is, in words. Raises InputError."""
    shape, asked = experiment.output_shape, experiment.target
    if len(shape) > 2 and experiment.modality == "image":
        which = f"of {asked}" if asked is not None else "of the class with the most places"
        return f"the mean score {which} over the places that the model gives to it"
    width = prod(shape[1:])
    if experiment.task != "classification":
        if width == 1:
            return "the model's output"
        return (
            f"the largest of the model's {width:,} outputs"
            if asked is None
            else f"the model's output {asked}"
        )
    whose = "the predicted class" if asked is None else f"the class {asked}"
    if width == 1:
        return f"the model's raw output for {whose} (its negative where that is the first class)"
    if probable(experiment):
        return f"the model's output (a probability) for {whose}"
    return f"the model's raw score (logit) of {whose}"


def probable(experiment: Experiment) -> bool:
    """Whether the model's outputs for classes are probabilities as they come. Raises InputError."""
    from reportgen.predictions import are_probabilities

    outputs = _outputs(experiment)
    if outputs.shape[1] == 1:
        seen = outputs[outputs.isfinite()]
        return bool(((seen >= 0) & (seen <= 1)).all())
    return are_probabilities(outputs)


def _outputs(experiment: Experiment) -> torch.Tensor:
    import torch

    if experiment.samples is not None or experiment.data_problem is not None:
        return experiment.predictions.outputs
    with torch.no_grad():
        raw = experiment.scores(experiment.require_forward()).detach().float().cpu()
    return raw.reshape(len(raw), -1)
