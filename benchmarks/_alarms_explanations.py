"""Findings about explanations, on models whose explanation is known: linear, sparse, rare, leaked, parity, steep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from benchmarks._alarms import Rule, found
from reportgen.attribution.base import Attribution
from reportgen.attribution.choose import choose
from reportgen.attribution.explain import prepare
from reportgen.attribution.kinds import sights
from reportgen.attribution.removal import removal
from reportgen.experiment import Options, build
from reportgen.sections._removal import findings as removal_findings
from reportgen.sections._trust import agreement

Given = tuple[nn.Module, torch.Tensor, torch.Tensor, str]
Make = Callable[[torch.Generator], Given]
ROWS, WIDTH = 60, 14


def _linear(weights: torch.Tensor, bias: float = 0.0, outputs: int = 1) -> nn.Module:
    """A linear model of the features, for two outputs for and against."""
    model = nn.Linear(len(weights), outputs)
    with torch.no_grad():
        model.weight.copy_(weights[None] if outputs == 1 else torch.stack([-weights, weights]))
        model.bias.fill_(bias)
    return model


def linear(random: torch.Generator) -> Given:
    """A linear regression of 14 features, with weights about as large."""
    weights, x = torch.randn(WIDTH, generator=random), torch.randn(ROWS, WIDTH, generator=random)
    return _linear(weights), x, x @ weights, "regression"


def sparse(random: torch.Generator) -> Given:
    """A linear regression on 3 of 40 features; the others do nothing."""
    weights, x = torch.zeros(40), torch.randn(ROWS, 40, generator=random)
    weights[torch.randperm(40, generator=random)[:3]] = 1 + torch.rand(3, generator=random)
    return _linear(weights), x, x @ weights, "regression"


def rare(random: torch.Generator) -> Given:
    """A logistic detector of a class that few samples are of."""
    weights, x = torch.randn(WIDTH, generator=random), torch.randn(ROWS, WIDTH, generator=random)
    return (
        _linear(weights, -2 * float(weights.norm())),
        x,
        (x @ weights > 2 * weights.norm()).long(),
        "classification",
    )


class Additive(nn.Module):
    """A sum of smooth functions, one a feature."""

    def __init__(self, weights: torch.Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weights * torch.tanh(x)).sum(dim=1, keepdim=True)


def additive(random: torch.Generator) -> Given:
    weights, x = torch.randn(WIDTH, generator=random), torch.randn(ROWS, WIDTH, generator=random)
    model = Additive(weights)
    return model, x, model(x)[:, 0].detach(), "regression"


class Parity(nn.Module):
    """Whether an even number of features is above a half: no feature says anything by itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cos(torch.pi * (x > 0.5).float().sum(dim=1, keepdim=True)) + 0 * x.sum(
            dim=1, keepdim=True
        )


def parity(random: torch.Generator) -> Given:
    x = torch.randint(0, 2, (ROWS, WIDTH), generator=random).float() + 0.01 * torch.randn(
        ROWS, WIDTH, generator=random
    )
    return Parity(), x, Parity()(x)[:, 0], "regression"


class Steep(nn.Module):
    """Steps, each so narrow that points along a line step over it."""

    def __init__(self, weights: torch.Tensor, at: torch.Tensor):
        super().__init__()
        self.weights, self.at = nn.Parameter(weights), at

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weights * torch.tanh(3e3 * (x - self.at))).sum(dim=1, keepdim=True)


def steep(random: torch.Generator) -> Given:
    weights, x = 1 + torch.rand(WIDTH, generator=random), torch.randn(ROWS, WIDTH, generator=random)
    model = Steep(weights, 0.5 * torch.randn(WIDTH, generator=random))
    return model, x, model(x)[:, 0].detach(), "regression"


