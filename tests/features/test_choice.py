import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.features.choice import Ran, check, layers_that_ran, picked, stages


def ran(model, inputs, names=()):
    experiment = build(model.eval(), example_inputs=inputs)
    return layers_that_ran(experiment, experiment.require_forward(), names)


def names(layers):
    return [layer.name for layer in layers]


def test_a_stage_ends_where_the_spatial_size_changes(digits_cnn):
    found = stages(ran(digits_cnn[0], torch.rand(1, 1, 8, 8)))
    assert [names(stage) for stage in found] == [
        ["stem", "block1.conv1", "block1.conv2", "block1.shortcut"],
        ["block2.conv1", "block2.conv2", "block2.shortcut"],
        ["fc1", "fc2"],
    ]


def test_of_one_size_throughout_a_stage_is_a_container():
    def block():
        return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

    model = nn.Sequential(nn.Sequential(block(), block()))
    assert [names(stage) for stage in stages(ran(model, torch.rand(1, 4)))] == [
        ["0.0.0", "0.0.2"],
        ["0.1.0", "0.1.2"],
    ]
    flat = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    assert [names(stage) for stage in stages(ran(flat, torch.rand(1, 4)))] == [["0", "2"]]


def test_a_gate_of_one_pixel_does_not_part_a_stage():
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.gate, self.two = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

        def forward(self, x):
            x = self.one(x)
            return self.two(x * self.gate(x.mean((2, 3), keepdim=True))).flatten(1)

    assert [names(stage) for stage in stages(ran(Gated(), torch.rand(1, 1, 4, 4)))] == [["one", "two"]]


def test_tokens_have_their_places_before_the_last_dimension_and_maps_after_the_second():
    found = ran(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 6)), torch.zeros(2, 7, dtype=torch.long))
    assert [(layer.places, layer.numbers) for layer in found] == [((7,), 28), ((7,), 42)]
    assert ran(nn.Conv1d(2, 3, 2), torch.rand(1, 2, 9))[0].places == (8,)


def test_layers_with_weights_are_seen_once_however_they_hold_them():
    model = nn.Sequential(weight_norm(nn.Linear(3, 4)), nn.BatchNorm1d(4), nn.Linear(4, 2))
    assert names(ran(model, torch.rand(2, 3))) == ["0", "2"]
    lstm = ran(nn.LSTM(3, 5, batch_first=True), torch.rand(2, 7, 3))
    assert [(layer.kind, layer.shape) for layer in lstm] == [("LSTM", (2, 7, 5))]


def test_named_layers_may_be_of_any_kind(digits_cnn):
    found = ran(digits_cnn[0], torch.rand(1, 1, 8, 8), ("block2", "relu"))
    assert {layer.name: layer.shape for layer in found} == {"relu": (1, 16, 8, 8), "block2": (1, 32, 4, 4)}


def test_the_first_the_middle_and_the_last_of_each_stage_are_picked():
    found = [[Ran(f"{s}{i}", "Linear", (1, 2), False) for i in range(5)] for s in "abcd"]
    assert names(picked(found[:2], 9)) == ["a0", "a2", "a4", "b0", "b2", "b4"]
    assert names(picked(found, 9)) == ["a0", "a4", "b4", "c4", "d4"]
    assert names(picked(found, 3)) == ["a0", "b4", "d4"]
    assert names(picked([found[0][:1]], 9)) == ["a0"]


def test_a_layer_that_is_not_there_is_one_line_with_names_near_it(digits_cnn):
    assert check(["fc1", "block1", "fc1"], digits_cnn[0]) == ("fc1", "block1")
    with pytest.raises(
        InputError, match=r"layers: got 'block1\.conv9', expected the name of a layer"
    ) as caught:
        check(["fc1", "block1.conv9"], digits_cnn[0])
    assert "block1.conv1" in caught.value.hint
    for wrong in ("fc1", [3], [""]):
        with pytest.raises(InputError, match="expected a list of names"):
            check(wrong, digits_cnn[0])
