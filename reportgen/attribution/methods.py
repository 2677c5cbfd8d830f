"""The methods, in the order of the page: what each is called, what it costs and what it suits."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

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
from reportgen.attribution.lime_table import PERTURBATIONS, ROUNDS, lime_table
from reportgen.attribution.occlusion import GRID, occlusion_parts, occlusion_windows
from reportgen.attribution.shap import DRAWS, gradient_shap, kernel_shap
from reportgen.attribution.shap import MOST as COALITIONS
from reportgen.attribution.shap_package import (
    DRAWN,
    EVALUATIONS,
    ROWS,
    shap_gradient,
    shap_kernel,
    shap_permutation,
)
from reportgen.attribution.sight import Sight, Tools
from reportgen.errors import InputError
from reportgen.values import slug


@dataclass(frozen=True)
class Method:
    """A way to explain. `forward` and `backward`: passes a sample at most; `parted`: forward ones for each part.

    `kinds`: the kinds of input it is for, none for all; `but`: those it is not for. One that `needs` a package of an
    extra runs where it is asked for by name.
    """

    name: str
    make: Callable[[Sight, Tools], Attribution]
    forward: int = 0
    backward: int = 0
    parted: int = 0
    kinds: tuple[str, ...] = ()
    but: tuple[str, ...] = ()
    needs: str = ""

    @property
    def slug(self) -> str:
        """The name by which it is asked for."""
        return slug(self.name)


METHODS = (
    Method("LIME", lime, parted=RUNS * MOST, kinds=("image", "generic", "text", "signal", "spectrogram")),
    Method("LIME", lime_table, forward=RUNS * ROUNDS * PERTURBATIONS, kinds=("table",)),
    Method("KernelShap", kernel_shap, parted=COALITIONS),
    Method("GradientShap", gradient_shap, backward=DRAWS),
    Method("Saliency", saliency, backward=1),
    Method("SmoothGrad", smooth_grad, backward=NOISY),
    Method("Input × gradient", input_gradient, backward=1),
    Method("Integrated Gradients", integrated_gradients, backward=STEPS),
    Method("Grad-CAM", grad_cam, backward=1, kinds=("image", "spectrogram")),
    Method("Occlusion", occlusion_windows, forward=GRID * GRID, kinds=("image",)),
    Method("Occlusion", occlusion_parts, parted=1, but=("image",)),
    Method("SHAP Gradient", shap_gradient, backward=DRAWN, kinds=("image", "table"), needs="shap"),
    Method("SHAP Kernel", shap_kernel, forward=EVALUATIONS * ROWS, kinds=("table",), needs="shap"),
    Method("SHAP Permutation", shap_permutation, forward=EVALUATIONS * ROWS, kinds=("table",), needs="shap"),
)


BY_GRADIENT = frozenset(method.name for method in METHODS if method.backward)


def suited(kind: str, asked: Sequence[str] = ()) -> tuple[Method, ...]:
    """The methods for this kind of input: those `asked` for by name, or all that need no extra.

    Raises InputError where none of those asked for suits it.
    """
    fitting = [
        method for method in METHODS if kind not in method.but and (not method.kinds or kind in method.kinds)
    ]
    if not asked:
        return tuple(method for method in fitting if not method.needs)
    chosen = tuple(method for method in fitting if method.slug in asked)
    if not chosen:
        names = ", ".join(method.slug for method in fitting)
        raise InputError(
            f"methods: none of {', '.join(asked)} suits this input ({kind}), expected one of {names}"
        )
    return chosen


def check(names: Any) -> tuple[str, ...]:
    """The names of methods as they are asked for. Raises InputError for one that there is not, or not installed."""
    if (
        isinstance(names, str)
        or not hasattr(names, "__iter__")
        or not (found := [str(name) for name in names])
    ):
        raise InputError(f"methods: got {names!r}, expected a list of names, as in ['lime', 'shap-kernel']")
    needs = {method.slug: method.needs for method in METHODS}
    made = []
    for name in found:
        asked = slug(name).replace("-x-", "-")  # an x written for ×
        if asked not in needs:
            near = difflib.get_close_matches(asked, needs, n=1)
            meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(needs)}"
            raise InputError(f"methods: got {name!r}, {meant}")
        if needs[asked] and find_spec(needs[asked]) is None:
            said = f"methods: {asked} needs the package {needs[asked]}, which is not installed"
            raise InputError(said, f"pip install reportgen[{needs[asked]}]")
        made.append(asked)
    return tuple(made)
