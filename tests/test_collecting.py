"""What `collect` takes, and what it says of arguments that can't be meant."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import reportgen
from reportgen.errors import InputError

DATA = TensorDataset(torch.rand(12, 1, 8, 8), torch.arange(12) % 3)


def model():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


@pytest.mark.parametrize("samples", [0, -1, 65, 2.5, True, "8"])
def test_a_number_of_samples_that_makes_no_sense_is_refused(samples):
    with pytest.raises(InputError, match="samples: got"):
        reportgen.collect(model(), samples=samples)


def test_a_report_of_chosen_sections_has_just_those():
    report = reportgen.collect(model(), data=DATA, sections=["environment", "overview"])
    assert [section.name for section in report.sections] == ["overview", "environment"]


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf"), "10", True])
def test_a_time_limit_that_makes_no_sense_is_refused(limit):
    with pytest.raises(InputError, match="time_limit: got"):
        reportgen.collect(model(), time_limit=limit)


@pytest.mark.parametrize("explain", [[], "3,17", 3, [-1], [0.5], [True], range(65), [1, 1]])
def test_numbers_of_samples_that_make_no_sense_are_refused(explain):
    with pytest.raises(InputError, match="explain: got"):
        reportgen.collect(model(), explain=explain)


@pytest.mark.parametrize("name", ["explain", "target"])
def test_a_number_without_an_upper_end_is_said_to_have_none(name):
    with pytest.raises(InputError, match=r"got -1, expected a whole number from 0 on$"):
        reportgen.collect(model(), **{name: [-1] if name == "explain" else -1})


@pytest.mark.parametrize("target", [-1, 1.5, True, [0]])
def test_a_target_that_names_no_output_is_refused(target):
    with pytest.raises(InputError, match="target: got"):
        reportgen.collect(model(), target=target)


def test_the_samples_asked_for_are_explained_in_that_order_by_the_methods_asked_for():
    report = reportgen.collect(
        model(), data=DATA, explain=[7, 2], methods=["saliency"], target=1, sections=["explanations"]
    )
    grid = report.section("explanations").block("explained-samples")
    assert grid.row_titles == ("sample 7", "sample 2")
    assert grid.column_titles == ("Sample", "Saliency")
    assert "(logit) of class 1." in grid.caption
