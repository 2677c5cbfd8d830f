import numpy as np
import pytest
import state
import torch
from torch import nn
from torch.utils.data import IterableDataset

from reportgen.experiment import Options, build
from reportgen.features.activations import ReluWatch
from reportgen.features.embedding import Penultimate
from reportgen.features.seen import one_pass
from reportgen.report import Section
from reportgen.sections.features import features
from reportgen.spread import spread

SILENT = "units-that-stay-zero"


@pytest.fixture(scope="module")
def digits_section(digits_cnn):
    model, data = digits_cnn
    return features(build(model, data=data), Options())


def kinds(section):
    """Of each block, those of the weights by layer apart, which every model with weights has."""
    return [block.kind for block in section.blocks if block.group != "Weights by layer"]


def test_a_network_for_pictures_gets_everything(digits_section):
    assert [block.title for block in digits_section.blocks] == [
        "First-layer filters: stem", "Weights: distributions", "Weights: all tensors",
        "Activation maps, sample 0", "Activation maps, sample 248",
        "Activations: distributions", "Activations by depth", "Activations: all layers",
        "Gradients: distributions", "Gradients by depth", "Gradients: all tensors",
        "Units that stay zero", "Embedding", "Embedding by t-SNE", "How far to trust the planes",
        "Mean activation by class",
        "What excites units: stem", "What excites units: block1.conv2", "What excites units: block2.conv2",
        "What excites units: output",
    ]  # fmt: skip
    assert digits_section.summary
    assert Section.model_validate_json(digits_section.model_dump_json()) == digits_section


def test_the_maps_are_of_the_first_middle_and_last_convolution_of_each_stage(digits_section):
    block = digits_section.block("activation-maps-sample-0")
    assert block.row_titles == ("stem", "block1.conv1", "block1.conv2", "block2.conv1", "block2.conv2")
    assert block.columns == 8
    assert len(block.pictures) == 40
    assert "stem: 7 of 16 channels" in block.caption
    assert block.pictures[0].raster is not None
    assert block.pictures[1].map is not None


def test_the_embedding_has_a_point_a_sample_and_says_what_it_shows(digits_section, digits_cnn):
    model, data = digits_cnn
    block = digits_section.block("embedding")
    order = [number for batch in spread(build(model, data=data)) for number in batch.indices]
    assert len(block.x) == 497
    assert [block.groups[i] for i in block.member] == [
        f"class {int(label)}" for label in data.tensors[1][order]
    ]
    assert "Input of Linear fc2 (24 numbers a sample)" in block.caption
    assert "All 497 samples; coloured by true class" in block.caption


def test_silent_units_are_those_that_a_count_by_hand_finds(digits_section, digits_cnn):
    model, data = digits_cnn
    with torch.no_grad():
        after = torch.relu(model.stem(data.tensors[0])).amax(dim=(0, 2, 3))
    dead = int((after == 0).sum())
    row = digits_section.block(SILENT).rows[0].cells
    assert row[:3] == ("stem", 16, dead)


def planted(units: int = 8) -> nn.Sequential:
    model = nn.Sequential(nn.Conv2d(1, units, 3), nn.ReLU(), nn.Flatten(), nn.Linear(units * 4, 2)).eval()
    model[0].bias.data[[1, 4]] = -100
    return model


def test_dead_channels_are_a_finding_with_its_rule_and_evidence():
    section = features(build(planted(), data=(torch.rand(70, 1, 4, 4), torch.arange(70) % 2)), Options())
    assert [finding.message for finding in section.findings] == [
        f"{section.block(SILENT).rows[0].cells[2]} of 8 channels after 0 are zero on all 70 samples."
    ]
    finding = section.findings[0]
    assert finding.severity == "warning"
    assert finding.evidence == f"features/{SILENT}"
    assert "64 samples at least" in finding.rule
    assert {"1", "4"} <= set(section.block(SILENT).rows[0].cells[4].split(", "))


def test_few_samples_give_a_table_but_no_finding():
    section = features(build(planted(), data=(torch.rand(10, 1, 4, 4), torch.arange(10) % 2)), Options())
    assert section.block(SILENT).rows[0].cells[2] >= 2
    assert section.findings == ()


@pytest.mark.parametrize(
    ("fixture", "by"), [("cancer_mlp", "true class"), ("diabetes_mlp", "quarter of the true")]
)
def test_a_table_model_gets_weights_and_an_embedding_and_why_there_are_no_maps(fixture, by, request):
    model, data, names = request.getfixturevalue(fixture)
    section = features(build(model, data=data, feature_names=names), Options())
    assert [kind for kind in kinds(section) if kind not in ("distribution", "table", "facts")] == [
        "heatmap", "scatter", "scatter", *(["heatmap"] if fixture == "cancer_mlp" else []), "text",
    ]  # fmt: skip
    assert section.block("gradients-all-tensors") is not None
    assert by in section.block("embedding").caption
    assert "no 2-D convolution" in section.block("what-is-not-shown").text