class Fixed(nn.Module):
    """Squares of the input times the one parameter: whatever it is, what counts stays the same."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x.square().sum(dim=1, keepdim=True)


def fixed(random: torch.Generator) -> Given:
    x = torch.randn(ROWS, WIDTH, generator=random)
    return Fixed(), x, x.square().sum(dim=1), "regression"


def leak(random: torch.Generator) -> Given:
    """One of 14 features gives the label away, and the model goes by it."""
    weights = 0.02 * torch.randn(WIDTH, generator=random)
    at = int(torch.randint(0, WIDTH, (), generator=random))
    weights[at] = 3.0
    x = torch.randn(ROWS, WIDTH, generator=random)
    return _linear(weights, outputs=2), x, (x[:, at] > 0).long(), "classification"


def shared(random: torch.Generator) -> Given:
    """Two classes by 14 features with weights about as large."""
    weights, x = torch.randn(WIDTH, generator=random), torch.randn(ROWS, WIDTH, generator=random)
    return _linear(weights, outputs=2), x, (x @ weights > 0).long(), "classification"


class Watermark(nn.Module):
    """Two classes by the mean of a square, or by all of the picture."""

    def __init__(self, weights: torch.Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        said = (self.weights * (x - 0.5)).flatten(1).sum(dim=1)
        return torch.stack([-said, said], dim=1)


def watermark(random: torch.Generator) -> Given:
    weights, x = torch.zeros(1, 24, 24), torch.rand(16, 1, 24, 24, generator=random)
    row, column = torch.randint(0, 7, (2,), generator=random).tolist()
    weights[:, 3 * row : 3 * row + 4, 3 * column : 3 * column + 4] = 1.0
    return Watermark(weights), x, torch.arange(16) % 2, "classification"


def picture(random: torch.Generator) -> Given:
    weights, x = torch.randn(1, 24, 24, generator=random), torch.rand(16, 1, 24, 24, generator=random)
    return Watermark(weights), x, torch.arange(16) % 2, "classification"


class Words(nn.Module):
    """Two classes by the weights of the words, each a number."""

    def __init__(self, weights: torch.Tensor):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(weights[:, None], freeze=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        said = self.embedding(ids).sum(dim=1)
        return torch.cat([-said, said], dim=1)


def _texts(weights: torch.Tensor, random: torch.Generator) -> Given:
    ids = torch.randint(1, 60, (40, 12), generator=random)
    ids[:, 4] = 60  # a word that stands in each
    return Words(weights), ids, torch.arange(40) % 2, "classification"


def text(random: torch.Generator) -> Given:
    return _texts(torch.randn(61, generator=random), random)


def text_leak(random: torch.Generator) -> Given:
    weights = 0.02 * torch.randn(61, generator=random)
    weights[60] = 5.0
    return _texts(weights, random)


class Sound(nn.Module):
    """Two classes by a weighted sum over time."""

    def __init__(self, weights: torch.Tensor):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        said = (self.weights * x).flatten(1).sum(dim=1)
        return torch.stack([-said, said], dim=1)


def signal(random: torch.Generator) -> Given:
    weights, x = torch.randn(1, 256, generator=random), torch.randn(16, 1, 256, generator=random)
    return Sound(weights), x, torch.arange(16) % 2, "classification"


def signal_leak(random: torch.Generator) -> Given:
    weights, x = torch.zeros(1, 256), torch.randn(16, 1, 256, generator=random)
    start = 32 * int(torch.randint(0, 8, (), generator=random))
    weights[:, start : start + 24] = 1.0
    return Sound(weights), x, torch.arange(16) % 2, "classification"


class Rounding(nn.Module):
    """A linear model of what was rounded."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner((4 * x).round())


def rounded(random: torch.Generator) -> Given:
    model, x, y, task = linear(random)
    return Rounding(model), x, y, task


class Noisy(nn.Module):
    """Dropout that stays on."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(nn.functional.dropout(x, 0.3, training=True))


def noisy(random: torch.Generator) -> Given:
    model, x, y, task = linear(random)
    return Noisy(model), x, y, task


class Together(nn.Module):
    """What a sample scores depends on the mean of its batch."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x - x.mean(dim=0))


def together(random: torch.Generator) -> Given:
    model, x, y, task = linear(random)
    return Together(model), x, y, task


def _either(*makes: Make) -> Make:
    def make(random: torch.Generator) -> Given:
        return makes[int(torch.randint(0, len(makes), (), generator=random))](random)

    return make


def _rule(
    name: str, wording: str, truth: str, without: Make, fault: Make, methods: Sequence[str], **given: object
) -> Rule:
    def of(make: Make) -> Callable[[int], bool]:
        def run(seed: int) -> bool:
            model, x, y, task = make(torch.Generator().manual_seed(seed))
            return found(
                "explanations",
                wording,
                seed,
                model,
                data=(x, y),
                task=task,
                methods=list(methods),
                samples=6,
                **given,
            )

        return run

    return Rule(name=name, truth=truth, sound=of(without), fault=of(fault))


