"""Grad-CAM, by captum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Score
from reportgen.attribution.sight import Sight, Tools
from reportgen.hooks import convolutions, hidden

if TYPE_CHECKING:
    import torch
    from torch import nn


def grad_cam(sight: Sight, tools: Tools) -> Attribution:
    """Channels of the last convolution weighted by their mean gradient, negatives cut off (Selvaraju et al. 2017).

    Enlarged bilinearly to the (H, W) of the sample. Raises NotApplicable where there is no such layer.
    """
    import torch

    experiment = tools.experiment
    found = convolutions(experiment, sight.subject.inputs)
    if not found:
        raise NotApplicable(hidden(experiment) or "no convolutional layer")
    name, layer = found[-1]
    small = cam(sight.score, sight.values, layer)
    with torch.no_grad():
        grown = torch.nn.functional.interpolate(
            torch.from_numpy(small)[None, None], size=sight.shape, mode="bilinear"
        )
    height, width = small.shape
    said = f"layer {name}, {height} × {width}"
    return Attribution("Grad-CAM", grown[0, 0].numpy(), False, said, evaluations=1)


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
