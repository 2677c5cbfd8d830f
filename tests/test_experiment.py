"""What is concluded about an experiment, what is refused, and what is predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import state
import torch
from torch import nn
from torch.utils.data import TensorDataset

import reportgen
from reportgen import predictions
from reportgen.errors import InputError
from reportgen.experiment import build, main_output
from reportgen.predictions import probabilities_of
from reportgen.report import Failure

IMAGES = torch.rand(12, 1, 8, 8)
TABLE = torch.rand(12, 5)
CLASSES = torch.arange(12) % 3


def cnn(classes=3):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, classes))


def mlp(values=1):
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, values))


def test_images_and_classes_are_recognised_and_said_to_be_inferred():
    experiment = build(cnn(), data=TensorDataset(IMAGES, CLASSES))
    assert (experiment.modality, experiment.task) == ("image", "classification")
    assert experiment.output_shape == (1, 3)
    said = {fact.label: (fact.value, fact.note) for fact in experiment.inferred}
    assert said["Modality"] == ("image", "the input is float32 (1, 1, 8, 8)")
    assert said["Task"] == ("classification", "the output is (1, 3), the targets are int64")


@pytest.mark.parametrize(
    ("model", "targets", "task"),
    [
        (mlp(1), torch.rand(12), "regression"),
        (mlp(1), torch.rand(12, 1), "regression"),
        (mlp(2), torch.rand(12, 2), "regression"),
        (mlp(1), (torch.arange(12) % 2).float(), "classification"),
        (mlp(2), torch.arange(12) % 2, "classification"),
        (mlp(1), torch.arange(12), "regression"),
        (mlp(3), torch.rand(12), ""),
    ],
)
def test_the_task_follows_from_output_and_targets(model, targets, task):
    assert build(model, data=(TABLE, targets)).task == task


def test_what_is_said_is_not_inferred():
    experiment = build(mlp(1), data=(TABLE, torch.arange(12) % 2), task="regression", modality="table")
    assert experiment.task == "regression"
    assert not experiment.inferred


def test_the_model_is_untouched_by_the_looking():
    model = cnn().train()
    before = (state.of_model(model), state.of_process())
    build(model, data=(IMAGES, CLASSES), seed=5)
    assert (state.of_model(model), state.of_process()) == before


def test_example_inputs_stand_in_for_data():
    class Two(nn.Module):
        def forward(self, *, a, b):
            return {"hidden": a, "logits": a + b}

    experiment = build(Two(), example_inputs={"a": torch.ones(2, 3), "b": torch.ones(2, 3)})
    assert experiment.output_shape == (2, 3)
    assert experiment.example.describe() == "a: float32 (2, 3), b: float32 (2, 3)"
    with pytest.raises(InputError, match="no data was given"):
        experiment.require_data()


def test_inputs_that_do_not_fit_are_remembered_with_the_reason():
    experiment = build(mlp(), data=(torch.rand(4, 7), torch.rand(4)))
    with pytest.raises(
        InputError, match=r"raised on float32 \(1, 7\): RuntimeError: mat1 and mat2"
    ) as caught:
        experiment.require_forward()
    assert "shape" in caught.value.hint


def test_an_empty_data_set_is_remembered_with_the_reason():
    experiment = build(mlp(), data=(torch.rand(0, 5), torch.rand(0)))
    with pytest.raises(InputError, match="the data set is empty"):
        experiment.require_data()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "nothing to report on"),
        ({"model": {"weight": torch.zeros(1)}}, "model: got dict, expected a torch.nn.Module"),
        ({"model": cnn(), "data": (IMAGES, CLASSES), "class_names": ["a", "b"]}, "got 2 names, expected 3"),
        ({"model": cnn(), "class_names": "abc"}, "class_names: got the text 'abc', expected a list"),
        (
            {"model": mlp(), "data": (TABLE,), "feature_names": ["a"]},
            "feature_names: got 1 names, expected 5",
        ),
        (
            {"model": mlp(), "task": "ranking"},
            "task: got 'ranking', expected one of classification, regression",
        ),
        ({"model": mlp(), "modality": "smell"}, "modality: got 'smell'"),
        ({"model": mlp(), "logs": "no/such/folder"}, "logs: 'no/such/folder' does not exist"),
        ({"model": mlp(), "device": "toaster"}, "device: got 'toaster'"),
        ({"model": mlp(), "normalization": (0.5, 0)}, "positive deviations"),
        ({"model": mlp(), "normalization": "a"}, r"expected \(mean, std\)"),
        ({"model": mlp(), "normalization": ((0.5, 0.5), (1,))}, "equally many"),
    ],
)
def test_a_mistake_in_the_call_is_one_line_that_names_it(arguments, said):
    with pytest.raises(InputError, match=said) as caught:
        build(**arguments)
    assert "\n" not in str(caught.value)


def test_a_tables_columns_name_its_features():
    frame = pd.DataFrame(TABLE.numpy(), columns=list("abcde"))
    experiment = build(mlp(), data=(frame, np.zeros(12)))
    assert [experiment.feature_name(i) for i in (0, 4, 9)] == ["a", "e", "feature 9"]


def test_a_lazy_model_is_looked_at_in_a_copy():
    model = nn.Sequential(nn.LazyLinear(3))
    experiment = build(model, data=(TABLE, CLASSES))
    assert experiment.output_shape == (1, 3)
    assert isinstance(model[0], nn.LazyLinear)
    assert model[0].has_uninitialized_params()


@pytest.mark.parametrize(
    ("raw", "shape"),
    [
        (torch.zeros(1, 2), (1, 2)),
        ((torch.zeros(1, 3), torch.zeros(1, 4)), (1, 3)),
        ({"loss": 3, "logits": torch.zeros(1, 5)}, (1, 5)),
        ({"hidden": torch.zeros(1, 6)}, (1, 6)),
        (type("Out", (), {"logits": torch.zeros(1, 7)})(), (1, 7)),
    ],
)
def test_the_output_is_found_in_what_the_model_returns(raw, shape):
    assert tuple(main_output(raw).shape) == shape


def test_a_model_that_returns_no_tensor_is_told_so():
    with pytest.raises(InputError, match="returned str, expected a tensor"):
        main_output("nothing")


def test_predictions_are_the_models_own_in_order():
    model = cnn().eval()
    found = build(model, data=TensorDataset(IMAGES, CLASSES)).predictions
    with torch.no_grad():
        expected = model(IMAGES)
    assert torch.allclose(found.outputs, expected, atol=1e-6)
    assert torch.allclose(found.probabilities, expected.softmax(1), atol=1e-6)
    assert torch.equal(found.targets, CLASSES)
    assert (found.n, found.total) == (12, 12)


def test_of_more_samples_than_the_cost_allows_those_evenly_from_the_data_are_predicted(monkeypatch):
    monkeypatch.setattr(predictions, "FEWEST", 3)
    model = cnn().eval()
    experiment = build(model, data=TensorDataset(IMAGES, CLASSES))
    monkeypatch.setattr(predictions, "BUDGET", {"cpu": 5 * experiment.operations})
    found = experiment.predictions
    assert found.numbers.tolist() == [0, 2, 4, 7, 9]
    assert (found.n, found.total) == (5, 12)
    with torch.no_grad():
        assert torch.allclose(found.outputs, model(IMAGES)[found.numbers], atol=1e-6)
    assert torch.equal(found.targets, CLASSES[found.numbers])
    monkeypatch.setattr(predictions, "BUDGET", {"cpu": 1.0})
    assert predictions.affordable(experiment) == 3


def test_one_score_becomes_two_classes():
    found = build(mlp(1), data=(TABLE, (torch.arange(12) % 2).float())).predictions
    assert found.probabilities.shape == (12, 2)
    assert torch.allclose(found.probabilities.sum(1), torch.ones(12))
    assert torch.equal(found.outputs.argmax(1), found.probabilities.argmax(1))


class Fixed(torch.nn.Module):
    """Returns the first column, as a model that ends in a sigmoid might."""

    def forward(self, x):
        return x[:, :1]


@pytest.mark.parametrize("low", [0.0, -3.0])
def test_of_one_output_scores_and_probabilities_name_the_same_class(low):
    values = torch.linspace(low, 1.0, 12)[:, None].repeat(1, 4)
    found = build(Fixed(), data=(values, torch.arange(12) % 2), task="classification").predictions
    assert torch.equal(found.outputs.argmax(1), found.probabilities.argmax(1))
    border = 0.5 if low == 0 else 0.0
    assert torch.equal(found.outputs.argmax(1), (values[:, 0] > border).long())


def test_probabilities_are_not_squashed_twice():
    rows = torch.tensor([[0.2, 0.8], [1.0, 0.0]])
    assert torch.equal(probabilities_of(rows), rows)
    assert torch.allclose(probabilities_of(rows * 7), (rows * 7).softmax(1))
    assert probabilities_of(torch.tensor([[0.25]])).tolist() == [[0.75, 0.25]]
    assert probabilities_of(torch.tensor([[0.0], [3.0]]))[0].tolist() == [0.5, 0.5]


def test_class_numbers_out_of_range_are_named():
    found = build(cnn(), data=(IMAGES, CLASSES + 1)).predictions
    assert found.targets is None
    assert str(found.target_problem) == "the targets run from 1 to 3, expected class numbers 0 to 2"


def test_negative_labels_are_no_labels():
    experiment = build(cnn(), data=(IMAGES, CLASSES.clone().index_fill_(0, torch.tensor([0, 3]), -100)))
    assert experiment.predictions.targets.tolist() == [-1, 1, 2, -1, 1, 2, 0, 1, 2, 0, 1, 2]
    assert experiment.class_name(-1) == "no label"


def test_fractions_are_never_cut_to_classes():
    found = build(mlp(1), data=(TABLE, torch.rand(12)), task="classification").predictions
    assert "hold fractions, expected class numbers" in str(found.target_problem)


@pytest.mark.parametrize("targets", [torch.zeros(12), torch.ones(12, dtype=torch.long), torch.eye(12)[:, :3]])
def test_targets_that_fit_two_tasks_conclude_nothing(targets):
    assert build(mlp(targets.shape[1] if targets.ndim > 1 else 1), data=(TABLE, targets)).task == ""


def test_an_output_alone_is_classes_only_where_they_have_names():
    assert build(mlp(3), example_inputs=TABLE).task == ""
    assert build(mlp(3), example_inputs=TABLE, class_names=["a", "b", "c"]).task == "classification"


def test_one_nan_row_leaves_the_other_probabilities_as_they_are():
    nan = float("nan")
    rows = torch.tensor([[0.2, 0.8], [nan, nan]])
    assert probabilities_of(rows)[0].tolist() == rows[0].tolist()
    assert probabilities_of(torch.tensor([[0.25], [nan]]))[0].tolist() == [0.75, 0.25]


class Squeezes(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 1)

    def forward(self, x):
        return self.linear(x).squeeze()


def test_an_output_that_loses_its_batch_axis_is_understood():
    model = Squeezes()
    experiment = build(model, data=(torch.rand(257, 5), torch.rand(257)))
    assert experiment.output_shape == (1,)
    assert experiment.task == "regression"
    assert experiment.predictions.outputs.shape == (257, 1)


class Alone(nn.Module):
    """Takes one sample: raises for two, gives the first one's row, or that row without a batch axis."""

    def __init__(self, how):
        super().__init__()
        self.linear, self.how = nn.Linear(5, 3), how

    def forward(self, x):
        if self.how == "raises" and len(x) > 1:
            raise ValueError("one at a time")
        rows = self.linear(x[:1])
        return rows[0] if self.how == "flat" else rows


