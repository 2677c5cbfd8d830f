"""Findings about a model's build, on networks that were built with and without each fault."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks._alarms import Rule, found, whole

Build = Callable[[torch.Generator], tuple[nn.Module, torch.Tensor]]


def _classes(random: torch.Generator) -> int:
    return whole(random, 2, 12)


class Parts(nn.Module):
    """A stack of layers, `joined` by a function of the stack and its input."""

    def __init__(
        self, layers: list[nn.Module], joined: Callable[[nn.ModuleList, torch.Tensor], torch.Tensor]
    ):
        super().__init__()
        self.layers, self.joined = nn.ModuleList(layers), joined

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.joined(self.layers, x)


def _chain(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        x = torch.relu(layer(x)) if layer is not layers[-1] else layer(x)
    return x


def even_mlp(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    """Three to seven layers of one width, the classes as many: no layer has more than a third of anything."""
    width, depth = whole(random, 4, 24), whole(random, 3, 7)
    return Parts([nn.Linear(width, width) for _ in range(depth)], _chain), torch.randn(
        8, width, generator=random
    )


def convolutional(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    """Convolutions without bias, batch norm, ReLU, a pooled head."""
    width, depth, layers, channels = whole(random, 4, 12), whole(random, 2, 5), [], 3
    for _ in range(depth):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, _classes(random))]
    return nn.Sequential(*layers, *head), torch.randn(8, 3, 16, 16, generator=random)


class Encoder(nn.Module):
    """A transformer's encoder on float inputs, with a class read from the mean place."""

    def __init__(self, random: torch.Generator):
        super().__init__()
        width = 4 * whole(random, 2, 6)
        layer = nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, whole(random, 1, 3), enable_nested_tensor=False)
        self.head, self.width = nn.Linear(width, _classes(random)), width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(x).mean(dim=1))


