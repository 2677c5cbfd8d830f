"""What every method is given and gives: the score that is explained, and an Attribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen.errors import one_line
from reportgen.experiment import Experiment

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs


@dataclass(frozen=True)
class Score:
    """The one number a sample that is explained, as a function of the sample's first input tensor.

    score = sign * outputs[:, column]; `sign` is -1 for the first of two classes that share one output.
    `inputs` is the sample as a batch of one; its other tensors are held as they are.
    """

    experiment: Experiment
    inputs: Inputs
    column: int
    sign: int = 1

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Scores (n,) of first inputs (n, ...); gradients flow. Raises InputError."""
        # A copy, since a model may write to its input in place, which a leaf with gradient forbids.
        outputs = self.experiment.scores(self.inputs.with_primary(values.clone()))
        return self.sign * outputs.reshape(len(values), -1)[:, self.column]

    def numbers(self, values: torch.Tensor, size: int) -> np.ndarray:
        """The same without gradients, float64 (n,), `size` at a time."""
        import torch

        with torch.no_grad():
            parts = [self(part).cpu().double().numpy() for part in values.split(size)]
        return np.concatenate(parts)


@dataclass(frozen=True)
class Attribution:
    """How much each pixel or feature counts for the score of one sample, by one method.

    `values`: float64 (H, W) or (features,); `signed` where the sign says for or against the score.
    `settings` and `baseline` say how it was made. `trust` holds what speaks for or against it, by name.
    """

    method: str
    values: np.ndarray
    signed: bool
    settings: str
    baseline: str = ""
    trust: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Missing:
    """A method that gave nothing for a sample, and why."""

    method: str
    reason: str


Outcome = Attribution | Missing


class NotApplicable(Exception):  # noqa: N818 - nothing went wrong: the method has nothing to look at here
    """Why a method does not apply to this model or sample."""


def attempt(method: str, make: Callable[[], Attribution]) -> Outcome:
    """What `make` returns, or why it could not: one method never costs the others."""
    try:
        made = make()
    except NotApplicable as reason:
        return Missing(method, str(reason))
    except Exception as error:  # noqa: BLE001 - any model may break any method in its own way
        return Missing(method, one_line(error))
    if not np.isfinite(made.values).all():
        return Missing(method, "the attributions hold values that are not finite")
    return made
