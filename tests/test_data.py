"""Any kind of data as numbered samples, and batches that are copies."""

from __future__ import annotations

import collections

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from reportgen.data import Inputs, example, split
from reportgen.errors import InputError
from reportgen.samples import Samples

X = torch.arange(20.0).reshape(10, 2)
Y = torch.arange(10)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y, strict=True))


class Dicts(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return {"input_ids": X[index], "labels": Y[index]}


def read(source, limit=100, size=4):
    batches = list(Samples(source).batches(limit, size))
    values = torch.cat([batch.inputs.primary for batch in batches])
    targets = torch.cat([batch.targets for batch in batches]) if batches[0].targets is not None else None
    return values, targets, [index for batch in batches for index in batch.indices]


@pytest.mark.parametrize(
    "source",
    [
        TensorDataset(X, Y),
        DataLoader(TensorDataset(X, Y), batch_size=3),
        DataLoader(TensorDataset(X, Y), batch_size=3, shuffle=True),
        (X, Y),
        (X.numpy(), Y.numpy()),
        (pd.DataFrame(X.numpy()), pd.Series(Y.numpy())),
        list(zip(X, Y, strict=True)),
        Stream(),
        DataLoader(Stream(), batch_size=3),
        Dicts(),
        DataLoader(Dicts(), batch_size=4),
    ],
    ids=lambda source: type(source).__name__,
)
def test_every_kind_of_data_gives_all_samples_once_and_in_order(source):
    values, targets, indices = read(source)
    assert torch.equal(values, X)
    assert torch.equal(targets, Y)
    assert indices == list(range(10))


def test_the_limit_holds():
    for source in ((X, Y), Stream()):
        values, _, indices = read(source, limit=7, size=3)
        assert len(values) == len(indices) == 7
        assert torch.equal(values, X[indices])


def test_below_the_limit_samples_are_taken_evenly_and_of_a_stream_the_first():
    assert read((X, Y), limit=4, size=3)[2] == [0, 2, 5, 7]
    assert read(Stream(), limit=4, size=3)[2] == [0, 1, 2, 3]


def test_a_loaders_own_choice_of_samples_is_kept():
    values, _, _ = read(DataLoader(TensorDataset(X, Y), sampler=[3, 1, 4]))
    assert torch.equal(values, X[[3, 1, 4]])
    chosen = SubsetRandomSampler([2, 5])
    assert sorted(read(DataLoader(TensorDataset(X, Y), sampler=chosen))[1].tolist()) == [2, 5]


def test_a_loaders_collate_function_is_used():
    loader = DataLoader(
        TensorDataset(X, Y), collate_fn=lambda rows: (torch.stack([r[0] for r in rows]) + 100, None)
    )
    values, targets, _ = read(loader)
    assert torch.equal(values, X + 100)
    assert targets is None


@pytest.mark.parametrize(
    "source", [(X, Y), TensorDataset(X, Y), Stream()], ids=["arrays", "dataset", "stream"]
)
def test_samples_are_fetched_by_number(source):
    batch = Samples(source).fetch([7, 2])
    assert torch.equal(batch.targets.sort().values, torch.tensor([2, 7]))
    assert batch.indices == (7, 2)


def test_what_is_handed_out_is_a_copy():
    mine = X.clone()
    loader = DataLoader([(mine, Y)], collate_fn=lambda rows: rows[0])
    for source in ((mine, Y), loader):
        batch = next(iter(Samples(source).batches(10, 10)))
        batch.inputs.primary.zero_()
        batch.targets.zero_()
    assert torch.equal(mine, X)
    assert Y.sum() == 45


def test_floating_inputs_take_the_models_dtype_and_whole_numbers_stay():
    samples = Samples((X.double().numpy(), Y), dtype=torch.float32)
    assert samples.fetch([0]).inputs.primary.dtype == torch.float32
    assert Samples((Y[:, None], Y), dtype=torch.float32).fetch([0]).inputs.primary.dtype == torch.int64


def test_the_columns_of_a_table_are_its_feature_names():
    assert Samples((pd.DataFrame({"age": [1.0], "height": [2.0]}), np.array([0]))).columns == (
        "age",
        "height",
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (3, "got int, expected a Dataset"),
        ("path/to/data", "got str, expected a Dataset"),
        ((X, Y[:3]), "arrays of 10 and 3 rows, expected equal lengths"),
        ((X, "labels"), "a tuple of Tensor, str, expected tensors"),
        ((np.array(["a", "b"]),), "array of <U1, expected numbers"),
        (DataLoader(Stream(), batch_size=None), "makes no batches"),
    ],
)
def test_what_is_no_data_is_refused_in_one_line(source, said):
    with pytest.raises(InputError, match=said) as caught:
        Samples(source)
    assert "\n" not in str(caught.value)