def attentive(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model = Encoder(random)
    return model, torch.randn(8, whole(random, 4, 9), model.width, generator=random)


def recurrent(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    kind = (nn.LSTM, nn.GRU)[whole(random, 0, 1)]
    width = whole(random, 4, 12)

    def read(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
        return layers[1](layers[0](x)[0][:, -1])

    model = Parts([kind(5, width, whole(random, 1, 2), batch_first=True), nn.Linear(width, 3)], read)
    return model, torch.randn(8, 12, 5, generator=random)


SOUND = (even_mlp, convolutional, attentive, recurrent)


def sound(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    return SOUND[whole(random, 0, len(SOUND) - 1)](random)


def _marred(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model, x = sound(random)
    parameters = list(model.parameters())
    chosen = parameters[whole(random, 0, len(parameters) - 1)].data.view(-1)
    chosen[whole(random, 0, len(chosen) - 1)] = (float("nan"), float("inf"), -float("inf"))[
        whole(random, 0, 2)
    ]
    return model, x


def _idle(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model, x = sound(random)
    return Parts([model, nn.Linear(whole(random, 1, 9), 3)], lambda layers, x: layers[0](x)), x


def _detached(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    """The layers before one place of the stack never get a gradient."""
    model, x = even_mlp(random)
    at = whole(random, 1, len(model.layers) - 1)

    def joined(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
        for number, layer in enumerate(layers):
            x = layer(x.detach() if number == at else x)
        return x

    model.joined = joined
    return model, x


class Listed(nn.Module):
    """Layers in a plain list."""

    def __init__(self, width: int, depth: int):
        super().__init__()
        self.blocks, self.head = [nn.Linear(width, width) for _ in range(depth)], nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.head(x)


def _listed(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    width = whole(random, 3, 12)
    return Listed(width, whole(random, 1, 4)), torch.randn(8, width, generator=random)


def _ended(*end: nn.Module) -> Build:
    def build(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
        model, x = sound(random)
        return nn.Sequential(model, *end), x

    return build


def _one_score(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    width = whole(random, 3, 12)
    return nn.Sequential(nn.Linear(width, 1), nn.Softmax(dim=1)), torch.randn(8, width, generator=random)


class Wide(nn.Module):
    """A constant of NumPy's in a network of float32."""

    def __init__(self, inner: nn.Module, value: float):
        super().__init__()
        self.inner, self.scale = inner, torch.tensor([value], dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.scale


def _wide(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model, x = sound(random)
    return Wide(model, 0.5), x


def _biased(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model, x = convolutional(random)
    places = [at for at, layer in enumerate(model) if isinstance(layer, nn.Conv2d)]
    at = places[whole(random, 0, len(places) - 1)]
    model[at] = nn.Conv2d(model[at].in_channels, model[at].out_channels, 3, padding=1)
    return model, x


def _wasted(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    """A layer runs, and what it made goes nowhere."""
    model, x = even_mlp(random)
    at = whole(random, 0, len(model.layers) - 2)

    def joined(layers: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
        for number, layer in enumerate(layers):
            made = layer(x)
            x = x if number == at else made
        return x

    model.joined = joined
    return model, x


def _mixed(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    """One of twelve matrices in half precision, converted where it is used."""
    width = whole(random, 4, 12)
    layers = [nn.Linear(width, width) for _ in range(12)]
    odd = whole(random, 0, 11)
    layers[odd].half()

    def joined(stack: nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
        for number, layer in enumerate(stack):
            x = (
                nn.functional.linear(x, layer.weight.float(), layer.bias.float())
                if number == odd
                else layer(x)
            )
        return x

    return Parts(layers, joined), torch.randn(8, width, generator=random)


def _top_heavy(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    """The middle one of three layers has more than nine tenths of the parameters, FLOPs and activations."""
    wide = whole(random, 40, 80)
    return (
        nn.Sequential(nn.Conv2d(1, 1, 1), nn.Conv2d(1, wide, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                      nn.Linear(wide, 2, bias=False)),
        torch.randn(8, 1, 12, 12, generator=random),
    )  # fmt: skip


def _breaking(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    width = whole(random, 4, 12)
    return nn.Sequential(nn.Linear(width, 5), nn.Linear(6, 2)), torch.randn(8, width, generator=random)


class Attention(nn.Module):
    """Attention written out, over far more places than it has channels."""

    def __init__(self, width: int):
        super().__init__()
        self.q, self.k, self.v, self.head = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = (self.q(x) @ self.k(x).transpose(1, 2) / x.shape[-1] ** 0.5).softmax(dim=-1)
        return self.head((scores @ self.v(x)).mean(dim=1))


def _square(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    width = whole(random, 4, 8)
    return Attention(width), torch.randn(2, whole(random, 48, 96), width, generator=random)


class Unled(nn.Module):
    """A network whose forward pass runs without gradients."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.inner(x)


def _unled(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model, x = sound(random)
    return Unled(model), x


def _tied(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model, x = even_mlp(random)
    model.layers[-1].weight = model.layers[0].weight
    return model, x


def _frozen(random: torch.Generator) -> tuple[nn.Module, torch.Tensor]:
    model, x = sound(random)
    parameters = list(model.parameters())
    for parameter in parameters[: whole(random, 1, len(parameters) - 1)]:
        parameter.requires_grad_(False)
    return model, x


def _rule(name: str, wording: str, fault: Build, without: Build = sound, truth: str = "") -> Rule:
    def of(build: Build) -> Callable[[int], bool]:
        def run(seed: int) -> bool:
            random = torch.Generator().manual_seed(seed)
            model, x = build(random)
            targets = torch.randint(0, 2, (len(x),), generator=random)
            return found("architecture", wording, seed, model, data=(x, targets), task="classification")

        return run

    return Rule(name=name, truth=truth or (fault.__doc__ or name).strip(), sound=of(without), fault=of(fault))


_FEWER = "networks of four kinds without it"

RULES = (
    _rule(
        "NaN or infinity in parameters",
        "NaN or infinity",
        _marred,
        truth=f"one value of one tensor; {_FEWER}",
    ),
    _rule("parameters that are not used", "not used in the traced", _idle, truth=f"a spare layer; {_FEWER}"),
    _rule("parameters without a gradient", "never get", _detached, truth=f"a detach in the stack; {_FEWER}"),
    _rule("layers in a plain list", "held in a plain", _listed, truth=f"all but the head; {_FEWER}"),
    _rule("softmax over the batch", "over dimension 0", _ended(nn.Softmax(dim=0)), truth=f"dim=0; {_FEWER}"),
    _rule(
        "softmax of a softmax",
        "softmax of a softmax",
        _ended(nn.Softmax(dim=1), nn.Softmax(dim=1)),
        _ended(nn.Softmax(dim=1)),
        "two in a row; one",
    ),
    _rule(
        "softmax over one score",
        "over a single score",
        _one_score,
        _ended(nn.Softmax(dim=1)),
        "one score; several",
    ),
    _rule(
        "scores that can't fall below 0",
        "none can be below 0",
        _ended(nn.ReLU()),
        truth=f"a last ReLU; {_FEWER}",
    ),
    _rule("float64 that nobody meant", "float64", _wide, truth=f"a constant of float64; {_FEWER}"),
    _rule(
        "bias before a batch norm",
        "batch norm after it cancels",
        _biased,
        truth=f"one of the convolutions; {_FEWER}",
    ),
    _rule("work for nothing", "is not used (", _wasted, truth=f"one layer's output goes nowhere; {_FEWER}"),
    _rule("a matrix of another type", "weight matri", _mixed, truth=f"one of twelve in float16; {_FEWER}"),
    _rule(
        "one layer with most of the parameters",
        "% of the parameters:",
        _top_heavy,
        even_mlp,
        "over nine tenths; a third at most",
    ),
    _rule(
        "one layer with most of the FLOPs",
        "% of the FLOPs:",
        _top_heavy,
        even_mlp,
        "over nine tenths; a third at most",
    ),
    _rule(
        "one layer with most of the activations",
        "% of the activations:",
        _top_heavy,
        even_mlp,
        "over nine tenths; a third at most",
    ),
    _rule(
        "tensors that grow with the square",
        "for each pair of",
        _square,
        convolutional,
        "attention over 48 to 96 places; convolutions",
    ),
    _rule(
        "a forward pass that can't be trained through",
        "No output is connected to a parameter",
        _unled,
        truth=f"no_grad in forward; {_FEWER}",
    ),
    _rule("tied parameters", "tied:", _tied, truth=f"one weight at both ends; {_FEWER}"),
    _rule("frozen parameters", "are frozen", _frozen, truth=f"the first of them; {_FEWER}"),
    _rule(
        "the forward pass raises",
        "The forward pass raised",
        _breaking,
        truth=f"widths that do not fit; {_FEWER}",
    ),
)
