"""Samples that no first axis holds: packed sequences, lists of pictures, bags with offsets, named tuples, graphs."""

from __future__ import annotations

import collections
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence
from torch.utils.data import DataLoader

from reportgen.collecting import collect
from reportgen.data import Inputs, example, split
from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.report import Facts
from reportgen.trace import trace

Pair = collections.namedtuple("Pair", "left right")
Row = collections.namedtuple("Row", "image label")
PICTURES = [torch.randn(3, 16, 16), torch.randn(3, 12, 20)]
SEQUENCES = [torch.randn(length, 4) for length in (2, 5, 3)]


class Bags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag, self.head = nn.EmbeddingBag(50, 8), nn.Linear(8, 4)

    def forward(self, text: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return self.head(self.bag(text, offsets))


class Sequences(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(4, 6), nn.Linear(6, 3)

    def forward(self, given: PackedSequence) -> torch.Tensor:
        return self.head(self.rnn(given)[1][0][-1])


class Pictures(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, images: Any) -> torch.Tensor:
        return torch.stack([self.conv(image[None]).mean((2, 3))[0] for image in images])


class Detector(Pictures):
    def forward(self, images: Any) -> Any:
        return [{"boxes": self.conv(image[None])[0, :4, 0].T} for image in images]


class Graphs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, edges: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return torch.zeros(int(batch.max()) + 1, 3).index_add(0, batch, self.layer(x))


def bags(rows: list[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, ...]:
    texts = [text for text, _ in rows]
    starts = torch.tensor([0, *map(len, texts[:-1])]).cumsum(0)
    return torch.cat(texts), starts, torch.tensor([label for _, label in rows])


def packed(rows: list[tuple[torch.Tensor, int]]) -> tuple[PackedSequence, torch.Tensor]:
    return pack_sequence([row for row, _ in rows], enforce_sorted=False), torch.tensor(
        [label for _, label in rows]
    )


def graphs(rows: list[tuple[torch.Tensor, int]]) -> tuple[torch.Tensor, ...]:
    member = [torch.full((len(x),), at) for at, (x, _) in enumerate(rows)]
    return (
        torch.cat([x for x, _ in rows]),
        torch.zeros(2, 0).long(),
        torch.cat(member),
        torch.tensor([y for _, y in rows]),
    )


# --- FLOPs of one sample -------------------------------------------------------------------------------

CONV = 2 * 8 * 3 * 9  # FLOPs a place
STEP = 2 * 4 * 6 * (4 + 6)  # FLOPs a step of an LSTM of 4 inputs and 6 units
CALLS = [
    ("bags", Bags(), (torch.randint(0, 50, (20,)), torch.tensor([0, 8])), 2 * 8 * 4, 2),
    ("bags by name", Bags(), {"text": torch.randint(0, 50, (20,)), "offsets": torch.tensor([0, 8, 8])}, 2 * 8 * 4, 3),
    ("packed", Sequences(), pack_sequence(SEQUENCES, enforce_sorted=False), STEP * 10 / 3 + 2 * 6 * 3, 3),
    ("a list of pictures", Pictures(), PICTURES, CONV * (14 * 14 + 10 * 18) / 2, 2),
    ("what a detector takes", Detector(), (PICTURES,), CONV * (14 * 14 + 10 * 18) / 2, 2),
    ("time first", nn.LSTM(4, 6), torch.randn(7, 2, 4), STEP * 7, 2),
    ("a table with a scale", nn.Linear(4, 2), (torch.randn(8, 4),), 2 * 4 * 2, 8),
    ("graphs", Graphs(), (torch.randn(10, 4), torch.zeros(2, 0).long(), torch.tensor([0] * 4 + [1] * 6)), 120, 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "given", "each", "count"), [call[1:] for call in CALLS], ids=[call[0] for call in CALLS]
)
def test_flops_of_a_sample_are_the_whole_by_the_number_of_samples(
    model: nn.Module, given: Any, each: float, count: int
) -> None:
    architecture = collect(model, example_inputs=given, sections=["architecture"]).section("architecture")
    totals = architecture.block("totals")
    assert isinstance(totals, Facts)
    fact = next(fact for fact in totals.facts if fact.label == "FLOPs a sample")
    assert fact.value == pytest.approx(each)
    assert f"a batch of {count} divided by {count}" in fact.note


def test_of_data_a_sample_is_a_row_whatever_axis_a_layer_takes_for_samples() -> None:
    report = collect(nn.LSTM(4, 6), data=(torch.randn(5, 7, 4),), sections=["architecture"])
    totals = report.section("architecture").block("totals")
    assert isinstance(totals, Facts)
    fact = next(fact for fact in totals.facts if fact.label == "FLOPs a sample")
    assert fact.value == STEP * 7
    assert "divided" not in fact.note


def test_where_nothing_says_how_many_samples_there_are_figures_are_of_the_whole_input() -> None:
    report = collect(
        nn.Conv2d(3, 2, 3), example_inputs=torch.randn(3, 16, 16), sections=["overview", "architecture"]
    )
    totals = report.section("architecture").block("totals")
    assert isinstance(totals, Facts)
    fact = next(fact for fact in totals.facts if fact.label.startswith("FLOPs"))
    assert (fact.label, fact.value) == ("FLOPs", 2 * 14 * 14 * 2 * 3 * 9)
    assert "nothing says how many samples" in fact.note
    assert "for the whole input" in report.section("architecture").summary
    headline = report.section("overview").block("headline")
    assert isinstance(headline, Facts)
    assert "FLOPs of the whole input" in {fact.label for fact in headline.facts}


@pytest.mark.parametrize(
    ("out", "batch"),
    [((7, 3), 7), ((2, 3), 2), ((3,), 0), ((), 7), ((14, 5), 7), ((5, 4, 4), 0)],
    ids=["rows", "fewer rows", "one row", "a loss", "a row a place", "a map"],
)
def test_the_outputs_first_axis_is_that_of_the_samples_only_where_it_can_be(
    out: tuple[int, ...], batch: int
) -> None:
    class Returns(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(out)

    assert trace(Returns(), Inputs((torch.zeros(7, 2),), {})).batch == batch


# --- what is one argument --------------------------------------------------------------------------------


class Both(nn.Module):
    def forward(self, pair: Pair) -> torch.Tensor:
        return pair.left + pair.right


class Apart(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left + right


@pytest.mark.parametrize(("model", "args"), [(Both(), 1), (Apart(), 2)], ids=["whole", "apart"])
def test_a_named_tuple_is_one_argument_unless_the_model_takes_its_parts(model: nn.Module, args: int) -> None:
    pair = Pair(torch.ones(3, 4), torch.ones(3, 4))
    seen = build(model, example_inputs=pair)
    assert (seen.forward_problem, seen.output_shape) == (None, (3, 4))
    assert seen.example is not None
    assert len(seen.example.args) == args


def test_samples_that_are_named_tuples_are_the_input_or_the_input_and_its_target_as_the_model_takes_them() -> (
    None
):
    rows = [Pair(torch.ones(4), torch.tensor(at % 2)) for at in range(6)]
    whole = build(Both(), data=rows)
    assert (whole.forward_problem, whole.output_shape, whole.target_shape) == (None, (1, 4), ())
    apart = build(nn.Linear(4, 2), data=rows)
    assert (apart.forward_problem, apart.output_shape, apart.task) == (None, (1, 2), "classification")
    assert apart.predictions.targets is not None
    assert apart.predictions.targets.tolist() == [0, 1, 0, 1, 0, 1]


def test_a_packed_sequence_alone_is_one_argument_and_comes_out_as_it_went_in() -> None:
    given = pack_sequence(SEQUENCES, enforce_sorted=False)
    inputs = example(given, torch.float64)
    assert inputs.size == 3
    assert torch.equal(inputs.args[0].batch_sizes, given.batch_sizes)
    assert inputs.args[0].data.dtype == torch.float64
    assert split(given)[0].args[0] is given
    assert inputs.describe() == "PackedSequence of 3 sequences, float64 (10, 4)"


def test_of_a_named_tuple_the_field_called_label_is_the_target() -> None:
    inputs, target = split(Row(torch.zeros(2, 3), torch.tensor([1, 0])))
    assert len(inputs.args) == 1
    assert target is not None
    assert target.tolist() == [1, 0]


# --- samples taken and put back --------------------------------------------------------------------------

LOADERS = [
    ("bags", Bags(), [(torch.randint(0, 50, (3 + at % 4,)), at % 4) for at in range(12)], bags),
    ("packed", Sequences(), [(torch.randn(3 + at % 4, 4), at % 3) for at in range(12)], packed),
    ("pictures", Pictures(), [(torch.randn(3, 12 + at % 3, 12), at % 8) for at in range(12)],
     lambda rows: ([image for image, _ in rows], torch.tensor([label for _, label in rows]))),
    ("three pictures", Pictures(), [(torch.randn(3, 12, 12), at) for at in range(3)],
     lambda rows: tuple(zip(*rows, strict=True))),
    ("graphs", Graphs(), [(torch.randn(3 + at % 4, 4), at % 3) for at in range(12)], graphs),
]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "rows", "collate"), [one[1:] for one in LOADERS], ids=[one[0] for one in LOADERS]
)
def test_a_batch_gives_each_sample_what_it_gets_alone(
    model: nn.Module, rows: list[Any], collate: Any
) -> None:
    seen = build(model.eval(), data=DataLoader(rows, batch_size=4, collate_fn=collate))
    assert seen.forward_problem is None
    assert seen.example is not None
    assert seen.example.size == 1
    assert seen.output_shape[0] == 1
    with torch.no_grad():
        alone = torch.cat([model(*collate([row])[:-1]) for row in rows])
    outputs = torch.cat([seen.scores(batch.inputs) for batch in seen.samples.batches(100, seen.batch_size)])
    assert torch.allclose(outputs, alone, atol=1e-6)
    each = torch.cat([seen.scores(seen.batch([at]).inputs) for at in range(len(rows))])
    assert torch.allclose(each, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "collate"), [one[2:] for one in LOADERS[:3]], ids=[one[0] for one in LOADERS[:3]]
)
def test_samples_taken_from_a_batch_are_those_that_went_in(rows: list[Any], collate: Any) -> None:
    inputs = Inputs(collate(rows[:5])[:-1], {})
    assert (inputs.size, inputs.take([4, 1]).size) == (5, 2)
    for place, row in enumerate([4, 1]):
        one = inputs.take([4, 1]).take([place]).primary
        assert one is not None
        assert torch.equal(one[0], rows[row][0])


def test_a_sample_is_put_back_as_often_as_it_is_wanted() -> None:
    text = Inputs((torch.tensor([4, 5, 6]), torch.tensor([0])), {}).with_primary(
        torch.tensor([[1, 2, 3], [7, 8, 9]])
    )
    assert [part.tolist() for part in text.args] == [[1, 2, 3, 7, 8, 9], [0, 3]]
    sequence = Inputs((pack_sequence([torch.ones(3, 4)]),), {}).with_primary(
        torch.arange(24.0).reshape(2, 3, 4)
    )
    back, lengths = pad_packed_sequence(sequence.args[0], batch_first=True)
    assert torch.equal(back, torch.arange(24.0).reshape(2, 3, 4))
    assert lengths.tolist() == [3, 3]
    images = Inputs(([torch.zeros(3, 8, 8)],), {}).with_primary(torch.ones(4, 3, 8, 8))
    assert len(images.args[0]) == images.size == 4


def test_pictures_of_one_size_in_a_list_are_pictures() -> None:
    seen = build(Pictures(), example_inputs=[torch.randn(3, 16, 16), torch.randn(3, 16, 16)])
    assert seen.modality == "image"


@pytest.mark.parametrize(
    "given",
    [
        ([torch.zeros(4, 7), torch.zeros(4, 9)],),
        ([torch.zeros(4, 3, 16, 16), torch.zeros(4, 3, 8, 8)],),
        (torch.arange(5), torch.arange(5)),
        (torch.tensor([3, 1, 2]), torch.tensor([0, 2, 1])),
        (torch.zeros(4, 2), (torch.zeros(4, 3), torch.zeros(4, 3))),
    ],
    ids=["a list of tables", "several scales", "users and films", "as many numbers", "states"],
)
def test_tensors_with_a_row_a_sample_are_no_list_of_samples(given: tuple[Any, ...]) -> None:
    inputs = Inputs(given, {})
    assert not inputs.carried
    assert inputs.size == len(inputs.tensors[0])


def test_samples_that_the_tensors_of_a_batch_hide_are_not_cut_out_of_it() -> None:
    batch = Inputs(graphs([(torch.randn(3, 4), 0), (torch.randn(5, 4), 1)])[:3], {}, count=2)
    assert batch.size == 2
    assert batch.primary is None
    assert batch.take([0, 1]) is batch
    with pytest.raises(InputError, match="can't be told apart"):
        batch.take([0])


def test_a_detector_has_every_figure_of_its_architecture_and_its_output_is_said_to_be_unreadable() -> None:
    rows = [(torch.randn(3, 12 + at % 3, 12), {"boxes": torch.zeros(2, 4)}) for at in range(6)]
    data = DataLoader(rows, batch_size=2, collate_fn=lambda rows: tuple(zip(*rows, strict=True)))
    architecture = collect(Detector(), data=data, sections=["architecture"]).section("architecture")
    assert f"{CONV * 10 * 10 / 1000:.1f} kFLOPs a sample" in architecture.summary
    assert [finding.message for finding in architecture.findings if "raised" in finding.message] == []
    assert "The model runs, but its output can't be read" in " ".join(
        one.message for one in architecture.findings
    )
