"""CSV and TSV logs, with the traps of the writers that make them."""

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.history.readers import UnreadableError, tables


def table(folder: Path, text: str | bytes, name: str = "metrics.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(path: Path) -> dict[str, list[tuple[int, float]]]:
    points = tables.read(path).points
    return {t: list(zip(p.step.tolist(), p.value.tolist(), strict=True)) for t, p in points.items()}


def test_lightning_blank_is_not_logged_and_nan_is_a_value(tmp_path):
    path = table(tmp_path, "epoch,step,train_loss,val_loss\n0,9,0.5,\n0,19,nan,\n0,19,,0.25\n")
    found = rows(path)
    assert [step for step, _ in found["train_loss"]] == [9, 19]
    assert found["train_loss"][0][1] == 0.5
    assert math.isnan(found["train_loss"][1][1])
    assert found["val_loss"] == [(19, 0.25)]
    assert found["epoch"] == [(9, 0.0), (19, 0.0), (19, 0.0)]


def test_lightning_folder_is_named_as_the_reason(tmp_path):
    folder = tmp_path / "version_3"
    folder.mkdir()
    path = table(folder, "step,loss\n1,2\n")
    assert tables.recognise(path, path.read_bytes()) == "Lightning CSVLogger: header has 'step', in version_3"


def test_ultralytics_pads_names_and_values(tmp_path):
    header = "                  epoch,         train/box_loss,       metrics/mAP50(B)"
    path = table(
        tmp_path,
        f"{header}\n                      0,                 1.1234,                0.5\n",
        "results.csv",
    )
    assert rows(path) == {"train/box_loss": [(0, 1.1234)], "metrics/mAP50(B)": [(0, 0.5)]}
    assert "Ultralytics" in (tables.recognise(path, path.read_bytes()) or "")
    assert tables.read(path).axis == "epoch"


def test_keras_na_is_missing(tmp_path):
    path = table(tmp_path, "epoch,accuracy,loss,val_loss\n0,0.1,2.0,NA\n1,0.2,1.5,1.75\n", "training.csv")
    assert rows(path)["val_loss"] == [(1, 1.75)]


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_line_ends_and_byte_order_mark(tmp_path, delimiter, end):
    lines = [delimiter.join(row) for row in (("step", "loss"), ("1", "0.5"), ("2", "-inf"))]
    path = table(tmp_path, b"\xef\xbb\xbf" + end.join([*lines, ""]).encode())
    assert rows(path) == {"loss": [(1, 0.5), (2, -math.inf)]}


def test_a_whole_row_without_a_line_end_is_kept_and_its_last_number_flagged(tmp_path):
    path = table(tmp_path, "epoch,loss,val_loss\n1,3,3\n2,2,2\n3,1,1")
    assert rows(path) == {"loss": [(1, 3), (2, 2), (3, 1)], "val_loss": [(1, 3), (2, 2), (3, 1)]}
    assert tables.read(path).warnings == (
        "line 4 has no line end and its last number, 1 in 'val_loss' at epoch 3, may be cut off: "
        "still being written?",
    )


@pytest.mark.parametrize(
    ("header", "row", "kept", "said"),
    [
        ("step,loss,acc", "2,0.12,", [(1, 1.0), (2, 0.12)], "line 3 has no line end: still"),
        ("step,loss,", "2,0.12,", [(1, 1.0), (2, 0.12)], "line 3 has no line end: still"),
        ("step,loss,note", "2,0.12,go", [(1, 1.0), (2, 0.12)], "line 3 has no line end: still"),
        ("step,loss,acc", "2,0.12", [(1, 1.0)], "left out, being cut off"),
        ("step,loss,acc", '2,0.12,"0.5', [(1, 1.0)], "left out, being cut off"),
        ("step,loss,acc", "2,0.12,1e-", [(1, 1.0)], "left out, as '1e-' is no number"),
        ("epoch,loss,step", "2,0.12,1", [(1, 1.0)], "left out, as its 'step' may be cut off"),
        ("step,loss,split", "2,0.12,va", [(1, 1.0)], "left out, as its 'split' may be cut off"),
    ],
)
def test_a_row_without_a_line_end_is_left_out_where_it_was_cut(tmp_path, header, row, kept, said):
    last = {"note": "good", "split": "", "": ""}.get(header.rpartition(",")[2], "1")
    path = table(tmp_path, f"{header}\n1,1.0,{last}\n{row}")
    assert rows(path)["loss"] == kept
    assert len(tables.read(path).warnings) == 1
    assert said in tables.read(path).warnings[0]


def test_rows_of_the_wrong_width_and_cells_of_text_cost_themselves_alone(tmp_path):
    path = table(tmp_path, 'step,loss,note\n1,0.5,a\n2,0.25\n3,oops,b\n4,"0.125","c,d"\n5,"0.1,e\n6,1_0,e\n')
    assert rows(path) == {"loss": [(1, 0.5), (4, 0.125)]}
    reading = tables.read(path)
    assert reading.damaged == 2
    assert reading.warnings == (
        "line 3 has 2 cells, the header 3: left out, and any like it",
        "column 'loss': 2 cells are no number and left out, first 'oops' in line 4",
    )


def test_split_column_keeps_train_and_validation_apart(tmp_path):
    path = table(tmp_path, "epoch,split,loss\n0,train,1\n0,val,2\n1,train,0.5\n1,val,1.5\n")
    assert rows(path) == {"train/loss": [(0, 1.0), (1, 0.5)], "val/loss": [(0, 2.0), (1, 1.5)]}


def test_step_that_starts_again_in_each_epoch_is_no_axis(tmp_path):
    path = table(tmp_path, "epoch,iter,loss\n1,10,4\n1,20,3\n2,10,2\n2,20,1\n")
    assert rows(path)["loss"] == [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)]
    assert tables.read(path).warnings == ("'iter' starts again in each epoch: rows are counted instead",)