def test_more_than_512_samples_are_taken_evenly(cancer_mlp):
    model, data, _ = cancer_mlp
    caption = features(build(model, data=data), Options()).block("embedding").caption
    assert "512 of 569 samples, evenly from the data" in caption


def test_a_stream_is_looked_at_over_its_length_once_that_is_known():
    class Stream(IterableDataset):
        def __iter__(self):
            for i in range(600):
                yield torch.full((3,), float(i % 7)) * torch.tensor([1.0, i % 3, 2.0]), i % 2

    section = features(
        build(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), data=Stream()), Options()
    )
    assert "512 of 600 samples, evenly from the data" in section.block("embedding").caption


def test_example_inputs_alone_give_filters_and_maps(digits_cnn):
    model, data = digits_cnn
    section = features(build(model, example_inputs=data.tensors[0][:1]), Options())
    assert kinds(section) == ["images", "images", "text"]
    assert section.block("activation-maps-example-0") is not None


def test_a_model_alone_gives_its_filters(digits_cnn):
    assert kinds(features(build(digits_cnn[0]), Options())) == ["images", "text"]


def test_a_forward_pass_that_raises_leaves_the_filters_and_says_why(digits_cnn):
    section = features(build(digits_cnn[0], example_inputs=torch.zeros(1, 3, 8, 8)), Options())
    assert kinds(section) == ["images", "failure"]
    assert "forward pass raised" in section.blocks[-1].message


def test_data_that_cannot_be_read_leaves_the_filters(digits_cnn):
    section = features(build(digits_cnn[0], data=(torch.zeros(0, 1, 8, 8), torch.zeros(0))), Options())
    assert kinds(section) == ["images", "failure"]
    assert "empty" in section.blocks[-1].message


def test_nan_weights_cost_only_what_they_touch(digits_cnn):
    model = planted()
    model[3].weight.data[0, 0] = float("nan")
    section = features(build(model, data=(torch.rand(9, 1, 4, 4), torch.arange(9) % 2)), Options())
    assert kinds(section) == [
        "images", "images", "images", "distribution", "table", "failure", "table", "text",
    ]  # fmt: skip
    lost = section.block("stuck-units-and-embedding")
    assert lost.message == "the model's outputs are not finite on 9 of 9 samples looked at"
    excites = section.block("what-excites-units")
    assert {row.cells[0] for row in excites.rows} == {"0"}, "the layer before the NaN, and not the output"
    assert all(np.isfinite(row.cells[3:5]).all() for row in excites.rows)


def test_a_sample_whose_output_is_not_finite_is_left_out_and_counted():
    """The silent units and the embedding are those of the other samples alone."""
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    model[0].bias.data[:] = torch.tensor([3.0, 3.0, -100.0, 3.0, 3.0, 3.0])
    rows, targets = torch.rand(80, 3), torch.arange(80) % 2
    spoilt = torch.cat([rows[:5], torch.full((1, 3), float("nan")), rows[5:]])
    labels = torch.cat([targets[:5], torch.tensor([1]), targets[5:]])
    whole = features(build(model, data=(rows, targets)), Options())
    section = features(build(model, data=(spoilt, labels)), Options())
    assert kinds(section) == kinds(whole)
    assert section.block(SILENT).rows == whole.block(SILENT).rows
    assert section.block("embedding").x == pytest.approx(whole.block("embedding").x, abs=1e-4)
    assert section.block("embedding").member == whole.block("embedding").member
    for block in (SILENT, "embedding"):
        assert "All 81 samples, less 1 whose output is not finite;" in section.block(block).caption
    assert [finding.message for finding in section.findings] == [
        "1 of 6 units after 0 are zero on all 80 samples."
    ]


@pytest.mark.parametrize("none", [-1, -100, 7])
def test_a_label_that_is_no_class_is_a_group_of_its_own(none):
    labels = torch.tensor([1] * 5 + [0] * 5 + [none] * 10)
    data = (torch.rand(20, 3), labels)
    section = features(build(nn.Linear(3, 2), data=data, class_names=["cat", "dog"]), Options())
    block = section.block("embedding")
    assert block.groups == ("cat", "dog", "no label")
    assert [block.member.count(group) for group in range(3)] == [5, 5, 10]
    assert "coloured by true class" in block.caption


@pytest.mark.parametrize("targets", [torch.full((20,), -1), torch.rand(20), torch.full((20,), float("nan"))])
def test_targets_that_are_no_class_numbers_leave_the_predicted_classes(targets):
    section = features(
        build(nn.Linear(3, 2), data=(torch.rand(20, 3), targets), task="classification"), Options()
    )
    assert "coloured by predicted class" in section.block("embedding").caption


def test_one_output_is_a_probability_only_where_all_are():
    class First(nn.Linear):
        def forward(self, x):
            return super().forward(x)[:, :1] * 0 + x[:, :1]

    x = torch.tensor([[-3.0, 0.0], [0.3, 1.0], [2.0, 2.0]])  # sigmoid(.3) > .5
    section = features(build(First(2, 2), data=(x,), task="classification"), Options())
    block = section.block("embedding")
    assert [block.groups[member] for member in block.member] == ["class 0", "class 1", "class 1"]


