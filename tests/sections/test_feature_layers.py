import numpy as np
import pytest
import torch
from torch import nn

import reportgen
from reportgen.errors import InputError
from reportgen.experiment import Options, build
from reportgen.sections.features import features
from reportgen.spread import spread

ROWS = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def digits_section(digits_cnn):
    model, data = digits_cnn
    return features(build(model, data=data), Options())


def test_the_drawn_layers_are_the_first_middle_and_last_of_each_stage(digits_section):
    for title in ("weights", "gradients"):
        block = digits_section.block(f"{title}-distributions")
        assert block.panels
        assert [histogram.name for histogram in block.histograms] == [
            "stem.weight", "block1.conv1.weight", "block1.shortcut.weight", "block2.conv1.weight",
            "block2.conv2.weight", "block2.shortcut.weight", "fc1.weight", "fc2.weight",
        ]  # fmt: skip
    assert "Gradient of the mean cross-entropy" in digits_section.block("gradients-all-tensors").caption
    caption = digits_section.block("gradients-all-tensors").caption
    assert "in eval mode, frozen weights too. 128 of 497 samples, evenly from the data." in caption


def test_the_tables_hold_every_tensor_and_every_layer(digits_section, digits_cnn):
    model, data = digits_cnn
    rows = digits_section.block("weights-all-tensors").rows
    assert [row.cells[0] for row in rows] == [name for name, _ in model.named_parameters()]
    weight = model.fc2.weight.detach().double().numpy()
    row = next(row.cells for row in rows if row.cells[0] == "fc2.weight")
    assert row[1] == "10 × 24"
    expected = [np.linalg.norm(weight), weight.mean(), weight.std(), weight.min()]
    assert row[2:6] == pytest.approx(expected, rel=2e-3)
    layers = {row.cells[0]: row.cells for row in digits_section.block("activations-all-layers").rows}
    with torch.no_grad():
        scores = model(data.tensors[0]).double().numpy()
    assert layers["fc2"][1] == "10"
    assert layers["fc2"][2:5] == pytest.approx(
        [np.sqrt((scores**2).mean()), scores.mean(), scores.std()], rel=2e-3
    )


def test_named_layers_are_drawn_in_place_of_our_choice(digits_cnn):
    model, data = digits_cnn
    section = features(build(model, data=data), Options(layers=("block2", "fc1", "drop")))
    assert section.block("activation-maps-sample-0").row_titles == ("block2",)
    drawn = section.block("activations-distributions").histograms
    assert {histogram.name for histogram in drawn} == {"block2", "fc1", "drop"}
    drawn = section.block("weights-distributions").histograms
    assert [histogram.name for histogram in drawn] == ["block2.conv2.weight", "fc1.weight"]


def test_a_named_layer_that_does_not_run_is_said(digits_cnn):
    model = nn.ModuleDict({"used": nn.Linear(3, 4), "unused": nn.Linear(3, 4)})
    model.forward = lambda x: model["used"](x)
    section = features(build(model.eval(), data=(ROWS,)), Options(layers=("unused",)))
    assert "The layer unused was not seen" in section.block("what-is-not-shown").text


def test_collect_refuses_a_layer_that_is_not_there(digits_cnn):
    with pytest.raises(InputError, match="layers: got 'fc9', expected the name of a layer"):
        reportgen.collect(digits_cnn[0], layers=["fc9"], sections=["environment"])


def test_many_layers_stay_a_few_panels_and_one_table():
    layers = [layer for _ in range(120) for layer in (nn.Linear(3, 3), nn.Tanh())]
    section = features(build(nn.Sequential(*layers).eval(), data=(ROWS,)), Options())
    assert len(section.block("activations-distributions").histograms) == 3
    assert len(section.block("activations-all-layers").rows) == 120
    assert len(section.block("activations-by-depth").series[0].x) == 120
    assert section.block("gradients-all-tensors") is None
    assert "the data has no targets" in section.block("what-is-not-shown").text


