"""Findings about units and values inside a network, on networks in which they were planted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks._alarms import Rule, found, whole

Made = tuple[nn.Module, torch.Tensor]
Make = Callable[[torch.Generator], Made]
SAMPLES = 96


def _drawn(model: nn.Module, random: torch.Generator, gain: float = 1.0) -> nn.Module:
    """Weights as He et al. 2015 draw them, from the generator, biases of zero."""
    for parameter in model.parameters():
        spread = gain * (2 / parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.0
        parameter.data = spread * torch.randn(parameter.shape, generator=random)
    return model


def mlp(activation: type[nn.Module]) -> Make:
    def make(random: torch.Generator) -> Made:
        width = whole(random, 16, 32)
        layers = [
            nn.Linear(12, width),
            activation(),
            nn.Linear(width, width),
            activation(),
            nn.Linear(width, 3),
        ]
        return _drawn(nn.Sequential(*layers), random), torch.randn(SAMPLES, 12, generator=random)

    return make


def cnn(random: torch.Generator) -> Made:
    width = whole(random, 8, 16)
    layers = [nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))
    return _drawn(model, random), torch.randn(SAMPLES, 3, 10, 10, generator=random)


def network(random: torch.Generator) -> Made:
    return (mlp(nn.ReLU), cnn)[whole(random, 0, 1)](random)


def _above(made: torch.Tensor) -> torch.Tensor:
    """Which units (samples, units) are above zero anywhere."""
    return (made > 0).flatten(2).any(dim=2) if made.ndim > 2 else made > 0


def lively(random: torch.Generator) -> Made:
    """Drawn until every unit of both layers is above zero on a tenth of 1,024 samples that the report does not see."""
    while True:
        model, x = network(random)
        fresh = torch.randn(1024, *x.shape[1:], generator=random)
        with torch.no_grad():
            above = [
                (model[:end](fresh) > 0).flatten(2).any(2) if x.ndim > 2 else model[:end](fresh) > 0
                for end in (2, 4)
            ]
        if all(bool((layer.float().mean(dim=0) > 0.1).all()) for layer in above):
            return model, x


def _layer(model: nn.Module, random: torch.Generator) -> nn.Module:
    """One of the two layers before a ReLU."""
    return model[2 * whole(random, 0, 1)]


def _dead(random: torch.Generator) -> Made:
    """One to four units of a layer have a bias far below what they are given."""
    model, x = network(random)
    layer = _layer(model, random)
    layer.bias.data[torch.randperm(len(layer.bias), generator=random)[: whole(random, 1, 4)]] = -100.0
    return model, x


def _repeated(random: torch.Generator) -> Made:
    """One filter is another's, times a number, with noise of a thousandth."""
    model, x = network(random)
    weight = _layer(model, random).weight.data
    first, second = torch.randperm(len(weight), generator=random)[:2].tolist()
    noise = 0.001 * weight.std() * torch.randn(weight[0].shape, generator=random)
    weight[second] = (0.5 + float(torch.rand((), generator=random))) * weight[first] + noise
    return model, x


def _saturated(activation: type[nn.Module]) -> Make:
    def make(random: torch.Generator) -> Made:
        """One to four units with weights a thousand times as large."""
        model, x = mlp(activation)(random)
        weight = model[0].weight.data
        weight[torch.randperm(len(weight), generator=random)[: whole(random, 1, 4)]] *= 1000
        return model, x

    return make


def _marred(random: torch.Generator) -> Made:
    model, x = network(random)
    flat = _layer(model, random).weight.data.view(-1)
    flat[whole(random, 0, len(flat) - 1)] = float("nan")
    return model, x


class Root(nn.Module):
    """The square root of what may be below zero, or is moved above it."""

    def __init__(self, above: float):
        super().__init__()
        self.above = above

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + self.above).sqrt()


def _rooted(above: float) -> Make:
    def make(random: torch.Generator) -> Made:
        layers = [nn.Linear(12, 16), Root(above), nn.Linear(16, 3)]
        return _drawn(nn.Sequential(*layers), random), torch.randn(SAMPLES, 12, generator=random)

    return make


def _rule(name: str, wording: str, truth: str, without: Make, fault: Make) -> Rule:
    def of(make: Make) -> Callable[[int], bool]:
        def run(seed: int) -> bool:
            random = torch.Generator().manual_seed(seed)
            model, x = make(random)
            targets = torch.randint(0, 3, (SAMPLES,), generator=random)
            return found("features", wording, seed, model, data=(x, targets), task="classification")

        return run

    return Rule(name=name, truth=truth, sound=of(without), fault=of(fault))


RULES = (
    _rule(
        "units that stay zero",
        "are zero on all",
        "each above zero on a tenth of other data; 1 to 4 biases of -100",
        lively,
        _dead,
    ),
    _rule(
        "saturated units, tanh",
        "are saturated on",
        "weights of He et al.; 1 to 4 units' times 1,000",
        mlp(nn.Tanh),
        _saturated(nn.Tanh),
    ),
    _rule(
        "saturated units, sigmoid",
        "are saturated on",
        "weights of He et al.; 1 to 4 units' times 1,000",
        mlp(nn.Sigmoid),
        _saturated(nn.Sigmoid),
    ),
    _rule(
        "filters that repeat",
        "repeat another",
        "weights of He et al.; one a multiple of another",
        network,
        _repeated,
    ),
    _rule("weights that are not finite", "not finite", "weights of He et al.; one is NaN", network, _marred),
    _rule(
        "activations that are not finite",
        "not finite",
        "roots of numbers above zero; of some below",
        _rooted(100),
        _rooted(0),
    ),
)
