import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.features.filters import filters, first_layer


def test_one_channel_filters_are_signed_maps_on_one_scale(digits_cnn):
    model, data = digits_cnn
    block, reason = filters(build(model, data=data))
    assert reason == ""
    weights = model.stem.weight.detach().double().numpy()
    assert len(block.pictures) == 16
    assert {picture.map.limit for picture in block.pictures} == {float(f"{np.abs(weights).max():.6g}")}
    for picture, one in zip(block.pictures, weights[:, 0], strict=True):
        assert picture.map.to_array() == pytest.approx(one, abs=picture.map.limit / 250)
    assert "16 of 16 filters of stem, 3 × 3 pixels" in block.caption


def test_three_channel_filters_are_colours_stretched():
    model = nn.Sequential(nn.Conv2d(3, 100, 5))
    block, _ = filters(build(model, example_inputs=torch.rand(1, 3, 9, 9)))
    assert len(block.pictures) == 64
    assert "64 of 100 filters" in block.caption
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(block.pictures[0].raster.data))))
    weights = model[0].weight[0].detach().numpy().transpose(1, 2, 0)
    assert (pixels.min(), pixels.max()) == (0, 255)
    # Several weights may round to 255: the largest is one of them.
    assert pixels[np.unravel_index(weights.argmax(), weights.shape)] == 255
    assert pixels[np.unravel_index(weights.argmin(), weights.shape)] == 0


def test_more_channels_are_averaged_and_the_caption_says_so():
    block, _ = filters(build(nn.Conv2d(6, 2, 3), example_inputs=torch.rand(1, 6, 9, 9)))
    assert "the mean over 6 input channels" in block.caption


def test_the_first_layer_is_the_first_that_runs():
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = nn.Linear(3, 2), nn.Linear(5, 3)

        def forward(self, x):
            return self.last(self.first(x))

    assert first_layer(build(Backwards(), example_inputs=torch.rand(1, 5)))[0] == "first"
    assert first_layer(build(Backwards()))[0] == "last"


def test_a_table_model_shows_its_weights_by_feature_name(cancer_mlp):
    model, data, names = cancer_mlp
    block, _ = filters(build(model, data=data, feature_names=names))
    assert block.kind == "heatmap"
    assert block.column_labels == tuple(names)
    assert np.array(block.values) == pytest.approx(model[0].weight.detach().numpy(), rel=1e-3)


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        (nn.Linear(500, 4), torch.rand(1, 500), "4 × 500, too many"),
        (nn.Embedding(9, 4), torch.zeros(1, 3, dtype=torch.long), "Embedding"),
        (nn.Tanh(), torch.rand(1, 2), "no layer with weights"),
    ],
)
def test_what_is_no_picture_is_said_in_words(model, inputs, said):
    block, reason = filters(build(model, example_inputs=inputs))
    assert block is None
    assert said in reason


def test_nan_weights_are_one_clear_line():
    model = nn.Conv2d(1, 2, 3)
    model.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="1 of 18 weights of the first layer"):
        filters(build(model, example_inputs=torch.rand(1, 1, 5, 5)))
