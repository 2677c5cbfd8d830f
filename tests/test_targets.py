"""Targets of every kind: read as classes, shares of classes or values, or said to be what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics
from torch import nn
from torch.utils.data import DataLoader

from reportgen.experiment import Experiment, Options, build
from reportgen.features.flow import gradients
from reportgen.features.weights import Weight
from reportgen.report import Facts, Section
from reportgen.sections.evaluation import evaluation
from reportgen.targets import UnreadError, read, shares

ROWS = 24
X = torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(ROWS) % 3
SOFT = torch.softmax(torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(1)) * 2, dim=1)
NAMES = np.array(["cat", "dog", "eel"])


def linear(outputs: int = 3) -> nn.Module:
    """Of fixed weights, so that the same is predicted everywhere."""
    layer = nn.Linear(4, outputs)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1, 1, 4 * outputs).reshape(outputs, 4).cos())
        layer.bias.zero_()
    return layer.eval()


def evaluated(model: nn.Module, data: Any, **said: Any) -> tuple[Experiment, Section]:
    seen = build(model, data=data, **said)
    return seen, evaluation(seen, Options())


def figure(section: Section, label: str) -> Any:
    totals = section.block("totals")
    assert isinstance(totals, Facts)
    return next(fact for fact in totals.facts if fact.label == label)


# --- shares of classes ---------------------------------------------------------------------------------


def test_rows_that_sum_to_one_are_a_classification_with_soft_targets() -> None:
    model = linear()
    seen, section = evaluated(model, (X, SOFT))
    assert seen.task == "classification"
    assert "a share of each class, with the sum 1" in " ".join(fact.note for fact in seen.inferred)
    outputs = model(X).detach()
    right = metrics.accuracy_score(SOFT.argmax(1), outputs.argmax(1))
    assert figure(section, "Accuracy").value == pytest.approx(right, rel=1e-5)
    loss = nn.functional.cross_entropy(outputs, SOFT)
    assert figure(section, "Log loss").value == pytest.approx(float(loss), rel=1e-5)
    entropy = torch.distributions.Categorical(SOFT).entropy().mean()
    assert figure(section, "Entropy of the targets").value == pytest.approx(float(entropy), rel=1e-5)
    totals = section.block("totals")
    assert isinstance(totals, Facts)
    assert "the log loss is the cross-entropy with the shares" in totals.caption


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_rows_with_a_single_one_are_class_numbers(dtype: torch.dtype) -> None:
    model = linear()
    hot, numbers = evaluated(model, (X, torch.eye(3)[CLASSES].to(dtype))), evaluated(model, (X, CLASSES))
    assert hot[0].task == numbers[0].task == "classification"
    assert hot[1].block("totals") == numbers[1].block("totals")
    assert hot[1].block("confusion") == numbers[1].block("confusion")


def test_of_one_output_two_columns_with_a_single_one_are_its_two_classes() -> None:
    hot = evaluated(linear(1), (X, torch.eye(2)[CLASSES % 2]))
    assert hot[1].block("totals") == evaluated(linear(1), (X, CLASSES % 2), task="classification")[1].block(
        "totals"
    )


def test_of_one_output_two_columns_may_be_shares() -> None:
    second, model = SOFT[:, 0], linear(1)
    _, section = evaluated(model, (X, torch.stack([1 - second, second], dim=1)))
    loss = nn.functional.binary_cross_entropy_with_logits(model(X)[:, 0].detach(), second)
    assert figure(section, "Log loss").value == pytest.approx(float(loss), rel=1e-5)
    assert build(model, data=(X, second)).task == "regression"


def test_compositions_stay_a_regression_where_it_was_said_or_the_output_is_none_of_them() -> None:
    seen, section = evaluated(linear(), (X, SOFT), task="regression")
    assert seen.task == "regression"
    r2 = metrics.r2_score(SOFT, linear()(X).detach(), multioutput="variance_weighted")
    assert figure(section, "R²").value == pytest.approx(r2, rel=1e-4)
    assert build(linear(2), data=(X, SOFT)).task == ""


@pytest.mark.parametrize(
    "targets",
    [torch.eye(3)[CLASSES] + torch.eye(3)[(CLASSES + 1) % 3], SOFT * 2, SOFT - 0.5, torch.zeros(ROWS, 3)],
    ids=["several labels", "sums of 2", "negative", "zeros"],
)
def test_other_rows_are_no_shares(targets: torch.Tensor) -> None:
    assert shares(targets, 3) is None


def test_a_row_without_numbers_is_no_label() -> None:
    rows = SOFT.clone()
    rows[3], rows[5] = torch.nan, -1
    told = shares(rows, 3)
    assert told is not None
    assert (told.classes < 0).nonzero()[:, 0].tolist() == [3, 5]
    _, section = evaluated(linear(), (X, rows))
    assert "22 with a label of 24 samples" in section.summary
    kept = torch.tensor([at for at in range(ROWS) if at not in (3, 5)])
    loss = nn.functional.cross_entropy(linear()(X[kept]).detach(), SOFT[kept])
    assert figure(section, "Log loss").value == pytest.approx(float(loss), rel=1e-5)


def test_gradients_are_of_the_cross_entropy_with_the_shares() -> None:
    model = linear()
    seen = build(model, data=(X, SOFT))
    found = gradients(seen, [Weight("weight", (), model.weight)], [])
    nn.functional.cross_entropy(model(X), SOFT).backward()
    assert found.loss == "cross-entropy with shares of classes"
    assert found.found[0] is not None
    assert torch.allclose(found.found[0], model.weight.grad, atol=1e-6)


def test_a_class_number_that_is_nan_is_no_label() -> None:
    numbers = CLASSES.float()
    numbers[::6] = torch.nan
    _, section = evaluated(linear(), (X, numbers), task="classification")
    assert "20 with a label of 24 samples" in section.summary


# --- what is read --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (torch.tensor([1, 0]), [1, 0]),
        (np.array([1.5, 2.0], dtype=">f8"), [1.5, 2.0]),
        (pd.Series([True, False]), [True, False]),
        ((2, 0, 1), [2, 0, 1]),
        ([torch.tensor(2), torch.tensor(0)], [2, 0]),
        ([[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [1.0, 0.0]]),
        (["dog", "cat"], [1, 0]),
        (np.array(["eel", "cat"], dtype=object), [2, 0]),
        (3, [3]),
    ],
)
def test_whatever_holds_numbers_or_names_of_classes_is_read(value: Any, wanted: list[Any]) -> None:
    found = read(value, NAMES.tolist())
    assert found is not None
    assert found.tolist() == wanted


@pytest.mark.parametrize("value", [None, [None, None], []])
def test_no_target_is_none(value: Any) -> None:
    assert read(value) is None


class Thing:
    pass


UNREAD = [
    (["cat", "dog"], r"texts \('cat', 'dog'\)", "give class_names"),
    ([Thing(), Thing()], "of the kind Thing, no numbers", "give one class number"),
    ([torch.zeros(2), torch.zeros(3)], r"of different sizes, \(2,\) and \(3,\)", "rows of equally many"),
    ([[1, 2], [1]], r"of different sizes, \(2,\) and \(1,\)", "rows of equally many"),
    (
        [{"boxes": torch.zeros(2, 4)}, {"boxes": 0, "labels": 1}],
        "dicts of boxes, labels",
        "give one class number",
    ),
    ({"boxes": torch.zeros(2, 4)}, "dicts of boxes", "give one class number"),
    ([1, None, 2], "None for 1 of 3 samples", "give -1"),
    (torch.zeros(2, dtype=torch.complex64), "complex numbers", "give one class number"),
]


@pytest.mark.parametrize(("value", "said", "hint"), UNREAD)
def test_what_cannot_be_read_says_what_it_is_and_what_to_give(value: Any, said: str, hint: str) -> None:
    with pytest.raises(UnreadError, match=said) as caught:
        read(value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((X, NAMES[CLASSES]), "the targets are texts"),
        ((X, pd.Series(NAMES[CLASSES])), "the targets are texts"),
        ([(x, NAMES[at % 3].item()) for at, x in enumerate(X)], "the targets are texts"),
        ([(x, Thing()) for x in X], "of the kind Thing"),
        ([(x, torch.zeros(1 + at % 2)) for at, x in enumerate(X)], "of different sizes"),
        ([(x, {"boxes": torch.zeros(1 + at % 2, 4)}) for at, x in enumerate(X)], "dicts of boxes"),
        ([{"x": x, "label": Thing()} for x in X], "of the kind Thing"),
        ([(x, at if at % 2 else None) for at, x in enumerate(X)], "None for 12 of 24 samples"),
        (
            DataLoader([(x, None) if at == 3 else (x, 1) for at, x in enumerate(X)]),
            "None for 1 of 24 samples",
        ),
    ],
    ids=[
        "array",
        "series",
        "texts",
        "objects",
        "ragged",
        "dicts",
        "in a mapping",
        "every other",
        "one in a loader",
    ],
)
def test_targets_that_cannot_be_read_are_a_finding_and_the_inputs_stay(data: Any, said: str) -> None:
    class Takes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = linear()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    seen, section = evaluated(Takes(), data)
    assert seen.data_problem is seen.forward_problem is None
    assert seen.example is not None
    assert section.status == "empty"
    (finding,) = section.findings
    assert said in finding.message
    assert said in section.reason
    assert "give" in section.reason


def test_names_of_classes_are_their_numbers() -> None:
    named = evaluated(linear(), (X, NAMES[CLASSES]), class_names=NAMES.tolist())
    numbered = evaluated(linear(), (X, CLASSES), class_names=NAMES.tolist())
    assert named[1].block("totals") == numbered[1].block("totals")
    _, section = evaluated(linear(), (X, NAMES[CLASSES]), class_names=["cat", "dog", "fox"])
    assert "texts ('eel'), which are none of class_names" in section.reason


def test_samples_without_any_target_have_none_and_no_finding() -> None:
    _, section = evaluated(linear(), [(x, None) for x in X])
    assert section.reason == "the data has no targets to hold the predictions against"
    assert section.findings == ()
