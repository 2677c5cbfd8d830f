"""What is said of a run rests on a sign in its log; without one no end is made up."""

from __future__ import annotations

import gzip
import json
import math
import os
from dataclasses import replace

import fsspec
import numpy as np
import pytest
from series import points, run

from reportgen import history
from reportgen.history.model import Source
from reportgen.history.verdict import aged, best_first, verdict

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
        "the last record is not whole, and nothing says when it was written",
    )


def test_a_run_that_calls_itself_running_is_not_believed_without_a_time():
    found = verdict(replace(run(loss=FALLING), state="running"), (), NOW)
    assert (found.state, found.why) == (
        "no end recorded",
        "the log says it is running, and nothing says when it was written",
    )


@pytest.mark.parametrize(
    ("age", "state", "why", "said"),
    [
        (
            30,
            "still growing",
            "the last record is not whole yet",
            "is cut off and left out: still being written?",
        ),
        (3600, "stopped", "the last record is not whole", "is cut off and left out"),
    ],
)
def test_without_times_the_files_own_date_says_whether_a_cut_record_is_being_written(
    tmp_path, age, state, why, said
):
    log = written_at(tmp_path / "log.jsonl", NOW - age)
    read = history.read([log])
    found = verdict(read.runs[0], read.sources, NOW)
    assert (found.state, found.why, found.points) == (state, why, 19)
    (warning,) = aged(read, NOW).sources[0].warnings
    assert warning.endswith(said)


@pytest.mark.parametrize(("age", "state"), [(30, "still growing"), (3600, "no end recorded")])
def test_a_table_without_a_last_line_end_may_be_whole(tmp_path, age, state):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss,val_loss\n1,3,3\n2,2,2\n3,1,1", encoding="utf-8")
    os.utime(log, (NOW - age, NOW - age))
    read = history.read([log])
    assert verdict(read.runs[0], read.sources, NOW).state == state


def test_of_a_packed_log_the_packed_files_date_counts(tmp_path):
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(written_at(tmp_path / "log.jsonl", NOW).read_bytes()))
    os.utime(packed, (NOW - 3600, NOW - 3600))
    read = history.read([packed])
    assert verdict(read.runs[0], read.sources, NOW).state == "stopped"


def test_a_log_that_was_fetched_has_no_date_of_its_own(memory_log):
    read = history.read([memory_log])
    assert verdict(read.runs[0], read.sources, NOW).state == "no end recorded"


@pytest.fixture
def memory_log(tmp_path):
    """The address of a cut log in fsspec's memory."""
    files = fsspec.filesystem("memory")
    files.pipe("/verdicts/log.jsonl", written_at(tmp_path / "log.jsonl", NOW).read_bytes())
    yield "memory://verdicts/log.jsonl"
    files.rm("/verdicts", recursive=True)


def written_at(path, when):
    """Twenty lines without times, the last one cut off; the file's date is `when`."""
    text = "".join(json.dumps({"step": at, "loss": float(value)}) + "\n" for at, value in enumerate(FALLING))
    path.write_text(text[:-9], encoding="utf-8")
    os.utime(path, (when, when))
    return path


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
