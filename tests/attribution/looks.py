"""Sights and tools made by hand, for tests that look at one method alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from reportgen.attribution.base import Score, Target
from reportgen.attribution.choose import Subject
from reportgen.attribution.explain import Rows, explain, prepare
from reportgen.attribution.methods import Method
from reportgen.attribution.sight import Baseline, Parts, Sight, Tools
from reportgen.data import Inputs
from reportgen.experiment import Experiment, Options


def sight_of(
    model: nn.Module,
    values: torch.Tensor,
    column: int = 0,
    *,
    baseline: torch.Tensor | None = None,
    other: torch.Tensor | None = None,
    parts: np.ndarray | None = None,
    number: int = 0,
    sign: int = 1,
    experiment: Experiment | None = None,
) -> Sight:
    """`values` (1, ...) seen by `model`; pictures have their channels folded, every place is a part of its own."""
    whole = experiment or Experiment(title="", model=model.eval())
    subject = Subject(number, Inputs((values,), {}), Target("", column, sign), f"sample {number}", "")
    folded = 0 if values.ndim == 4 else None
    shape = tuple(values.shape[2:] if folded == 0 else values.shape[1:])
    numbers = np.arange(int(np.prod(shape))).reshape(shape) if parts is None else parts
    zeros = torch.zeros_like(values)
    return Sight(
        subject,
        Score(whole, subject.inputs, subject.target),
        values,
        folded,
        Baseline(zeros if baseline is None else baseline, "zeros" if baseline is None else "given"),
        Baseline(zeros if other is None else other, "zeros"),
        Parts(numbers, "places"),
    )


def tools_of(
    model: nn.Module | None = None,
    size: int = 64,
    *,
    seed: int = 0,
    share: float = 1.0,
    experiment: Experiment | None = None,
    layers: tuple[str, ...] = (),
) -> Tools:
    return Tools(experiment or Experiment(title="", model=model), size, size, seed, share, layers)


def linear(weights: Sequence[float] | np.ndarray) -> nn.Linear:
    """The sum of the inputs, each times its weight."""
    model = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.as_tensor(np.asarray(weights), dtype=torch.float32))
    return model


def cheap(model: nn.Module) -> Experiment:
    """An experiment whose model costs one operation."""
    experiment = Experiment(title="", model=model.eval())
    experiment.__dict__["operations"] = 1
    return experiment


def rows_of(
    experiment: Experiment,
    options: Options,
    seen: Sequence[Sight],
    methods: Sequence[Method],
    share: float = 1.0,
) -> Rows:
    """What the methods give for these sights, without a clock."""
    untimed = replace(options, timed=False)
    return explain(untimed, prepare(experiment, untimed, seen, share), methods)
