import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from reportgen.features.weights import near_duplicates, tally_of, weights_of


def test_statistics_of_a_tensor_are_those_of_its_values(digits_cnn):
    found, unread = weights_of(digits_cnn[0])
    assert [weight.name for weight in found] == [name for name, _ in digits_cnn[0].named_parameters()]
    assert unread == 0
    weight = next(one for one in found if one.name == "fc1.weight")
    seen, exact = tally_of(weight, 0).summary(), digits_cnn[0].fc1.weight.detach().double().numpy()
    assert seen.norm == pytest.approx(np.linalg.norm(exact), rel=1e-5)
    assert seen.quantiles == pytest.approx(np.quantile(exact, [0.01, 0.5, 0.99]), rel=1e-5)


def test_tied_weights_stand_once_with_all_their_names():
    model = nn.ModuleDict({"embed": nn.Embedding(5, 3), "out": nn.Linear(3, 5, bias=False)})
    model["out"].weight = model["embed"].weight
    found, _ = weights_of(model)
    assert [(one.name, one.also) for one in found] == [("embed.weight", ("out.weight",))]


def test_of_a_parametrized_layer_the_weights_are_those_it_computes_with():
    model = nn.Sequential(weight_norm(nn.Linear(3, 4)))
    found = {one.name: one.tensor for one in weights_of(model)[0]}
    assert list(found) == ["0.bias", "0.weight"]
    assert torch.equal(found["0.weight"], model[0].weight)
    learned = [one.name for one in weights_of(model, learned=True)[0]]
    assert learned == [name for name, _ in model.named_parameters()]


def test_weights_without_numbers_are_counted():
    model = nn.ModuleList([nn.LazyLinear(3), nn.Linear(2, 2, device="meta"), nn.Linear(2, 2)])
    found, unread = weights_of(model)
    assert ([one.name for one in found], unread) == (["2.weight", "2.bias"], 4)


def planted(rows: np.ndarray) -> nn.Linear:
    layer = nn.Linear(rows.shape[1], rows.shape[0])
    layer.weight.data = torch.tensor(rows, dtype=torch.float32)
    return layer


def test_filters_that_point_the_same_way_are_grouped_whatever_their_size():
    rows = np.random.default_rng(1).normal(size=(12, 20))
    rows[4], rows[9], rows[7], rows[2] = 3 * rows[1], rows[1] + 0.02 * rows[5], -rows[3], 0
    (found,) = near_duplicates(planted(rows))[0]
    assert found.groups == ((1, 4, 9),)
    assert (found.surplus, found.close, found.units, found.noun) == (2, 3, 12, "units")
    expected = cosine_similarity(rows)
    assert [(i, j) for i, j, _ in found.pairs] == [(1, 4), (1, 9), (4, 9)]
    assert all(cosine == pytest.approx(expected[i, j], abs=1e-4) for i, j, cosine in found.pairs)


def test_the_filters_of_a_convolution_are_compared_within_its_groups():
    layer = nn.Conv2d(4, 4, 3, groups=2, bias=False)
    layer.weight.data[2] = layer.weight.data[0]  # reads other channels
    assert near_duplicates(nn.Sequential(layer))[0][0].groups == ()
    layer.weight.data[3] = layer.weight.data[2] * 2
    assert near_duplicates(nn.Sequential(layer))[0][0].groups == ((2, 3),)


def test_a_transposed_convolutions_filters_are_its_output_channels():
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    layer.weight.data[2:, 2] = layer.weight.data[2:, 0]
    assert near_duplicates(nn.Sequential(layer))[0][0].groups == ((3, 5),)


def test_rows_that_are_short_huge_or_not_finite_cost_nothing():
    short = nn.Conv2d(1, 8, 2)
    assert near_duplicates(nn.Sequential(short)) == ([], [])
    rows = np.random.default_rng(2).normal(size=(5, 20))
    rows[0], rows[1], rows[2] = rows[4] * 1e30, rows[4] * 1e-30, np.nan
    assert near_duplicates(planted(rows))[0][0].groups == ((0, 1, 4),)


def test_a_layer_too_large_to_compare_is_named():
    assert near_duplicates(nn.Sequential(nn.Linear(9, 5000))) == ([], ["0"])


def test_a_layer_that_has_collapsed_is_counted_and_not_listed():
    (found,) = near_duplicates(planted(np.ones((600, 9))))[0]
    assert (found.close, len(found.pairs), found.surplus) == (600 * 599 // 2, 6, 599)