def test_fractional_epochs_are_no_steps(tmp_path):
    path = table(tmp_path, "epoch,loss\n0.5,4\n1.0,3\n1.5,2\n")
    reading = tables.read(path)
    assert reading.axis == "row"
    assert reading.points["loss"].step.tolist() == [0, 1, 2]


def test_times_are_read_where_they_are_times(tmp_path):
    path = table(tmp_path, "step,timestamp,loss\n1,1600000000.5,4\n2,1600000001.5,3\n")
    points = tables.read(path).points
    assert points["loss"].wall.tolist() == [1600000000.5, 1600000001.5]
    assert list(points) == ["loss"]


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "step\n1\n", "\0\0", '{"step": 1, "loss": 2}\n', "just a line"]
)
def test_what_is_no_log_is_not_recognised(tmp_path, text):
    path = table(tmp_path, text)
    assert tables.recognise(path, path.read_bytes()) is None


def test_table_without_numbers_says_what_was_expected(tmp_path):
    with pytest.raises(UnreadableError, match="expected a header with a step or epoch column"):
        tables.read(table(tmp_path, "step,loss\na,b\n"))


TEXT = "epoch,loss,val_loss\n" + "".join(f"{e},{1 / (e + 3)},{1 / (e + 2)}\n" for e in range(12))


@given(st.integers(0, len(TEXT)))
def test_truncation_gives_a_beginning_of_the_truth(tmp_path_factory, size):
    folder = tmp_path_factory.mktemp("run")
    whole = rows(table(folder, TEXT, "whole.csv"))
    path = table(folder, TEXT[:size])
    if tables.recognise(path, path.read_bytes()) is None:
        return
    try:
        found = rows(path)
    except UnreadableError:
        return
    flagged = "may be cut off" in " ".join(tables.read(path).warnings)
    for tag, points in found.items():
        *sure, last = points
        assert whole[tag][: len(sure)] == sure
        step, value = whole[tag][len(sure)]
        assert last[0] == step
        # Only the last number of the file may be less than was written, and then the reader says so.
        assert last[1] == value or (flagged and tag == "val_loss" and str(value).startswith(_last(path)))


def _last(path: Path) -> str:
    return path.read_text().rpartition(",")[2]


@given(st.binary(max_size=300) | st.text(alphabet='step,loss\n\t"1.eE+-_ ;\r', max_size=300).map(str.encode))
def test_rubbish_never_raises_anything_but_unreadable(tmp_path_factory, data):
    path = table(tmp_path_factory.mktemp("run"), b"step,loss\n" + data)
    tables.recognise(path, data)
    with contextlib.suppress(UnreadableError):
        assert all(len(points) for points in tables.read(path).points.values())


CELL = st.sampled_from(
    ["1", "-2.5", "nan", "inf", " 3 ", "1e5", "", "NA", "x", "1_0", "0x10", "１", "1e400", "#3", '"7"']
)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12), st.integers(1, 5))
def test_rows_taken_many_at_a_time_are_read_as_one_by_one(tmp_path_factory, cells, at_once):
    path = tmp_path_factory.mktemp("run") / "log.csv"
    rows = [f"{n},{','.join(row)}" for n, row in enumerate(cells)]
    # One more row that has no numbers makes all of them be read one by one.
    found = []
    for size in (at_once, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tables, "_MANY", size)
            path.write_text("\n".join(["step,a,b,timestamp", *rows, "-1,5,,"]) + "\n", encoding="utf-8")
            reading = tables.read(path)
            found.append(
                [
                    (tag, one.step.tolist(), one.wall.tobytes(), one.value.tobytes())
                    for tag, one in sorted(reading.points.items())
                ]
            )
    assert found[0] == found[1]


def test_times_as_text_are_wall_times(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "step,timestamp,loss\n" + "".join(f"{at},2026-01-02T03:04:{at:02}+00:00,{at}\n" for at in range(5))
    )
    loss = tables.read(path).points["loss"]
    assert loss.wall.tolist() == [1767323040.0 + at for at in range(5)]
    assert loss.value.tolist() == [0, 1, 2, 3, 4]
