import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import state
import torch
from torch import nn

from reportgen.attribution import explain, methods
from reportgen.attribution.choose import choose
from reportgen.attribution.kinds import sights
from reportgen.attribution.shap import SHAP_STABILITY
from reportgen.errors import InputError
from reportgen.experiment import Options, build
from reportgen.report import Section
from reportgen.sections.explanations import explanations

TRUST = "how-far-to-trust-them"
SIGNED = {
    "LIME": True,
    "KernelShap": True,
    "GradientShap": True,
    "Saliency": False,
    "SmoothGrad": False,
    "Input × gradient": True,
    "Integrated Gradients": True,
    "Grad-CAM": False,
    "Occlusion": True,
}
BY_GRADIENT = ("GradientShap", "Saliency", "SmoothGrad", "Input × gradient", "Integrated Gradients")


def columns(section):
    """The pictures of the grid by the title of their column, from the first sample to the last."""
    block = section.block("explained-samples")
    titles = block.column_titles
    return {title: block.pictures[at :: len(titles)] for at, title in enumerate(titles)}


def missing(section):
    """The reason by method where the first sample has no map of it."""
    return {title: pictures[0].missing for title, pictures in columns(section).items() if pictures[0].missing}


@pytest.fixture(scope="module")
def digits_section(digits_cnn):
    model, data = digits_cnn
    return explanations(build(model, data=data), Options(samples=4, timed=False))


def test_every_method_explains_every_sample(digits_section):
    block = digits_section.block("explained-samples")
    assert block.column_titles == ("Sample", *SIGNED)
    assert len(block.pictures) == 4 * 10
    for row in range(4):
        picture, *maps = block.pictures[10 * row : 10 * row + 10]
        assert (picture.raster.width, picture.raster.height) == (8, 8)
        assert picture.caption.startswith("true class")
        assert [(made.map.width, made.map.height) for made in maps] == [(8, 8)] * 9
        assert [made.map.signed for made in maps] == list(SIGNED.values())


def test_the_caption_says_score_baseline_steps_perturbations_seed_and_scale(digits_section):
    caption = digits_section.block("explained-samples").caption
    for part in (
        r"raw score \(logit\) of the predicted class",
        "4 of 497 samples",
        "mistakes, the most confident first",
        "Seed 0",
        r"LIME against the picture's mean colour: 2 × [\d,]+ perturbations of a grid of 8 × 8 segments",
        "KernelShap against the picture's mean colour: 1,280 coalitions of a grid of 8 × 8 segments;",
        r"GradientShap against 25 samples of the data: \d+ points",
        "Saliency: one gradient;",
        "SmoothGrad: 25 samples with noise of 15% of the range;",
        "Input × gradient: one gradient;",
        r"Integrated Gradients against the picture's mean colour: \d+ steps",
        "Grad-CAM: layer block2.conv2, 4 × 4;",
        "Occlusion against the picture's mean colour: 8 × 8 windows of 1 × 1.",
        "Every map has its own scale",
    ):
        assert re.search(part, caption), part


def test_the_caption_never_says_of_all_samples_what_holds_for_some(digits_section):
    caption, each = (
        digits_section.block("explained-samples").caption,
        digits_section.block("each-explanation"),
    )
    for method in ("LIME", "Integrated Gradients", "KernelShap"):
        # As many evaluations are as many perturbations, coalitions or steps, in so many words or not.
        took = [row.cells[4] for row in each.rows if row.cells[2] == method]
        like = max(took.count(one) for one in took)
        part = next(part for part in caption.split("; ") if f"{method} against" in part)
        told = re.search(r"\((\d) of 4 samples, for the others see Each explanation\)", part)
        assert (int(told[1]) if told else 4) <= like


def test_the_maps_add_up_to_what_the_table_says(digits_section, digits_cnn):
    """Completeness, from the numbers on the page alone."""
    model, data = digits_cnn
    maps, each = columns(digits_section)["Integrated Gradients"], digits_section.block("each-explanation")
    names = [column.name for column in each.columns]
    lines = [dict(zip(names, row.cells, strict=True)) for row in each.rows]
    for row, values in enumerate(line for line in lines if line["Method"] == "Integrated Gradients"):
        number = int(values["Sample"].removeprefix("sample "))
        picture = data.tensors[0][number : number + 1]
        with torch.no_grad():
            scores = model(picture)[0]
            start = model(picture.mean().expand_as(picture))[0]
        column = int(scores.argmax())
        difference = float(scores[column] - start[column])
        assert values["f(x) - f(baseline)"] == pytest.approx(difference, rel=1e-3, abs=1e-4)
        made = maps[row].map
        missed = values["Completeness error"] * abs(difference)
        assert abs(made.to_array().sum() - difference) <= missed + 64 * made.limit / 254


