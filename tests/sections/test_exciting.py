import base64
import io

import numpy as np
import pytest
import state
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from reportgen import spread
from reportgen.experiment import Options, build
from reportgen.features import synthetic
from reportgen.report import Section
from reportgen.sections._excite import excite
from reportgen.sections._survey import Made


def look(model, options=None, **given):
    made = Made()
    excite(build(model, **given), options or Options(), made)
    return made


@pytest.fixture(scope="module")
def digits_made(digits_cnn):
    model, data = digits_cnn
    before = state.of_model(model)
    made = look(model, data=data)
    assert state.of_model(model) == before
    return made


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.raster.data))))


def test_four_real_samples_and_one_made_stand_beside_each_other(digits_made, digits_cnn):
    stem, *_, output = digits_made.blocks
    assert [block.title.split(": ")[1] for block in digits_made.blocks] == [
        "stem",
        "block1.conv2",
        "block2.conv2",
        "output",
    ]
    assert stem.column_titles == ("strongest", "2nd", "3rd", "4th", "made for it")
    assert len(stem.pictures) == 15
    assert all(picture.map is not None for picture in stem.pictures[:4])
    assert stem.pictures[4].map is None
    assert all(picture.map is None for picture in output.pictures)
    assert "of all 497 samples" in stem.caption
    assert "seed 0" in stem.caption
    assert Section(name="features", title="Features", blocks=tuple(digits_made.blocks))


def test_the_captions_say_what_the_network_says(digits_made, digits_cnn):
    model, data = digits_cnn
    block = digits_made.blocks[-1]
    with torch.no_grad():
        scores = model(data.tensors[0])
    unit = int(block.row_titles[0].removeprefix("class "))
    best = int(scores[:, unit].argmax())
    top = float(f"{scores[best, unit]:.3g}")
    label = int(data.tensors[1][best])
    assert block.pictures[0].caption == f"{top:g}, sample {best}, class {label}"
    own, rest = block.pictures[4].caption.split("; real: largest ")
    assert float(own.replace("−", "-")) <= float(rest.split(",")[0]) == top


def test_the_spot_of_the_largest_value_is_where_the_map_is_strongest(digits_made, digits_cnn):
    model, data = digits_cnn
    block = digits_made.blocks[0]
    picture = block.pictures[0]
    sample = int(picture.caption.split("sample ")[1].split(",")[0])
    channel = int(block.row_titles[0].split()[1])
    with torch.no_grad():
        field = model.stem(data.tensors[0][sample : sample + 1])[0, channel].numpy()
    assert picture.map.to_array().argmax() == field.argmax()


