"""Saliency, Integrated Gradients and Grad-CAM, by captum, one sample at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Score
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.trust import completeness_error
from reportgen.hooks import convolutions, hidden

if TYPE_CHECKING:
    import torch
    from torch import nn

STEPS = 50
COMPLETENESS, DIFFERENCE = "completeness error", "f(x) - f(baseline)"


def saliency(sight: Sight, tools: Tools) -> Attribution:
    """The size of the gradient of the score, the largest over the channels (Simonyan et al. 2013); not signed."""
    from captum.attr import Saliency

    # A leaf of our own that wants a gradient: captum warns about others, and sets it on them.
    leaf = sight.differentiable().detach().clone().requires_grad_()
    made = sight.fold(Saliency(sight.score).attribute(leaf, abs=True), sizes=True)
    return Attribution("Saliency", made, False, "one gradient", evaluations=1)


def integrated_gradients(sight: Sight, tools: Tools) -> Attribution:
    """Gradients along the straight line from the baseline to the sample, summed over channels.

    Sundararajan et al. 2017, Gauss-Legendre quadrature. The sums add up to f(x) - f(baseline), but for the
    error in `trust`.
    """
    from captum.attr import IntegratedGradients

    start = sight.baseline.values
    made = sight.fold(
        IntegratedGradients(sight.score).attribute(
            sight.differentiable(),
            baselines=start,
            n_steps=STEPS,
            internal_batch_size=min(tools.gradient, STEPS),
            method="gausslegendre",
        )
    )
    high, low = (float(sight.score.numbers(point, 1)[0]) for point in (sight.values, start))
    return Attribution(
        method="Integrated Gradients",
        values=made,
        signed=True,
        settings=f"{STEPS} steps",
        baseline=sight.baseline.said,
        evaluations=STEPS + 2,
        trust={DIFFERENCE: high - low, COMPLETENESS: completeness_error(float(made.sum()), high, low)},
    )


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
