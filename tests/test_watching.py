"""A report that is kept up to date while a training goes on, is killed, and goes on again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import reportgen
from reportgen.errors import InputError
from reportgen.history.readers import jsonl
from reportgen.report import Facts
from reportgen.watching import Watch

# A training that logs as it goes: a linear model, gradient descent by hand, a checkpoint of the step.
TRAINING = """
import pathlib, sys, time
import numpy as np
from tensorboardX import SummaryWriter
folder, first, last = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(0)
x = rng.normal(size=(64, 4)); y = x @ [1.0, -2.0, 0.5, 3.0]
weights = np.zeros(4)
writer = SummaryWriter(str(folder), purge_step=first or None, flush_secs=1)
for step in range(first, last):
    error = x @ weights - y
    weights -= 0.05 * x.T @ error / len(x)
    writer.add_scalar("loss/train", float((error**2).mean()), step)
    writer.flush()
    time.sleep(0.02)
writer.close()
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "run" / "log.jsonl"
    path.parent.mkdir()
    return path


def append(path, first, last, **more):
    with path.open("a") as file:
        for step in range(first, last):
            file.write(json.dumps({"step": step, "loss": 1 / (step + 1), **more}) + "\n")


def points(path):
    facts = reportgen.load(path).section("training").block("totals")
    return next(fact.value for fact in facts.facts if fact.label == "Points")


def test_nothing_is_written_where_nothing_is_new(log, tmp_path):
    target = tmp_path / "out.json"
    append(log, 0, 20)
    watching = Watch([log.parent], [target], every=0)
    assert watching.look()
    before = target.stat().st_mtime_ns
    assert not watching.look()
    assert target.stat().st_mtime_ns == before
    append(log, 20, 30)
    time.sleep(0.3)  # it makes itself no sooner due than some times as long as the last one took
    while not watching.look():
        time.sleep(0.05)
    assert points(target) == 30


def test_what_was_read_is_not_read_again(log, tmp_path, monkeypatch):
    begun = []
    follow = jsonl.READER.follow
    object.__setattr__(jsonl.READER, "follow", lambda path: (begun.append(path), follow(path))[1])
    try:
        watching = Watch([log.parent], [tmp_path / "out.json"], every=0)
        for part in range(4):
            append(log, part * 20, part * 20 + 20)
            watching.close()
    finally:
        object.__setattr__(jsonl.READER, "follow", follow)
    assert len(begun) == 1
    assert points(tmp_path / "out.json") == 80


def test_a_page_is_told_when_to_look_again_and_in_the_end_that_it_is_the_last(log, tmp_path):
    target = tmp_path / "out.html"
    append(log, 0, 20)
    watching = Watch([log.parent], [target], every=3)
    watching.look()
    assert reportgen.load(target).refresh == 3
    watching.close()
    assert reportgen.load(target).refresh == 0


def test_logs_that_are_not_there_yet_are_waited_for(tmp_path):
    said = []
    watching = Watch([tmp_path / "later"], [tmp_path / "out.json"], every=0, say=said.append)
    assert not watching.look()
    assert said == [f"waiting: nothing is at {str(tmp_path / 'later')!r} yet"]
    (tmp_path / "later").mkdir()
    append(tmp_path / "later" / "log.jsonl", 0, 20)
    assert watching.close()
    assert points(tmp_path / "out.json") == 20


def test_of_a_whole_report_training_is_made_anew_and_the_rest_stays(log, tmp_path):
    target = tmp_path / "out.json"
    append(log, 0, 20)
    from torch import nn

    made = reportgen.collect(nn.Linear(3, 2), logs=log.parent, title="Exp", facts={"Purpose": "a test"})
    made.save(target)
    append(log, 20, 50, val_loss=0.5)
    Watch([log.parent], [target]).close()
    after = reportgen.load(target)
    assert after.title == "Exp"
    assert after.section("architecture") == made.section("architecture")
    assert points(target) == 80
    shown = {fact.label: fact.value for block in after.section("overview").blocks if isinstance(block, Facts)
             for fact in block.facts}  # fmt: skip
    assert shown["Best validation metric"] == 0.5
    assert shown["Purpose"] == "a test"


def test_a_target_that_is_no_report_is_not_written_over(log, tmp_path):
    (tmp_path / "out.html").write_text("<p>mine</p>")
    append(log, 0, 9)
    with pytest.raises(InputError, match="is no report"):
        Watch([log.parent], [tmp_path / "out.html"])


def test_a_full_disk_is_said_and_the_old_file_stays(log, tmp_path, monkeypatch):
    target, said = tmp_path / "out.json", []
    append(log, 0, 20)
    watching = Watch([log.parent], [target], every=0, say=said.append)
    watching.close()
    before = target.read_bytes()

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reportgen.files.replace", full)
    append(log, 20, 40)
    assert not watching.close()
    assert "No space left on device" in said[-1]
    assert target.read_bytes() == before


def training(folder, first, last):
    return subprocess.Popen([sys.executable, "-c", TRAINING, str(folder), str(first), str(last)])


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def test_a_real_training_is_followed_while_it_writes_is_killed_and_resumes(tmp_path):
    folder, target = tmp_path / "run", tmp_path / "live.html"
    words = [sys.executable, "-m", "reportgen", "watch", str(folder), "--out", str(target), "--every", "1"]
    watcher = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MPLBACKEND": "Agg"},
        # A test run in the background may have been told to ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        first = training(folder, 0, 100_000)
        try:
            assert until(lambda: target.exists() and points(target) > 50)
            seen = points(target)
            assert until(lambda: points(target) > seen)
        finally:
            first.kill()  # in the middle of whatever it was writing
            first.wait()
        assert training(folder, 40, 80).wait() == 0
        assert until(lambda: reportgen.load(target).section("training").block("runs").rows[0].cells[7] == 1)
        assert reportgen.load(target).refresh == 1
        watcher.send_signal(signal.SIGINT)
        said, _ = watcher.communicate(timeout=60)
        assert watcher.returncode == 0, said
    finally:
        watcher.kill()
    last = reportgen.load(target)
    assert last.refresh == 0
    made = reportgen.collect(logs=folder, sections=["training"])
    assert last.section("training").block("totals").facts == made.section("training").block("totals").facts
    assert not list(tmp_path.glob(".*part"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("interrupts", [signal.SIG_DFL, signal.SIG_IGN])
def test_it_ends_when_told_to_also_as_a_background_job_which_ignores_interrupts(log, tmp_path, interrupts):
    target = tmp_path / "live.json"
    append(log, 0, 20)
    words = [sys.executable, "-m", "reportgen", "watch", str(log.parent), "--out", str(target)]
    watcher = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts)
    )
    try:
        assert until(target.exists)
        if interrupts == signal.SIG_IGN:
            watcher.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert watcher.poll() is None
        watcher.terminate()
        assert watcher.wait(60) == 0
    finally:
        watcher.kill()
        watcher.wait()
    assert reportgen.load(target).refresh == 0
