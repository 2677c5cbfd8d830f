import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.inspection import partial_dependence
from tables import NAMES, mixed
from torch import nn

from reportgen.attribution import explain, overview
from reportgen.attribution.base import NotApplicable, Target
from reportgen.attribution.choose import Subject
from reportgen.attribution.dependence import dependence, grid_of
from reportgen.attribution.kinds.table import sights
from reportgen.attribution.mean_maps import mean_maps
from reportgen.attribution.overview import complete, shortfalls, view
from reportgen.attribution.table import table_of
from reportgen.experiment import build


class Wrapped(BaseEstimator):
    """The network as scikit-learn knows it."""

    def __init__(self, model=None):
        self.model = model
        self.fitted_ = True

    def fit(self, rows, targets):
        return self

    def outputs(self, rows):
        with torch.no_grad():
            return self.model(torch.tensor(np.asarray(rows), dtype=torch.float32))


class Classifier(ClassifierMixin, Wrapped):
    classes_ = np.array([0, 1])

    def predict_proba(self, rows):
        return self.outputs(rows).softmax(1).double().numpy()


class Regressor(RegressorMixin, Wrapped):
    def predict(self, rows):
        return self.outputs(rows)[:, 0].double().numpy()


@pytest.fixture(scope="module")
def cancer_view(cancer_mlp):
    model, data, names = cancer_mlp
    experiment = build(model, data=data, feature_names=names, class_names=["malignant", "benign"])
    return experiment, view(experiment, table_of(experiment), 100)


def test_each_row_is_what_integrated_gradients_give_it_alone(cancer_view):
    experiment, seen = cancer_view
    assert seen.values.shape == (569, 30)
    for number in (0, 150, 568):  # of three batches
        subject = Subject(number, experiment.batch([number]).inputs, Target("benign", 1), "", "")
        sight = sights(experiment, [subject])[0]
        alone = IntegratedGradients(sight.score).attribute(sight.values, sight.baseline.values, n_steps=50)
        assert seen.numbers[number] == number
        assert seen.values[number] == pytest.approx(alone[0].double().numpy(), abs=1e-4)


def test_attributions_add_up_to_the_distance_from_the_mean_row(cancer_view, cancer_mlp):
    model, data, _ = cancer_mlp
    _, seen = cancer_view
    with torch.no_grad():
        scores = model(data.tensors[0])[:, 1] - model(data.tensors[0].mean(0, keepdim=True))[:, 1]
    assert seen.values.sum(axis=1) == pytest.approx(scores.double().numpy(), rel=0.02, abs=0.1)


def test_how_far_attributions_fall_short_of_the_scores_is_told():
    errors = shortfalls(np.array([0.9, 2.2, 5.0]), np.array([[1.0, 3.0, 4.0], [0.0, 1.0, 4.0]]))
    assert errors == pytest.approx([0.1, 0.1, np.nan], nan_ok=True)
    assert complete(errors) == "completeness error 10 % in the median, 10 % at the 90 % quantile"
    assert complete(errors[2:]) == "completeness can't be told, since the scores are the baselines'"


def test_the_features_are_in_the_order_of_their_mean_size(cancer_view):
    _, seen = cancer_view
    sizes = np.abs(seen.values).mean(axis=0)
    assert seen.sizes == pytest.approx(sizes)
    assert seen.order(5) == np.argsort(-sizes)[:5].tolist()


def test_of_more_than_two_classes_each_sample_is_asked_for_its_own():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, rows = nn.Linear(4, 3), torch.randn(60, 4)
    experiment = build(model, data=(rows, torch.arange(60) % 3))
    seen = view(experiment, table_of(experiment), 16)
    assert seen.answers.fixed == -1
    classes = model(rows).argmax(1)
    expected = (model.weight[classes] * (rows - rows.mean(0))).detach().numpy()
    assert seen.values == pytest.approx(expected, abs=1e-4)
    named = build(model, data=(rows, torch.arange(60) % 3), target=2)
    asked = view(named, table_of(named), 16)
    assert asked.values == pytest.approx((model.weight[2] * (rows - rows.mean(0))).detach().numpy(), abs=1e-4)


def test_a_single_output_is_the_second_class_and_its_negative_the_first():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, rows = nn.Linear(3, 1), torch.randn(40, 3)
    labels = (torch.arange(40) % 2).float()
    expected = (model.weight[0] * (rows - rows.mean(0))).detach().numpy()
    for target, sign in ((None, 1), (0, -1)):
        experiment = build(model, data=(rows, labels), class_names=["no", "yes"], target=target)
        assert view(experiment, table_of(experiment), 16).values == pytest.approx(sign * expected, abs=1e-4)


def test_a_thousand_rows_at_most_in_batches_no_larger_than_allowed(monkeypatch):
    seen = []

    class Watch(nn.Linear):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    rows = torch.rand(2500, 5, generator=torch.Generator().manual_seed(0))
    experiment = build(Watch(5, 1), data=(rows, rows[:, :1]), task="regression")
    made = view(experiment, table_of(experiment), 128)
    assert made.values.shape == (1000, 5)
    assert (made.numbers[0], made.numbers[-1]) == (0, 2497)
    assert max(seen) <= 128
    each = experiment.operations
    monkeypatch.setattr(explain, "BUDGET", {"cpu": 40 * 2 * 3 * 50 * each / overview.SHARE})
    assert len(view(experiment, table_of(experiment), 128).values) == 40
    monkeypatch.setattr(explain, "BUDGET", {"cpu": each})
    with pytest.raises(NotApplicable, match="allows 0 samples"):
        view(experiment, table_of(experiment), 128)


