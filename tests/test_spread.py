import time

import pytest
import torch
from slow import Slow
from torch import nn

from reportgen import spread as module
from reportgen.deadline import Deadline
from reportgen.experiment import build
from reportgen.spread import affordable, looked_at, spread

ROWS = torch.arange(100.0)[:, None].repeat(1, 3)


@pytest.fixture
def experiment():
    return build(nn.Linear(3, 2).eval(), data=(ROWS, torch.arange(100) % 2))


def test_all_samples_come_once_and_each_batch_from_the_whole_data(experiment):
    batches = [batch.indices for batch in spread(experiment, size=30)]
    assert sorted(number for batch in batches for number in batch) == list(range(100))
    for batch in batches:
        assert min(batch) < 10
        assert max(batch) >= 90


def test_what_a_batch_holds_are_the_samples_of_its_numbers(experiment):
    for batch in spread(experiment, 40, 7):
        assert batch.inputs.primary[:, 0].tolist() == list(map(float, batch.indices))


def test_after_the_deadline_no_batch_is_begun_but_one_is_always_made(experiment, monkeypatch):
    slow = Slow(nn.Identity(), 1.0)
    monkeypatch.setattr(time, "perf_counter", lambda: slow.spent)

    def seen(seconds, timed=True):
        slow.spent, deadline = 0.0, None
        deadline, count = Deadline(seconds, timed), 0
        for batch in spread(experiment, size=10, deadline=deadline):
            slow(batch.inputs.primary)
            count += len(batch.indices)
        return count

    assert seen(35.0) == 30
    assert seen(0.0) == 1
    assert seen(0.0, timed=False) == 100


def test_a_dear_model_is_seen_on_fewer_samples_and_the_page_says_why(experiment, monkeypatch):
    monkeypatch.setattr(module, "BUDGET", {"cpu": 50 * experiment.operations})
    assert affordable(experiment) == 50
    assert affordable(experiment, 40) == 40
    assert affordable(experiment, cost=3.0) == module.FEWEST
    assert looked_at(experiment, 50) == (
        "50 of 100 samples, evenly from the data, as many as the model's cost or the time allows"
    )
    assert looked_at(experiment, 50, 50) == "50 of 100 samples, evenly from the data"
    assert looked_at(experiment, 100) == "all 100 samples"


def test_a_batch_of_a_dear_model_is_small(experiment, monkeypatch):
    monkeypatch.setattr(module, "BUDGET", {"cpu": 70 * experiment.operations})
    assert {len(batch.indices) for batch in spread(experiment)} <= {6, 7}
