"""Findings about a model's build: each found where it is, with its numbers, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from networks import DigitsCNN
from torch import nn

from reportgen.data import Inputs
from reportgen.trace import trace
from reportgen.trace.findings import findings

X = Inputs((torch.randn(2, 4, generator=torch.Generator().manual_seed(0)),), {})
WORDS = Inputs((torch.randn(1, 64, 8),), {})


def said(model: nn.Module, inputs: Inputs = X, task: str = "") -> list[str]:
    model.eval()
    return [finding.message for finding in findings(trace(model, inputs), model, task=task)]


def sequence(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), *layers)


class Attention(nn.Module):
    """Scores of every position for every other, or PyTorch's own attention, which keeps none."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.fused:
            return nn.functional.scaled_dot_product_attention(q, k, v)
        return (q @ k.transpose(1, 2)).softmax(-1) @ v


def test_a_plain_network_has_no_findings() -> None:
    assert said(DigitsCNN(), Inputs((torch.zeros(2, 1, 8, 8),), {}), "classification") == []


def test_parameters_that_run_without_a_gradient_are_told_from_those_that_never_run() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cut, self.head, self.idle = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.cut(x).detach())

    assert said(Cut()) == [
        "2 parameter tensors (20 values, 33.33 % of all) were not used in the traced forward pass: idle.weight, "
        "idle.bias.",
        "2 trainable parameter tensors (20 values, 33.33 % of all) run but never get a gradient: cut.weight, "
        "cut.bias.",
    ]


def test_a_forward_pass_without_gradients_is_one_finding_and_no_list() -> None:
    class Off(nn.Sequential):
        @torch.no_grad()
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)

    assert said(Off(nn.Linear(4, 4), nn.Linear(4, 4))) == [
        "No output is connected to a parameter by a gradient: this forward pass can't be trained through."
    ]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ([nn.Softmax(dim=0)], "no distribution over the classes"),
        (
            [nn.Softmax(dim=1), nn.Softmax(dim=1)],
            "softmax of a softmax, so none of the 4 probabilities can be above",
        ),
        ([nn.Softmax(dim=1), nn.Dropout(), nn.Softmax(dim=1)], "softmax of a softmax"),
        ([nn.ReLU()], "The 4 scores come from a ReLU, so none can be below 0"),
        ([nn.Linear(4, 1), nn.Softmax(dim=1)], "over a single score, always 1."),
    ],
)
def test_an_output_that_can_be_no_distribution_is_found(head: list[nn.Module], message: str) -> None:
    assert any(message in one for one in said(sequence(*head), task="classification"))


@pytest.mark.parametrize(
    "head", [[], [nn.Softmax(dim=1)], [nn.LogSoftmax(dim=-1)], [nn.ReLU(), nn.Linear(4, 4)]]
)
def test_an_output_that_can_be_one_is_not(head: list[nn.Module]) -> None:
    assert said(sequence(*head), task="classification") == []


def test_the_bound_on_a_softmax_of_a_softmax_holds() -> None:
    (one,) = said(sequence(nn.Softmax(dim=1), nn.Softmax(dim=1)), task="classification")
    bound = torch.eye(4)[0].softmax(0)[0].item()
    assert f"{100 * bound:.2f} %" in one


def test_wide_numbers_made_by_accident_are_found_and_those_that_are_meant_are_not() -> None:
    class Wide(nn.Module):
        def __init__(self, kind: torch.dtype) -> None:
            super().__init__()
            self.kind = kind
            self.one, self.other = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.one(x) * torch.ones(4, dtype=self.kind)
            return self.other(x.to(self.one.weight.dtype))

    assert said(Wide(torch.float64)) == [
        "1 step of the forward pass gives float64, though no parameter and no input is: the first is mul in Wide."
    ]
    assert said(Wide(torch.float32)) == []
    half = Wide(torch.float32).to(torch.bfloat16)
    assert said(half, Inputs((X.args[0].to(torch.bfloat16),), {})) == []