def test_outputs_for_every_pixel_are_not_kept():
    """A map of scores a sample: what is kept of 40 samples is less than one of them."""
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 1)).eval()
    data = (torch.rand(40, 1, 16, 16), torch.zeros(40, 16, 16, dtype=torch.long))
    experiment = build(model, data=data)
    watch, before = ReluWatch(), Penultimate.of(experiment, experiment.require_forward())
    seen = one_pass(experiment, (watch,), before)
    assert (seen.count, seen.bad, seen.targets, seen.said) == (40, 0, None, None)
    assert before.features.shape == (40, 4)
    section = features(experiment, Options())
    assert "coloured by nothing" in section.block("embedding").caption


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_what_a_scripted_model_does_inside_is_said_to_be_out_of_sight():
    model = torch.jit.script(planted())
    section = features(build(model, data=(torch.rand(9, 1, 4, 4), torch.arange(9) % 2)), Options())
    said = section.block("what-is-not-shown").text
    *parts, whole = said.split("\n\n")
    reason = "a scripted model's layers can't be watched."
    assert [part.removesuffix(f": {reason}") for part in parts] == [
        "First-layer weights are not drawn", "There are no activation maps", "There are no activations by layer",
        "Silent units were not looked for", "There is no embedding", "What excites units is not shown",
    ]  # fmt: skip
    assert whole == f"Of the model's parts, some or all are scripted, and {reason}"
    for untrue in ("no layer", "no 2-D convolution", "no ReLU", "neither"):
        assert untrue not in said
    assert [row.cells[0] for row in section.block("weights-all-tensors").rows] == [
        "0.weight", "0.bias", "3.weight", "3.bias",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_around_a_scripted_part_the_other_layers_are_looked_at():
    model = nn.Sequential(torch.jit.script(planted()), nn.ReLU(), nn.Linear(2, 2)).eval()
    section = features(build(model, data=(torch.rand(9, 1, 4, 4), torch.arange(9) % 2)), Options())
    assert section.block("activations-all-layers").rows[0].cells[0] == "2"
    assert section.block(SILENT).rows[0].cells[1] == 2
    assert section.block("embedding") is not None
    assert "some or all are scripted" in section.block("what-is-not-shown").text


def test_maps_that_are_drawn_smaller_say_so():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 1, stride=2), nn.Flatten())
    section = features(build(model.eval(), example_inputs=torch.rand(1, 1, 200, 160)), Options())
    block = section.block("activation-maps-example-0")
    assert (block.pictures[0].raster.height, block.pictures[1].map.height) == (100, 100)
    assert block.caption.endswith(
        "0, 200 × 160, drawn at 100 × 80 (means of blocks). "
        "Input: values shown as they are. Input, 200 × 160, drawn at 100 × 80 (means of blocks)."
    )


def test_a_model_without_values_says_so_once():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())
    section = features(build(model, example_inputs=torch.rand(1, 1, 4, 4)), Options())
    assert [block.message for block in section.blocks if block.kind == "failure"] == [
        "the model is on the meta device: its tensors have shapes and no values"
    ]


def test_one_sample_is_called_one():
    section = features(build(planted(), data=(torch.rand(1, 1, 4, 4), torch.tensor([1]))), Options())
    assert section.block(SILENT).caption.startswith("1 sample; ")


def test_a_part_that_breaks_costs_only_itself(digits_cnn, monkeypatch):
    def broken(*args):
        raise RuntimeError("no luck")

    monkeypatch.setattr("reportgen.sections.features.map_layers", broken)
    model, data = digits_cnn
    section = features(build(model, data=data), Options())
    assert kinds(section)[:3] == ["images", "failure", "distribution"]
    assert section.blocks[3].message == "no luck"


def test_without_a_model_there_is_nothing_to_say():
    section = features(build(None, data=(torch.rand(3, 2),)), Options())
    assert (section.status, section.reason) == ("empty", "no model was given")


def test_what_a_model_without_weights_lacks_is_said_in_words():
    section = features(build(nn.Tanh(), example_inputs=torch.rand(1, 2)), Options())
    assert section.status == "empty"
    assert "no layer with weights" in section.reason


def test_model_inputs_and_process_are_as_they_were(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    features(experiment, Options())
    before = (state.of_model(model), state.of_process(), state.bytes_of(data.tensors[0]))
    features(experiment, Options())
    assert (state.of_model(model), state.of_process(), state.bytes_of(data.tensors[0])) == before


def test_the_embedding_is_the_same_whatever_the_threads(digits_cnn, digits_section):
    model, data = digits_cnn
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        section = features(build(model, data=data), Options())
    finally:
        torch.set_num_threads(threads)
    assert np.array(section.block("embedding").x) == pytest.approx(
        np.array(digits_section.block("embedding").x), abs=1e-3
    )
