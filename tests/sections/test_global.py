import pytest
import torch
from tables import NAMES, mixed
from torch import nn

from reportgen.experiment import Options, build
from reportgen.report import Section
from reportgen.sections.explanations import explanations

METHODS = [
    "LIME", "KernelShap", "GradientShap", "Saliency", "SmoothGrad", "Input × gradient", "Integrated Gradients",
    "Occlusion",
]  # fmt: skip


def blocks_of(experiment, **options):
    section = explanations(experiment, Options(samples=1, **options))
    text = section.model_dump_json()
    assert Section.model_validate_json(text).model_dump_json() == text
    return {block.id: block for block in section.blocks}


@pytest.fixture(scope="module")
def cancer_blocks(cancer_mlp):
    model, data, names = cancer_mlp
    return blocks_of(build(model, data=data, feature_names=names, class_names=["malignant", "benign"]))


def test_the_features_are_ranked_with_their_spread(cancer_blocks):
    bars = cancer_blocks["features-by-mean-attribution"]
    assert list(bars.values) == sorted(bars.values, reverse=True)
    assert len(bars.labels) == 15
    assert all(low <= value for low, value in zip(bars.low, bars.values, strict=True))
    for part in (
        "score of benign",
        "50 steps against the mean of 569 samples, 569 samples",
        "15 largest of 30",
    ):
        assert part in bars.caption
    assert [row.cells[0] for row in cancer_blocks["spread-of-the-attributions"].rows] == list(bars.labels)


def test_the_classes_are_columns_that_hold_all_samples(cancer_blocks):
    block = cancer_blocks["mean-attribution-by-class"]
    counts = [int(label.rpartition("(")[2].rstrip(")")) for label in block.column_labels]
    assert sum(counts) == 569
    bars = cancer_blocks["features-by-mean-attribution"]
    for line, mean in zip(block.values, bars.values, strict=True):
        weighted = sum(value * count for value, count in zip(line, counts, strict=True)) / 569
        assert weighted == pytest.approx(mean, rel=1e-3)


def test_partial_dependence_is_drawn_for_the_first_six_with_thirty_samples_one_by_one(cancer_blocks):
    # Removal curves are drawn so too.
    drawn = [block for block in cancer_blocks.values() if block.title.startswith("Partial dependence on ")]
    curves = [block for block in drawn if block.kind == "curves"]
    first = cancer_blocks["features-by-mean-attribution"].labels[:6]
    assert curves == drawn
    assert [block.title for block in curves] == [f"Partial dependence on {name}" for name in first]
    roles = [series.role for series in curves[0].series]
    assert (roles.count("faint"), roles.count("line"), roles.count("points")) == (30, 1, 1)
    assert curves[0].y_label == "probability of benign"
    assert "300 samples" in curves[0].caption
    assert "Faint: 30 samples one by one." in curves[0].caption


def test_categories_get_bars_with_how_often_they_occur_and_no_place_among_gradients():
    model, data = mixed()
    blocks = blocks_of(
        build(model, data=data, feature_names=NAMES, categorical={"s5 band": ["low", "mid", "high"]})
    )
    bars = blocks["partial-dependence-on-s5-band"]
    assert [label.split(" (")[0] for label in bars.labels] == ["low", "mid", "high"]
    assert "Faint" not in bars.caption
    assert [label.split(" (")[1] for label in bars.labels] == ["33 %)", "33 %)", "33 %)"]
    ranked = blocks["features-by-mean-attribution"]
    assert set(ranked.labels) <= {"age", "bmi", "bp", "s1"}
    assert "Categories and whole numbers have no gradient" in ranked.caption