def test_one_matrix_of_another_type_is_found_and_wide_norms_are_not() -> None:
    layers = [nn.Linear(4, 4) for _ in range(12)]
    model = nn.Sequential(*layers, nn.LayerNorm(4)).to(torch.bfloat16)
    model[12].float()
    assert not any("weight matrices" in one for one in said(model, Inputs((), {})))
    model[3].float()
    assert "1 of 12 weight matrices is float32, the others bfloat16: 3.weight." in said(model, Inputs((), {}))


def test_scores_for_every_pair_are_found_and_fused_attention_makes_none() -> None:
    (one,) = said(Attention(fused=False), WORDS)
    assert one.startswith("2 tensors with a value for each pair of 64 positions make 80 % of the activations")
    assert "1×64×64" in one
    assert said(Attention(fused=True), WORDS) == []


def test_squares_that_are_no_pairs_are_not_found() -> None:
    class Gram(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = self.conv(x).flatten(2)
            return flat @ flat.transpose(1, 2)

    assert said(Gram(), Inputs((torch.zeros(1, 3, 32, 32),), {})) == []
    assert said(nn.Sequential(nn.Linear(64, 64), nn.ReLU()), Inputs((torch.zeros(1, 64, 64),), {})) == []


def test_a_layer_whose_output_nothing_uses_is_found_with_what_it_costs() -> None:
    class Vain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.three = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.two(x)
            return self.three(self.one(x))

    assert "What 1 layer call computed is not used (64 FLOPs, 33.33 % of all): two." in said(Vain())


def test_one_layer_that_takes_most_of_the_flops_or_of_the_memory_is_found() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 400), nn.Linear(400, 4), nn.Linear(4, 4))
    messages = said(model)
    assert any(one.startswith("1 (Linear) makes 97") for one in messages)
    assert not any("of the FLOPs" in one for one in messages)


def test_ten_thousand_steps_are_looked_at_once_each() -> None:
    assert said(nn.Sequential(*(nn.Linear(4, 4) for _ in range(3000)))) == []