class Raising(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == 1:
            raise FileNotFoundError("no such file: 1.png\nand a second line")
        return X[index], Y[index]


def test_a_sample_that_cannot_be_read_is_named():
    with pytest.raises(
        InputError, match=r"sample 1 can't be read: FileNotFoundError: no such file: 1\.png and"
    ):
        list(Samples(Raising()).batches(3, 3))


def test_samples_of_different_shapes_make_no_batch():
    samples = Samples([(torch.zeros(2), 0), (torch.zeros(3), 1)])
    with pytest.raises(
        InputError, match=r"don't make a batch: float32 \(1, 2\) and float32 \(1, 3\), expected equal"
    ):
        samples.fetch([0, 1])
    assert [batch.indices for batch in samples.batches(2, 2)] == [(0,), (1,)]


def test_a_batch_splits_into_inputs_and_targets():
    assert split(X)[1] is None
    assert split((X,))[1] is None
    inputs, targets = split((X, X, Y))
    assert len(inputs.args) == 2
    assert targets is not None
    inputs, targets = split({"pixels": X, "mask": X, "label": Y})
    assert list(inputs.kwargs) == ["pixels", "mask"]
    assert torch.equal(targets, Y)
    inputs, targets = split(({"a": X}, Y))
    assert list(inputs.kwargs) == ["a"]
    with pytest.raises(InputError, match="samples of type str"):
        split("text")


def test_inputs_are_mapped_taken_and_swapped():
    pair = collections.namedtuple("Pair", "left right")
    inputs = Inputs((X, pair(X, [X])), {"scale": 2, "y": {"deep": Y}})
    assert [tuple(t.shape) for t in inputs.tensors] == [(10, 2), (10, 2), (10, 2), (10,)]
    assert inputs.take([3]).kwargs["y"]["deep"].tolist() == [3]
    assert inputs.take([3]).kwargs["scale"] == 2
    one = inputs.take([3]).with_primary(torch.zeros(5, 2))
    assert [len(t) for t in one.tensors] == [5, 5, 5, 5]
    assert one.args[0].sum() == 0
    assert one.args[1].left[0].tolist() == X[3].tolist()


def test_an_example_is_a_tensor_a_tuple_or_a_dict():
    assert example(X, None).size == 10
    assert example((X.numpy(), Y), None).tensors[1].tolist() == Y.tolist()
    assert list(example({"ids": Y, "flag": True}, None).kwargs) == ["ids", "flag"]
    with pytest.raises(InputError, match="holds no tensor"):
        example({"flag": True}, None)
    with pytest.raises(InputError, match="got str"):
        example("x", None)


def test_an_example_is_described_by_shape_and_dtype():
    assert example({"ids": Y}, None).describe() == "ids: int64 (10,)"
    assert example(X, torch.float16).describe() == "float16 (10, 2)"


class Augmented(Dataset):
    """Another sample each time it is asked."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        return torch.rand(3), index


def test_what_is_shown_is_what_was_predicted_on_though_the_data_is_random():
    samples = Samples(Augmented())
    first = torch.cat([batch.inputs.primary for batch in samples.batches(5, 2)])
    assert torch.equal(samples.fetch([4, 1]).inputs.primary, first[[4, 1]])


def test_a_stream_that_can_be_read_once_is_read_once():
    class Once(IterableDataset):
        def __init__(self):
            self.rows = iter(zip(X, Y, strict=True))

        def __iter__(self):
            return self.rows

    samples = Samples(Once())
    assert samples.total is None
    assert [batch.indices for batch in samples.batches(4, 4)] == [(0, 1, 2, 3)]
    assert torch.equal(torch.cat([batch.inputs.primary for batch in samples.batches(100, 3)]), X)
    assert samples.total == 10
    with pytest.raises(InputError, match="no sample 10"):
        samples.fetch([10])


def test_a_stream_ends_where_memory_would(monkeypatch):
    monkeypatch.setattr("reportgen.samples.KEPT", 5 * (X[0].nbytes + Y[0].nbytes))
    samples = Samples(Stream())
    assert sum(len(batch.indices) for batch in samples.batches(100, 3)) == 5
    assert samples.total is None


class Breaking(IterableDataset):
    def __iter__(self):
        yield X[0], Y[0]
        raise ValueError("the disk is gone")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Breaking(), "sample 1 can't be read: ValueError: the disk is gone"),
        (DataLoader(Breaking(), batch_size=4), "sample 1 can't be read"),
    ],
)
def test_a_stream_that_breaks_says_where(source, said):
    with pytest.raises(InputError, match=said):
        list(Samples(source).batches(10, 4))


def test_a_sampler_that_raises_is_named():
    class Sampler:
        def __iter__(self):
            raise KeyError("lost")

    with pytest.raises(InputError, match="sampler raised KeyError"):
        Samples(DataLoader(TensorDataset(X, Y), batch_sampler=Sampler()))


def test_the_callers_generators_stay_where_they_are():
    generator = torch.Generator().manual_seed(3)
    weighted = WeightedRandomSampler([1.0] * 10, 6, generator=generator)
    before = generator.get_state()
    assert Samples(DataLoader(TensorDataset(X, Y), sampler=weighted)).total == 6
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("kind", [">f4", "<f8", "f2", "longdouble", "u1", "?"])
def test_numbers_of_any_kind_of_array_are_read(kind):
    values = (
        Samples((np.ones((3, 2), dtype=kind), np.arange(3)), dtype=torch.float32).fetch([0]).inputs.primary
    )
    assert values.float().tolist() == [[1.0, 1.0]]


def test_a_frame_of_floats_flags_and_counts_is_one_table():
    frame = pd.DataFrame({"a": [0.5, 1.5], "b": [True, False], "c": [1, 2]})
    assert Samples((frame, np.zeros(2))).fetch([1]).inputs.primary.tolist() == [[1.5, 0.0, 2.0]]
    frame["d"] = ["x", "y"]
    with pytest.raises(InputError, match="the column 'd' holds"):
        Samples((frame, np.zeros(2)))


def test_a_list_of_arrays_is_told_to_be_a_tuple():
    with pytest.raises(InputError, match="a list of two arrays, expected a tuple"):
        Samples([X, Y])
