"""Activation maps of real samples, and units that stay zero on all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.hooks import convolutions, outputs_of, watching
from reportgen.pixels import shrink
from reportgen.report import Map, Picture
from reportgen.units import show

if TYPE_CHECKING:
    import torch
    from torch import nn

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


def map_layers(experiment: Experiment, inputs: Inputs) -> list[str]:
    """The first, the middle and the last 2-D convolution of the main path. Raises InputError."""
    names = [name for name, _ in convolutions(experiment, inputs)]
    places = sorted({0, (len(names) - 1) // 2, len(names) - 1}) if names else []
    return [names[place] for place in places]


def activation_maps(experiment: Experiment, inputs: Inputs, names: list[str], shown: int) -> list[LayerMaps]:
    """Outputs of these convolutions on one sample: the `shown` channels of the largest mean size."""
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


class ReluWatch:
    """Counts what every ReLU lets through, be it a module, a function or a method.

    Use `with watch.look(model):` about each forward pass of the same model; `found` is by the layer before.
    A pass that raises inside counts for nothing.
    """

    def __init__(self) -> None:
        self.found: dict[str, Silence] = {}
        self._now: list[Silence] = []
        self._last: tuple[str, Any] = ("", None)
        self._times: dict[str, int] = {}

    @contextlib.contextmanager
    def look(self, model: nn.Module) -> Iterator[None]:
        """Count the ReLUs of the one forward pass that runs inside."""
        import torch
        from torch import nn
        from torch.nn import functional
        from torch.overrides import TorchFunctionMode

        relus = (
            functional.relu,
            functional.relu_,
            torch.relu,
            torch.relu_,
            torch.Tensor.relu,
            torch.Tensor.relu_,
        )
        seen = self._relu

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                output = func(*args, **(kwargs or {}))
                if func in relus:
                    seen(output)
                return output

        kinds = (
            nn.modules.conv._ConvNd,
            nn.modules.batchnorm._BatchNorm,
            nn.Linear,
            nn.LayerNorm,
            nn.GroupNorm,
        )
        self._last, self._times, self._now = ("", None), {}, []
        with Mode(), watching(model, kinds, self._layer):
            yield
        for one in self._now:
            known = self.found.setdefault(one.after, Silence(one.after, one.noun, np.zeros_like(one.passed)))
            if len(one.passed) == len(known.passed):
                known.passed = known.passed + one.passed
                known.values += one.values

    def _layer(self, name: str, module: Any, given: Any, output: Any) -> None:
        self._last = (name or type(module).__name__, module)

    def _relu(self, output: torch.Tensor) -> None:
        from torch import nn

        name, module = self._last
        if output.ndim < 2:
            return
        time = self._times[name] = self._times.get(name, 0) + 1
        key = name or "the input"
        key = key if time == 1 else f"{key} (ReLU {time})"
        last = isinstance(module, nn.Linear | nn.LayerNorm | nn.Embedding)
        axis = output.ndim - 1 if last else 1
        noun = "channels" if output.ndim > 2 and axis == 1 else "units"
        others = [dimension for dimension in range(output.ndim) if dimension != axis]
        passed = (output.detach() != 0).sum(dim=others).cpu().numpy().astype(np.int64)
        self._now.append(Silence(key, noun, passed, output.numel() // max(1, len(passed))))