def test_shares_are_of_all_that_ran_and_not_of_the_layers_alone() -> None:
    class Outside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.big, self.one, self.two = nn.Linear(4, 16), nn.Linear(16, 2), nn.Linear(2, 2)
            self.experts = nn.Parameter(torch.ones(16, 64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.big(x)
            return self.two(self.one((x @ self.experts) @ self.experts.t()))

    assert not any("FLOPs" in one or "activations" in one for one in said(Outside()))


class NonLocal(nn.Module):
    """Attention between the pixels of a feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(8, 8, 1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (layer(x).flatten(2) for layer in (self.q, self.k, self.v))
        return (v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2)).view(x.shape)


def test_scores_for_every_pair_of_pixels_are_found() -> None:
    (one,) = said(NonLocal(), Inputs((torch.zeros(1, 8, 12, 12),), {}))
    assert one.startswith("2 tensors with a value for each pair of 144 positions")
    assert "1×144×144" in one


class PyTorchs(nn.Module):
    def __init__(self, weights: bool) -> None:
        super().__init__()
        self.attention, self.weights = nn.MultiheadAttention(16, 2, batch_first=True), weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=self.weights)[0]


def test_scores_that_a_layer_makes_inside_are_found() -> None:
    words = Inputs((torch.zeros(1, 128, 16),), {})
    (one,) = said(PyTorchs(weights=True), words)
    assert "each pair of 128 positions" in one
    assert one.endswith("2×128×128, is made in attention. Twice the positions make each four times as large.")
    assert said(PyTorchs(weights=False), words) == []


def test_square_pictures_and_square_weights_are_no_pairs() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix, self.layer = nn.Parameter(torch.ones(64, 64)), nn.Linear(64, 64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(torch.bmm(x @ self.mix, self.mix.expand(2, 64, 64)))

    assert said(Weighted(), Inputs((torch.zeros(2, 64, 64),), {})) == []
    pictures = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    assert not any("pair of" in one for one in said(pictures, Inputs((torch.zeros(1, 3, 64, 64),), {})))


def test_layers_under_vmap_are_not_idle() -> None:
    class Each(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            def f(row: torch.Tensor) -> torch.Tensor:
                return self.two(torch.tanh(self.one(row))).squeeze(-1)

            return torch.func.vmap(f)(x)[:, None] + torch.func.vmap(torch.func.grad(f))(x)

    seen = trace(Each().eval(), X)
    assert all(step.fed for step in seen.steps if step.kind == "output")
    assert said(Each()) == []


def test_no_layer_is_idle_where_the_way_to_an_output_is_lost_and_names_come_once() -> None:
    class Lost(nn.Module):
        def __init__(self, lost: bool) -> None:
            super().__init__()
            self.one, self.two, self.lost = nn.Linear(4, 4), nn.Linear(4, 4), lost

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.one(self.two(x)), self.one(x)
            return torch.ones(2, 4) if self.lost else self.two(x)

    assert not any("is not used (" in one for one in said(Lost(lost=True)))
    assert any(one.endswith("of all): one.") for one in said(Lost(lost=False)))


def test_what_reentrant_checkpointing_hides_is_not_called_without_a_gradient() -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.utils.checkpoint.checkpoint(self.two, self.one(x), use_reentrant=True)

    assert said(Checkpointed()) == []


class Biased(nn.Module):
    """Attention biases that eval mode reads from what an earlier pass kept of them, as LeViT does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.biases, self.cache = nn.Linear(4, 4), nn.Parameter(torch.zeros(4)), {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            return self.layer(x) + self.biases
        if "cpu" not in self.cache:
            self.cache["cpu"] = self.biases * 2
        return self.layer(x) + self.cache["cpu"]


def test_a_parameter_that_eval_mode_keeps_a_cache_of_is_not_called_unused() -> None:
    model = Biased().eval()
    assert said(model) == []
    with torch.no_grad():
        model(torch.zeros(1, 4))
    (found,) = said(model)
    assert found.startswith(
        "1 parameter tensor (4 values, 16.67 % of all) was read in training mode, and not in"
    )
    assert model.training is model.layer.training is False


def test_the_attention_biases_of_levit_are_used() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LevitConfig(
        image_size=64, hidden_sizes=[16, 24, 32], num_attention_heads=[1, 1, 2], depths=[1, 1, 1], key_dim=[4, 4, 4],
        attention_ratio=[2, 2, 2], mlp_ratio=[2, 2, 2],
        down_ops=[["Subsample", 4, 4, 4, 2, 2], ["Subsample", 4, 6, 4, 2, 2]],
    )  # fmt: skip
    model, images = transformers.LevitModel(config).eval(), torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        model(images)
    found = [text for text in said(model, Inputs((images,), {})) if "parameter tensor" in text]
    assert [text for text in found if "not used" in text] == []
    assert "5 parameter tensors" in found[0]
    assert "were read in training mode" in found[0]


def test_where_training_mode_cannot_be_looked_at_or_a_layer_keeps_tensors_nothing_is_called_unused() -> None:
    class Refuses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.idle = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                raise ValueError("targets are wanted")
            return self.layer(x)

    (found,) = said(Refuses())
    assert (
        "were not seen in the traced forward pass in eval mode: idle.weight, idle.bias. This does not show"
        in found
    )
    assert "ValueError: targets are wanted" in found

    class Keeps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))
            self.made = [self.weight.detach() * 2]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.made[0]

    (found,) = said(Keeps())
    assert "was not seen in the traced forward pass in eval mode: weight." in found
    assert "keep tensors of their own" in found


def test_a_head_that_training_alone_uses_is_told_from_one_that_nothing_uses() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.aside, self.idle = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 4)
            self.norm = nn.BatchNorm1d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden = self.norm(self.layer(x))
            return hidden + self.aside(hidden).sum() if self.training else hidden

    unused, training = said(Auxiliary(), Inputs((torch.zeros(1, 4),), {}))[:2]
    assert "were not used in the traced forward pass: idle.weight, idle.bias." in unused
    assert "were read in training mode" in training
    assert "aside.weight, aside.bias." in training