@pytest.mark.parametrize("how", ["raises", "one row", "flat"])
def test_a_model_that_takes_one_sample_is_run_one_sample_at_a_time(how):
    model = Alone(how)
    experiment = build(model, data=(TABLE, CLASSES % 3))
    assert experiment.task == "classification"
    assert experiment.output_shape == (1, 3)
    assert experiment.batch_size == 1
    with torch.no_grad():
        assert torch.allclose(experiment.predictions.outputs, model.linear(TABLE), atol=1e-6)
    (said,) = (fact.note for fact in experiment.inferred if fact.label == "Batches")
    assert said == (
        "the model's forward pass raised on float32 (2, 5): ValueError: one at a time"
        if how == "raises"
        else "the model gives two samples one row"
    )


def test_a_model_that_takes_one_sample_has_every_section():
    report = reportgen.collect(Alone("raises"), data=(TABLE, CLASSES % 3), samples=1, methods=["saliency"])
    assert [section.name for section in report.failed] == []
    blocks = [block for section in report.sections for block in section.blocks]
    assert not [block for block in blocks if isinstance(block, Failure)]


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(5, 2)

    def forward(self, x):
        return self.linear(x.sub_(0.5).div_(0.5))


def test_a_model_that_writes_to_its_inputs_spoils_no_example():
    experiment = build(InPlace(), data=(TABLE, CLASSES % 2))
    assert torch.equal(experiment.example.primary, TABLE[:1])
    assert torch.equal(experiment.batch([3]).inputs.primary, TABLE[3:4])


