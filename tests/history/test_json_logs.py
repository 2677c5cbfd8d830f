"""JSONL and the Hugging Face Trainer's state."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.history.readers import UnreadableError, jsonl, trainer_state

# The shape that transformers' Trainer writes: log_history with a closing summary row.
HISTORY = [
    {"epoch": 0.5, "grad_norm": 1.5, "learning_rate": 5e-05, "loss": 2.5, "step": 10},
    {"epoch": 1.0, "grad_norm": math.nan, "learning_rate": 2.5e-05, "loss": 2.0, "step": 20},
    {"epoch": 1.0, "eval_loss": 1.75, "eval_runtime": 0.5, "eval_samples_per_second": 200.0, "step": 20},
    {"epoch": 1.0, "step": 20, "total_flos": 1e15, "train_loss": 2.25, "train_runtime": 12.5},
]


def state(folder: Path, rows: list, **more) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    given = {
        "best_metric": None,
        "epoch": 1.0,
        "global_step": 20,
        "log_history": rows,
        "stateful_callbacks": {},
    }
    path.write_text(json.dumps({**given, **more}, indent=2))
    return path


def test_trainer_state_without_its_summary_row(tmp_path):
    path = state(tmp_path, HISTORY)
    assert trainer_state.recognise(path, path.read_bytes()) == "JSON object with 'log_history'"
    reading = trainer_state.read(path)
    assert reading.points["loss"].step.tolist() == [10, 20]
    assert reading.points["loss"].value.tolist() == [2.5, 2.0]
    assert reading.points["eval_loss"].value.tolist() == [1.75]
    assert math.isnan(reading.points["grad_norm"].value[1])
    assert "train_loss" not in reading.points
    assert reading.summary["train_runtime"] == 12.5


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"log_history": 3}', '{"log_history": []}', "[" * 100_000])
def test_broken_state_says_what_was_expected(tmp_path, text):
    path = tmp_path / "trainer_state.json"
    path.write_text(text)
    with pytest.raises(UnreadableError, match="log_history"):
        trainer_state.read(path)


def log(folder: Path, text: str) -> Path:
    path = folder / "log.jsonl"
    path.write_text(text)
    return path


def test_jsonl_is_read_line_by_line(tmp_path):
    rows = [
        {"step": s, "loss": 1 / (s + 1), "name": "x", "ok": True, "_timestamp": 1.6e9 + s} for s in range(5)
    ]
    path = log(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))
    assert jsonl.recognise(path, path.read_bytes()) == "one object a line, with 'step'"
    reading = jsonl.read(path)
    assert list(reading.points) == ["loss"]
    assert reading.points["loss"].value.tolist() == [1 / (s + 1) for s in range(5)]
    assert reading.points["loss"].wall.tolist() == [1.6e9 + s for s in range(5)]


def test_jsonl_nan_infinity_and_numbers_beyond_float64(tmp_path):
    path = log(
        tmp_path, '{"step": 1, "a": NaN}\n{"step": 2, "a": -Infinity}\n{"step": 3, "a": 1' + "0" * 400 + "}\n"
    )
    values = jsonl.read(path).points["a"].value
    assert math.isnan(values[0])
    assert values[1:].tolist() == [-math.inf, math.inf]


def test_jsonl_cut_off_and_broken_lines_cost_themselves_alone(tmp_path):
    path = log(tmp_path, '{"step": 1, "a": 1}\n{"step": 2, "a\n[3]\n{"step": 4, "a": 4}\n{"step": 5, "a": 5')
    reading = jsonl.read(path)
    assert reading.points["a"].step.tolist() == [1, 4]
    assert reading.warnings == (
        "line 2 is no JSON object: left out, and any like it",
        "the last line, 5, is cut off and left out: still being written?",
    )


def test_whole_last_line_without_a_line_end_is_kept(tmp_path):
    assert jsonl.read(log(tmp_path, '{"step": 1, "a": 1}\n{"step": 2, "a": 2}')).points[
        "a"
    ].step.tolist() == [1, 2]


def test_split_key_keeps_train_and_validation_apart(tmp_path):
    path = log(tmp_path, '{"mode": "train", "epoch": 1, "loss": 2}\n{"mode": "val", "epoch": 1, "loss": 3}\n')
    points = jsonl.read(path).points
    assert {tag: one.value.tolist() for tag, one in points.items()} == {
        "train/loss": [2.0],
        "val/loss": [3.0],
    }


@pytest.mark.parametrize(
    "text", ["", "{}", '{"lr": 0.1}\n', '{"step": "a", "b": 1}\n', "step,loss\n1,2\n", "[1]\n"]
)
def test_what_is_no_log_is_not_recognised(tmp_path, text):
    assert jsonl.recognise(tmp_path / "x.json", text.encode()) is None


@given(st.integers(0, 200), st.binary(max_size=60))
def test_truncated_or_rubbish_lines_never_raise_and_never_give_a_wrong_value(tmp_path_factory, size, rubbish):
    text = "".join(json.dumps({"step": s, "a": s / 7}) + "\n" for s in range(12)).encode()
    path = tmp_path_factory.mktemp("run") / "log.jsonl"
    path.write_bytes(text[:size])
    jsonl.recognise(path, rubbish)
    try:
        points = jsonl.read(path).points
    except UnreadableError:
        return
    for tag, one in points.items():
        assert tag == "a"
        assert one.value.tolist() == [step / 7 for step in one.step.tolist()]


def test_numbers_of_inner_objects_are_read_by_their_path(tmp_path):
    path = tmp_path / "log.jsonl"
    rows = [{"step": at, "train": {"loss": 1 / at, "more": {"acc": at}}, "lr": 0.1} for at in range(1, 6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    points = jsonl.read(path).points
    assert set(points) == {"train/loss", "train/more/acc", "lr"}
    assert points["train/loss"].value.tolist() == [1 / at for at in range(1, 6)]


def test_an_epoch_that_many_rows_share_is_no_place_on_an_axis(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({"epoch": at // 10, "loss": 1 / (1 + at)}) + "\n" for at in range(40)))
    reading = jsonl.read(path)
    assert reading.axis == "row"
    assert len(reading.points["loss"]) == 40
    assert "'epoch' is the same on many rows" in reading.warnings[0]