def test_the_methods_agree_with_themselves(digits_section):
    block = digits_section.block("agreement-between-methods")
    table = np.array(block.values)
    assert np.diag(table) == pytest.approx(1)
    assert table == pytest.approx(table.T)
    assert np.abs(table).max() <= 1


def test_a_section_makes_the_trip_through_json(digits_section):
    assert Section.model_validate_json(digits_section.model_dump_json()) == digits_section


def test_progress_is_told_sample_by_sample_and_method_by_method_the_cheapest_first(digits_cnn):
    model, data = digits_cnn
    told = []
    explanations(
        build(model, data=data), Options(samples=2, timed=False, step=lambda *step: told.append(step))
    )
    order = [
        "Saliency", "Input × gradient", "Grad-CAM", "Occlusion", "SmoothGrad", "GradientShap", "Integrated Gradients",
        "KernelShap", "LIME",
    ]  # fmt: skip
    assert sorted(order) == sorted(SIGNED)
    assert told[:19] == [*((name, at, 18) for at, name in enumerate([*order, *order])), ("", 18, 18)]
    assert [step[:2] for step in told[19:] if step[1] == step[2]] == [
        ("Mean maps", 497),
        ("Removal curves", 2),
        ("Parameters at random", 2),
    ]


@pytest.mark.parametrize(("fixture", "samples"), [("cancer_mlp", 569), ("diabetes_mlp", 442)])
def test_a_table_gets_signed_bars_and_the_measures(fixture, samples, request):
    model, data, names = request.getfixturevalue(fixture)
    section = explanations(build(model, data=data, feature_names=names), Options(samples=2))
    bars = [block for block in section.blocks if block.kind == "bars" and block.choice.startswith("Sample")]
    assert [block.title for block in bars] == [name for name in SIGNED if name != "Grad-CAM"] * 2
    assert all(len(block.values) == 10 for block in bars)
    for label in bars[0].labels + bars[8].labels:
        start, _, end = label.rpartition(" = ")[0].partition("…")  # a long name has its middle left out
        assert any(name.startswith(start) and name.endswith(end) for name in names)
    for sample in (bars[:8], bars[8:]):
        assert len({(block.choice, block.labels) for block in sample}) == 1  # the same order in each
        signed = [block for block in sample if SIGNED[block.title]]
        assert {block.reach for block in signed} == {max(abs(v) for block in signed for v in block.values)}
    assert f"the mean of {samples} samples" in bars[0].caption
    assert np.array(section.block("agreement-between-methods").values).shape == (8, 8)


def test_a_linear_table_model_is_explained_alike_by_all_that_share_a_baseline_and_exactly():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model, rows = nn.Linear(4, 1), torch.randn(100, 4)
    section = explanations(build(model, data=(rows, model(rows).detach())), Options(samples=1))
    bars = {block.title: block for block in section.blocks if block.kind == "bars"}
    integrated, sample = bars["Integrated Gradients"], int(bars["LIME"].choice.split(":")[0].split()[-1])
    shares = (model.weight[0] * (rows[sample] - rows.mean(dim=0))).tolist()
    exact = [shares[int(label.split()[1])] for label in integrated.labels]
    assert integrated.values == pytest.approx(exact, rel=1e-4)
    some = (model.weight[0] * (rows[sample] - rows[::4].mean(dim=0))).tolist()
    assert bars["GradientShap"].values == pytest.approx(
        [some[int(label.split()[1])] for label in integrated.labels], rel=1e-4
    )
    for name in ("KernelShap", "Occlusion"):
        assert bars[name].labels == integrated.labels
        assert bars[name].values == pytest.approx(integrated.values, rel=1e-4)
    assert bars["LIME"].values == pytest.approx(integrated.values, rel=0.02, abs=1e-3)
    measures = {row.cells[:2]: row.cells[2:] for row in section.block(TRUST).rows}
    assert measures["LIME", "R2"][0] == pytest.approx(1, abs=1e-3)
    assert ("KernelShap", SHAP_STABILITY) not in measures  # all coalitions: nothing is drawn
    agreed, order = section.block("agreement-between-methods").values, list(bars)
    assert agreed[order.index("LIME")][order.index("Integrated Gradients")] == pytest.approx(1)
    assert section.findings == ()


