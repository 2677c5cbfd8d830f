import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from reportgen.experiment import build
from reportgen.features.embedding import Penultimate, commonest, pca, quartiles


def test_pca_agrees_with_scikit_learn():
    values = np.random.default_rng(1).normal(size=(60, 9)) @ np.diag(np.arange(1, 10.0))
    ours, theirs = pca(values), PCA(2, svd_solver="full").fit(values)
    assert ours.shares == pytest.approx(tuple(theirs.explained_variance_ratio_))
    assert np.abs(ours.points) == pytest.approx(np.abs(theirs.transform(values)))


def test_the_sign_does_not_depend_on_the_order_of_the_samples():
    values = np.random.default_rng(2).normal(size=(30, 5)) * [3, 2, 1, 1, 1]
    order = np.random.default_rng(3).permutation(30)
    assert pca(values[order]).points == pytest.approx(pca(values).points[order])


@pytest.mark.parametrize("values", [np.zeros((2, 4)), np.zeros((9, 1)), np.full((5, 5), np.nan)])
def test_what_has_no_plane_is_refused(values):
    with pytest.raises(ValueError, match=r"expected at least|not finite"):
        pca(values)


def test_equal_samples_hold_no_variance():
    assert pca(np.ones((4, 3))).shares == (0.0, 0.0)


def test_the_penultimate_features_are_what_goes_into_the_last_linear_layer(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    before = Penultimate.of(experiment, experiment.require_forward())
    assert (before.name, before.kind) == ("fc2", "Linear")
    with torch.no_grad(), before.gather(experiment):
        scores = model(data.tensors[0][:6])
    again = torch.tensor(before.features).float() @ model.fc2.weight.T + model.fc2.bias
    assert again.detach().numpy() == pytest.approx(scores.numpy(), abs=1e-5)


def test_without_a_linear_layer_the_last_convolution_is_taken_and_its_pixels_averaged():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    experiment = build(model, example_inputs=torch.rand(3, 1, 8, 8))
    before = Penultimate.of(experiment, experiment.require_forward())
    assert before.name == "1"
    with torch.no_grad(), before.gather(experiment):
        model(experiment.require_forward().primary)
    with torch.no_grad():
        expected = model[0](experiment.require_forward().primary).mean(dim=(2, 3))
    assert before.features == pytest.approx(expected.numpy(), abs=1e-6)


def test_a_model_of_neither_has_no_penultimate_layer():
    experiment = build(nn.Tanh(), example_inputs=torch.rand(3, 2))
    assert Penultimate.of(experiment, experiment.require_forward()) is None


def test_groups_of_many_classes_are_the_commonest_and_the_others():
    labels = [i for i in range(20) for _ in range(20 - i)]
    member, groups = commonest(labels, lambda i: f"class {i}")
    assert groups == [*(f"class {i}" for i in range(9)), "11 other classes"]
    assert max(member) == 9
    assert commonest([3, 1, 3], str) == ([1, 0, 1], ["1", "3"])


def test_labels_below_zero_are_one_group_whatever_the_number_of_classes():
    assert commonest([3, -1, 1, -100], str) == ([1, 2, 0, 2], ["1", "3", "-1"])
    member, groups = commonest([*range(12), -1], str)
    assert groups == [*map(str, range(8)), "4 other classes", "-1"]
    assert member == [*range(8), 8, 8, 8, 8, 9]


def test_quartiles_hold_a_quarter_each():
    member, groups = quartiles(np.arange(1, 101))
    assert [member.count(i) for i in range(4)] == [25, 25, 25, 25]
    assert groups[0].startswith("up to")
