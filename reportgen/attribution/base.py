"""What every method is given and gives: the number that is explained, and an Attribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen.deadline import Deadline, Late
from reportgen.errors import one_line
from reportgen.experiment import Experiment

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs


@dataclass(frozen=True)
class Target:
    """Which number of a sample's output is explained, called `name`.

    sign * outputs[:, column], or, where each class has a map, the mean of its map over `region`, the places
    that the model gives to it. `sign` is -1 for the first of two classes that share one output.
    """

    name: str
    column: int = 0
    sign: int = 1
    region: torch.Tensor | None = None

    def of(self, outputs: torch.Tensor) -> torch.Tensor:
        """The numbers (n,) of outputs (n,), (n, values) or, with a region, (n, classes, ...)."""
        if self.region is not None:
            return outputs[:, self.column][:, self.region].mean(dim=1)
        return self.sign * outputs.reshape(len(outputs), -1)[:, self.column]


Feed = Callable[[Experiment, "Inputs", "torch.Tensor"], "torch.Tensor"]


def as_input(experiment: Experiment, inputs: Inputs, values: torch.Tensor) -> torch.Tensor:
    """The outputs for `values` (n, ...) in place of the first input tensor. Raises InputError."""
    return experiment.scores(inputs.with_primary(values))


@dataclass(frozen=True)
class Score:
    """The one number of a sample that is explained, as a function of what may change in the sample.

    `inputs` is the sample as a batch of one; `feed` puts values into it, the rest is held as it is.
    `channels_last`: whether pictures are laid out so in memory, without gradients and with them. After the
    `deadline` the model is not run.
    """

    experiment: Experiment
    inputs: Inputs
    target: Target
    feed: Feed = as_input
    channels_last: tuple[bool, bool] = (False, False)
    deadline: Deadline | None = None

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Scores (n,) of values (n, ...); gradients flow. Raises InputError, or Late after the deadline."""
        import torch

        if self.deadline is not None:
            self.deadline.check()
        if values.ndim == 4 and self.channels_last[torch.is_grad_enabled()]:
            values = values.contiguous(memory_format=torch.channels_last)
        return self.target.of(self.feed(self.experiment, self.inputs, values))

    def numbers(self, values: torch.Tensor, size: int) -> np.ndarray:
        """The same without gradients, float64 (n,), `size` at a time."""
        import torch

        with torch.no_grad():
            parts = [self(part).cpu().double().numpy() for part in values.split(size)]
        return np.concatenate(parts)


@dataclass(frozen=True)
class Attribution:
    """How much each place of the input counts for the score of one sample, by one method.

    `values`: float64, of the sight's shape: (H, W), (features,), (tokens,), (time,) or (bands, time); `signed`
    where the sign says for or against the score. `settings` and `baseline` say how it was made, `evaluations`
    how often the model ran forward and backward for it. `trust` holds what speaks for or against it, by name.
    `unknown`, bool like the values: of which places the method can say nothing; their values are no zeros.
    `shared`, whole numbers like the values: places of one number from 0 on show one weight that they share.
    `late`: the time ended before the method was through, and it gave what it had.
    """

    method: str
    values: np.ndarray
    signed: bool
    settings: str
    baseline: str = ""
    evaluations: int = 0
    seconds: float = 0.0
    trust: Mapping[str, float | None] = field(default_factory=dict)
    unknown: np.ndarray | None = None
    shared: np.ndarray | None = None
    late: bool = False


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
    except (NotApplicable, Late) as reason:
        return Missing(method, str(reason))
    except Exception as error:  # noqa: BLE001 - any model may break any method in its own way
        return Missing(method, one_line(error))
    if not np.isfinite(made.values).all():
        return Missing(method, "the attributions hold values that are not finite")
    return made