def test_what_is_poor_is_found_with_its_numbers():
    class Rough(nn.Module):
        """A score that a straight line can't follow."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return (self.weight * torch.sin(x * 400)).sum(dim=1, keepdim=True)

    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = torch.randn(60, 3)
    section = explanations(
        build(Rough(), data=(rows, torch.zeros(60, 1)), task="regression"), Options(samples=3, timed=False)
    )
    messages = {finding.rule: finding.message for finding in section.findings}
    poor = messages["R2 of the surrogate < 0.5"]
    assert poor.startswith("LIME fits poorly on 3 of 3 samples (R2 ")
    assert any(rule.startswith("|sum") for rule in messages)
    for finding in section.findings:
        section_name, _, block = finding.evidence.partition("/")
        assert section_name == "explanations"
        assert section.block(block) is not None
    assert section.block(TRUST) is not None


def test_without_a_convolution_only_grad_cam_is_missing():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    section = explanations(
        build(model, data=(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 0]))), Options(samples=2)
    )
    assert missing(section) == {"Grad-CAM": "no convolutional layer"}


def test_a_method_that_raises_costs_its_own_column_only(digits_cnn, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no\nluck")

    model, data = digits_cnn
    parts = [replace(m, make=broken) if m.name == "Integrated Gradients" else m for m in methods.METHODS]
    monkeypatch.setattr(methods, "METHODS", tuple(parts))
    section = explanations(build(model, data=data), Options(samples=1))
    assert missing(section) == {"Integrated Gradients": "RuntimeError: no luck"}
    assert [title for title, made in columns(section).items() if made[0].map is not None] == [
        name for name in SIGNED if name != "Integrated Gradients"
    ]
    assert "Integrated Gradients" not in section.summary
    row = next(row for row in section.block(TRUST).rows if row.cells[0] == "Integrated Gradients")
    assert row.cells[2:] == (None, None, "0 of 1", "RuntimeError: no luck")


def test_a_model_without_gradients_still_gets_the_methods_that_only_ask_it():
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(64, 2)

        @torch.no_grad()
        def forward(self, x):
            return self.fc(x.flatten(1))

    section = explanations(
        build(Frozen(), example_inputs=torch.rand(1, 1, 8, 8), task="classification"), Options()
    )
    assert set(missing(section)) == {*BY_GRADIENT, "Grad-CAM"}
    assert section.summary == "1 prediction explained by LIME, KernelShap, Occlusion."
    charts = [block for block in section.blocks if block.kind == "curves"]
    assert [[line.name for line in chart.series] for chart in charts] == [
        ["LIME", "KernelShap", "Occlusion", "random order"]
    ] * 4


def test_example_inputs_alone_are_explained(digits_cnn):
    model, data = digits_cnn
    section = explanations(build(model, example_inputs=data.tensors[0][:2], task="classification"), Options())
    assert section.block("explained-samples").row_titles == ("example 0", "example 1")


def test_a_table_without_data_has_no_lime_and_says_why(cancer_mlp):
    model, data, _ = cancer_mlp
    section = explanations(build(model, example_inputs=data.tensors[0][:1], task="classification"), Options())
    failure = next(block for block in section.blocks if block.kind == "failure")
    assert failure.message == "no data, whose means and deviations it needs"
    assert any("against zeros" in block.caption for block in section.blocks if block.kind == "bars")


def test_photographs_of_three_channels_are_drawn_small_and_say_so():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    section = explanations(
        build(model.eval(), example_inputs=torch.rand(1, 3, 160, 200), task="classification"), Options()
    )
    block = section.block("explained-samples")
    assert {(p.raster or p.map).width for p in block.pictures} == {100}
    assert "Drawn at 80 × 100 (means of blocks)" in block.caption


def test_a_costly_model_gets_fewer_samples_then_fewer_perturbations_then_one_sample(digits_cnn, monkeypatch):
    model, data = digits_cnn
    experiment = build(model, data=data)
    each = experiment.operations
    assert each > 2 * 16 * 64 * 9  # the stem alone
    suited = methods.suited("image")
    assert explain.plan(experiment, suited, 8) == explain.Plan(8, 1.0)
    fixed = sum(3 * method.backward for method in suited)
    sampled = sum(method.forward + method.parted * explain.PARTS for method in suited)
    monkeypatch.setattr(explain, "BUDGET", {"cpu": 6.1 * each * (fixed + sampled)})
    assert explain.plan(experiment, suited, 8) == explain.Plan(6, 1.0)
    monkeypatch.setattr(explain, "BUDGET", {"cpu": 4 * each * (fixed + 0.5 * sampled)})
    assert explain.plan(experiment, suited, 8) == explain.Plan(4, pytest.approx(0.5))
    assert explain.plan(experiment, suited, 1) == explain.Plan(1, 1.0)
    monkeypatch.setattr(explain, "BUDGET", {"cpu": 2 * each * (fixed + explain.LEAST * sampled) * 1.001})
    assert explain.plan(experiment, suited, 8) == explain.Plan(2, explain.LEAST)
    section = explanations(experiment, Options(samples=8))
    assert "(8 asked for, but the model's cost allows 2)" in section.block("explained-samples").caption
    monkeypatch.setattr(explain, "BUDGET", {"cpu": 1})
    assert explain.plan(experiment, suited, 8).samples == 1


class Total(nn.Module):
    def forward(self, x):
        return x.sum()


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"model": None, "data": (torch.rand(3, 2),)}, "empty", "no model was given"),
        ({"model": nn.Linear(2, 2)}, "empty", "neither data nor an example input"),
        ({"model": Total(), "example_inputs": torch.rand(1, 3)}, "skipped", "one number for the whole batch"),
    ],
)
def test_where_there_is_nothing_to_explain_one_sentence_says_why(given, status, said):
    section = explanations(build(**given), Options())
    assert section.status == status
    assert said in section.reason
    assert section.blocks == ()


class Sequences(nn.Module):
    """Reads (n, 6, 5) and says three numbers that are no classes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        return self.fc(x).mean(dim=1)


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ({"model": nn.Linear(2, 5), "data": (torch.rand(9, 2), torch.randint(0, 2, (9, 5)))}, None),
        ({"model": nn.Linear(2, 5), "example_inputs": torch.rand(1, 2)}, None),
        ({"model": nn.Conv2d(1, 2, 3), "example_inputs": torch.rand(1, 1, 8, 8)}, (8, 8)),
        ({"model": Sequences(), "example_inputs": torch.rand(2, 6, 5)}, (6, 5)),
        ({"model": nn.Linear(2, 2), "example_inputs": torch.rand(1, 2), "modality": "image"}, (1, 2)),
    ],
)
def test_several_labels_maps_and_tensors_of_any_shape_are_explained_by_their_largest_output(given, shape):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        section = explanations(build(**given), Options(samples=2))
    assert section.status == "ok"
    worked = [name for name in SIGNED if f"{name}," in section.summary or f"{name}." in section.summary]
    assert [*BY_GRADIENT, "Occlusion"] == [n for n in worked if n not in ("LIME", "KernelShap", "Grad-CAM")]
    # Rows of a table alone, without data, say nothing of how far LIME may move them.
    assert ("LIME" in worked) is ("data" in given or shape is not None)
    if shape is not None:
        first = next(p.map for p in section.block("explained-samples").pictures if p.map is not None)
        assert (first.height, first.width) == shape


