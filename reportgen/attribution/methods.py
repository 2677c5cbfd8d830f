"""The methods, in the order of the page: what each is called, what it costs and what it suits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reportgen.attribution.base import Attribution
from reportgen.attribution.gradients import STEPS, grad_cam, integrated_gradients, saliency
from reportgen.attribution.lime import MOST, RUNS, lime
from reportgen.attribution.lime_table import PERTURBATIONS, lime_table
from reportgen.attribution.sight import Sight, Tools


@dataclass(frozen=True)
class Method:
    """A way to explain. `forward` and `backward`: passes a sample at most; `parted`: forward ones for each part.

    `kinds`: the kinds of input it is for, none for all.
    """

    name: str
    make: Callable[[Sight, Tools], Attribution]
    forward: int = 0
    backward: int = 0
    parted: int = 0
    kinds: tuple[str, ...] = ()


METHODS = (
    Method("LIME", lime, parted=RUNS * MOST, kinds=("image", "generic", "signal", "spectrogram")),
    Method("LIME", lime_table, forward=RUNS * PERTURBATIONS, kinds=("table",)),
    Method("Saliency", saliency, backward=1),
    Method("Integrated Gradients", integrated_gradients, backward=STEPS),
    Method("Grad-CAM", grad_cam, backward=1, kinds=("image", "spectrogram")),
)


def suited(kind: str) -> tuple[Method, ...]:
    """The methods for this kind of input."""
    return tuple(method for method in METHODS if not method.kinds or kind in method.kinds)
