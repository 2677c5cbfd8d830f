"""The methods, in the order of the page: what each is called, what it costs and what it suits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reportgen.attribution.base import Attribution
from reportgen.attribution.cam import grad_cam
from reportgen.attribution.gradients import (
    NOISY,
    STEPS,
    input_gradient,
    integrated_gradients,
    saliency,
    smooth_grad,
)
from reportgen.attribution.lime import MOST, RUNS, lime
from reportgen.attribution.lime_table import PERTURBATIONS, lime_table
from reportgen.attribution.occlusion import GRID, occlusion_parts, occlusion_windows
from reportgen.attribution.shap import DRAWS, gradient_shap, kernel_shap
from reportgen.attribution.shap import MOST as COALITIONS
from reportgen.attribution.sight import Sight, Tools


@dataclass(frozen=True)
class Method:
    """A way to explain. `forward` and `backward`: passes a sample at most; `parted`: forward ones for each part.

    `kinds`: the kinds of input it is for, none for all; `but`: those it is not for.
    """

    name: str
    make: Callable[[Sight, Tools], Attribution]
    forward: int = 0
    backward: int = 0
    parted: int = 0
    kinds: tuple[str, ...] = ()
    but: tuple[str, ...] = ()


METHODS = (
    Method("LIME", lime, parted=RUNS * MOST, kinds=("image", "generic", "text")),
    Method("LIME", lime_table, forward=RUNS * PERTURBATIONS, kinds=("table",)),
    Method("KernelShap", kernel_shap, parted=COALITIONS),
    Method("GradientShap", gradient_shap, backward=DRAWS),
    Method("Saliency", saliency, backward=1),
    Method("SmoothGrad", smooth_grad, backward=NOISY),
    Method("Input × gradient", input_gradient, backward=1),
    Method("Integrated Gradients", integrated_gradients, backward=STEPS),
    Method("Grad-CAM", grad_cam, backward=1, kinds=("image",)),
    Method("Occlusion", occlusion_windows, forward=GRID * GRID, kinds=("image",)),
    Method("Occlusion", occlusion_parts, parted=1, but=("image",)),
)


def suited(kind: str) -> tuple[Method, ...]:
    """The methods for this kind of input."""
    return tuple(
        method for method in METHODS if kind not in method.but and (not method.kinds or kind in method.kinds)
    )
