"""Grad-CAM, by captum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Score
from reportgen.attribution.sight import Sight, Tools
from reportgen.hooks import convolutions, hidden, outputs_of

if TYPE_CHECKING:
    import torch
    from torch import nn


def grad_cam(sight: Sight, tools: Tools) -> Attribution:
    """Channels of a layer weighted by their mean gradient, negatives cut off (Selvaraju et al. 2017).

    The layer is the last convolution, or the last named one that gives maps. Enlarged bilinearly to the (H, W) of the
    sample. Raises NotApplicable where there is no such layer.
    """
    import torch

    named = _named(sight, tools)
    name, layer = named or _found(sight, tools)
    small = cam(sight.score, sight.values, layer)
    with torch.no_grad():
        grown = torch.nn.functional.interpolate(
            torch.from_numpy(small)[None, None], size=sight.shape, mode="bilinear"
        )
    height, width = small.shape
    said = f"layer {name}, {height} × {width}"
    if tools.layers and named is None:
        said += f" (of {', '.join(tools.layers)}, which were named, none gives maps)"
    return Attribution("Grad-CAM", grown[0, 0].numpy(), False, said, evaluations=1)


def _named(sight: Sight, tools: Tools) -> tuple[str, nn.Module] | None:
    """The last of the layers that were named whose output is maps (1, C, h, w); none where there is none."""
    model = tools.experiment.model
    if model is None or not tools.layers:
        return None
    outputs = outputs_of(tools.experiment, sight.subject.inputs, tools.layers)
    maps = [name for name, output in outputs.items() if output.ndim == 4 and output[0, 0].numel() > 1]
    return (maps[-1], model.get_submodule(maps[-1])) if maps else None


def _found(sight: Sight, tools: Tools) -> tuple[str, nn.Module]:
    found = convolutions(tools.experiment, sight.subject.inputs)
    if not found:
        raise NotApplicable(hidden(tools.experiment) or "no convolutional layer")
    return found[-1]


def cam(score: Score, values: torch.Tensor, layer: nn.Module) -> np.ndarray:
    """Grad-CAM as it comes from the layer: float64 (h, w)."""
    from captum.attr import LayerGradCam

    made: np.ndarray = (
        LayerGradCam(score, layer)
        .attribute(values, relu_attributions=True)
        .detach()[0, 0]
        .cpu()
        .double()
        .numpy()
    )
    return made