def test_colour_pictures_of_any_size_are_shown_with_the_normalisation_undone():
    photos = [
        image[i : i + 96, j : j + 130]
        for image in load_sample_images().images
        for i in (0, 200)
        for j in (0, 300)
    ]
    data = (torch.tensor(np.stack(photos) / 255, dtype=torch.float32).permute(0, 3, 1, 2) - 0.5) / 0.25
    model = nn.Sequential(
        nn.Conv2d(3, 4, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    made = look(model.eval(), data=(data,), normalization=((0.5,) * 3, (0.25,) * 3))
    block = made.blocks[0]
    assert "given normalization undone" in block.caption
    sample = int(block.pictures[0].caption.split("sample ")[1])
    shown = pixels(block.pictures[0]).astype(float)
    assert shown.shape == (32, 43, 3)
    exact = photos[sample][:96, :129].reshape(32, 3, 43, 3, 3).mean(axis=(1, 3))
    assert np.abs(shown - exact).max() <= 1.01
    assert pixels(block.pictures[4]).shape == (48, 65, 3)


def test_the_budget_cuts_the_images_first_and_says_so(digits_cnn, monkeypatch):
    model, data = digits_cnn
    experiment = build(model, data=data)
    passes = 512 + 2 * 3 * synthetic.STEPS
    monkeypatch.setattr(spread, "BUDGET", {"cpu": experiment.operations * (passes + 0.5)})
    assert synthetic.plan(experiment, 12) == synthetic.Plan(512, 2, 1)
    made = Made()
    excite(experiment, Options(), made)
    missing = [[picture.missing for picture in block.pictures[4::5]] for block in made.blocks]
    why = "left out: the model's cost allows 2 of 12 images"
    assert missing == [[why] * 3, [why] * 3, ["", why, why], ["", why, why]]
    monkeypatch.setattr(spread, "BUDGET", {"cpu": experiment.operations * 100.5})
    assert synthetic.plan(experiment, 12) == synthetic.Plan(100, 0, 1)
    monkeypatch.setattr(spread, "BUDGET", {"cpu": 1})
    assert synthetic.plan(experiment, 12) == synthetic.Plan(32, 0, 1)


def test_a_table_shows_its_strongest_rows_by_what_is_unusual_in_them(cancer_mlp):
    model, data, names = cancer_mlp
    made = look(model, data=data, feature_names=names, class_names=["malignant", "benign"])
    (table,) = made.blocks
    assert [column.name for column in table.columns] == [
        "Where", "Unit", "Sample", "Activation", "Median", "Target", "The sample",
    ]  # fmt: skip
    assert len(table.rows) == (3 + 2) * 4
    with torch.no_grad():
        scores = model(data.tensors[0])
    looked = torch.tensor([i * 569 // 512 for i in range(512)])
    row = next(row.cells for row in table.rows if row.cells[:2] == ("output", "benign"))
    best = int(looked[scores[looked, 1].argmax()])
    assert row[2] == best
    assert row[3] == pytest.approx(float(scores[best, 1]), rel=1e-3)
    assert row[4] == pytest.approx(float(scores[looked, 1].quantile(0.5)), rel=1e-3)
    values = data.tensors[0][looked].double()
    far = ((data.tensors[0][best] - values.mean(0)) / values.std(0, correction=0)).abs()
    assert row[6].startswith(names[int(far.argmax())])


def test_whole_numbers_have_no_gradient_and_so_no_image_is_made():
    class Pixels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return self.conv(x.float() / 255).mean(dim=(2, 3))

    data = (torch.randint(0, 256, (20, 1, 9, 9), dtype=torch.uint8),)
    made = look(Pixels().eval(), data=data, modality="image")
    assert made.blocks[0].pictures[4].missing == "none: the input is uint8, which has no gradient"
    assert made.blocks[0].pictures[0].raster is not None
    assert "MACO" not in made.blocks[0].caption


def test_a_model_that_lets_no_gradient_through_costs_only_the_images(digits_cnn):
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        @torch.no_grad()
        def forward(self, x):
            return self.conv(x).mean(dim=(2, 3))

    made = look(Cut(), data=digits_cnn[1])
    assert made.blocks[0].pictures[4].missing.startswith("none: RuntimeError")
    assert made.blocks[0].pictures[0].map is not None


def test_named_layers_are_looked_at_in_place_of_chosen_ones(digits_cnn):
    made = look(digits_cnn[0], Options(layers=("fc1",)), data=digits_cnn[1])
    assert [block.title for block in made.blocks] == ["What excites units: fc1", "What excites units: output"]


def test_outputs_that_are_not_finite_are_said_to_be():
    model = nn.Linear(2, 2)
    model.weight.data[:] = float("nan")
    made = look(model, data=(torch.rand(9, 2),))
    assert [block.title for block in made.blocks] == ["What excites units"]
    assert {row.cells[0] for row in made.blocks[0].rows} == {"input of the model"}
    made = look(nn.Sequential(model, nn.Linear(2, 2)), data=(torch.full((9, 2), float("nan")),))
    assert made.blocks == []
    assert "puts out finite numbers" in made.notes[0]


def test_the_same_seed_gives_the_same_blocks_whatever_came_before(digits_cnn, digits_made):
    model, data = digits_cnn
    torch.rand(7)
    np.random.rand(3)
    again = look(model, data=data)
    assert again.blocks == digits_made.blocks


def test_a_text_of_characters_is_read_in_its_own_spaces():
    text = "all are born free"
    letters = ["[PAD]", *sorted(set(text))]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(len(letters), 4), nn.Flatten(), nn.Linear(4 * 20, 3)).eval()
    ids = torch.tensor([[letters.index(letter) for letter in text] + [0] * 3] * 8)
    table = look(model, data=(ids,), tokenizer=letters).blocks[0]
    assert {row.cells[-1] for row in table.rows} == {text}
