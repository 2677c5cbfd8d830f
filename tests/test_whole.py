"""From an experiment to files and back, for the kinds of experiment that people have."""

from __future__ import annotations

import csv
import json

import jsonschema
import pytest
import torch
from torch import nn

import reportgen
from reportgen.report import json_schema

STATUS = {
    "overview": "ok",
    "architecture": "ok",
    "training": "empty",
    "evaluation": "ok",
    "features": "ok",
    "explanations": "ok",
    "environment": "ok",
}


def statuses(report):
    return {section.name: section.status for section in report.sections}


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "runs" / "exp42"
    folder.mkdir(parents=True)
    with (folder / "metrics.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "loss", "val_loss"])
        rows.writerows([epoch, 1 / epoch, 1.2 / epoch] for epoch in range(1, 11))
    return folder


def test_a_classifier_of_images_with_logs_fills_every_section_and_comes_back_from_every_file(
    digits_cnn, logs, tmp_path
):
    model, data = digits_cnn
    names = [str(digit) for digit in range(10)]
    report = reportgen.collect(model, data=data, logs=logs, class_names=names, title="Exp 42", samples=2)
    assert statuses(report) == STATUS | {"training": "ok"}
    for suffix in ("html", "pdf", "json"):
        path = report.save(tmp_path / f"report.{suffix}")
        assert reportgen.load(path) == report
    jsonschema.validate(json.loads((tmp_path / "report.json").read_text("utf-8")), json_schema())


def test_every_finding_of_a_whole_report_points_at_what_is_there(digits_cnn, logs):
    model, data = digits_cnn
    with torch.no_grad():
        broken = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        broken[1].weight.zero_()
    for network in (model, broken):
        report = reportgen.collect(network, data=data, logs=logs, samples=2)
        for finding in report.findings:
            section, _, block = finding.evidence.partition("/")
            assert not block or report.section(section).block(block) is not None, finding.evidence


def test_every_figure_says_what_it_was_measured_on(digits_cnn, logs):
    model, data = digits_cnn
    report = reportgen.collect(model, data=data, logs=logs, samples=2)
    drawn = ("curves", "bars", "heatmap", "distribution", "scatter", "images", "graph")
    for section in report.sections:
        for block in section.blocks:
            assert block.kind not in drawn or block.caption, f"{section.name}/{block.id}"


def test_logs_without_a_model_get_their_curves(logs):
    report = reportgen.collect(logs=logs)
    assert statuses(report) == dict.fromkeys(STATUS, "empty") | {
        "overview": "ok",
        "training": "ok",
        "environment": "ok",
    }
    assert any(block.kind == "curves" for block in report.section("training").blocks)


def test_a_model_without_data_gets_its_architecture_and_says_why_the_rest_is_empty():
    report = reportgen.collect(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    assert report.section("architecture").status == "ok"
    assert not report.failed
    assert "no data" in report.section("evaluation").reason
    assert report.section("explanations").status == "empty"


def test_example_inputs_stand_in_for_data():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    report = reportgen.collect(model, example_inputs=torch.rand(2, 3, 8, 8), samples=2)
    assert not report.failed
    assert report.section("architecture").block("totals").facts[0].value == sum(
        p.numel() for p in model.parameters()
    )
    assert report.section("features").status == "ok"


def test_a_table_is_classified_and_explained(cancer_mlp):
    model, data, names = cancer_mlp
    report = reportgen.collect(
        model, data=data, feature_names=names, class_names=["malignant", "benign"], samples=2
    )
    assert statuses(report) == STATUS
    assert any(
        "worst" in label for block in report.section("explanations").blocks for label in _labels(block)
    )


def _labels(block):
    return getattr(block, "labels", ())


def test_a_regression_on_a_table_is_measured_and_explained(diabetes_mlp):
    model, data, names = diabetes_mlp
    report = reportgen.collect(model, data=data, feature_names=names, samples=2)
    assert statuses(report) == STATUS
    assert report.section("overview").block("headline").facts[-2].label == "Mean absolute error"


class Mapping(nn.Module):
    """Keyword inputs, dict output, as Hugging Face models have them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, input_ids, attention_mask=None):
        hidden = self.embed(input_ids).mean(dim=1)
        return {"hidden": hidden, "logits": self.head(hidden)}


def test_a_model_of_keyword_inputs_and_dict_outputs_is_reported_on():
    ids = torch.randint(0, 50, (9, 6), generator=torch.Generator().manual_seed(0))
    data = [
        {"input_ids": ids[i], "attention_mask": torch.ones(6), "labels": torch.tensor(i % 3)}
        for i in range(9)
    ]
    report = reportgen.collect(Mapping(), data=data, samples=2)
    assert not report.failed, report.failed
    assert report.section("evaluation").status == "ok"
    texts = [block for block in report.section("explanations").blocks if block.kind == "tokens"]
    titles = [block.title.partition(", ")[2] for block in texts]
    methods = ["LIME", "KernelShap", "GradientShap", "Saliency", "SmoothGrad", "Input × gradient"]
    assert titles == 2 * [*methods, "Integrated Gradients", "Occlusion"]
    assert all(token.startswith(" token ") for block in texts for token in block.tokens)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ((torch.rand(0, 3), torch.zeros(0)), "the data set is empty"),
        ((torch.rand(5, 7), torch.zeros(5, dtype=torch.long)), "forward pass raised on float32"),
    ],
)
def test_data_that_cannot_be_used_fails_where_it_is_needed_and_costs_nothing_else(data, reason):
    report = reportgen.collect(nn.Sequential(nn.Linear(3, 2)), data=data)
    assert reason in report.section("evaluation").reason
    assert report.section("evaluation").blocks[0].kind == "failure"
    assert report.section("architecture").status == "ok"
    assert report.section("environment").status == "ok"


def test_nan_weights_are_told_of_first(digits_cnn):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        model[1].weight.fill_(float("nan"))
    report = reportgen.collect(model, data=digits_cnn[1], samples=2)
    serious = [finding.message for finding in report.findings if finding.severity == "serious"]
    assert any("NaN" in message for message in serious)
    assert "NaN or infinite for all 497 samples" in report.section("evaluation").reason
