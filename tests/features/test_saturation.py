import pytest
import torch
from torch import nn
from torch.nn import functional

from reportgen.features.activations import ReluWatch
from reportgen.features.saturation import SaturationWatch


class Between(nn.Module):
    """Three units far above, somewhat above and far below zero; an activation; a last layer."""

    def __init__(self, how) -> None:
        super().__init__()
        self.before, self.how, self.after = nn.Linear(2, 3), how, nn.Linear(3, 1)
        self.before.weight.data *= 0.1
        self.before.bias.data = torch.tensor([100.0, 0.5, -100.0])

    def forward(self, x):
        return self.after(self.how(self.before(x)))


def seen(model, *batches, kind=SaturationWatch):
    watch = kind()
    for batch in batches:
        with torch.no_grad(), watch.look(model):
            model(batch)
    return watch.found


BOTH = [
    nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(), nn.Hardtanh(), torch.sigmoid, torch.tanh, torch.special.expit,
    torch.Tensor.sigmoid_, lambda x: x.tanh(), functional.sigmoid, functional.tanh, functional.hardsigmoid,
    lambda x: functional.hardtanh(x, -2, 2), functional.hardtanh_,
]  # fmt: skip


@pytest.mark.parametrize("how", BOTH)
def test_units_at_either_limit_are_found_whatever_the_function_is_written_as(how):
    found = seen(Between(how), torch.rand(5, 2), torch.rand(4, 2))
    (one,) = found.values()
    assert (one.after, one.units, one.values, one.share) == ("before", [0, 2], 9, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    "how",
    [
        nn.ReLU6(),
        nn.ReLU6(inplace=True),
        functional.relu6,
        lambda x: functional.hardtanh(x, 0, 6),
        nn.Hardtanh(0, 6),
    ],
)
def test_a_capped_relu_is_saturated_at_the_cap_and_silent_at_zero(how):
    (one,) = seen(Between(how), torch.rand(5, 2)).values()
    assert one.units == [0]
    assert seen(Between(how), torch.rand(5, 2), kind=ReluWatch)["before"].dead == [2]


@pytest.mark.parametrize("how", [nn.Hardswish(), functional.hardswish])
def test_hardswish_is_saturated_at_zero(how):
    (one,) = seen(Between(how), torch.rand(5, 2)).values()
    assert (one.function, one.units) == ("hardswish", [2])


def test_limits_are_near_within_two_hundredths():
    model = Between(nn.Sigmoid())
    model.before.weight.data[:] = 0
    model.before.bias.data = torch.logit(torch.tensor([0.985, 0.975, 0.015]))
    (one,) = seen(model, torch.rand(3, 2)).values()
    assert one.units == [0, 2]


def test_a_unit_counts_only_where_nearly_all_its_values_are_at_a_limit():
    model = Between(nn.Tanh())
    model.before.weight.data[:] = torch.tensor([1.0, 0.0])
    model.before.bias.data[:] = 0
    rows = torch.tensor([[5.0, 0.0]] * 19 + [[0.0, 0.0]])
    assert seen(model, rows)["before (tanh)"].units == []  # 95 %
    assert seen(model, rows, rows[:1])["before (tanh)"].units == [0, 1, 2]


def test_what_makes_the_models_output_may_be_decided():
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    model[0].bias.data[:] = 100
    assert seen(model, torch.rand(5, 2)) == {}
