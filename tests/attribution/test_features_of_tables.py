import numpy as np
import pytest
import torch
from looks import rows_of
from tables import NAMES, mixed
from torch import nn

from reportgen.attribution.base import Attribution, Missing, Target
from reportgen.attribution.choose import Subject, choose
from reportgen.attribution.gradients import DIFFERENCE
from reportgen.attribution.kinds.table import sights
from reportgen.attribution.methods import suited
from reportgen.attribution.table import table_of
from reportgen.errors import InputError
from reportgen.experiment import Options, build


@pytest.fixture(scope="module")
def trained():
    return mixed()


@pytest.fixture
def experiment(trained):
    model, data = trained
    return build(model, data=data, feature_names=NAMES)


def explained(experiment, *numbers):
    subjects, _ = choose(experiment, len(numbers), numbers)
    seen = sights(experiment, subjects)
    rows = rows_of(experiment, Options(), seen, suited("table"), 1.0)
    return seen, [{made.method: made for made in row} for row in rows]


def test_two_tensors_are_one_row_whose_codes_are_said_to_be_categories(experiment):
    assert experiment.modality == "table"
    fact = next(fact for fact in experiment.inferred if fact.label == "Categorical")
    assert (fact.value, fact.note) == (
        "sex, s5 band",
        "whole numbers in a tensor beside the floating-point one",
    )
    table = table_of(experiment)
    assert [feature.name for feature in table.features] == NAMES
    assert table.categorical == [4, 5]
    assert table.rows.shape == (442, 6)


def test_the_joined_row_is_fed_as_the_model_takes_it(experiment, trained):
    model, data = trained
    seen, _ = explained(experiment, 7)
    with torch.no_grad():
        expected = float(model(data.tensors[0][7:8], data.tensors[1][7:8]))
        other = float(model(data.tensors[0][7:8], torch.tensor([[1 - data.tensors[1][7, 0], 2]])))
    assert float(seen[0].score.numbers(seen[0].values, 1)[0]) == pytest.approx(expected, rel=1e-6)
    moved = seen[0].values.clone()
    moved[0, 4:] = torch.tensor([1.0 - float(data.tensors[1][7, 0]), 2.0])
    assert float(seen[0].score.numbers(moved, 1)[0]) == pytest.approx(other, rel=1e-6)


def test_gradients_hold_categories_and_say_that_they_know_nothing_of_them(experiment, trained):
    model, data = trained
    _, (made,) = explained(experiment, 3)
    integrated = made["Integrated Gradients"]
    assert integrated.unknown.tolist() == [False] * 4 + [True] * 2
    assert made["Saliency"].unknown.tolist() == [False] * 4 + [True] * 2
    assert made["LIME"].unknown is None
    numbers, codes = data.tensors[0][3:4], data.tensors[1][3:4]
    with torch.no_grad():
        # The baseline has the mean of the numbers and the sample's own codes.
        difference = float(model(numbers, codes) - model(data.tensors[0].mean(0, keepdim=True), codes))
    assert integrated.trust[DIFFERENCE] == pytest.approx(difference, rel=1e-4)
    assert float(integrated.values.sum()) == pytest.approx(difference, rel=0.06)
    assert integrated.baseline == "the mean of 442 samples, the rest as in the sample"


