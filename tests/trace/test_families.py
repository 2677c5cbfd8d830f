"""Families and settings of layers by their classes, and names of several as one."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from reportgen.data import Inputs
from reportgen.trace import picture, trace
from reportgen.trace.families import module_family
from reportgen.trace.names import span, uncompiled


@pytest.mark.parametrize(
    ("family", "kinds"),
    [
        ("recurrent", "LSTM GRU RNN GRUCell BiLSTM ConvLSTM MinGru lstm"),
        (
            "activation",
            "ReLU PReLU ReLU6 ELU CELU SELU Elu GELU QuickGELU Mish Hardswish SiLU Softmax ReluNet",
        ),
        ("conv", "Conv2d ConvTranspose1d ConvEncoder ReLUConv conv1x1 Conv1D"),
        ("norm", "LayerNorm PreNorm BatchNorm2d LocalResponseNorm T5LayerNorm"),
        ("linear", "Linear NonDynamicallyQuantizableLinear LazyLinear Bilinear Dense"),
        ("shape", "Flatten UpsamplingBilinear2d Upsample ZeroPad2d Unfold"),
        (
            "other",
            "Grundlage Elucidator Enormous Converter ConvexNet NonLinear Mishap Reluctant ThornNet Padam Address",
        ),
    ],
)
def test_a_class_has_the_family_that_its_name_says(family: str, kinds: str) -> None:
    assert {kind: module_family(kind) for kind in kinds.split()} == dict.fromkeys(kinds.split(), family)


def test_a_linear_layer_that_is_called_a_convolution_is_a_linear_layer() -> None:
    seen = trace(nn.Sequential(Conv1D(12, 4), nn.Conv1d(1, 1, 1)).eval(), Inputs((torch.zeros(1, 1, 4),), {}))
    layers = [(layer.family, layer.settings) for layer in seen.layers[1:]]
    assert layers == [("linear", "4→12"), ("conv", "1→1, 1")]


def test_layers_in_a_plain_list_are_named_as_one() -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ls = [nn.Linear(4, 4) for _ in range(3)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.ls:
                x = layer(x)
            return x

    drawn = picture(trace(Plain().eval(), Inputs((torch.zeros(1, 4),), {})))
    assert drawn is not None
    assert [(node.label, node.times) for node in drawn.nodes] == [("x", 1), ("ls[0-2]", 3), ("output", 1)]


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["layers.0.mlp", "layers.1.mlp", "layers.2.mlp"], "layers.0-2.mlp"),
        (["ls[0]", "ls[1]"], "ls[0-1]"),
        (["layers.0.mlp", "layers.2.mlp"], "layers.0.mlp and 1 more"),
        (["a.0.b.0", "a.1.b.1"], "a.0.b.0 and 1 more"),
        (["conv", "head"], "conv and 1 more"),
        (["conv"], "conv"),
        (["0", "a", "2"], "0 and 2 more"),
    ],
)
def test_names_of_layers_that_are_alike_are_one(paths: list[str], name: str) -> None:
    assert span(paths) == name


def test_what_the_compiler_puts_into_a_name_is_left_out() -> None:
    assert uncompiled("_orig_mod.a._orig_mod.b.weight") == "a.b.weight"
    assert uncompiled("my_orig_mod.weight") == "my_orig_mod.weight"