class Shifted(nn.Module):
    """Reads pictures and what is known beside them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, image, meta):
        return self.conv(image).mean(dim=(2, 3)) + meta


def test_of_several_inputs_it_is_said_which_is_explained():
    given = (torch.rand(2, 1, 8, 8), torch.rand(2, 2))
    section = explanations(build(Shifted(), example_inputs=given), Options(samples=1))
    caption = section.block("explained-samples").caption
    assert (
        "Of the 2 tensors that the model reads only the first is explained, the others are held." in caption
    )
    alone = explanations(build(nn.Conv2d(1, 2, 3), example_inputs=given[0]), Options(samples=1))
    assert "tensors" not in alone.block("explained-samples").caption


def test_methods_that_were_asked_for_and_do_not_suit_the_input_are_named(digits_cnn):
    asked = Options(samples=1, methods=("saliency", "shap-permutation"))
    caption = explanations(build(digits_cnn[0], data=digits_cnn[1]), asked).block("explained-samples").caption
    assert "Asked for too, but not for this kind of input (image): shap-permutation." in caption
    alone = Options(samples=1, methods=("saliency",))
    caption = explanations(build(digits_cnn[0], data=digits_cnn[1]), alone).block("explained-samples").caption
    assert "Asked for" not in caption


def test_an_output_without_targets_is_explained_once_task_says_what_it_is():
    given = {"model": nn.Linear(2, 5), "example_inputs": torch.rand(3, 2)}
    assert explanations(build(**given, task="classification"), Options()).status == "ok"
    assert explanations(build(**given, class_names=list("abcde")), Options()).status == "ok"


def test_an_example_that_looks_like_a_probability_by_chance_is_none():
    class First(nn.Module):
        def forward(self, x):
            return x[:, :1].clone()

    rows = torch.tensor([[0.3, 0.0], [3.0, 0.0], [-2.0, 0.0]])
    section = explanations(build(First(), example_inputs=rows, task="classification"), Options())
    bars = [block for block in section.blocks if block.kind == "bars"]
    # sigmoid(.3) = .574, sigmoid(3) = .953, 1 - sigmoid(-2) = .881
    assert list(dict.fromkeys(block.choice.partition(": ")[2] for block in bars)) == [
        "predicted class 1 (0.57)",
        "predicted class 1 (0.95)",
        "predicted class 0 (0.88)",
    ]


class Bytes(nn.Module):
    """Reads pictures of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        return self.conv(x.float() / 255).mean((2, 3))


