"""Data whose samples are of different sizes: what is collated alone is reported on alone, what is padded is padded."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import reportgen
from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.report import Failure
from reportgen.samples import Samples
from reportgen.spread import spread

SECTIONS = ["overview", "architecture", "evaluation", "features", "explanations"]
DRAWN = torch.Generator().manual_seed(3)
PICTURES = [(torch.randn(3, *((12, 10) if i % 3 else (9, 14)), generator=DRAWN), i % 3) for i in range(36)]
TEXTS = [(torch.randint(1, 30, (4 + i % 5,), generator=DRAWN), i % 2) for i in range(36)]
WAVES = [(torch.randn(1, 80 + 16 * (i % 3), generator=DRAWN), i % 2) for i in range(36)]


class Pooled(nn.Module):
    """Fully convolutional, then the mean over all places."""

    def __init__(self, first: nn.Module, classes: int) -> None:
        super().__init__()
        self.first, self.last = first, nn.Linear(6, classes)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)).flatten(2).mean(2))


class Reader(nn.Module):
    """A mean of embeddings that padding does not count in."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.last = nn.Embedding(30, 8, padding_idx=0), nn.Linear(8, 2)

    def forward(self, ids):
        return self.last(self.table(ids).sum(1) / (ids > 0).sum(1, keepdim=True))


def padded(samples):
    ids, labels = zip(*samples, strict=True)
    return nn.utils.rnn.pad_sequence(list(ids), batch_first=True), torch.tensor(labels)


def first_alone(samples):
    """What is written for batches of one, and looks at nothing else."""
    ids, label = samples[0]
    return torch.tensor([ids]), torch.tensor([label])


def seeded(make):
    torch.manual_seed(1)
    return make().eval()


def pictures():
    return seeded(lambda: Pooled(nn.Conv2d(3, 6, 3), 3))


CASES = {
    "pictures": (pictures, lambda: PICTURES),
    "pictures, loaded": (pictures, lambda: DataLoader(PICTURES, batch_size=1)),
    "texts": (lambda: seeded(Reader), lambda: TEXTS),
    "texts, loaded": (lambda: seeded(Reader), lambda: DataLoader(TEXTS, batch_size=1)),
    "texts, padded": (
        lambda: seeded(Reader),
        lambda: DataLoader(TEXTS, batch_size=4, collate_fn=padded),
    ),
    "lists": (
        lambda: seeded(Reader),
        lambda: DataLoader([(ids.tolist(), y) for ids, y in TEXTS], batch_size=1, collate_fn=first_alone),
    ),
    "waves": (lambda: seeded(lambda: Pooled(nn.Conv1d(1, 6, 5), 2)), lambda: WAVES),
}


@pytest.mark.parametrize("case", CASES)
def test_every_section_is_made_of_samples_of_different_sizes(case):
    make, data = CASES[case]
    model = make()
    methods = ["saliency", "occlusion", "gradientshap"]
    report = reportgen.collect(
        model, data=data(), sections=SECTIONS, samples=3, methods=methods, task="classification"
    )
    for section in report.sections:
        assert section.status == "ok", section.reason
        assert not [block for block in section.blocks if isinstance(block, Failure)]
    samples = {"p": PICTURES, "t": TEXTS, "l": TEXTS, "w": WAVES}[case[0]]
    right = sum(int(model(values[None]).argmax()) == label for values, label in samples)
    facts = [fact for block in report.section("evaluation").blocks for fact in getattr(block, "facts", ())]
    accuracy = next(fact.value for fact in facts if fact.label == "Accuracy")
    assert accuracy == pytest.approx(right / len(samples), rel=1e-4)


def test_predictions_are_those_of_each_sample_alone():
    experiment = build(pictures(), data=PICTURES)
    assert experiment.batch_size == 1
    wanted = torch.cat([experiment.model(values[None]) for values, _ in PICTURES])
    assert torch.allclose(experiment.predictions.outputs, wanted, atol=1e-6)
    assert experiment.predictions.targets.tolist() == [label for _, label in PICTURES]
    assert ("Batches", "one sample at a time") in [(fact.label, fact.value) for fact in experiment.inferred]


def test_a_collate_function_that_pads_is_used_for_batches_of_several():
    sizes = []

    def collate(samples):
        sizes.append(len(samples))
        return padded(samples)

    experiment = build(seeded(Reader), data=DataLoader(TEXTS, batch_size=4, collate_fn=collate))
    assert experiment.predictions.n == 36
    assert not experiment.samples.alone
    assert set(sizes) == {36}
    assert experiment.samples.fetch(range(5)).inputs.primary.shape == (5, 8)


def test_one_sample_of_another_size_late_in_the_data_costs_no_prediction():
    rows = [(torch.randn(3, 8, 8, generator=DRAWN), 0) for _ in range(130)]
    rows[78] = (torch.randn(3, 9, 8, generator=DRAWN), 1)  # the first look passes it over
    experiment = build(pictures(), data=rows)
    assert not experiment.samples.alone
    assert experiment.predictions.n == 130
    assert experiment.predictions.targets[78] == 1


def test_samples_that_are_collated_one_at_a_time_but_equal_make_a_batch_all_the_same():
    rows = [([1.0 * i, 2.0], i % 2) for i in range(6)]
    samples = Samples(DataLoader(rows, batch_size=1, collate_fn=first_alone))
    batch = samples.fetch([4, 1, 5])
    assert batch.inputs.primary.tolist() == [[4, 2], [1, 2], [5, 2]]
    assert batch.targets.tolist() == [0, 1, 1]
    assert samples.probe(6).inputs.size == 6
    assert not samples.alone


def test_outputs_of_different_lengths_are_told_apart_from_a_broken_model():
    model = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Flatten())
    experiment = build(model, data=PICTURES, task="regression")
    with pytest.raises(
        InputError, match="the outputs of the samples hold 120 to 126 numbers, expected equally"
    ):
        _ = experiment.predictions


def test_what_is_looked_at_one_by_one_is_spread_over_the_data_from_the_first_on():
    experiment = build(pictures(), data=PICTURES)
    seen = [batch.indices[0] for batch in spread(experiment)]
    assert seen[:4] == [0, 32, 16, 8]
    assert sorted(seen) == list(range(36))
