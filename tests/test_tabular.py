import pytest
import torch
from torch import nn

from reportgen.data import Inputs
from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.tabular import Category, joined, replaced

NAMES = ["age", "sex", "red", "green", "blue"]
ROWS = torch.tensor([[30.0, 0, 1, 0, 0], [40, 1, 0, 1, 0], [50, 1, 0, 0, 1], [60, 0, 1, 0, 0]])


def built(**given):
    return build(nn.Linear(5, 2), data=(ROWS, torch.tensor([0, 1, 0, 1])), feature_names=NAMES, **given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["sex"], [Category("sex", (1,))]),
        ([1], [Category("sex", (1,))]),
        ("sex", [Category("sex", (1,))]),
        ({"sex": ["f", "m"]}, [Category("sex", (1,), ("f", "m"))]),
        ({"colour": ["red", "green", "blue"]}, [Category("colour", (2, 3, 4), ("red", "green", "blue"))]),
        (
            ["sex", ["red", "green", "blue"]],
            [Category("sex", (1,)), Category("red / green / blue", (2, 3, 4), ("red", "green", "blue"))],
        ),
        ([], []),
    ],
)
def test_columns_are_declared_by_name_number_group_or_with_their_names(given, expected):
    assert list(built(categorical=given).categorical) == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["sexx"], "got 'sexx', which is no column of the input"),
        ([5], "got 5, which is no column"),
        ([["sex", "red"], "sex"], "the column 'sex' is named twice"),
        (3, "got 3, expected columns by name or number"),
        ({"sex": "fm"}, "got 'fm' for 'sex', expected a list"),
        ([True], "got True"),
    ],
)
def test_what_is_no_column_is_refused_in_one_line(given, said):
    with pytest.raises(InputError, match=said):
        built(categorical=given)


def test_the_nearest_name_is_told():
    with pytest.raises(InputError) as caught:
        built(categorical=["sexx"])
    assert caught.value.hint == "near it: sex"


def test_categories_of_pictures_are_refused():
    with pytest.raises(InputError, match="the input is no table"):
        build(nn.Conv2d(1, 2, 3), example_inputs=torch.rand(1, 1, 8, 8), categorical=["a"])


def test_floating_columns_are_never_taken_for_categories_unasked():
    experiment = built()
    assert experiment.categorical == ()
    assert "Categorical" not in [fact.label for fact in experiment.inferred]


def test_whole_numbers_alone_are_categories_where_they_are_few():
    rows = torch.stack([torch.arange(40), torch.arange(40) % 3], dim=1)

    class Net(nn.Linear):
        def forward(self, x):
            return super().forward(x.float())

    experiment = build(Net(2, 2), data=(rows, torch.arange(40) % 2), modality="table")
    assert [category.columns for category in experiment.categorical] == [(1,)]
    fact = next(fact for fact in experiment.inferred if fact.label == "Categorical")
    assert fact.note == "whole numbers, at most 10 distinct ones in the first 40 samples"
    assert (
        build(Net(2, 2), data=(rows, torch.arange(40) % 2), modality="table", categorical=[]).categorical
        == ()
    )


def test_a_row_of_two_tensors_is_joined_and_parted_again():
    numbers, codes = torch.rand(3, 2), torch.tensor([[4], [0], [7]])
    inputs = Inputs((numbers,), {"codes": codes, "scale": 2.0})
    table = joined(inputs)
    assert table.tolist() == torch.cat([numbers.double(), codes.double()], dim=1).tolist()
    again = replaced(inputs, table + 0.4)
    assert torch.allclose(again.args[0].double(), numbers.double() + 0.4)
    assert again.kwargs["codes"].tolist() == codes.tolist()
    assert again.kwargs["codes"].dtype == torch.int64
    assert again.kwargs["scale"] == 2.0
