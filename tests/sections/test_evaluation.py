"""Metrics against scikit-learn's and published values, and evaluation on networks that were trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch import nn
from torch.utils.data import TensorDataset

from reportgen.errors import InputError
from reportgen.experiment import Options, build
from reportgen.sections._classification import confusion, macro_f1, per_class
from reportgen.sections._intervals import bootstrap, wilson
from reportgen.sections._regression import r2
from reportgen.sections.evaluation import evaluation, sample_of

labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(labels)
def test_confusion_precision_recall_and_f1_are_those_of_scikit_learn(pairs):
    true, said = (np.array(column) for column in zip(*pairs, strict=True))
    matrix = confusion(true, said, 4)
    assert (matrix == metrics.confusion_matrix(true, said, labels=range(4))).all()
    expected = metrics.precision_recall_fscore_support(true, said, labels=range(4), zero_division=np.nan)
    scores = per_class(true, said, 4)
    for found, values in zip(
        (scores.precision, scores.recall, scores.f1, scores.samples), expected, strict=True
    ):
        np.testing.assert_allclose(found, values)
    present = sorted(set(true) | set(said))
    f1 = metrics.f1_score(true, said, labels=present, average="macro", zero_division=0)
    assert macro_f1(true, said, 4) == pytest.approx(f1)


def test_wilsons_interval_has_the_published_values():
    """Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3."""
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (right, n), interval in published.items():
        assert wilson(right, n) == pytest.approx(interval, abs=5e-5)
    assert wilson(0, 0) == (0, 1)


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_wilsons_interval_holds_the_share_and_ends_where_shares_do(n, part):
    for right in {0, n, round(part * n)}:
        low, high = wilson(right, n)
        assert 0 <= low <= right / n <= high <= 1
        assert (low == 0) == (right == 0)
        assert (high == 1) == (right == n)


def test_an_interval_that_begins_at_nothing_says_0():
    section = evaluated(Constant([1.0, 0.0, 0.0]), (X[:10], torch.ones(10).long()))
    assert "95 % interval 0 % to" in fact(section, "Accuracy").note
    assert "(95 % interval 0 % to" in section.summary
    assert section.block("recall").low[0] == 0
    assert [row.cells[4] for row in section.block("per-class").rows][1].startswith("0\u00a0%\u00a0to")


def test_the_bootstrap_of_a_mean_agrees_with_theory():
    values = np.random.default_rng(0).normal(size=400)
    low, high = bootstrap(400, 0, lambda rows: values[rows].mean())
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.015)
    assert bootstrap(400, 0, lambda rows: values[rows].mean()) == (low, high)


def test_r2_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    target = random.normal(size=(50, 1))
    output = target + random.normal(size=(50, 1))
    assert r2(output, target) == pytest.approx(metrics.r2_score(target, output))
    assert np.isnan(r2(output, np.ones((50, 1))))


def evaluated(model, data, **said):
    return evaluation(build(model.eval(), data=data, **said), Options(samples=4))


def fact(section, label):
    return next(fact for fact in section.block("totals").facts if fact.label == label)


def test_a_trained_digit_reader_is_measured_as_scikit_learn_measures_it(digits_cnn):
    model, data = digits_cnn
    section = evaluated(model, data, class_names=[str(i) for i in range(10)])
    images, targets = data.tensors
    with torch.no_grad():
        scores = model(images)
    accuracy = metrics.accuracy_score(targets, scores.argmax(1))
    assert fact(section, "Accuracy").value == pytest.approx(accuracy, rel=1e-5)
    loss = metrics.log_loss(targets, scores.double().softmax(1))
    assert fact(section, "Log loss").value == pytest.approx(loss, rel=1e-4)
    assert fact(section, "Macro F1").value == pytest.approx(
        metrics.f1_score(targets, scores.argmax(1), average="macro"), rel=1e-5
    )
    matrix = np.array(section.block("confusion").values)
    assert (matrix == metrics.confusion_matrix(targets, scores.argmax(1))).all()
    assert "95 % interval" in section.summary
    assert "on 497 samples" in section.summary
    assert section.block("recall").caption == "With 95 % intervals (Wilson); 497 samples."


def test_the_worst_mistakes_are_the_wrong_ones_with_the_least_probability(digits_cnn):
    model, data = digits_cnn
    images, targets = data.tensors
    with torch.no_grad():
        probabilities = model(images).softmax(1)
    wrong = (probabilities.argmax(1) != targets).nonzero()[:, 0]
    assert len(wrong) >= 4
    worst = wrong[probabilities[wrong, targets[wrong]].argsort()][:4].tolist()
    pictures = evaluated(model, data).block("mistakes").pictures
    assert [int(picture.caption.split(":")[0].lstrip("#")) for picture in pictures] == worst


def test_a_table_of_two_classes_is_evaluated(cancer_mlp):
    model, data, names = cancer_mlp
    section = evaluated(model, data, feature_names=names, class_names=["malignant", "benign"])
    assert section.block("mistakes").kind == "table"
    assert [row.cells[0] for row in section.block("per-class").rows] == ["malignant", "benign"]


def test_a_regression_is_measured_as_scikit_learn_measures_it(diabetes_mlp):
    model, data, _ = diabetes_mlp
    section = evaluated(model, data)
    with torch.no_grad():
        output = model(data.tensors[0])
    target = data.tensors[1].reshape(output.shape)
    expected = metrics.mean_absolute_error(target, output)
    assert fact(section, "Mean absolute error").value == pytest.approx(expected, rel=1e-4)
    assert fact(section, "R²").value == pytest.approx(metrics.r2_score(target, output), rel=1e-3)
    assert [block.kind for block in section.blocks] == ["facts", "scatter", "distribution", "table"]


class Constant(nn.Module):
    """Says the same of everything; NaN for samples marked so."""

    def __init__(self, row):
        super().__init__()
        self.row = nn.Parameter(torch.tensor(row))

    def forward(self, x):
        return self.row.expand(len(x), -1) + 0 * x[:, :1]


X, Y = torch.zeros(30, 4), torch.arange(30) % 3


def test_a_model_no_better_than_its_most_common_class_is_found_out():
    section = evaluated(Constant([1.0, 0.0, 0.0]), (X, Y))
    rules = {finding.rule: finding for finding in section.findings}
    assert "is not above always saying 'class 0' (33.33 %)" in " ".join(f.message for f in section.findings)
    never = rules["a class with samples and no prediction"].message
    assert never == "2 of 3 classes are never predicted though they occur: class 1, class 2."


def test_every_finding_points_at_a_block_that_is_there():
    marked = X.clone()
    marked[0] = float("nan")
    section = evaluated(Constant([1.0, 0.0, 0.0, 0.0]), (marked, Y))
    assert len(section.findings) == 4
    for finding in section.findings:
        name, block = finding.evidence.split("/")
        assert name == "evaluation"
        assert section.block(block) is not None


def test_outputs_that_are_nan_count_as_wrong_and_are_told_of():
    marked = X.clone()
    marked[:3] = float("nan")
    section = evaluated(Constant([1.0, 0.0, 0.0]), (marked, Y))
    assert fact(section, "Accuracy").value == 0.3
    assert section.findings[0].message.startswith("The outputs are NaN or infinite for 3 of 30 samples")


def test_nan_weights_are_an_error_in_one_line():
    with pytest.raises(InputError, match="NaN or infinite for all 30 samples"):
        evaluated(Constant([float("nan"), 0.0, 0.0]), (X, Y))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"model": None, "data": (X, Y)}, "no model was given"),
        ({"model": Constant([1.0, 0.0])}, "no data was given"),
        ({"model": Constant([1.0, 0.0]), "data": X}, "the data has no targets"),
        (
            {"model": Constant([1.0, 0.0]), "data": (X, torch.zeros(30, 3))},
            "neither a classification nor a regression",
        ),
    ],
)
def test_where_there_is_nothing_to_say_the_reason_is_said(said, reason):
    section = evaluation(build(**said), Options())
    assert section.status == "empty"
    assert reason in section.reason


def test_an_empty_data_set_is_an_error_with_the_reason():
    with pytest.raises(InputError, match="the data set is empty"):
        evaluation(build(Constant([1.0, 0.0]), data=TensorDataset(X[:0], Y[:0])), Options())


def test_the_sample_is_named():
    assert sample_of(1, 1) == "1 sample"
    assert sample_of(10_000, 60_000) == "10,000 of 60,000 samples, evenly from the data"
    assert sample_of(10_000, None) == "the first 10,000 samples of a stream"


def test_a_sample_without_a_prediction_lowers_recall_and_f1_too():
    x, y = torch.zeros(20, 4), torch.tensor([0, 1] * 10)
    x[[1, 3, 5, 7, 9]] = float("nan")

    class Knows(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.at = 0

        def forward(self, x):
            rows = torch.arange(self.at, self.at + len(x)) % 2
            self.at += len(x)
            return nn.functional.one_hot(rows, 2) * self.scale + 0 * x[:, :1]

    model = Knows()
    experiment = build(model, data=(x, y), task="classification")
    section = evaluation(experiment, Options())
    assert fact(section, "Accuracy").value == 0.75
    rows = {row.cells[0]: row.cells for row in section.block("per-class").rows}
    assert rows["class 1"][1:4] == (10, 1.0, 0.5)
    assert fact(section, "Macro F1").value == pytest.approx((1 + 2 / 3) / 2, rel=1e-5)
    assert "of 15 with finite outputs" in fact(section, "Log loss").note


def test_a_thousand_classes_are_counted_without_a_matrix():
    count = 3000
    targets = torch.arange(500) % count
    scores = nn.functional.one_hot((targets + (torch.arange(500) % 5 == 0)) % count, count).float()

    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.scores = nn.Parameter(scores)

        def forward(self, x):
            return self.scores[x[:, 0].long()]

    section = evaluated(Table(), (torch.arange(500.0)[:, None], targets))
    assert fact(section, "Accuracy").value == 0.8
    assert section.block("confusion") is None
    assert (len(section.block("per-class").rows), section.block("per-class").total) == (200, count)


def test_samples_without_a_label_are_left_out_and_counted():
    y = Y.clone()
    y[:6] = -100
    section = evaluated(Constant([1.0, 0.0, 0.0]), (X, y))
    assert "on 24 with a label of 30 samples" in section.summary
    assert fact(section, "Accuracy").value == pytest.approx(8 / 24, rel=1e-5)


def test_every_value_of_a_regression_is_drawn_and_counted():
    x = torch.rand(2000, 2)
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.eye(2))
        model.bias.copy_(torch.tensor([0.0, 100.0]))
    section = evaluated(model, (x, torch.cat([x[:, :1], x[:, 1:] + 100], 1)))
    scatter = section.block("predicted-true")
    assert scatter.groups == ("value 0", "value 1")
    assert len(scatter.x) == 2000
    assert max(scatter.x) > 100
    assert min(scatter.x) < 1
    assert section.block("residuals").y_label == "values"
