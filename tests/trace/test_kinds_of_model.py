"""Models that are wrapped, quantized, parametrized or not yet shaped: seen as what they are."""

from __future__ import annotations

import copy
import warnings

import pytest
import state
import torch
from networks import DigitsCNN
from torch import nn
from torch.nn.utils import parametrizations

import reportgen
from reportgen.data import Inputs
from reportgen.trace import Trace, table, trace

X = Inputs((torch.randn(2, 4, generator=torch.Generator().manual_seed(0)),), {})
IMAGES = Inputs((torch.zeros(2, 1, 8, 8),), {})


def cells(seen: Trace, row: str) -> dict[str, object]:
    made = table(seen)
    found = next(one for one in made.rows if one.id == row)
    return dict(zip([column.name for column in made.columns], found.cells, strict=True))


def quantized(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model.eval(), {nn.Linear, nn.LSTM}, dtype=torch.qint8)


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        torch.compile,
        lambda model: nn.DataParallel(torch.compile(model)),
        lambda model: torch.compile(nn.DataParallel(model)),
    ],
)
def test_a_wrapped_model_is_seen_as_the_one_inside(wrap: object) -> None:
    model = DigitsCNN().eval()
    plain, inside = trace(model, IMAGES), trace(wrap(model), IMAGES)
    assert inside.layers == plain.layers
    assert inside.flops == plain.flops
    report = reportgen.collect(wrap(model), example_inputs=torch.zeros(1, 1, 8, 8), sections=["architecture"])
    assert report.sections[0].summary.startswith("DigitsCNN: ")


def test_dynamically_quantized_layers_have_the_operations_of_those_they_replace() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    seen = trace(quantized(copy.deepcopy(model)), X)
    assert (seen.flops, seen.unknown) == (trace(model, X).flops, ())
    first = cells(seen, "0")
    assert first["Parameters"] == 4 * 8 + 8
    assert first["Notes"] == "quantized: packed qint8, float32"
    assert first["FLOPs"] == 2 * 4 * 8


def test_operations_of_a_quantized_lstm_are_unknown_and_not_zero() -> None:
    seen = trace(quantized(nn.Sequential(nn.LSTM(4, 3))), Inputs((torch.zeros(5, 2, 4),), {}))
    assert seen.complete
    assert seen.unknown
    assert cells(seen, "0")["FLOPs"] is None


def test_parametrized_weights_are_counted_as_the_tensors_that_are_trained() -> None:
    model = nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 6)), parametrizations.spectral_norm(nn.Linear(6, 3))
    )
    before = state.of_model(model.eval())
    seen = trace(model, X)
    assert seen.totals.parameters == sum(p.numel() for p in model.parameters())
    assert seen.reached == {name for name, p in model.named_parameters()}
    norm = 2 * 3 * 6 + 2 * 3  # spectral norm's σ = u·Wv
    assert seen.flops == 2 * 2 * (4 * 6 + 6 * 3) + norm
    assert cells(seen, "0")["Settings"] == "4→6"
    assert state.of_model(model) == before


def test_lazy_layers_have_no_size_until_they_ran_and_the_callers_stay_lazy() -> None:
    model = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2))
    still = trace(model)
    assert still.totals.lazy == 4
    assert cells(still, "0")["Parameters"] is None
    assert "lazy: no shape yet" in cells(still, "0")["Notes"]
    report = reportgen.collect(model, example_inputs=torch.zeros(1, 4), sections=["architecture"])
    assert report.failed == ()
    assert all(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters())


def test_nested_inputs_and_outputs_are_told_by_their_places() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, pair: tuple[torch.Tensor, dict[str, torch.Tensor]]) -> dict[str, object]:
            x, more = pair
            return {"out": (self.layer(x), [more["y"] * 2])}

    seen = trace(Nested().eval(), Inputs(((X.args[0], {"y": X.args[0]}),), {}))
    assert [step.name for step in seen.steps if step.kind == "input"] == ["pair[0]", "pair[1].y"]
    assert [step.name for step in seen.steps if step.kind == "output"] == ["out[0]", "out[1][0]"]
