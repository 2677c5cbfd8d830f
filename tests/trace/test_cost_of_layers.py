"""What a layer costs in activations, and which parameters a gradient comes to."""

from __future__ import annotations

import torch
from architectures import Branches, Choosing
from networks import DigitsCNN
from torch import nn

from reportgen.data import Inputs
from reportgen.trace import trace
from reportgen.trace.cost import cost

X = Inputs((torch.randn(2, 4, generator=torch.Generator().manual_seed(0)),), {})


def test_activation_bytes_are_those_of_new_tensors_and_views_and_in_place_results_make_none() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Flatten(), nn.ReLU())
    made = trace(model, X).made_by_path
    assert [made[name] for name in ("0", "1", "2", "3", "")] == [48, 0, 0, 48, 96]


def test_activation_bytes_of_a_convolution_network_are_those_of_its_layers_outputs() -> None:
    model = DigitsCNN().eval()
    sizes: dict[str, int] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda _, __, out, name=name: sizes.update({name: 4 * out.numel()}))
    model(torch.zeros(3, 1, 8, 8))
    made = trace(model, Inputs((torch.zeros(3, 1, 8, 8),), {})).made_by_path
    assert sizes
    assert {name: made[name] for name in sizes} == sizes


def test_parameters_that_a_gradient_comes_to_are_told_from_those_that_ran_without_one() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.after(self.before(x).detach())

    seen = trace(Cut().eval(), X)
    assert seen.reached == {"after.weight", "after.bias"}
    assert seen.used >= {"before.weight", "before.bias"}
    assert seen.autograd > 0


def test_reached_parameters_are_those_that_backward_gives_a_gradient() -> None:
    for model in (Branches().eval(), DigitsCNN().eval(), Choosing().eval()):
        inputs = Inputs((torch.ones(2, 1, 8, 8),), {}) if isinstance(model, DigitsCNN) else X
        seen = trace(model, inputs)
        model(*inputs.args).sum().backward()
        assert seen.reached == {name for name, p in model.named_parameters() if p.grad is not None}


def test_model_that_bears_no_gradients_is_traced_without_them_and_its_reach_is_unknown() -> None:
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.scale.mul_(1.0)
            return x * self.scale

    seen = trace(Writing().eval(), X)
    assert (seen.how, seen.failures, seen.reached) == ("fake", (), None)


def test_model_that_turns_gradients_off_reaches_nothing() -> None:
    class Off(nn.Sequential):
        @torch.no_grad()
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)

    assert trace(Off(nn.Linear(4, 4)).eval(), X).reached == frozenset()


def test_a_block_that_holds_nearly_all_is_opened_and_nothing_is_lost() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 40), nn.Linear(40, 40))
            self.scale = nn.Parameter(torch.ones(1))
            self.head = nn.Linear(40, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(x)) * self.scale

    seen = trace(Wrapped().eval(), X)
    bars = next(block for block in cost(seen) if block.id == "parameters-by-block")
    assert dict(zip(bars.labels, bars.values, strict=True)) == {
        "body.1": 1640,
        "body.0": 200,
        "head": 82,
        "outside these blocks": 1,
    }


def test_layers_that_are_alike_share_a_row_and_their_shares_are_of_all() -> None:
    seen = trace(nn.Sequential(*(nn.Linear(4, 4) for _ in range(5)), nn.Linear(4, 9)).eval(), X)
    table = next(block for block in cost(seen) if block.id == "most-expensive")
    names = [column.name for column in table.columns]
    first, second = (dict(zip(names, row.cells, strict=True)) for row in table.rows)
    assert (first["Layer"], first["Layers"], first["FLOPs"]) == ("5", 1, 72)
    assert (second["Layer"], second["Layers"], second["FLOPs"]) == ("0-4", 5, 32)
    assert second["Share of FLOPs"] == 160 / 232
    assert second["Share of parameters"] == 100 / 145
