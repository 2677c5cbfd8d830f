"""Findings about how good a model is, on data whose truth was drawn: how often it is right, what never occurs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from benchmarks._alarms import Rule, found, whole

Given = tuple[nn.Module, torch.Tensor, torch.Tensor]
Make = Callable[[torch.Generator], Given]
SAMPLES = 300


def _right(random: torch.Generator, classes: int, share: float, targets: torch.Tensor | None = None) -> Given:
    """A model that copies its input, scores of which a `share` name the target, the others another class."""
    if targets is None:
        targets = torch.randint(0, classes, (SAMPLES,), generator=random)
    wrong = (targets + torch.randint(1, classes, (SAMPLES,), generator=random)) % classes
    named = torch.where(torch.rand(SAMPLES, generator=random) < share, targets, wrong)
    scores = torch.randn(SAMPLES, classes, generator=random)
    scores[torch.arange(SAMPLES), named] = scores.amax(dim=1) + 1
    return nn.Identity(), scores, targets


def skilled(random: torch.Generator) -> Given:
    """Right on 70 % or more of 2 to 8 classes, of which none has much more than its part."""
    return _right(random, whole(random, 2, 8), 0.7 + 0.3 * float(torch.rand((), generator=random)))


def rare(random: torch.Generator) -> Given:
    """Right on 98 %, where one sample in ten is of the second class."""
    targets = (torch.rand(SAMPLES, generator=random) < 0.1).long()
    return _right(random, 2, 0.98, targets)


def guessing(random: torch.Generator) -> Given:
    """Scores that know nothing of the targets, of 2 to 8 classes."""
    classes = whole(random, 2, 8)
    targets = torch.randint(0, classes, (SAMPLES,), generator=random)
    return nn.Identity(), torch.randn(SAMPLES, classes, generator=random), targets


def constant(random: torch.Generator) -> Given:
    """Always the first of two to eight classes."""
    _, scores, targets = guessing(random)
    scores[:, 0] = 9
    return nn.Identity(), scores, targets


def untrained(random: torch.Generator) -> Given:
    """A network as it was made, on ten numbers a sample."""
    classes = whole(random, 2, 8)
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, classes))
    for parameter in model.parameters():
        parameter.data.uniform_(-0.3, 0.3, generator=random)
    targets = torch.randint(0, classes, (SAMPLES,), generator=random)
    return model, torch.randn(SAMPLES, 10, generator=random), targets


def _blind(random: torch.Generator) -> Given:
    """Never the last of three to eight classes, right on 80 % of the others."""
    model, scores, targets = _right(random, whole(random, 3, 8), 0.8)
    scores[:, -1] = -99
    return model, scores, targets


def _absent(random: torch.Generator) -> Given:
    """No sample of the last class."""
    model, scores, targets = skilled(random)
    last = scores.shape[1] - 1
    return model, scores, torch.where(targets == last, 0, targets)


def _broken(random: torch.Generator) -> Given:
    """One to twenty outputs are NaN or infinite."""
    model, scores, targets = skilled(random)
    rows = torch.randperm(SAMPLES, generator=random)[: whole(random, 1, 20)]
    scores[rows, 0] = (float("nan"), float("inf"))[whole(random, 0, 1)]
    return nn.Sequential(model), scores, targets


class Breaking(nn.Module):
    """Divides by what is zero for some of the samples."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :-1] / x[:, -1:]


def _dividing(random: torch.Generator) -> Given:
    _, scores, targets = skilled(random)
    one = torch.ones(SAMPLES, 1)
    one[torch.randperm(SAMPLES, generator=random)[: whole(random, 1, 20)]] = 0
    return Breaking(), torch.cat([scores, one], dim=1), targets


def _whole_division(random: torch.Generator) -> Given:
    _, scores, targets = skilled(random)
    return Breaking(), torch.cat([scores, torch.ones(SAMPLES, 1)], dim=1), targets


