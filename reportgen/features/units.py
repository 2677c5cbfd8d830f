"""Units: the numbers of a layer that are looked at one by one, wherever in a model they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reportgen.features.embedding import Penultimate
from reportgen.hooks import convolutions, watching

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment


@dataclass(frozen=True)
class Probe:
    """Where units are read: what comes out of a layer, what goes into it, or the model's output."""

    name: str
    part: Literal["output", "input", "scores"] = "output"

    @property
    def title(self) -> str:
        """For a heading: `block1.conv2`, `input of fc2`, `output`."""
        if self.part == "scores":
            return "output"
        name = self.name or "the model"
        return f"input of {name}" if self.part == "input" else name


Take = Callable[[Probe, Any], None]


def probes(experiment: Experiment, inputs: Inputs, layers: Sequence[str] = ()) -> list[Probe]:
    """The layers of these names, and the output; without names the layers are chosen.

    Chosen are the first, the middle and the last convolution of an image model, of others what goes into the
    last linear layer. The output is left out where it is no row of numbers a sample. Raises InputError.
    """
    assert experiment.model is not None
    known = dict(experiment.model.named_modules())
    found = [Probe(name) for name in layers if name in known]
    if not layers:
        convs = [name for name, _ in convolutions(experiment, inputs)]
        places = sorted({0, (len(convs) - 1) // 2, len(convs) - 1}) if convs else []
        found = [Probe(convs[place]) for place in places] if experiment.modality == "image" else []
        if not found:
            before = Penultimate.of(experiment, inputs)
            found = [Probe(before.name, "input")] if before is not None else []
    if len(experiment.output_shape) in (1, 2):
        found.append(Probe("", "scores"))
    return found


def read(experiment: Experiment, inputs: Inputs, wanted: Sequence[Probe], take: Take) -> None:
    """One forward pass; take(probe, values) gets each probe's tensor (n, units, ...), as soon as it is there.

    What is not a floating tensor with a row a sample is passed over. Raises InputError.
    """
    import torch
    from torch import nn

    size = inputs.size

    def give(probe: Probe, module: Any, tensor: Any) -> None:
        if (
            isinstance(tensor, torch.Tensor)
            and tensor.is_floating_point()
            and tensor.ndim
            and len(tensor) == size
        ):
            take(probe, tensor[:, None] if tensor.ndim == 1 else tensor.movedim(_axis(tensor, module), 1))

    def see(name: str, module: Any, given: Any, output: Any) -> None:
        for probe in wanted:
            if probe.part != "scores" and probe.name == name:
                give(probe, module, given if probe.part == "input" else output)

    assert experiment.model is not None
    with watching(experiment.model, (nn.Module,), see):
        scores = experiment.scores(inputs)
    for probe in wanted:
        if probe.part == "scores":
            give(probe, None, scores)


def _axis(tensor: torch.Tensor, module: Any) -> int:
    """Where the units lie: last in what linear layers and layers for tokens read and write, else after the batch."""
    from torch import nn

    if isinstance(module, nn.Linear | nn.LayerNorm | nn.Embedding):
        return tensor.ndim - 1
    first = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.GroupNorm)
    if module is None or tensor.ndim != 3 or isinstance(module, first):
        return 1
    # Of a block, activation or dropout on three dimensions nothing tells; tokens are the commoner case.
    return 2


def unit_name(experiment: Experiment, probe: Probe, unit: int, size: int, maps: bool) -> str:
    """What a reader calls this unit of `size`; `maps` where it has more than one place."""
    if probe.part == "scores":
        named = experiment.task == "classification" and size > 1
        return experiment.class_name(unit) if named else f"output {unit}"
    return f"{'channel' if maps else 'unit'} {unit}"
