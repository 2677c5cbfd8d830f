"""How each kind of input is looked at: one module a kind, each with `sights`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Sight
from reportgen.experiment import Experiment

AXES = {"image": (4,), "table": (2,), "text": (2,), "signal": (2, 3), "spectrogram": (3, 4)}  # of a batch


def kind_of(experiment: Experiment) -> str:
    """The name of the module that looks at this experiment's input: its modality's, or `generic`."""
    primary, kind = experiment.require_forward().primary, experiment.modality
    if primary is None or primary.ndim not in AXES.get(kind, ()) or not primary.numel():
        return "generic"
    return "generic" if kind == "text" and primary.is_floating_point() else kind


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Each subject as the methods see it. Raises InputError."""
    kind = import_module(f"reportgen.attribution.kinds.{kind_of(experiment)}")
    made: list[Sight] = kind.sights(experiment, subjects)
    return made
