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
from reportgen.errors import InputError
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


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.LazyLinear(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.conv(x)).flatten(1))


def rows(report: reportgen.Report) -> dict[str, dict[str, object]]:
    made = report.sections[0].block("layers")
    names = [column.name for column in made.columns]
    return {row.id: dict(zip(names, row.cells, strict=True)) for row in made.rows}


def test_lazy_layers_are_shown_as_the_input_shapes_them_batch_norm_too() -> None:
    model = Lazy()
    pictures = torch.randn(1, 3, 8, 8)
    report = reportgen.collect(model, example_inputs=pictures, sections=["architecture"])
    assert report.failed == ()
    found = rows(report)
    assert [found[at]["Settings"] for at in ("conv", "norm", "head")] == ["3→4, 3×3", "4", "144→3"]
    assert {found[at]["Notes"] for at in ("conv", "norm", "head")} == {"lazy: shaped by this input"}
    assert "Conv2d 3→4, 3×3" in [node.detail for node in report.sections[0].block("graph").nodes]
    assert all(nn.parameter.is_lazy(tensor) for tensor in (*model.parameters(), model.norm.running_mean))
    assert type(model.conv) is nn.LazyConv2d
    assert model(pictures).shape == (1, 3)


def test_lazy_layers_without_an_input_have_unknown_widths_and_parameters() -> None:
    found = rows(reportgen.collect(Lazy(), sections=["architecture"]))
    assert [found[at]["Settings"] for at in ("conv", "norm", "head")] == ["?→4, 3×3", "?", "?→3"]
    assert found["root"]["Parameters"] is found["root"]["Share"] is None


def test_a_model_that_can_not_be_copied_is_not_blamed_on_its_device() -> None:
    class Single(nn.LazyLinear):
        def __deepcopy__(self, known: object) -> object:
            raise TypeError("one of a kind")

    with pytest.raises(InputError, match="model: it can't be copied: TypeError: one of a kind"):
        reportgen.collect(Single(3), example_inputs=torch.zeros(1, 4), sections=["architecture"])


def test_cells_are_empty_where_a_figure_stands_in_another_row_and_unknown_only_where_it_is() -> None:
    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))
            self.attention, self.head = nn.MultiheadAttention(4, 2), nn.Linear(4, 3)
            self.again, self.idle = self.head, nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head.forward(self.attention(x, x, x)[0] * self.scale)

    seen = trace(Several().eval(), Inputs((torch.zeros(5, 1, 4),), {}))
    costs = ("FLOPs", "Activations", "Calls")
    for row in ("scale", "attention.out_proj", "head", "again"):
        assert [cells(seen, row)[name] for name in costs] == ["", "", ""]
    assert [cells(seen, "again")[name] for name in ("Own", "Parameters", "Share")] == ["", "", ""]
    assert cells(seen, "head")["Notes"] == "runs inside another layer"
    assert cells(seen, "head")["Parameters"] == 15
    assert [cells(seen, "idle")[name] for name in (*costs, "Notes")] == [0, 0, 0, "never ran"]
    still = trace(Several())
    assert [cells(still, "head")[name] for name in costs] == [None, None, None]


def test_packed_weights_are_parts_of_a_layer_and_no_layers() -> None:
    model = quantized(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)))
    report = reportgen.collect(model, example_inputs=torch.zeros(1, 4), sections=["architecture"])
    assert " in 3 layers" in report.sections[0].summary


def test_a_kernel_that_meta_tensors_lack_is_not_blamed_on_the_data() -> None:
    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.Parameter(torch.zeros(2, 16, 16, device="meta"))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ends = torch.tensor([8, 16], dtype=torch.int32, device=x.device)
            return torch._grouped_mm(x, self.experts, offs=ends)

    report = reportgen.collect(Grouped(), example_inputs=torch.zeros(16, 16), sections=["architecture"])
    (one,) = report.sections[0].findings
    assert one.severity == "warning"
    assert one.message.startswith(
        "The forward pass can't run on the meta device: it raised in Grouped.forward"
    )
    assert "check that the data" not in report.sections[0].block("failure").hint


def test_operations_of_a_script_have_their_usual_names() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8)).eval())
    assert [step.name for step in trace(scripted, X).steps if step.kind == "op"] == ["addmm", "batch_norm"]