def test_a_copy_that_is_looked_at_keeps_its_statistics():
    model = nn.Sequential(nn.LazyLinear(4), nn.BatchNorm1d(4)).train()
    experiment = build(model, data=(TABLE, torch.rand(12, 4)))
    assert experiment.model is not model
    assert experiment.model[1].num_batches_tracked == 0
    assert build(nn.Linear(5, 1), device="cpu:0").device == "cpu"


def test_a_compiled_model_is_looked_at_in_what_was_compiled():
    model = cnn()
    experiment = build(torch.compile(model, backend="eager"), data=(IMAGES, CLASSES))
    assert experiment.model is model
    assert experiment.inferred[0].note.startswith("compiled")


def test_a_model_on_the_meta_device_has_shapes_and_no_values():
    with torch.device("meta"):
        model = mlp(3)
    experiment = build(model, data=(TABLE.to("meta"), CLASSES))
    assert experiment.forward_problem is None
    with pytest.raises(InputError, match="on the meta device"):
        experiment.require_forward()


@pytest.mark.parametrize("channels", [2, 4])
def test_a_normalization_for_other_channels_is_refused(channels):
    with pytest.raises(InputError, match=f"got {channels} means and deviations, expected 1"):
        build(cnn(), data=(IMAGES, CLASSES), normalization=((0.5,) * channels, (0.5,) * channels))


