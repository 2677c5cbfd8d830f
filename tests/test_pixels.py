"""Tensors as pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reportgen.pixels import shrink, to_pixels


def test_values_in_one_and_in_255_are_shown_as_they_are():
    ramp = torch.linspace(0, 1, 256).reshape(1, 1, 16, 16)
    for batch in (ramp, ramp * 255):
        (pixels,), how = to_pixels(batch)
        assert pixels.flatten().tolist() == list(range(256))
        assert how == "values shown as they are"


def test_a_normalization_is_undone():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    picture = torch.rand(1, 3, 5, 4)
    normal = (picture - torch.tensor(mean).reshape(1, 3, 1, 1)) / torch.tensor(std).reshape(1, 3, 1, 1)
    (pixels,), how = to_pixels(normal, (mean, std))
    assert pixels.shape == (5, 4, 3)
    assert (torch.tensor(pixels).float() - (picture[0] * 255).permute(1, 2, 0)).abs().max() <= 0.51
    assert how == "shown with the given normalization undone"


def test_anything_else_is_stretched_and_said_to_be():
    pixels, how = to_pixels(torch.tensor([-2.0, 0.0, 2.0, 6.0]).reshape(1, 1, 2, 2))
    assert pixels[0].flatten().tolist() == [0, 64, 128, 255]
    assert how == "contrast stretched from -2..6"


def test_nan_is_shown_as_nought():
    pixels, _ = to_pixels(torch.tensor([float("nan"), 1.0, 0.5, float("inf")]).reshape(1, 1, 2, 2))
    assert pixels[0].flatten().tolist() == [0, 255, 128, 0]


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="expected images"):
        to_pixels(torch.zeros(1, 2, 4, 4))


def test_a_field_is_shrunk_by_means_of_square_blocks():
    field = np.arange(24.0).reshape(4, 6)
    assert shrink(field, 6) is field
    assert shrink(field, 3).tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]
    assert shrink(np.full((300, 200, 3), 7, np.uint8)).tolist() == np.full((100, 66, 3), 7).tolist()
    assert shrink(np.ones((1, 500))).shape == (1, 125)


def test_a_normalization_in_units_of_255_is_understood():
    picture = torch.rand(1, 3, 5, 4) * 255
    (pixels,), how = to_pixels((picture - 127) / 128, ((127.0,), (128.0,)))
    assert (torch.tensor(pixels).float() - picture[0].permute(1, 2, 0)).abs().max() <= 0.51
    assert how == "shown with the given normalization undone"


def test_a_range_between_one_and_64_is_stretched_and_not_shown_almost_black():
    (pixels,), how = to_pixels(torch.tensor([0.0, 16.0]).reshape(1, 1, 1, 2))
    assert pixels.flatten().tolist() == [0, 255]
    assert how == "contrast stretched from 0..16"
