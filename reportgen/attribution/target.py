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
    """How a sample's target is found: `column` where the user named an output, the largest one otherwise.

    `cut`: above which the one map of a model gives a place to the class that it tells from the rest.
    """

    experiment: Experiment
    column: int | None = None
    cut: float = 0.0

    @classmethod
    def of(cls, experiment: Experiment) -> Aim:
        """For this experiment. Raises InputError for a target that the output does not have."""
        return cls(experiment, cls._column(experiment), _cut(experiment) if _one_map(experiment) else 0.0)

    @staticmethod
    def _column(experiment: Experiment) -> int | None:
        wanted = experiment.target
        if wanted is None:
            return None
        shape = experiment.output_shape[1:]
        width = shape[0] if len(shape) > 1 else prod(shape)
        if experiment.task == "classification":
            width = max(2, width)
        names = experiment.class_names
        if isinstance(wanted, str) and wanted in names:
            return names.index(wanted)
        number = int(wanted) if isinstance(wanted, int) or wanted.isdecimal() else -1
        if 0 <= number < width:
            return number
        named = f", or one of {', '.join(names[:8])}{' …' if len(names) > 8 else ''}" if names else ""
        raise InputError(f"target: got {wanted!r}, expected an output's number from 0 to {width - 1}{named}")

    def at(self, outputs: torch.Tensor, probabilities: torch.Tensor | None) -> Target:
        """The target of a sample, by its outputs (1, ...) and, of classes, its probabilities (classes,)."""
        if _maps(self.experiment):
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
        return Target(f"{output_name(self.experiment, column)} = {value}", column)

    def _map(self, outputs: torch.Tensor) -> Target:
        """The mean score of one class over the places that the model gives to it (all, where there are none)."""
        maps = outputs[0]
        if len(maps) == 1:
            column, region, name = 0, maps[0] > self.cut, _told_apart(self.experiment)
        else:
            given = maps.argmax(dim=0)
            column = int(given.flatten().bincount().argmax()) if self.column is None else self.column
            region, name = given == column, self.experiment.class_name(column)
        if not bool(region.any()):
            said = f"{name}, to which the model gives no place: its mean over all places"
            return Target(said, column, region=region | True)
        share = show(float(f"{float(region.float().mean()):.3g}"), "share")
        return Target(f"{name} on {share} of the places", column, region=region)


def output_name(experiment: Experiment, column: int) -> str:
    """The name of an output that is no class, `output 3` where none was given."""
    names = experiment.class_names
    return names[column] if column < len(names) else f"output {column}"


def _maps(experiment: Experiment) -> bool:
    """Whether the output is a map a class."""
    return experiment.modality == "image" and bool(experiment.output_shape[2:])


def _one_map(experiment: Experiment) -> bool:
    return _maps(experiment) and experiment.output_shape[1] == 1


def _told_apart(experiment: Experiment) -> str:
    """What one map tells from the rest: of two classes the second."""
    names = experiment.class_names
    return names[-1] if len(names) in (1, 2) else "the foreground"


def _cut(experiment: Experiment) -> float:
    """A half where one map holds probabilities, else 0. Raises InputError."""
    return 0.5 if experiment.outputs_are_probabilities else 0.0


def explained(experiment: Experiment) -> str:
    """What the explained number is, in words. Raises InputError."""
    aim = Aim.of(experiment)
    asked = aim.column
    if _one_map(experiment):
        return f"the mean of the model's map over the places where it is above {show(aim.cut)} (all, where none is)"
    if _maps(experiment):
        if asked is None:
            return (
                "the mean score of the class with the most places over the places that the model gives to it"
            )
        name = experiment.class_name(asked)
        return (
            f"the mean score of {name} over the places that the model gives to it (all, where there are none)"
        )
    width, names = prod(experiment.output_shape[1:]), experiment.class_names
    if experiment.task != "classification":
        if width == 1:
            return "the model's output"
        return (
            f"the largest of the model's {width:,} outputs"
            if asked is None
            else f"the model's output {names[asked] if asked < len(names) else asked}"
        )
    whose = "the predicted class"
    if asked is not None:
        whose = f"the class {names[asked]}" if asked < len(names) else experiment.class_name(asked)
    if width == 1:
        return f"the model's raw output for {whose} (its negative where that is the first class)"
    if experiment.outputs_are_probabilities:
        return f"the model's output (a probability) for {whose}"
    return f"the model's raw score (logit) of {whose}"
