"""Saliency, Integrated Gradients and Grad-CAM, by captum, one sample at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Score
from reportgen.attribution.trust import completeness_error

if TYPE_CHECKING:
    import torch
    from torch import nn

STEPS = 50
COMPLETENESS, DIFFERENCE = "completeness error", "f(x) - f(baseline)"


def saliency(score: Score, values: torch.Tensor) -> Attribution:
    """The size of the gradient of the score, the largest over the channels (Simonyan et al. 2013).

    `values` is the sample (1, C, H, W) or (1, features); returns (H, W) or (features,), not signed.
    Raises NotApplicable for whole numbers.
    """
    from captum.attr import Saliency

    _differentiable(values)
    # A leaf of our own that wants a gradient: captum warns about others, and sets it on them.
    sizes = _numbers(Saliency(score).attribute(values.detach().clone().requires_grad_(), abs=True))
    return Attribution("Saliency", sizes.max(axis=0) if sizes.ndim == 3 else sizes, False, "one gradient")


def integrated_gradients(
    score: Score, values: torch.Tensor, baseline: torch.Tensor, *, said: str, size: int, steps: int = STEPS
) -> Attribution:
    """Gradients along the straight line from `baseline` to the sample, summed over channels.

    Sundararajan et al. 2017, Gauss-Legendre quadrature. `said` names the baseline. `size` points of the
    line are run at once. The sums add up to f(x) - f(baseline), but for the error in `trust`.
    Raises NotApplicable for whole numbers.
    """
    from captum.attr import IntegratedGradients

    _differentiable(values)
    method = IntegratedGradients(score)
    made = _numbers(
        method.attribute(
            values,
            baselines=baseline,
            n_steps=steps,
            internal_batch_size=min(size, steps),
            method="gausslegendre",
        )
    )
    high, low = (float(score.numbers(point, 1)[0]) for point in (values, baseline))
    return Attribution(
        method="Integrated Gradients",
        values=made.sum(axis=0) if made.ndim == 3 else made,
        signed=True,
        settings=f"{steps} steps",
        baseline=said,
        trust={DIFFERENCE: high - low, COMPLETENESS: completeness_error(float(made.sum()), high, low)},
    )


def grad_cam(score: Score, values: torch.Tensor, layer: nn.Module, name: str) -> Attribution:
    """Channels of `layer` weighted by their mean gradient, negatives cut off (Selvaraju et al. 2017).

    Enlarged bilinearly to the (H, W) of the sample.
    """
    import torch

    with torch.no_grad():
        small = torch.from_numpy(cam(score, values, layer))[None, None]
        large = torch.nn.functional.interpolate(small, size=tuple(values.shape[-2:]), mode="bilinear")
    height, width = small.shape[-2:]
    return Attribution("Grad-CAM", large[0, 0].numpy(), False, f"layer {name}, {height} × {width}")


def cam(score: Score, values: torch.Tensor, layer: nn.Module) -> np.ndarray:
    """Grad-CAM as it comes from the layer: float64 (h, w)."""
    from captum.attr import LayerGradCam

    made = LayerGradCam(score, layer).attribute(values, relu_attributions=True)
    return _numbers(made)[0]


def _differentiable(values: torch.Tensor) -> None:
    if not values.is_floating_point():
        kind = str(values.dtype).removeprefix("torch.")
        raise NotApplicable(f"the input is {kind}, which has no gradient")


def _numbers(made: torch.Tensor) -> np.ndarray:
    """The one sample's attributions, float64 without the batch dimension."""
    return made.detach()[0].cpu().double().numpy()
