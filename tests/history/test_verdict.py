"""What is said of a run rests on a sign in its log; without one no end is made up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from series import points, run

from reportgen.history.model import Source
from reportgen.history.verdict import best_first, verdict

NOW = 1_700_000_000.0
FALLING = 1 / (1 + np.arange(20.0))


def written(age):
    """A run whose last record is `age` seconds old."""
    return run(loss=points(FALLING, wall=NOW - age - 19 + np.arange(20.0)))


def cut(name="run"):
    return Source("log.jsonl", "JSONL", "", 20, ("line 21 is cut off: still being written?",), name)


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        ("", 5, "no end recorded"),
        ("finished", 5, "finished"),
        ("failed", 5, "crashed"),
        ("running", 30, "still growing"),
        ("running", 3600, "stopped"),
        ("stopped", 30, "stopped"),
    ],
)
def test_the_state_is_what_the_log_says(state, age, expected):
    assert verdict(replace(written(age), state=state), (), NOW).state == expected


@pytest.mark.parametrize(("age", "expected"), [(10, "still growing"), (3600, "stopped")])
def test_a_record_that_is_not_whole_is_being_written_if_it_is_new(age, expected):
    assert verdict(written(age), (cut(),), NOW).state == expected


def test_a_cut_record_without_times_tells_of_no_end():
    found = verdict(run(loss=FALLING), (cut(),), NOW)
    assert (found.state, found.why) == (
        "no end recorded",
        "the last record is not whole, and the log holds no times",
    )


def test_the_best_runs_come_first_by_the_metric_that_most_are_judged_by():
    runs = [run(f"r{at}", val__accuracy=FALLING * (at % 3 + 1)) for at in range(3)]
    runs.append(run("other", something=FALLING))
    assert best_first([verdict(one, (), NOW) for one in runs]) == ["r2", "r1", "r0", "other"]


def test_another_runs_cut_record_says_nothing_of_this_one():
    assert verdict(written(10), (cut("other"),), NOW).state == "no end recorded"


def test_a_loss_that_stays_nan_has_diverged_whatever_the_log_says():
    broken = np.append(FALLING, [math.nan] * 5)
    found = verdict(replace(run(loss=broken), state="finished"), (), NOW)
    assert found.state == "diverged"
    assert "loss is not finite from step 20" in found.why
    assert found.broken == 5


def test_a_single_nan_is_counted_and_no_divergence():
    values = FALLING.copy()
    values[3] = math.inf
    found = verdict(run(loss=values), (), NOW)
    assert (found.state, found.broken) == ("no end recorded", 1)


def test_the_best_is_of_validation_before_training_and_accuracy_before_loss():
    found = verdict(run(train__loss=FALLING, val__loss=FALLING + 1, val__accuracy=1 - FALLING), (), NOW)
    assert (found.best_tag, found.best.x, found.best.value) == ("val/accuracy", 19, 1 - FALLING[-1])
    found = verdict(run(train__loss=FALLING, val__loss=FALLING[::-1]), (), NOW)
    assert (found.best_tag, found.best.x) == ("val/loss", 0)
    assert verdict(run(something=FALLING), (), NOW).best is None


def test_last_step_restarts_and_wall_time_are_those_of_the_log():
    step = [*range(10), *range(5, 15)]
    found = verdict(run(loss=points(np.ones(20), step, 1e9 + np.arange(20.0))), (), NOW)
    assert (found.last, found.axis, found.restarts, found.seconds) == (14, "step", 1, 19.0)


def test_without_times_the_wall_time_is_unknown():
    assert verdict(run(loss=FALLING), (), NOW).seconds is None