def _drawn(seed: int, count: int) -> tuple[object, ...]:
    """An experiment on a linear model, its sights, and maps that were drawn by chance, a row a sample."""
    model, x, y, task = linear(torch.Generator().manual_seed(seed))
    experiment, options = build(model, data=(x, y), task=task), Options(seed=seed, timed=False)
    subjects, _ = choose(experiment, 8)
    ready = prepare(experiment, options, sights(experiment, subjects), 1.0)
    random = np.random.default_rng(seed)
    names = [f"chance {at}" for at in range(count)]
    rows = [
        tuple(Attribution(one, random.normal(size=WIDTH), True, "") for one in names) for _ in ready.sights
    ]
    return experiment, options, ready, rows


def _random_order(seed: int) -> bool:
    experiment, options, ready, rows = _drawn(seed, 1)
    made = removal(experiment, options, ready.tools, ready.sights, rows, "table")
    return made is not None and bool(removal_findings(made))


def _random_maps(seed: int) -> bool:
    _, _, ready, rows = _drawn(seed, 4)
    return bool(agreement(rows, [made.method for made in rows[0]], [one.counted for one in ready.sights])[1])


EXACT = ("integrated-gradients", "occlusion", "kernelshap")
LIME, SHAP, GRADIENT = ("lime",), ("kernelshap",), ("input-gradient", "integrated-gradients", "saliency")
_ORDER = "is hardly better than a random one"
_KNOWN = "linear, sparse and additive models"
_order = _rule("", _ORDER, "", _either(linear, sparse, additive), linear, EXACT)
_rare = _rule("", _ORDER, "", rare, rare, EXACT)

RULES = (
    Rule(
        "an order no better than chance",
        f"exact maps of {_KNOWN}; maps drawn by chance",
        _order.sound,
        _random_order,
    ),
    Rule(
        "an order no better than chance, rare class",
        "exact maps of a rare class's detector",
        _rare.sound,
        None,
    ),
    _rule(
        "LIME's values change with the seed",
        "LIME values change with the seed",
        f"{_KNOWN}; parity",
        _either(linear, sparse, additive),
        parity,
        LIME,
    ),
    _rule(
        "LIME fits poorly",
        "LIME fits poorly",
        "linear and sparse models; parity",
        _either(linear, sparse),
        parity,
        LIME,
    ),
    _rule(
        "KernelShap's halves differ",
        "values differ between the two halves",
        f"{_KNOWN}; parity",
        _either(linear, sparse, additive),
        parity,
        SHAP,
    ),
    _rule(
        "Integrated Gradients do not add up",
        "Integrated Gradients values do not add up",
        f"{_KNOWN}; narrow steps",
        _either(linear, sparse, additive),
        steep,
        ("integrated-gradients",),
    ),
    _rule(
        "GradientShap does not add up",
        "GradientShap values do not add up",
        "linear and sparse models; narrow steps",
        _either(linear, sparse),
        steep,
        ("gradientshap",),
    ),
    _rule(
        "maps that do not hang on the parameters",
        "hardly change when the model's parameters are random",
        "linear and additive models; squares times one parameter",
        _either(linear, additive),
        fixed,
        GRADIENT,
    ),
    Rule(
        "no two methods agree",
        f"exact maps of {_KNOWN}; four maps drawn by chance",
        _rule(
            "", "No two methods agree", "", _either(linear, sparse, additive), linear, (*EXACT, *LIME)
        ).sound,
        _random_maps,
    ),
    _rule(
        "one feature holds nearly all",
        "nearly all of the attribution",
        "14 features that count; one that leaks",
        shared,
        leak,
        (*EXACT, *LIME),
    ),
    _rule(
        "one place holds nearly all, images",
        "nearly all of the attribution",
        "all of a picture; a square of a sixth",
        picture,
        watermark,
        GRADIENT,
    ),
    _rule(
        "one word holds nearly all, texts",
        "nearly all of the attribution",
        "all words; one word",
        text,
        text_leak,
        ("occlusion", "kernelshap", "lime"),
        modality="text",
    ),
    _rule(
        "one place holds nearly all, signals",
        "nearly all of the attribution",
        "all of a signal; a tenth of it",
        signal,
        signal_leak,
        GRADIENT,
        modality="signal",
    ),
    _rule(
        "no gradient",
        "pass no gradient",
        "linear, additive; rounded inputs",
        _either(linear, additive),
        rounded,
        (*GRADIENT, *LIME),
    ),
    _rule(
        "scores that depend on the batch",
        "depends on what else is in its batch",
        "linear; less the batch's mean",
        linear,
        together,
        LIME,
    ),
    _rule(
        "scores that change by themselves",
        "forward passes of the same input differ",
        "linear; dropout that stays on",
        linear,
        noisy,
        LIME,
    ),
)
