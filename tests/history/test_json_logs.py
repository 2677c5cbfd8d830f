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


def test_numbers_written_as_text_are_numbers_where_all_of_their_column_are(tmp_path):
    path = log(
        tmp_path,
        '{"step": "1", "loss": "0.5", "lr": 1, "acc": "0.1", "id": "7"}\n'
        '{"step": "2", "loss": 0.25, "lr": "1e-3", "acc": "n/a", "id": "8"}\n'
        '{"step": "3", "loss": "NaN", "lr": null, "acc": 0.5, "id": "x9"}\n',
    )
    assert jsonl.recognise(path, path.read_bytes()) == "one object a line, with 'step'"
    reading = jsonl.read(path)
    found = {
        tag: list(zip(one.step.tolist(), one.value.tolist(), strict=True))
        for tag, one in sorted(reading.points.items())
    }
    assert str(found) == str(
        {"acc": [(3, 0.5)], "loss": [(1, 0.5), (2, 0.25), (3, math.nan)], "lr": [(1, 1.0), (2, 0.001)]}
    )
    assert reading.warnings == ()
    assert reading.notes == (
        "3 values of 'id' are texts, not numbers: left out",
        "2 values of 'acc' are texts, not numbers: left out",
    )


def test_what_is_no_number_is_counted_once_a_name(tmp_path):
    rows = [{"step": s, "loss": s, "preds": [1, 2], "ok": True, "in": {"name": "x"}} for s in range(1500)]
    rows.append(
        {"step": 1500, "split": "val", "loss": 2.0, "last": [], "deep": {"a": {"b": {"c": {"d": {}}}}}}
    )
    reading = jsonl.read(log(tmp_path, "".join(json.dumps(row) + "\n" for row in rows)))
    assert reading.notes == (
        "1,500 values of 'preds' are lists, not numbers: left out",
        "1,500 values of 'ok' are booleans, not numbers: left out",
        "1,500 values of 'in/name' are texts, not numbers: left out",
        "1 value of 'split' is a text, not a number: left out",
        "1 value of 'last' is a list, not a number: left out",
        "1 value of 'deep/a/b/c/d' is an object, not a number: left out",
    )


def test_names_of_the_split_and_times_as_text_are_no_faults(tmp_path):
    rows = [
        {"step": s, "mode": mode, "timestamp": f"2026-01-02T03:04:0{s}Z", "loss": f"0.{s}"}
        for s in range(3)
        for mode in ("train", "val")
    ]
    reading = jsonl.read(log(tmp_path, "".join(json.dumps(row) + "\n" for row in rows)))
    assert reading.notes == reading.warnings == ()
    assert list(reading.points) == ["train/loss", "val/loss"]
    assert reading.points["val/loss"].value.tolist() == [0.0, 0.1, 0.2]
    assert reading.points["val/loss"].wall.tolist() == [1767323040.0 + s for s in range(3)]


def test_many_names_without_numbers_are_told_together(tmp_path):
    rows = [{"step": s, "loss": s, **{f"k{n}": "x" for n in range(14)}} for s in range(3)]
    notes = jsonl.read(log(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))).notes
    assert len(notes) == 11
    assert notes[-1] == "12 values under 4 more names are no numbers: left out"


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["loss", "acc", "mode", "time"]),
            st.sampled_from(
                ["0.5", "nan", "x", "1_0", 1, 2.5, True, None, [1], {}, {"a": "3"}, "", " 4 ", "9" * 400]
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 12),
)
def test_every_value_is_read_or_counted_also_while_the_log_grows(tmp_path_factory, rows, at):
    path = tmp_path_factory.mktemp("run") / "log.jsonl"
    lines = [json.dumps({"step": n, "one": 1, **row}) for n, row in enumerate(rows)]
    path.write_text("\n".join(lines))
    whole = jsonl.read(path)
    path.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_NAMED", at)
        follower = jsonl.Following(path)
        with path.open("a") as file:
            for number, line in enumerate(lines):
                file.write("\n" * (number > 0) + line)
                file.flush()
                last = follower.read()
    if all(set(row) <= {key for one in rows[:at] for key in one} for row in rows):
        assert sorted(last.notes) == sorted(whole.notes)
        assert {t: p.value.tobytes() for t, p in last.points.items()} == {
            t: p.value.tobytes() for t, p in whole.points.items()
        }
    counted = sum(int(note.split()[0].replace(",", "")) for note in whole.notes)
    texts = sum(isinstance(row.get("mode"), str) for row in rows)
    values = sum(sum(_leaves(value) for value in row.values()) for row in rows)
    kept = sum(len(one) for one in whole.points.values()) - len(rows)
    assert kept + counted + texts == values


def _leaves(value: object) -> int:
    return len(value) if isinstance(value, dict) else value is not None
