"""Fake tensors made directly are those that PyTorch's own fake mode makes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reportgen.trace.fakes import Fakes, fake_mode

SHAPES = {"1d": (4, 6), "sequence": (4, 6, 9), "2d": (4, 6, 5, 7), "3d": (2, 6, 3, 4, 5)}


def told(tensor):
    return tensor.shape, tensor.stride(), tensor.dtype, tensor.device


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_batch_norm_gives_what_pytorchs_decomposition_gives(shape, dtype):
    mode = fake_mode()
    with mode:
        given = torch.empty(shape, dtype=dtype)
        if len(shape) == 4:
            given = given.to(memory_format=torch.channels_last)
        weights = [torch.empty(6) for _ in range(4)]
    func = torch.ops.aten._native_batch_norm_legit_no_training.default
    args = (given, *weights, 0.1, 1e-5)
    ours = Fakes(mode).result(func, args)
    with mode:
        theirs = func(*args)
    assert [told(one) for one in ours] == [told(one) for one in theirs]


def test_other_kernels_and_odd_layouts_are_left_to_pytorch():
    mode = fake_mode()
    with mode:
        given, weights = torch.empty(4, 6, 5, 7).transpose(2, 3), [torch.empty(6) for _ in range(4)]
    fakes = Fakes(mode)
    norm = torch.ops.aten._native_batch_norm_legit_no_training.default
    assert fakes.result(norm, (given, *weights, 0.1, 1e-5)) is None
    assert fakes.result(torch.ops.aten.relu.default, (given,)) is None


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(3, 4).t(),
        torch.zeros(2, 3, 4, 5)[:, 1:],
        torch.zeros((), dtype=torch.int8),
        nn.Parameter(torch.zeros(5)),
    ],
)
def test_a_stand_in_has_the_shape_and_strides_of_the_real_tensor_and_stays_the_same(tensor):
    fakes = Fakes(fake_mode())
    assert told(fakes(tensor)) == told(tensor)
    assert fakes(tensor) is fakes(tensor)
    assert fakes(fakes(tensor)) is fakes(tensor)
