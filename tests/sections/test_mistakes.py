"""The worst mistakes: which samples, and how large their pictures are."""

import numpy as np
import torch
from torch import nn

from reportgen.experiment import Options, build
from reportgen.sections._mistakes import mistakes


class Colour(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(x.mean((2, 3)))


def experiment(size: int):
    data = (torch.rand(4, 3, size, size), torch.zeros(4, dtype=torch.long))
    return build(Colour(), data=data, class_names=["cat", "dog"])


SURE = np.array([[0.4, 0.6], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
SAID = np.array([1, 1, 1, 1])
ALL = np.arange(4)


def test_large_pictures_are_drawn_small_and_the_caption_says_so():
    (block,) = mistakes(experiment(256), Options(), ALL, np.zeros(4, int), SAID, SURE)
    assert [(p.raster.width, p.raster.height) for p in block.pictures] == [(128, 128)] * 4
    assert block.caption.endswith("Drawn at 128 × 128 (means of blocks).")
    assert len(block.model_dump_json()) < 4 * 128 * 128 * 3 * 1.5


def test_small_pictures_are_drawn_as_they_are():
    (block,) = mistakes(experiment(8), Options(), ALL, np.zeros(4, int), SAID, SURE)
    assert block.pictures[0].raster.width == 8
    assert "Drawn at" not in block.caption


def test_texts_are_shown_where_their_tokens_are_known(docstrings_cnn):
    model, data, vocabulary, names = docstrings_cnn

    def block(**more):
        known = build(model, data=data, class_names=names, **more)
        found = known.predictions
        said = found.probabilities.argmax(dim=1).numpy()
        (made,) = mistakes(
            known, Options(), found.numbers, found.targets.numpy(), said, found.probabilities.numpy()
        )
        return made

    assert "Text" not in [column.name for column in block().columns]
    row = block(tokenizer=vocabulary).rows[0].cells
    assert row[-1] == " ".join(vocabulary[token] for token in data[row[0]][0].tolist() if token)


def test_a_sample_without_a_label_or_a_prediction_is_no_mistake_and_keeps_its_number():
    targets, said = np.array([0, -1, 0, 0]), np.array([1, 1, 1, -1])
    (block,) = mistakes(experiment(8), Options(), ALL, targets, said, SURE)
    assert [picture.alt.split(",")[0] for picture in block.pictures] == ["sample 2", "sample 0"]
    assert "The 2 of 2 mistakes" in block.caption


def test_no_mistake_is_said_of_the_samples_that_could_be_one():
    targets = np.array([1, -1, 1, 0])
    (block,) = mistakes(experiment(8), Options(), ALL, targets, np.array([1, 1, 1, -1]), SURE)
    assert block.text == "None in 2 samples that have a label and a prediction."
    (block,) = mistakes(experiment(8), Options(), ALL, SAID, SAID, SURE)
    assert block.text == "None in 4 samples."


def test_samples_taken_here_and_there_are_shown_by_their_own_numbers():
    known = experiment(8)
    (block,) = mistakes(known, Options(), np.array([3, 0]), np.zeros(2, int), SAID[:2], SURE[:2])
    (every,) = mistakes(known, Options(), ALL, np.zeros(4, int), SAID, SURE)
    whole = {picture.alt.split(",")[0]: picture.raster for picture in every.pictures}
    assert [picture.alt.split(",")[0] for picture in block.pictures] == ["sample 0", "sample 3"]
    assert [picture.raster for picture in block.pictures] == [whole["sample 0"], whole["sample 3"]]
