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
    for name, values in zip(("precision", "recall", "f1"), expected[:3], strict=True):
        np.testing.assert_allclose(per_class(matrix)[name], values)
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
    assert sample_of(10_000, 60_000) == "the first 10,000 of 60,000 samples"
    assert sample_of(10_000, None) == "the first 10,000 samples of a stream"
