"""The blur of a picture is three box filters, and costs as much as the picture has pixels."""

from __future__ import annotations

import pytest
import torch

from reportgen.attribution.kinds.image import blur


def two_dimensional(values):
    """The same filter by its definition: each value the mean of a square about it, three times."""
    size = max(3, min(values.shape[2:]) // 5 | 1)
    soft = values.double()
    for _ in range(3):
        pad = torch.nn.functional.pad(soft, (size // 2,) * 4, mode="replicate")
        soft = torch.nn.functional.avg_pool2d(pad, size, stride=1)
    return soft


@pytest.mark.parametrize(
    "shape", [(1, 3, 32, 32), (1, 1, 8, 8), (1, 3, 61, 40), (1, 2, 5, 200), (1, 1, 1, 9)]
)
def test_it_is_the_box_filter_of_its_definition(shape):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 50
    assert torch.allclose(blur(values).double(), two_dimensional(values), atol=3e-5)
    whole = (values.abs() % 255).to(torch.uint8)
    assert torch.equal(blur(whole), two_dimensional(whole).float().round().to(torch.uint8))


def test_large_values_beside_small_ones_keep_both():
    values = torch.zeros(1, 1, 64, 64)
    values[..., :20, :] = 1e6
    assert torch.allclose(blur(values).double(), two_dimensional(values), rtol=1e-6, atol=1e-3)