def test_values_that_are_not_finite_are_findings_on_the_first_layer_that_has_them():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Linear(2, 2)).eval()
    model[2].weight.data[0, 1] = float("nan")
    section = features(build(model, data=(ROWS, torch.arange(80) % 2)), Options())
    found = {finding.evidence: finding for finding in section.findings}
    weights, outputs = found["features/weights-all-tensors"], found["features/activations-all-layers"]
    assert weights.message == "2.weight: 1 of 8 of its values are not finite."
    assert outputs.message.startswith(
        "2: 80 of 160 of its outputs on 80 samples are not finite; so are some of 1 further"
    )
    assert {weights.severity, outputs.severity} == {"serious"}
    row = next(row.cells for row in section.block("weights-all-tensors").rows if row.cells[0] == "2.weight")
    assert row[-1] == 12.5


def test_saturated_units_and_repeated_filters_are_findings():
    model = nn.Sequential(nn.Linear(3, 12), nn.Sigmoid(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    model[0].bias.data[[2, 5]] = 100
    model[2].weight.data[4] = 2 * model[2].weight.data[1]
    section = features(build(model, data=(ROWS, torch.arange(80) % 2)), Options())
    said = [finding.message for finding in section.findings]
    assert "2 of 12 units of the sigmoid after 0 are saturated on 80 samples." in said
    assert "1 of 6 units of 2 repeat another." in said
    row = section.block("filters-that-are-nearly-the-same").rows[0].cells
    assert row == ("2", 6, 1, 1, 1, "1 and 4 (1.000)")
    assert section.block("saturated-units").rows[0].cells[-1] == "2, 5"
    few = features(build(model, data=(ROWS[:20], torch.arange(20) % 2)), Options())
    assert not any("saturated" in finding.message for finding in few.findings)


def test_mistakes_are_marked_and_neighbours_counted(digits_section, digits_cnn):
    model, data = digits_cnn
    with torch.no_grad():
        wrong = model(data.tensors[0]).argmax(1) != data.tensors[1]
    order = [number for batch in spread(build(model, data=data)) for number in batch.indices]
    for title in ("embedding", "embedding-by-t-sne"):
        assert digits_section.block(title).marked == tuple(wrong[order].nonzero()[:, 0].tolist())
    assert "perplexity 30" in digits_section.block("embedding-by-t-sne").caption
    facts = {fact.label: fact.value for fact in digits_section.block("how-far-to-trust-the-planes").facts}
    assert facts["Nearest of the same class"] > 0.7
    assert facts["By chance"] == pytest.approx(0.1, abs=0.01)
    assert facts["Trustworthiness, t-SNE"] > facts["Trustworthiness, PCA"]


def test_the_means_by_class_are_those_of_the_units(digits_section, digits_cnn):
    model, data = digits_cnn
    with torch.no_grad():
        given = []
        handle = model.fc2.register_forward_hook(lambda module, args, output: given.append(args[0]))
        model(data.tensors[0])
        handle.remove()
    values, block = given[0].double().numpy(), digits_section.block("mean-activation-by-class")
    unit = int(block.column_labels[0])
    column = (values[:, unit] - values[:, unit].mean()) / values[:, unit].std()
    expected = [column[data.tensors[1].numpy() == label].mean() for label in range(10)]
    assert [row[0] for row in block.values] == pytest.approx(expected, abs=2e-3)


def test_few_samples_leave_t_sne_out_and_say_so():
    section = features(build(nn.Linear(3, 2), data=(ROWS[:25], torch.arange(25) % 2)), Options())
    assert section.block("embedding") is not None
    assert section.block("embedding-by-t-sne") is None
    assert "There is no t-SNE of 25 samples" in section.block("what-is-not-shown").text


def test_three_dimensional_inputs_get_all_but_maps():
    model = nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)).eval()
    section = features(build(model, data=(torch.rand(40, 1, 4, 4, 4), torch.arange(40) % 2)), Options())
    assert section.block("activations-all-layers").rows[0].cells[1] == "4 × 2 × 2 × 2"
    for wanted in (
        "gradients-distributions",
        "units-that-stay-zero",
        "embedding-by-t-sne",
        "mean-activation-by-class",
    ):
        assert section.block(wanted) is not None
    assert not any(block.kind == "images" for block in section.blocks)