@pytest.mark.parametrize("feature", [3, 20])
def test_partial_dependence_of_a_classifier_is_scikit_learns(cancer_view, cancer_mlp, feature):
    model, data, _ = cancer_mlp
    experiment, seen = cancer_view
    rows = data.tensors[0].numpy()
    theirs = partial_dependence(
        Classifier(model), rows, [feature], kind="both", grid_resolution=7, response_method="predict_proba"
    )
    grid = theirs["grid_values"][0]
    ours = dependence(experiment, seen, feature, grid, 569, 100)
    assert ours.mean[:, 1] == pytest.approx(theirs["average"][0], abs=1e-5)
    assert ours.answers[:, :, 1] == pytest.approx(theirs["individual"][0], abs=1e-5)


def test_partial_dependence_of_a_regression_is_scikit_learns(diabetes_mlp):
    model, data, _ = diabetes_mlp
    experiment = build(model, data=data)
    seen = view(experiment, table_of(experiment), 128)
    rows = data.tensors[0].numpy()
    theirs = partial_dependence(Regressor(model), rows, [2], grid_resolution=9)
    ours = dependence(experiment, seen, 2, theirs["grid_values"][0], 442, 64)
    assert ours.mean[:, 0] == pytest.approx(theirs["average"][0], rel=1e-5)


def test_partial_dependence_of_a_category_is_the_mean_with_all_samples_in_it():
    model, data = mixed()
    experiment = build(model, data=data, feature_names=NAMES)
    seen = view(experiment, table_of(experiment), 128)
    assert seen.order(9) == [at for at in seen.order(9) if at < 4]
    grid = grid_of(seen, 5)
    assert grid.tolist() == [0, 1, 2]
    ours = dependence(experiment, seen, 5, grid, 442, 100)
    for code in range(3):
        codes = data.tensors[1].clone()
        codes[:, 1] = code
        with torch.no_grad():
            assert ours.mean[code, 0] == pytest.approx(float(model(data.tensors[0], codes).mean()), abs=1e-5)


def test_the_grid_is_the_deciles_of_the_data(cancer_view, cancer_mlp):
    _, seen = cancer_view
    column = cancer_mlp[1].tensors[0][:, 4].double().numpy()
    assert grid_of(seen, 4) == pytest.approx(np.quantile(column, np.arange(11) / 10))


def test_the_mean_map_of_a_linear_model_is_its_weights_times_the_mean_distance():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(16, 3)

        def forward(self, x):
            return self.fc(x.flatten(1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, pictures = Net(), torch.rand(50, 1, 4, 4)
    classes = model(pictures).argmax(1)
    experiment = build(model, data=(pictures, classes))
    rows, how, _ = mean_maps(experiment, 8, lambda done, total: None)
    each = (
        model.fc.weight[classes].reshape(50, 4, 4) * (pictures - pictures.mean((2, 3), keepdim=True))[:, 0]
    ).detach()
    assert how == (
        "Integrated Gradients, 50 steps against each picture's mean colour, of 50 samples (completeness error below "
        "0.01 % in the median, below 0.01 % at the 90 % quantile)"
    )
    assert [sums.count for sums in rows] == [50, *classes.bincount()[classes.bincount() > 0].tolist()]
    assert rows[0].signed == pytest.approx(each.sum(0).numpy(), abs=1e-4)
    assert rows[0].sizes == pytest.approx(each.abs().sum(0).numpy(), abs=1e-4)
    first = int(classes.unique()[0])
    assert rows[1].signed == pytest.approx(each[classes == first].sum(0).numpy(), abs=1e-4)
    assert rows[1].picture == pytest.approx(pictures[classes == first].sum(0).numpy(), abs=1e-4)


def test_a_model_without_counted_operations_is_looked_at_in_full(digits_cnn, cancer_mlp):
    model, data = digits_cnn
    experiment = build(model, data=data)
    experiment.__dict__["operations"] = 0
    assert mean_maps(experiment, 64, lambda done, total: None)[0][0].count == 497
    model, data, _ = cancer_mlp
    experiment = build(model, data=data)
    experiment.__dict__["operations"] = 0
    assert len(view(experiment, table_of(experiment), 128).values) == 569


def test_a_costly_model_gets_one_gradient_and_a_costlier_one_fewer_pictures(digits_cnn, monkeypatch):
    model, data = digits_cnn
    experiment = build(model, data=data)
    each = experiment.operations / overview.SHARE
    monkeypatch.setattr(explain, "BUDGET", {"cpu": 3.1 * 497 * each})
    rows, how, _ = mean_maps(experiment, 64, lambda done, total: None)
    assert how.startswith(
        "Gradient × (input − its mean colour), one gradient, of 497 samples (completeness error "
    )
    assert rows[0].count == 497
    monkeypatch.setattr(explain, "BUDGET", {"cpu": 3.1 * 30 * each})
    assert mean_maps(experiment, 64, lambda done, total: None)[0][0].count == 31
