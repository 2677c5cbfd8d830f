"""FLOPs against formulas worked by hand, published numbers and PyTorch's own counter."""

from __future__ import annotations

import pytest
import torch
from architectures import ResNet50
from networks import DigitsCNN
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reportgen.data import Inputs
from reportgen.trace import trace
from reportgen.trace.flops import count
from reportgen.trace.steps import Trace


def traced(model: nn.Module, *args: object) -> Trace:
    return trace(model.eval(), Inputs(args, {}))


def test_resnet_50_has_its_published_parameters_and_flops() -> None:
    seen = traced(ResNet50(), torch.empty(1, 3, 224, 224))
    assert (seen.how, seen.totals.parameters, seen.flops) == ("fake", 25_557_032, 8_178_368_512)
    assert (seen.known, seen.unknown) == (54, ())


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (DigitsCNN(), (3, 1, 8, 8)),
        (nn.Linear(7, 9), (2, 5, 7)),
        (nn.ConvTranspose2d(2, 3, 3, 2), (2, 2, 5, 5)),
    ],
    ids=["residual", "linear", "transposed"],
)
def test_torchs_own_counter_agrees_where_it_knows_all_kernels(
    model: nn.Module, shape: tuple[int, ...]
) -> None:
    x = torch.randn(shape)
    seen = traced(model, x)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(x)
    assert (seen.flops, seen.unknown) == (counter.get_total_flops(), ())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_multiply_their_weights_once_a_step(
    kind: type[nn.RNNBase], gates: int, layers: int, directions: int
) -> None:
    batch, steps, before, width = 3, 7, 5, 4
    model = kind(before, width, layers, bidirectional=directions == 2, batch_first=True)
    seen = traced(model, torch.randn(batch, steps, before))
    inputs = before + (layers - 1) * width * directions
    macs = batch * steps * directions * gates * width * (inputs + layers * width)
    assert (seen.flops, seen.unknown) == (2 * macs, ())


@pytest.mark.parametrize("need_weights", [True, False])
def test_attention_counts_its_products_of_activations(need_weights: bool) -> None:
    class Attends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.attention(x, y, y, need_weights=need_weights)[0]

    rows, columns, width = 5, 6, 8
    seen = traced(Attends(), torch.randn(2, rows, width), torch.randn(2, columns, width))
    projections = (2 * rows + 2 * columns) * width * width
    assert seen.flops == 2 * 2 * (projections + 2 * rows * columns * width)
    assert seen.flops_by_path["attention"] == seen.flops


def test_transformer_encoder_takes_its_slow_path_and_the_fused_kernel_counts_the_same() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(2, 5, 8)
    seen = traced(layer, x)
    hand = 2 * 2 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16)
    assert seen.flops == hand
    attention = layer.self_attn
    fused = torch.ops.aten._transformer_encoder_layer_fwd.default
    args = (
        x, 8, 2, attention.in_proj_weight, attention.in_proj_bias, attention.out_proj.weight,
        attention.out_proj.bias, False, False, 1e-5, layer.norm1.weight, layer.norm1.bias, layer.norm2.weight,
        layer.norm2.bias, layer.linear1.weight, layer.linear1.bias, layer.linear2.weight, layer.linear2.bias,
    )  # fmt: skip
    with torch.no_grad():
        assert torch.allclose(fused(*args), layer(x), atol=1e-5)
    assert count(fused, args, {}, None) == hand


def test_a_kernel_without_a_formula_is_counted_as_unknown() -> None:
    class Fourier(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fft.rfft(x).real @ torch.ones(5, 2)

    seen = traced(Fourier(), torch.randn(3, 8))
    assert (seen.known, seen.unknown, seen.flops) == (1, (("_fft_r2c", 1),), 2 * 3 * 5 * 2)


def test_flops_of_a_part_of_a_model_sum_to_the_whole() -> None:
    seen = traced(DigitsCNN(), torch.randn(2, 1, 8, 8))
    inner = [layer.path for layer in seen.layers if layer.path and not layer.parent]
    assert sum(seen.flops_by_path[path] for path in inner) == seen.flops_by_path[""] == seen.flops


def test_peak_memory_of_a_chain_is_its_widest_pair_of_neighbours() -> None:
    model = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    assert traced(model, torch.randn(1, 10)).peak == 4 * (20 + 20)
    in_place = nn.Sequential(nn.Linear(10, 20), nn.ReLU(inplace=True), nn.Linear(20, 5))
    assert traced(in_place, torch.randn(1, 10)).peak == 4 * (20 + 5)
