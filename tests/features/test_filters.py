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


class Recurrent(nn.Module):
    """Its head is registered first."""

    def __init__(self, kind):
        super().__init__()
        self.head, self.rnn = nn.Linear(4, 2), kind(3, 4)

    def forward(self, x):
        out = self.rnn(x)
        return self.head(out if isinstance(out, torch.Tensor) else out[0])


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        (nn.LSTM, "weight_ih_l0"),
        (nn.GRU, "weight_ih_l0"),
        (nn.RNN, "weight_ih_l0"),
        (nn.GRUCell, "weight_ih"),
    ],
)
def test_of_a_recurrent_network_the_weights_that_read_the_input_are_drawn(kind, part):
    model = Recurrent(kind).eval()
    block, reason = filters(
        build(model, example_inputs=torch.rand(5, 3) if "Cell" in kind.__name__ else torch.rand(5, 2, 3))
    )
    assert reason == ""
    assert block.title == f"First-layer weights: rnn.{part}"
    weights = getattr(model.rnn, part).detach().numpy()
    assert np.array(block.values) == pytest.approx(weights, rel=1e-3)


@pytest.mark.parametrize(
    ("first", "shape"),
    [
        (nn.MultiheadAttention(4, 2, batch_first=True), (1, 5, 4)),
        (nn.ConvTranspose1d(4, 4, 1), (1, 4, 4)),
        (nn.Bilinear(4, 4, 4), (1, 4)),
    ],
)
def test_a_first_layer_that_is_no_picture_is_not_left_out_for_the_next(first, shape):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = first, nn.Linear(4, 2)

        def forward(self, x):
            two = isinstance(self.first, nn.Bilinear | nn.MultiheadAttention)
            out = (
                self.first(x, x, x)
                if isinstance(self.first, nn.MultiheadAttention)
                else self.first(x, x)
                if two
                else self.first(x)
            )
            return self.head(out[0] if isinstance(out, tuple) else out)

    block, reason = filters(build(Network().eval(), example_inputs=torch.rand(shape)))
    assert block is None
    assert reason == f"the first layer is {type(first).__name__} first, whose weights are no picture"


@pytest.mark.filterwarnings("ignore")
def test_a_quantized_first_layer_is_not_left_out_for_one_that_is_not():
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), {nn.Linear})
    model = nn.Sequential(model, nn.Linear(4, 2))
    assert filters(build(model, example_inputs=torch.rand(1, 4)))[1].startswith(
        "the first layer is Linear 0.0"
    )


def test_without_a_forward_pass_the_layer_is_said_to_be_the_first_one_registered():
    block, _ = filters(build(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))))
    assert block.caption.endswith("this is the first layer in the order of registration.")


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
