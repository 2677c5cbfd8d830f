import contextlib

import pytest
import torch
from torch import nn
from torch.nn import functional

from reportgen.experiment import build
from reportgen.features.activations import ReluWatch, activation_maps, map_layers


def watched(model, *batches):
    watch = ReluWatch()
    for batch in batches:
        with torch.no_grad(), watch.look(model):
            model(batch)
    return watch.found


class Small(nn.Module):
    """A convolution of three channels, the second of which is always below zero."""

    def __init__(self, how) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 3, 1)
        self.conv1.weight.data[:] = 1
        self.conv1.bias.data = torch.tensor([0.0, -100.0, 1.0])
        self.how = how

    def forward(self, x):
        return self.how(self.conv1(x)).flatten(1)


@pytest.mark.parametrize(
    "how",
    [
        nn.ReLU(),
        nn.ReLU(inplace=True),
        functional.relu,
        torch.relu,
        torch.relu_,
        torch.Tensor.relu,
        lambda x: x.relu_(),
    ],
)
def test_a_dead_channel_is_found_whatever_the_relu_is_written_as(how):
    model = Small(how)
    found = watched(model, torch.rand(4, 1, 2, 2), torch.rand(3, 1, 2, 2))
    assert list(found) == ["conv1"]
    assert found["conv1"].dead == [1]
    assert found["conv1"].noun == "channels"
    assert found["conv1"].values == 7 * 4
    assert found["conv1"].zeros == pytest.approx(1 / 3)


def test_a_unit_that_one_sample_wakes_is_not_dead():
    model = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU())
    model[0].weight.data = torch.tensor([[1.0], [-1.0]])
    assert watched(model, torch.ones(5, 1))["0"].dead == [1]
    assert watched(model, torch.ones(5, 1), -torch.ones(1, 1))["0"].dead == []
    assert watched(model, torch.ones(5, 1))["0"].noun == "units"


def test_units_of_tokens_lie_along_the_last_dimension():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU())
    assert len(watched(model, torch.rand(2, 9, 4))["0"].passed) == 6


def test_two_relus_after_one_layer_are_told_apart():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def forward(self, x):
            return torch.relu(torch.relu(self.fc(x)) - 1)

    assert list(watched(Twice(), torch.rand(3, 2))) == ["fc", "fc (ReLU 2)"]


def test_nan_is_not_taken_for_silence():
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    assert watched(model, torch.full((3, 1), float("nan")))["0"].dead == []


def test_looking_changes_no_output_and_leaves_no_hook(digits_cnn):
    model, data = digits_cnn
    pictures = data.tensors[0][:8]
    with torch.no_grad():
        before = model(pictures)
        with ReluWatch().look(model):
            during = model(pictures)
    assert torch.equal(before, during)
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_are_gone_after_an_exception(digits_cnn):
    model, _ = digits_cnn
    with pytest.raises(RuntimeError), ReluWatch().look(model):
        model(torch.zeros(1, 7, 8, 8))
    assert not any(module._forward_hooks for module in model.modules())


def test_the_maps_are_the_layers_own_outputs_the_largest_first(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    inputs = experiment.batch([0]).inputs
    names = map_layers(experiment, inputs, 6)
    assert names == ["stem", "block1.conv1", "block1.conv2", "block2.conv1", "block2.conv2"]
    assert map_layers(experiment, inputs, 3) == ["stem", "block1.conv2", "block2.conv2"]
    made = activation_maps(experiment, inputs, names, 5)
    with torch.no_grad():
        expected = model.stem(data.tensors[0][:1])[0].double().numpy()
    order = abs(expected).mean(axis=(1, 2)).argsort()[::-1][:5]
    assert [picture.caption.split(",")[0] for picture in made[0].pictures] == [f"channel {i}" for i in order]
    top = made[0].pictures[0].map
    assert top.to_array() == pytest.approx(expected[order[0]], abs=top.limit / 254 * 1.01)
    assert made[0].channels == 16


def test_a_pass_that_raises_counts_for_nothing():
    watch, model = ReluWatch(), nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with contextlib.suppress(ZeroDivisionError), watch.look(model):
        model(torch.ones(1, 2))
        raise ZeroDivisionError
    assert watch.found == {}
