"""Which layers are looked at: the first, the middle and the last of each stage, or those that were named."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import TYPE_CHECKING, Any

from reportgen.errors import InputError
from reportgen.hooks import watching
from reportgen.units import shorten

if TYPE_CHECKING:
    import torch
    from torch import nn

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

STAGES = "layers whose outputs have one spatial size, or else one container's"


def check(names: Any, model: nn.Module | None) -> tuple[str, ...]:
    """Each name once, in order. Raises InputError for what is no list, or for a layer that `model` has not."""
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        said = f"layers: got {shorten(repr(names), 80)}, expected a list of names, as in ['encoder.layers.0']"
        raise InputError(said)
    known = {name for name, _ in model.named_modules()} if model is not None else set(names)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known - {""}), n=5, cutoff=0.4)
            hint = (
                f"near it: {', '.join(shorten(one) for one in near)}" if near else "see the table of layers"
            )
            raise InputError(f"layers: got {shorten(name, 80)!r}, expected the name of a layer", hint)
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True)
class Ran:
    """A layer that ran: its name, its class, and its output: the shape, and whether channels come second in it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    channels_second: bool

    @property
    def places(self) -> tuple[int, ...]:
        """The spatial size of the output: () for one vector a sample."""
        return self.shape[2:] if self.channels_second else self.shape[1:-1]

    @property
    def numbers(self) -> int:
        """How many numbers a sample the output holds."""
        return prod(self.shape[1:])


def holds_weights(module: Any) -> bool:
    """Whether a module has weights of two dimensions or more of its own: norms and containers have none."""
    from torch.nn.utils.parametrize import is_parametrized

    return is_parametrized(module) or any(p is not None and p.ndim > 1 for p in module._parameters.values())


def tensor_of(output: Any) -> torch.Tensor | None:
    """What a layer puts out: a tensor of numbers, or the first one of a tuple as recurrent layers give it."""
    import torch

    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, torch.Tensor) and first.numel() and not first.is_complex() else None


def layers_that_ran(experiment: Experiment, inputs: Inputs, names: Sequence[str] = ()) -> list[Ran]:
    """The layers with weights, or those of these names, in the order in which they first run. Raises InputError."""
    import torch
    from torch import nn

    ran: dict[str, Ran] = {}

    def note(name: str, module: Any, given: Any, output: Any) -> None:
        value = tensor_of(output)
        wanted = name in names if names else holds_weights(module) and ".parametrizations." not in f".{name}."
        if wanted and value is not None and name not in ran:
            second = isinstance(module, nn.modules.conv._ConvNd) or (bool(names) and value.ndim == 4)
            ran[name] = Ran(name, type(module).__name__, tuple(value.shape), second)

    assert experiment.model is not None
    with torch.no_grad(), watching(experiment.model, (nn.Module,), note):
        experiment.call(inputs)
    return list(ran.values())


def stages(layers: Sequence[Ran]) -> list[list[Ran]]:
    """Runs of layers with outputs of one spatial size; where there is but one size, of one container.

    Convolutions that put out a single pixel (a gate beside the main path, a classifier) belong to no stage where
    others are left.
    """
    main = [layer for layer in layers if not (layer.channels_second and prod(layer.places) == 1)] or list(
        layers
    )
    runs = [list(run) for _, run in groupby(main, key=lambda layer: layer.places)]
    if len(runs) > 1:
        return runs
    depth = _common([layer.name.split(".")[:-1] for layer in main])
    return [
        list(run) for _, run in groupby(main, key=lambda layer: layer.name.split(".")[:-1][depth : depth + 1])
    ]


def _common(paths: list[list[str]]) -> int:
    """How many leading parts all of these paths share."""
    return next(
        (at for at, parts in enumerate(zip(*paths, strict=False)) if len(set(parts)) > 1),
        min(map(len, paths), default=0),
    )


def picked(found: Sequence[Sequence[Ran]], most: int) -> list[Ran]:
    """The first, the middle and the last layer of each stage; of many stages, the very first and the last of each.

    Where even these are more than `most`, that many of them, evenly.
    """
    chosen = [stage[at] for stage in found for at in sorted({0, (len(stage) - 1) // 2, len(stage) - 1})]
    if len(chosen) > most:
        chosen = [*found[0][:1], *(stage[-1] for stage in found if stage[-1] is not found[0][0])]
    if len(chosen) > most:
        chosen = [chosen[round(at * (len(chosen) - 1) / (most - 1))] for at in range(most)]
    return chosen