def test_pictures_of_whole_numbers_get_what_needs_no_gradient_and_the_reason():
    pictures = torch.randint(0, 256, (6, 1, 16, 16), dtype=torch.uint8)
    data = (pictures, torch.arange(6) % 2)
    section = explanations(build(Bytes().eval(), data=data, modality="image"), Options(samples=2))
    assert missing(section) == dict.fromkeys(BY_GRADIENT, "the input is uint8, which has no gradient")
    assert section.summary == "2 predictions explained by LIME, KernelShap, Grad-CAM, Occlusion."


def test_the_baseline_of_whole_numbers_is_the_mean_to_the_nearest():
    values = torch.tensor([[[0, 1, 1]] * 3], dtype=torch.uint8)[None]
    experiment = build(Bytes(), example_inputs=values, modality="image", task="classification")
    subjects, _ = choose(experiment, 1)
    assert sights(experiment, subjects)[0].baseline.values.tolist() == [[[[1, 1, 1]] * 3]]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_the_layers_of_a_scripted_model_are_said_to_be_out_of_sight():
    model = torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2)).eval())
    section = explanations(
        build(model, example_inputs=torch.rand(1, 1, 8, 8), task="classification"), Options()
    )
    assert missing(section) == {"Grad-CAM": "a scripted model's layers can't be watched"}


def test_a_table_of_one_sample_has_no_lime_and_says_why():
    data = (torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([1]))
    section = explanations(build(nn.Linear(3, 2), data=data), Options())
    failure = next(block for block in section.blocks if block.kind == "failure")
    assert failure.message == (
        "every feature has one and the same value in 1 sample: no deviation says how far to move it"
    )
    assert any("against the mean of 1 sample." in block.caption for block in section.blocks)


def test_a_table_full_of_nan_has_no_mean_to_explain_against():
    class Fills(nn.Linear):
        def forward(self, x):
            return super().forward(x.nan_to_num())

    data = (torch.tensor([[float("nan"), 2.0], [1.0, float("nan")]]), torch.tensor([0, 1]))
    section = explanations(build(Fills(2, 2), data=data), Options())
    failure = next(block for block in section.blocks if block.kind == "failure" and block.error == "LIME")
    assert "every sample looked at holds values that are not finite" in failure.message


def test_targets_that_are_no_classes_are_gone_without():
    data = (torch.rand(6, 2), torch.arange(6) % 5)
    section = explanations(build(nn.Linear(2, 2), data=data), Options(samples=2))
    assert section.status == "ok"
    assert all("true" not in row.cells[1] for row in section.block(TRUST).rows)


def test_nan_weights_and_a_forward_pass_that_raises_are_one_clear_line():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model[1].weight.data[:] = float("nan")
    with pytest.raises(InputError, match="not finite on all 3 samples"):
        explanations(build(model, data=(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 0]))), Options())
    with pytest.raises(InputError, match="forward pass raised"):
        explanations(build(nn.Linear(7, 2), example_inputs=torch.rand(1, 5)), Options())


def test_model_inputs_and_process_are_as_they_were(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    experiment.predictions  # noqa: B018 - computed once, and kept on purpose
    explanations(experiment, Options(samples=1))  # what importing captum and lime changes is not meant here
    before = (state.of_model(model), state.of_process(), state.bytes_of(data.tensors[0]))
    explanations(experiment, Options(samples=1))
    assert (state.of_model(model), state.of_process(), state.bytes_of(data.tensors[0])) == before


SCRIPT = """
import torch
from torch import nn
from reportgen.experiment import Options, build
from reportgen.sections.explanations import explanations
from reportgen.sections.features import features
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)).eval()
data = (torch.rand(40, 1, 8, 8), torch.arange(40) % 4)
torch.seed()
for section in (explanations, features):
    print(section(build(model, data=data), Options(samples=1, seed=3, timed=False)).model_dump_json())
"""


def test_two_processes_with_other_hash_seeds_give_the_same_bytes():
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("1", "2")
    ]
    (first, errors), (second, _) = [process.communicate() for process in running]
    assert errors == b""
    assert first.count(b"\n") == 2
    assert first == second