def _value(noise: float) -> Make:
    """A linear model of five numbers, the truth with noise of so many standard deviations of it."""

    def make(random: torch.Generator) -> Given:
        model = nn.Linear(5, 1)
        model.weight.data = torch.randn(1, 5, generator=random)
        x = torch.randn(SAMPLES, 5, generator=random)
        with torch.no_grad():
            y = model(x)
        return model, x, y + noise * y.std() * torch.randn(SAMPLES, 1, generator=random)

    return make


def _unrelated(random: torch.Generator) -> Given:
    model, x, y = _value(0)(random)
    return model, x, torch.randn(SAMPLES, 1, generator=random) * y.std()


def _dividing_value(random: torch.Generator) -> Given:
    """A value that is infinite for some of the samples."""
    _, _, y = _value(0.5)(random)
    one = torch.ones(SAMPLES, 1)
    one[torch.randperm(SAMPLES, generator=random)[: whole(random, 1, 20)]] = 0
    return Breaking(), torch.cat([y, one], dim=1), y


def _whole_value(random: torch.Generator) -> Given:
    _, _, y = _value(0.5)(random)
    return Breaking(), torch.cat([y, torch.ones(SAMPLES, 1)], dim=1), y


def _rule(
    name: str,
    wording: str,
    truth: str,
    without: Make,
    fault: Make,
    task: str = "classification",
    section: str = "evaluation",
) -> Rule:
    def of(make: Make) -> Callable[[int], bool]:
        def run(seed: int) -> bool:
            model, x, y = make(torch.Generator().manual_seed(seed))
            return found(section, wording, seed, model, data=(x, y), task=task)

        return run

    return Rule(name=name, truth=truth, sound=of(without), fault=of(fault))


def _unreadable(random: torch.Generator) -> Given:
    """Names of classes, which were not given, in place of numbers."""
    model, x, y = skilled(random)
    return model, x, np.array([f"kind {number}" for number in y.tolist()])


def _gapped(random: torch.Generator) -> Given:
    """NaN in 1 to 20 of the samples."""
    model, x, y = skilled(random)
    x[torch.randperm(SAMPLES, generator=random)[: whole(random, 1, 20)], 0] = float("nan")
    return model, x, y


CHANCE, NEVER = "is not above always saying", "never predicted"
RULES = (
    _rule(
        "no better than the most common class", CHANCE, "right on 70 % or more; guesses", skilled, guessing
    ),
    _rule(
        "no better than the most common class, rare",
        CHANCE,
        "98 % right of 10 % rare; constant",
        rare,
        constant,
    ),
    _rule(
        "no better than the most common class, untrained",
        CHANCE,
        "right on 70 % or more; as it was made",
        skilled,
        untrained,
    ),
    _rule(
        "a class that is never predicted",
        NEVER,
        "right on 70 % or more; one class scored down",
        skilled,
        _blind,
    ),
    _rule(
        "a class that is never predicted, rare", NEVER, "98 % right of 10 % rare; constant", rare, constant
    ),
    _rule(
        "a class without samples",
        "no sample in the data",
        "2 to 8 classes; one is taken out",
        skilled,
        _absent,
    ),
    _rule(
        "outputs that are not finite",
        "NaN or infinite for",
        "a division by one; by zero in 1 to 20 of 300",
        _whole_division,
        _dividing,
    ),
    _rule(
        "values that are not finite",
        "NaN or infinite",
        "a division by one; by zero in 1 to 20 of 300",
        _whole_value,
        _dividing_value,
        "regression",
    ),
    _rule(
        "targets that can't be read",
        "The targets can't be read",
        "numbers of classes; names that were not given",
        skilled,
        _unreadable,
    ),
    _rule(
        "NaN among the inputs",
        "among the inputs",
        "none; in 1 to 20 of 300 samples",
        skilled,
        _gapped,
        section="overview",
    ),
    _rule(
        "no better than the mean",
        "is not above that of saying the mean",
        "half of the variance; none of it",
        _value(1),
        _unrelated,
        "regression",
    ),
)
