"""The layers of a model as they stand."""

from __future__ import annotations

import pytest
import torch
from architectures import TiedHead
from torch import nn

from reportgen.trace.layers import catalogue
from reportgen.trace.steps import Trace


def totals(model: nn.Module) -> Trace:
    return Trace(layers=catalogue(model).layers)


def test_tied_weights_count_once_and_a_parameter_of_the_root_counts() -> None:
    model = TiedHead()
    seen = totals(model)
    unique = {id(p): p.numel() for p in model.parameters()}
    assert seen.totals.parameters == sum(unique.values()) == 343_041
    tied = [weight for layer in seen.layers for weight in layer.weights if weight.tied_to]
    assert [(weight.name, weight.tied_to) for weight in tied] == [("head.weight", "embed.weight")]


def test_module_under_two_names_is_listed_twice_and_counted_once() -> None:
    shared = nn.Linear(3, 3)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared, nn.ReLU())})
    seen = totals(model)
    assert [(layer.path, layer.alias_of) for layer in seen.layers if layer.alias_of] == [("b.0", "a")]
    assert seen.parameters_by_path == {"": 12, "a": 12, "b": 0, "b.0": 0, "b.1": 0}


def test_module_that_holds_itself_ends() -> None:
    model = nn.Linear(2, 2)
    model.me = model
    assert [layer.path for layer in totals(model).layers] == ["", "me"]


def test_size_is_that_of_the_state_dict_in_its_dtypes() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5)).half()
    model.register_buffer("table", torch.zeros(7), persistent=False)
    seen = totals(model)
    assert seen.totals.bytes == sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert seen.totals.buffers == 5 + 5 + 1 + 7


def test_lazy_parameters_are_unknown_and_not_zero() -> None:
    seen = totals(nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2)))
    assert seen.totals.lazy == 2
    assert seen.totals.parameters == 8
    assert [weight.numel for weight in seen.by_path["0"].weights] == [None, None]


def test_quantized_weights_are_read_from_where_they_are_packed() -> None:
    seen = totals(torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(6, 4)), dtype=torch.qint8))
    assert (seen.totals.parameters, seen.totals.packed, seen.by_path["0"].quantized) == (0, 6 * 4 + 4, True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers_hold_as_many_packed_weights_as_before_they_were_quantized(
    kind: type[nn.RNNBase],
) -> None:
    model = nn.Sequential(kind(4, 3, num_layers=2, bidirectional=True), nn.Identity())
    count = sum(parameter.numel() for parameter in model.parameters())
    matrices = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 2)
    seen = totals(torch.ao.quantization.quantize_dynamic(model, {kind}, dtype=torch.qint8))
    assert (seen.totals.parameters, seen.totals.packed, seen.totals.all) == (0, count, count)
    assert seen.totals.bytes == matrices + 4 * (count - matrices)


def test_a_tensor_that_holds_others_takes_what_these_take() -> None:
    from torch.testing._internal.two_tensor import TwoTensor

    layer = nn.Linear(4, 3, bias=False)
    layer.weight = nn.Parameter(TwoTensor(torch.zeros(3, 4), torch.zeros(3, 4)))
    assert (totals(layer).totals.parameters, totals(layer).totals.bytes) == (12, 2 * 12 * 4)


def test_four_bit_weights_in_packed_bytes_count_as_what_they_stand_for() -> None:
    class Params4bit(nn.Parameter):
        """As bitsandbytes keeps them: two weights a byte, and their shape in `quant_state`."""

    class State:
        shape = torch.Size([8, 16])

    layer = nn.Linear(16, 8, bias=False)
    layer.weight = Params4bit(torch.zeros(64, 1, dtype=torch.uint8), requires_grad=False)
    layer.weight.quant_state = State()
    seen = totals(layer)
    assert (seen.totals.parameters, seen.totals.bytes) == (128, 64)
    assert seen.layers[0].weights[0].shape == (8, 16)


def test_modules_are_layers_or_hold_others_or_are_parts_or_stand_here_again() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.Sequential(nn.ReLU(), shared), nn.MultiheadAttention(4, 2))
    census = totals(model).census
    assert (census.layers, census.holders, census.parts, census.again) == (3, 2, 1, 1)
    assert sum(vars(census).values()) == len(totals(model).layers)


def test_hierarchy_of_a_thousand_levels_is_walked() -> None:
    model: nn.Module = nn.Linear(1, 1)
    for _ in range(1500):
        model = nn.Sequential(model)
    assert len(catalogue(model).layers) == 1501


def test_a_layer_whose_extra_repr_raises_is_listed_all_the_same() -> None:
    class Rude(nn.Module):
        def extra_repr(self) -> str:
            raise RuntimeError

    assert totals(nn.Sequential(Rude())).by_path["0"].type == "Rude"
