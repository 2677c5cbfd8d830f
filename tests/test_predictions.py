"""Predictions are those of the data, as many as the time allows, and evenly from it."""

import time

import numpy as np
import pytest
import torch
from slow import Slow
from torch import nn

import reportgen
from reportgen.deadline import Deadline, current, until
from reportgen.experiment import build

ROWS = torch.arange(400.0)[:, None].repeat(1, 3)
TARGETS = torch.arange(400) % 2


@pytest.fixture
def slow(monkeypatch):
    model = Slow(nn.Linear(3, 2).eval(), 1.0)
    monkeypatch.setattr(time, "perf_counter", lambda: model.spent)
    return model


def predicted(model, seconds, timed=True):
    experiment = build(model, data=(ROWS, TARGETS), task="classification")
    with until(Deadline(seconds, timed)):
        return experiment.predictions


def test_what_the_time_allows_is_predicted_evenly_and_in_the_order_of_the_data(slow):
    found = predicted(slow, 100.0)
    assert 50 <= found.n <= 110
    assert found.late
    assert (np.diff(found.numbers) > 0).all()
    gaps = np.diff([0, *found.numbers, 400])
    assert gaps.max() <= 3 * 400 / found.n
    assert torch.equal(found.targets, TARGETS[found.numbers])
    with torch.no_grad():
        assert torch.allclose(found.outputs, slow.inner(ROWS[found.numbers]))


def test_without_a_clock_or_with_time_enough_all_are_predicted(slow):
    for found in (predicted(slow, 1.0, timed=False), predicted(slow, 10_000.0)):
        assert found.n == 400
        assert not found.late
        assert found.numbers.tolist() == list(range(400))


def test_gaps_stay_with_their_samples(slow):
    rows = ROWS.clone()
    rows[::7] = float("nan")
    experiment = build(slow, data=(rows, TARGETS), task="classification")
    with until(Deadline(100.0)):
        found = experiment.predictions
    assert found.marred.tolist() == [number % 7 == 0 for number in found.numbers]


def test_the_current_deadline_is_that_of_the_inside_alone():
    assert not current().timed
    with until(Deadline(5.0)):
        assert current().timed
    assert not current().timed


class Sleepy(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, x):
        time.sleep(0.1 * len(x))
        return self.inner(x)


def test_a_section_on_a_model_too_slow_for_it_ends_in_time_with_what_it_has():
    report = reportgen.collect(
        Sleepy().eval(),
        data=(ROWS, TARGETS),
        task="classification",
        time_limit=5,
        sections=["evaluation", "features", "explanations"],
    )
    for section in report.sections:
        assert section.status == "ok", section
        assert section.seconds < 5.5
    assert "as many as the time allowed" in report.section("evaluation").summary
    said = [block.message for block in report.section("explanations").blocks if block.kind == "failure"]
    assert any("the section's time ended" in message for message in said)