def test_a_samples_charts_show_the_same_features_on_one_scale_with_values_and_names():
    model, data = mixed()
    blocks = blocks_of(
        build(
            model,
            data=data,
            feature_names=NAMES,
            categorical={"s5 band": ["low", "mid", "high"], "sex": ["f", "m"]},
        )
    )
    lime = blocks["lime"]
    charts = [block for block in blocks.values() if block.choice == lime.choice]
    assert [block.title for block in charts] == METHODS
    signed = [block for block in charts if block.title not in ("Saliency", "SmoothGrad")]
    assert {block.reach for block in signed} == {
        max(abs(value) for block in signed for value in block.values)
    }
    assert blocks["saliency"].reach == blocks["smoothgrad"].reach == 0
    assert lime.choice.startswith("Sample ")
    assert {label for label in lime.labels if label.startswith(("sex", "s5"))} <= {
        "sex = f", "sex = m", "s5 band = low", "s5 band = mid", "s5 band = high",
    }  # fmt: skip
    assert len(lime.labels) == 6
    numbers = [label for label in lime.labels if not label.startswith(("sex", "s5"))]
    for block in charts:
        if block.title in ("LIME", "KernelShap", "Occlusion"):
            assert block.labels == lime.labels
            assert "No value for" not in block.caption
        else:  # No value is said, and none drawn as zero.
            assert list(block.labels) == numbers
            assert {"sex", "s5 band"} <= set(
                block.caption.partition("No value for ")[2].partition(":")[0].split(", ")
            )


def test_values_are_shown_in_their_original_unit(cancer_mlp):
    model, data, names = cancer_mlp
    mean, std = [100.0] * 30, [10.0] * 30
    blocks = blocks_of(build(model, data=data, feature_names=names, normalization=(mean, std)), chosen=(3,))
    at = {name: float(value) for name, value in zip(names, data.tensors[0][3], strict=True)}
    for label in blocks["lime"].labels:
        name, _, value = label.rpartition(" = ")
        if name in at:
            assert float(value.replace("−", "-").replace(",", "")) == pytest.approx(
                at[name] * 10 + 100, rel=1e-3
            )
    assert "the given normalization undone" in blocks["explained-samples"].text


def test_pictures_get_a_mean_map_for_all_and_for_each_class(digits_cnn):
    model, data = digits_cnn
    block = blocks_of(build(model, data=data))["mean-maps"]
    assert block.columns == 3
    assert block.row_titles[0] == "all, 497 samples"
    assert len(block.row_titles) == 11
    signed, sizes = block.pictures[1].map, block.pictures[2].map
    assert (signed.signed, sizes.signed) == (True, False)
    assert sizes.to_array().min() >= 0


def test_without_data_there_is_no_whole_and_with_little_a_reason():
    model = nn.Linear(3, 2)
    alone = blocks_of(build(model, example_inputs=torch.rand(1, 3), task="classification"))
    assert not any(block.group == "Over the whole data" for block in alone.values())
    few = blocks_of(build(model, data=(torch.rand(5, 3), torch.arange(5) % 2)))
    assert few["over-the-whole-data-not-shown"].text == (
        "Not shown: the data or the model's cost allows 5 samples, fewer than 10."
    )


def test_a_model_without_gradients_says_so_and_keeps_the_rest():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        @torch.no_grad()
        def forward(self, x):
            return self.fc(x)

    blocks = blocks_of(build(Frozen(), data=(torch.rand(30, 3), torch.arange(30) % 2)))
    assert blocks["over-the-whole-data"].kind == "failure"
    assert blocks["lime"].kind == "bars"


def test_two_runs_give_the_same_bytes():
    model, data = mixed()
    experiment = build(model, data=data, feature_names=NAMES)
    options = Options(samples=2, seed=4, timed=False)
    first, again = (explanations(experiment, options).model_dump_json() for _ in range(2))
    assert first == again


def test_a_model_made_in_inference_mode_is_seen_over_the_whole_data_too():
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 2)).eval()
    rows = torch.rand(40, 4, generator=torch.Generator().manual_seed(0))
    blocks = blocks_of(build(model, data=(rows, torch.arange(40) % 2)), timed=False)
    assert len(blocks["features-by-mean-attribution"].labels) == 4
    assert not any(block.kind == "failure" for block in blocks.values())


def test_a_model_that_gives_a_map_a_sample_says_why_there_is_no_view_of_all_data():
    model = nn.Conv2d(1, 2, 3, padding=1).eval()
    blocks = blocks_of(
        build(model, data=(torch.rand(3, 1, 8, 8),), modality="image"), methods=("saliency",), timed=False
    )
    assert blocks["over-the-whole-data-not-shown"].text == (
        "Not shown: the output for a sample is (2, 8, 8), and these views need one row of numbers."
    )