def test_lime_tells_what_a_category_counts():
    class Additive(nn.Module):
        """2 x + 5 where the code is 1."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(2.0))

        def forward(self, numbers, codes):
            return self.weight * numbers[:, :1] + 5 * (codes == 1) + 0 * numbers[:, 1:]

    generator = torch.Generator().manual_seed(0)
    numbers, codes = torch.randn(400, 2, generator=generator), torch.arange(400)[:, None] % 4
    experiment = build(Additive(), data=(numbers, codes, torch.zeros(400, 1)), task="regression")
    _, (one, other) = explained(experiment, 1, 2)
    moved = float(numbers[1, 0] - numbers[:, 0].mean())
    assert one["LIME"].values[:2] == pytest.approx([2 * moved, 0], rel=0.02, abs=0.02)
    # Code 1: drawn anew it is another in 3 of 4, so 5 x (1 - 1/4) above the mean.
    assert one["LIME"].values[2] == pytest.approx(5 * 0.75, rel=0.02)
    assert one["LIME"].trust["R2"] == pytest.approx(1, abs=1e-3)
    # Code 2: drawn anew, one of three others brings the 5, so 5/3 x (1 - 1/4) below.
    assert other["LIME"].values[2] == pytest.approx(-5 / 3 * 0.75, rel=0.2)


def test_a_one_hot_group_is_one_feature_and_only_its_own_rows_are_ever_fed():
    class Strict(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 1)

        def forward(self, x):
            hot = x[:, 1:]
            assert bool(((hot - 1.0).abs() < 1e-4).sum(1).eq(1).all())
            assert bool(((hot + 0.5).abs() < 1e-4).sum(1).eq(2).all())
            return self.fc(x)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = torch.cat([torch.randn(90, 1), torch.eye(3)[torch.arange(90) % 3] * 1.5 - 0.5], dim=1)
        model = Strict()
    experiment = build(
        model, data=(rows, torch.zeros(90, 1)), task="regression", feature_names=["x", "red", "green", "blue"],
        categorical={"colour": ["red", "green", "blue"]},
    )  # fmt: skip
    seen, (made,) = explained(experiment, 1)
    assert [feature.name for feature in seen[0].table.features] == ["x", "colour"]
    assert seen[0].table.features[1].said(float(seen[0].values[0, 1])) == "green"
    weights = model.fc.weight[0].detach().double().numpy() * 1.5
    others = (weights[1:].sum() - weights[2]) / 2
    assert made["LIME"].values[1] == pytest.approx((weights[2] - others) * 2 / 3, rel=0.25)


def test_columns_that_are_no_one_hot_group_are_refused():
    rows = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]])
    experiment = build(nn.Linear(3, 2), data=(rows, torch.tensor([0, 1, 0])), categorical=[[0, 1, 2]])
    with pytest.raises(InputError, match="are no one-hot group: a sample holds 1, 1, 0"):
        table_of(experiment)


def test_none_of_the_columns_of_a_group_is_a_category_too():
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    experiment = build(nn.Linear(2, 2), data=(rows, torch.tensor([0, 1, 0, 1])), categorical=[[0, 1]])
    table = table_of(experiment)
    assert [table.features[0].said(code) for code in table.rows[:, 0]] == [
        "feature 0", "feature 1", "none of them", "feature 0",
    ]  # fmt: skip


def test_names_follow_the_code_in_the_original_unit_and_values_lose_their_normalization():
    raw = torch.tensor([[10.0, 0], [20.0, 2], [30.0, 2], [40.0, 0]])
    mean, std = raw.mean(0), raw.std(0)
    experiment = build(
        nn.Linear(2, 2), data=((raw - mean) / std, torch.tensor([0, 1, 0, 1])), feature_names=["age", "size"],
        categorical={"size": ["small", "medium", "large"]}, normalization=(mean.tolist(), std.tolist()),
    )  # fmt: skip
    table = table_of(experiment)
    assert [table.features[1].said(code) for code in table.rows[:, 1]] == ["small", "large", "large", "small"]
    assert [table.features[0].said(value) for value in table.rows[:, 0]] == ["10", "20", "30", "40"]


def test_more_codes_than_names_are_refused():
    rows = torch.tensor([[0.0, 1.0], [3.0, 1.0]])
    experiment = build(nn.Linear(2, 2), data=(rows, torch.tensor([0, 1])), categorical={"0": ["a", "b"]})
    with pytest.raises(InputError, match="holds 0, 3, expected whole numbers from 0 to 1 for its 2 names"):
        table_of(experiment)


def test_categories_alone_have_no_gradient_and_lime_all_the_same():
    class Codes(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(12, 2)

        def forward(self, x):
            return self.table(x + torch.tensor([0, 4, 8])).sum(1)

    codes = torch.stack([torch.arange(60) % 4, torch.arange(60) // 4 % 4, torch.arange(60) // 16], dim=1)
    experiment = build(Codes(), data=(codes, torch.arange(60) % 2), modality="table", categorical=[0, 1, 2])
    _, (made,) = explained(experiment, 5)
    assert isinstance(made["LIME"], Attribution)
    assert made["Saliency"] == Missing(
        "Saliency", "every feature is a category or a whole number, which has no gradient"
    )


def test_the_data_is_read_once_for_all_samples_and_methods(experiment, monkeypatch):
    counted = []
    assert len(experiment.predictions.outputs) == 442
    some = experiment.samples.some
    monkeypatch.setattr(
        experiment.samples, "some", lambda places: counted.append(len(places)) or some(places)
    )
    explained(experiment, 1, 2, 3)
    assert [count for count in counted if count > 1] == [442]


def test_a_dummy_feature_counts_nothing_and_equal_features_count_the_same():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return (torch.tanh(x[:, :1] + x[:, 1:2])) + self.bias

    rows = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    rows[:, 1] = rows[:, 0]
    experiment = build(Sum(), data=(rows, torch.zeros(300, 1)), task="regression")
    subject = Subject(0, experiment.batch([0]).inputs, Target("", 0), "sample 0", "")
    (sight,) = sights(experiment, [subject])
    for made in rows_of(experiment, Options(), [sight], suited("table"), 1.0)[0]:
        assert abs(made.values[2]) < 0.02 * np.abs(made.values).max()
        assert made.values[0] == pytest.approx(made.values[1], rel=0.06)
