"""Activation maps of real samples, and units that stay zero on all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.features.choice import layers_that_ran, picked, stages
from reportgen.features.functions import FunctionWatch, Place, over_the_rest
from reportgen.features.saturation import called, limits
from reportgen.hooks import convolutions, outputs_of
from reportgen.pixels import shrink
from reportgen.report import Map, Picture
from reportgen.units import show

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment


@dataclass(frozen=True)
class LayerMaps:
    """The channels of one layer with the largest mean size on one sample, as pictures.

    `size` is that of the maps, `drawn` that of the pictures, (height, width) each.
    """

    layer: str
    channels: int
    size: tuple[int, int]
    drawn: tuple[int, int]
    pictures: tuple[Picture, ...]


def map_layers(experiment: Experiment, inputs: Inputs, most: int) -> list[str]:
    """The first, middle and last 2-D convolution of each stage of the main path, `most` of them. Raises InputError."""
    main = {name for name, _ in convolutions(experiment, inputs)}
    ran = [layer for layer in layers_that_ran(experiment, inputs) if layer.name in main]
    return [layer.name for layer in picked(stages(ran), most)] if ran else []


def activation_maps(
    experiment: Experiment, inputs: Inputs, names: Sequence[str], shown: int
) -> list[LayerMaps]:
    """Outputs of these layers that are maps, on one sample: the `shown` channels of the largest mean size."""
    made = []
    for name, output in outputs_of(experiment, inputs, names).items():
        if output.ndim != 4:
            continue
        fields = np.nan_to_num(output[0].cpu().double().numpy(), nan=0.0, posinf=0.0, neginf=0.0)
        order = np.argsort(-np.abs(fields).mean(axis=(1, 2)).round(6), kind="stable")[:shown]
        pictures = tuple(_picture(name, int(channel), fields[channel]) for channel in order)
        height, width = shrink(fields[0]).shape
        made.append(LayerMaps(name, len(fields), fields.shape[1:], (height, width), pictures))
    return made


def _picture(layer: str, channel: int, field: np.ndarray) -> Picture:
    small = shrink(field)
    limit = float(f"{np.abs(small).max():.6g}")
    return Picture(
        caption=f"channel {channel}, ±{show(float(f'{limit:.3g}'))}",
        alt=f"output of {layer}, channel {channel}",
        map=Map.from_array(small, signed=True, limit=limit),
    )


@dataclass
class Silence:
    """What one ReLU let through: for each unit, the number of values that were not zero.

    `after` is the layer that ran before it; `noun` what its units are.
    """

    after: str
    noun: str
    passed: np.ndarray
    values: int = 0

    @property
    def dead(self) -> list[int]:
        """The units that were zero on every sample and at every place."""
        return np.flatnonzero(self.passed == 0).tolist()

    @property
    def zeros(self) -> float:
        """The share of all values that were zero."""
        return 1 - float(self.passed.sum()) / max(1, self.values * len(self.passed))


class ReluWatch(FunctionWatch):
    """Counts what every ReLU lets through, be it a module, a function or a method.

    `found` is by the layer before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Silence] = {}
        self._now: list[Silence] = []

    def functions(self) -> Collection[Any]:
        """Every way to write a ReLU, one with a cap included."""
        import torch
        from torch.nn import functional

        plain = {
            functional.relu,
            functional.relu_,
            torch.relu,
            torch.relu_,
            torch.Tensor.relu,
            torch.Tensor.relu_,
        }
        return plain | {functional.relu6, functional.hardtanh, functional.hardtanh_}

    def begun(self) -> None:
        """Forget what an unfinished pass has left."""
        self._now = []

    def called(self, func: Any, args: Any, kwargs: Any, output: torch.Tensor, place: Place) -> None:
        """Count the values that are not zero."""
        if called(func) == "hardtanh" and limits(func, args, kwargs)[0] != 0:
            return
        key = place.after or "the input"
        key = key if place.again == 1 else f"{key} (ReLU {place.again})"
        passed = over_the_rest(output != 0, place.axis)
        self._now.append(Silence(key, place.noun, passed, output.numel() // max(1, len(passed))))

    def ended(self) -> None:
        """Add what the pass has shown."""
        for one in self._now:
            known = self.found.setdefault(one.after, Silence(one.after, one.noun, np.zeros_like(one.passed)))
            if len(one.passed) == len(known.passed):
                known.passed = known.passed + one.passed
                known.values += one.values