def test_a_tables_normalization_has_a_number_a_column():
    wide = TABLE.shape[1]
    assert build(mlp(), data=(TABLE,), normalization=((0.5,) * wide, (2.0,) * wide)).normalization
    with pytest.raises(
        InputError, match=f"got {wide + 1} means and deviations, expected {wide}, one a column"
    ):
        build(mlp(), data=(TABLE,), normalization=((0.5,) * (wide + 1), (2.0,) * (wide + 1)))
    with pytest.raises(InputError, match="the inputs are no images and no table"):
        build(torch.nn.Conv1d(1, 2, 3), data=(torch.rand(4, 1, 9),), normalization=(0.5, 0.5))


def test_class_names_of_a_regression_are_refused():
    with pytest.raises(InputError, match="class_names: given, but the task is regression"):
        build(mlp(), data=(TABLE, torch.rand(12)), class_names=["a", "b"])


class Mapped(nn.Module):
    """Asks for one argument, and reads the tokens from it."""

    def __init__(self):
        super().__init__()
        self.table, self.last = nn.Embedding(9, 4), nn.Linear(4, 2)

    def forward(self, batch):
        return self.last(self.table(batch["input_ids"]).mean(1))


def test_named_inputs_go_as_one_mapping_to_a_model_that_asks_for_one_argument():
    ids = torch.randint(0, 9, (12, 5), generator=torch.Generator().manual_seed(0))
    data = [{"input_ids": row, "labels": place % 2} for place, row in enumerate(ids)]
    model = Mapped()
    experiment = build(model, data=data)
    assert (experiment.task, experiment.modality) == ("classification", "text")
    with torch.no_grad():
        assert torch.allclose(experiment.predictions.outputs, model({"input_ids": ids}), atol=1e-6)
    report = reportgen.collect(model, data=data, samples=1, methods=["saliency", "occlusion"])
    assert [section.name for section in report.failed] == []
    blocks = [block for section in report.sections for block in section.blocks]
    assert not [block for block in blocks if isinstance(block, Failure)]


def test_a_name_that_the_model_does_not_know_is_told_where_a_mapping_does_not_help_either():
    experiment = build(mlp(3), data=[{"pixels": row, "labels": 0} for row in TABLE])
    assert "unexpected keyword argument 'pixels'" in str(experiment.forward_problem)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (nn.Identity(), False), (nn.Softmax(dim=1), True), (nn.LogSoftmax(dim=1), False), (nn.Sigmoid(), False),
    ],
)  # fmt: skip
def test_whether_outputs_are_probabilities_is_told_once_for_the_whole_report(end, expected):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 3), end)
        experiment = build(model, data=(torch.randn(50, 4) * 3, torch.arange(50) % 3))
    assert experiment.outputs_are_probabilities is expected
    assert experiment.predictions.already is expected


def test_one_output_that_is_within_0_and_1_for_some_samples_alone_is_no_probability_for_any():
    """A raw score of .3 is the second class as a logit, and would be the first as a probability."""
    scores, targets = torch.cat([torch.full((10, 1), 0.3), torch.full((10, 1), 4.0)]), torch.ones(20).long()
    given = {"data": (scores, targets), "task": "classification", "class_names": ["no", "yes"]}
    experiment = build(nn.Identity(), **given)
    assert not experiment.outputs_are_probabilities
    assert experiment.predictions.probabilities.argmax(dim=1).tolist() == [1] * 20
    report = reportgen.collect(
        nn.Identity(), **given, explain=[0, 1], sections=["evaluation", "explanations"]
    )
    explained = report.section("explanations").block("each-explanation")
    assert {row.cells[1] for row in explained.rows} == {"yes"}
    assert not [one for one in report.section("evaluation").findings if "never predicted" in one.message]
