import numpy as np
import pytest
import torch
from torch import nn

from reportgen.experiment import build
from reportgen.features.excite import activity, maps_of
from reportgen.features.units import Probe, read


def test_the_strongest_samples_are_those_that_a_look_by_hand_finds(digits_cnn):
    model, data = digits_cnn
    (one,) = activity(build(model, data=data), [Probe("stem")])
    with torch.no_grad():
        expected = model.stem(data.tensors[0]).double().flatten(2)
    assert one.values == pytest.approx(expected.amax(dim=2).numpy()[one.samples], rel=1e-5, abs=1e-6)
    assert (one.units, one.grid, one.left_out) == (16, (8, 8), 0)
    unit = one.liveliest(1)[0]
    strongest = expected.amax(dim=2)[:, unit].argsort(descending=True)[:4].tolist()
    assert one.samples[one.top(unit)].tolist() == strongest
    spot = int(one.spots[one.top(unit)[0], unit])
    assert spot == int(expected[strongest[0], unit].argmax())


def test_the_liveliest_units_vary_most_and_are_ever_above_zero():
    model = nn.Linear(1, 4, bias=False)
    model.weight.data = torch.tensor([[1.0], [-9.0], [3.0], [0.0]])
    (one,) = activity(build(model, data=(torch.linspace(0.1, 2, 40)[:, None],)), [Probe("", "scores")])
    assert one.liveliest(4) == [2, 0, 1, 3]


def test_the_maps_are_the_layers_own(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    batch = experiment.batch([3, 9])
    found = maps_of(experiment, Probe("stem"), batch.inputs, 5)
    with torch.no_grad():
        expected = model.stem(data.tensors[0][[3, 9]])[:, 5].double().numpy()
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_more_samples_than_the_limit_are_taken_evenly_and_a_bad_one_left_out():
    rows = torch.arange(1000.0)[:, None].repeat(1, 2)
    rows[500] = float("nan")
    (one,) = activity(build(nn.Linear(2, 1), data=(rows,)), [Probe("", "scores")], 100)
    assert one.left_out == 1
    assert sorted(one.samples.tolist()) == [i for i in range(0, 1000, 10) if i != 500]


def test_an_activation_in_place_does_not_write_over_what_was_read():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True)).eval()
    rows = torch.randn(20, 2)
    (one,) = activity(build(model, data=(rows,)), [Probe("0")])
    with torch.no_grad():
        assert one.values == pytest.approx(model[0](rows).double().numpy(), abs=1e-6)
    assert (one.values < 0).any()


@pytest.mark.parametrize(
    ("layer", "given", "units"),
    [
        (nn.Linear(5, 7), torch.rand(2, 9, 5), 7),
        (nn.Conv1d(5, 7, 3), torch.rand(2, 5, 9), 7),
        (nn.LayerNorm(5), torch.rand(2, 9, 5), 5),
        (nn.BatchNorm2d(3), torch.rand(2, 3, 4, 4), 3),
        (nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), torch.rand(2, 9, 6), 6),
    ],
)
def test_units_lie_where_the_kind_of_layer_puts_them(layer, given, units):
    model = nn.Sequential(layer).eval()
    seen = []
    experiment = build(model, example_inputs=given)
    read(experiment, experiment.example, [Probe("0")], lambda probe, tensor: seen.append(tensor.shape[1]))
    assert seen == [units]


def test_equal_samples_keep_their_order():
    rows = torch.ones(20, 2) * torch.tensor([1.0, 1e-9])
    (one,) = activity(build(nn.Linear(2, 1), data=(rows,)), [Probe("", "scores")])
    assert np.array_equal(one.top(0), [0, 1, 2, 3])
