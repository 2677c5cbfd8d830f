import numpy as np
import pytest
import state
import torch
from torch import nn
from torch.nn import functional

from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.features.choice import layers_that_ran
from reportgen.features.flow import activations, gradients, kept_within
from reportgen.features.weights import weights_of


def flow(model, data, seed=0, **more):
    experiment = build(model, data=data, **more)
    return activations(experiment, layers_that_ran(experiment, experiment.require_forward()), seed)


def backward(model, data, **more):
    experiment = build(model, data=data, **more)
    ran = layers_that_ran(experiment, experiment.require_forward())
    return gradients(experiment, weights_of(model, learned=True)[0], ran)


def test_activations_are_those_of_the_layer_before_what_follows_it(digits_cnn):
    model, data = digits_cnn
    tallies, count, bad = flow(model, data)
    with torch.no_grad():
        exact = model.stem(data.tensors[0]).double().numpy()
    seen = tallies["stem"].summary()
    assert (count, bad, seen.count) == (497, 0, exact.size)
    assert (seen.mean, seen.std) == pytest.approx((exact.mean(), exact.std()), rel=1e-5)
    assert seen.quantiles == pytest.approx(np.quantile(exact, [0.01, 0.5, 0.99]), abs=0.05)
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_whose_output_is_written_to_in_place_is_seen_before_that():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)).eval()
    assert flow(model, (torch.randn(50, 3),))[0]["0"].low < 0


def test_samples_whose_input_is_not_finite_are_left_out_of_activations():
    rows = torch.randn(20, 3)
    rows[4, 1] = float("nan")
    tallies, count, bad = flow(nn.Sequential(nn.Linear(3, 2)).eval(), (rows,))
    assert (count, bad, tallies["0"].bad) == (19, 1, 0)


def test_memory_is_bounded_by_fewer_samples_of_larger_networks():
    class Layer:
        numbers = 10_000_000

    assert kept_within([Layer()], 512, 300_000_000) == 30
    assert kept_within([Layer()] * 100, 512, 300_000_000) == 16
    assert kept_within([], 512, 300_000_000) == 512


def test_gradients_are_those_of_the_mean_cross_entropy(digits_cnn):
    model, data = digits_cnn
    before = state.of_model(model)
    found = backward(model, data)
    assert state.of_model(model) == before
    assert (found.loss, found.count) == ("cross-entropy", 128)
    places = [i * 497 // 128 for i in range(128)]
    pictures, labels = data.tensors[0][places], data.tensors[1][places]
    loss = functional.cross_entropy(model(pictures), labels)
    assert found.value == pytest.approx(float(loss.detach()), rel=1e-5)
    for ours, theirs in zip(found.found, torch.autograd.grad(loss, list(model.parameters())), strict=True):
        assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-5)


def test_gradients_of_a_regression_are_those_of_the_mean_squared_error(diabetes_mlp):
    model, data, _ = diabetes_mlp
    found = backward(model, tuple(tensor[:100] for tensor in data.tensors))
    loss = functional.mse_loss(model(data.tensors[0][:100]), data.tensors[1][:100])
    assert (found.loss, found.count) == ("mean squared error", 100)
    assert found.value == pytest.approx(float(loss.detach()), rel=1e-5)
    (theirs,) = torch.autograd.grad(loss, [model[2].weight])
    assert found.found[2].numpy() == pytest.approx(theirs.numpy(), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("last", [nn.Identity(), nn.Sigmoid()])
def test_one_output_is_a_logit_or_a_probability_and_the_loss_the_same(last):
    linear = nn.Linear(3, 1)
    rows, labels = torch.randn(40, 3) * 3, torch.arange(40) % 2
    found = backward(nn.Sequential(linear, last).eval(), (rows, labels))
    loss = functional.binary_cross_entropy_with_logits(linear(rows)[:, 0], labels.float())
    assert found.value == pytest.approx(float(loss.detach()), rel=1e-4)


def test_probabilities_are_not_put_through_softmax_again():
    linear = nn.Linear(3, 4)
    rows, labels = torch.randn(40, 3), torch.arange(40) % 4
    found = backward(nn.Sequential(linear, nn.Softmax(1)).eval(), (rows, labels))
    assert found.value == pytest.approx(
        float(functional.cross_entropy(linear(rows), labels).detach()), rel=1e-4
    )


def test_samples_without_a_label_or_a_finite_output_are_left_out():
    model = nn.Sequential(nn.Linear(3, 4)).eval()
    rows, labels = torch.randn(20, 3), torch.arange(20) % 4
    spoilt, unlabelled = rows.clone(), labels.clone()
    spoilt[3], unlabelled[7] = float("nan"), -100
    kept = [i for i in range(20) if i not in (3, 7)]
    found, whole = backward(model, (spoilt, unlabelled)), backward(model, (rows[kept], labels[kept]))
    assert found.count == 18
    assert found.found[0].numpy() == pytest.approx(whole.found[0].numpy(), abs=1e-6)


def test_frozen_weights_get_their_gradient_and_stay_frozen_and_unused_ones_none():
    model = nn.ModuleDict({"used": nn.Linear(3, 4), "unused": nn.Linear(2, 2)})
    model.forward = lambda x: model["used"](x)
    model.requires_grad_(False)
    found = backward(model.eval(), (torch.randn(20, 3), torch.arange(20) % 4))
    assert [gradient is None for gradient in found.found] == [False, False, True, True]
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


class Detached(nn.Linear):
    def forward(self, x):
        return super().forward(x).detach()


@pytest.mark.parametrize(
    ("model", "data", "why"),
    [
        (nn.Linear(3, 4), (torch.randn(9, 3),), "no targets"),
        (Detached(3, 4), (torch.randn(9, 3), torch.arange(9) % 4), "carries no gradient"),
        (nn.Linear(3, 4), (torch.randn(9, 3), torch.full((9,), -1)), "no sample had both"),
        (
            nn.Conv2d(1, 2, 1),
            (torch.rand(9, 1, 2, 2), torch.zeros(9, 2, 2).long()),
            "say so with task|is not known",
        ),
    ],
)
def test_what_gives_no_gradient_says_why(model, data, why):
    task = {"task": "classification"} if "both" in why else {}
    with pytest.raises(InputError, match=why):
        backward(nn.Sequential(model).eval(), data, **task)
