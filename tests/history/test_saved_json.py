"""Histories saved as one JSON value or by pandas, and files of other kinds that are none."""

import contextlib
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen import history
from reportgen.history.readers import UnreadableError, json_file, tables

KERAS = {"loss": [0.5, 0.25, 0.125], "accuracy": [0.1, 0.2, 0.3], "val_loss": [0.6, 0.5, 0.4]}


def told(
    folder: Path, text: str, name: str = "history.json"
) -> tuple[dict[str, list[tuple[int, float]]], str]:
    """The points of a file found in a folder, and what their steps count."""
    (folder / name).write_text(text)
    (run,) = history.read([folder]).runs
    (axis,) = {one.axis for one in run.series.values()}
    return {
        tag: list(zip(one.step.tolist(), one.value.tolist(), strict=True)) for tag, one in run.series.items()
    }, axis


def test_a_list_of_rows_is_read_at_their_epochs(tmp_path):
    rows = [{"epoch": e, "loss": 1 / e, "val": {"acc": e / 8}, "lr": "1e-3"} for e in (1, 2, 3)]
    for indent in (None, 2):
        found, axis = told(tmp_path, json.dumps(rows, indent=indent))
        assert axis == "epoch"
        assert found == {
            "loss": [(e, 1 / e) for e in (1, 2, 3)],
            "val/acc": [(e, e / 8) for e in (1, 2, 3)],
            "lr": [(e, 0.001) for e in (1, 2, 3)],
        }


@pytest.mark.parametrize("name", ["history", "log", "train_metrics"])
def test_rows_and_lists_below_a_name_are_found(tmp_path, name):
    rows = [{"step": s, "loss": s / 8, "ok": True} for s in range(3)]
    found, axis = told(tmp_path, json.dumps({"model": "x", name: rows}))
    assert (found, axis) == ({"loss": [(s, s / 8) for s in range(3)]}, "step")
    found, axis = told(tmp_path, json.dumps({"params": {"epochs": 3}, "epoch": [4, 5, 6], name: KERAS}))
    assert found == {tag: list(zip((4, 5, 6), values, strict=True)) for tag, values in KERAS.items()}
    assert axis == "epoch"


def test_real_keras_history_dumped_as_json(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras
    import numpy as np

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    fit = model.fit(np.ones((8, 2)), np.ones((8, 1)), validation_split=0.25, epochs=3, verbose=0)
    found, axis = told(tmp_path, json.dumps(fit.history))
    assert axis == "row"
    assert found == {tag: list(enumerate(values)) for tag, values in fit.history.items()}


@pytest.mark.parametrize("orient", ["records", "columns", "list"])
@pytest.mark.parametrize("epochs", [True, False])
def test_real_pandas_json(tmp_path, orient, epochs):
    frame = pd.DataFrame({"epoch": [5, 6, 7], **KERAS} if epochs else KERAS)
    text = json.dumps(frame.to_dict("list")) if orient == "list" else frame.to_json(orient=orient)
    found, axis = told(tmp_path, text)
    steps = (5, 6, 7) if epochs else (0, 1, 2)
    assert axis == ("epoch" if epochs else "row")
    assert found == {tag: list(zip(steps, values, strict=True)) for tag, values in KERAS.items()}


@pytest.mark.parametrize("epochs", [True, False])
@pytest.mark.parametrize("count", [3, 3000])
def test_real_pandas_csv_with_its_index_is_read_without_it(tmp_path, epochs, count):
    frame = pd.DataFrame({"loss": [1 / (n + 1) for n in range(count)], "val_loss": range(count)})
    if epochs:
        frame.insert(0, "epoch", range(5, 5 + count))
    frame.to_csv(tmp_path / "history.csv")
    (run,) = history.read([tmp_path]).runs
    assert list(run.series) == ["loss", "val_loss"]
    for tag, one in run.series.items():
        assert one.axis == ("epoch" if epochs else "row")
        assert one.step.tolist() == [n + 5 * epochs for n in range(count)]
        assert one.value.tolist() == frame[tag].tolist()


def test_pandas_csv_of_chosen_rows_stands_at_their_numbers(tmp_path):
    pd.DataFrame(KERAS).iloc[[0, 2]].to_csv(tmp_path / "history.csv")
    loss = tables.read(tmp_path / "history.csv").points["loss"]
    assert list(zip(loss.step.tolist(), loss.value.tolist(), strict=True)) == [(0, 0.5), (2, 0.125)]


def test_lists_of_other_lengths_and_of_texts_are_said(tmp_path):
    path = tmp_path / "history.json"
    path.write_text(
        json.dumps({"loss": [4, 3, 2, 1], "val_loss": [2, 1], "epoch": [1, 2], "names": ["a", "b"]})
    )
    reading = json_file.read(path)
    assert reading.points["loss"].value.tolist() == [4, 3, 2, 1]
    assert reading.points["val_loss"].step.tolist() == [0, 1]
    assert reading.warnings == ("its lists differ in length (2, 4): each is counted by itself",)
    assert reading.notes == ("1 list of other things than numbers left out: 'names'",)


OTHER = {
    "config.json": {
        "architectures": ["Bert"], "id2label": {"0": "A", "1": "B"}, "layers": [2, 2], "loss": "mse",
        "loss_weights": [1, 2], "betas": [0.9, 0.999], "problem": {"0": 1}, "epochs": 3, "label_loss_coef": [1, 1],
    },
    "package.json": {"name": "x", "version": "1.0", "scripts": {"test": "jest"}, "files": ["a"], "log": []},
    "tokenizer.json": {"version": "1.0", "added_tokens": [{"id": 0, "content": "[PAD]"}],
                       "model": {"vocab": {"loss": 1, "acc": 2}, "merges": ["a b"]}},
    "model.safetensors.index.json": {"metadata": {"total_size": 1}, "weight_map": {"loss.weight": "a"}},
    "preprocessor_config.json": {"image_mean": [0.5, 0.5], "image_std": [0.5, 0.5], "size": {"0": 2}},
    "model_index.json": {"model-index": [{"results": [{"metrics": [{"type": "acc", "value": 0.9}]}]}]},
    "all_results.json": {"epoch": 3.0, "eval_loss": 0.5, "train_loss": 0.3},
    "leaderboard.json": [{"model": "a", "accuracy": 0.9}, {"model": "b", "accuracy": 0.8}],
    "per_class.json": {"accuracy": [0.9, 0.8], "precision": [0.1, 0.2], "f1": [1, 2]},
    "detections.json": [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}],
    "report.json": {"0": {"precision": 0.5, "f1-score": 0.5}, "accuracy": 0.9},
    "prices.json": [{"day": 1, "price": 2.5}, {"day": 2, "price": 2.5}],
    "recipe.json": [{"step": 1, "duration": 3}, {"step": 2, "duration": 4}],
    "empty.json": [], "nothing.json": {}, "number.json": 3, "rows.json": [[1, 2], [3, 4]],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OTHER))
@pytest.mark.parametrize("indent", [None, 2])
def test_other_json_is_not_taken_for_a_history(tmp_path, name, indent):
    (tmp_path / name).write_text(json.dumps(OTHER[name], indent=indent))
    assert history.read([tmp_path]).runs == ()


@pytest.mark.parametrize("header", [",name,age", ",price", ",accuracy,precision", ",a,b"])
def test_other_tables_with_an_index_are_not_taken_for_a_history(tmp_path, header):
    path = tmp_path / "x.csv"
    path.write_text(f"{header}\n0" + ",1" * header.count(",") + "\n")
    assert tables.recognise(path, path.read_bytes()) is None


@pytest.mark.parametrize("size", range(0, len(json.dumps(KERAS)) - 1, 3))
def test_cut_json_is_said_and_never_raises_anything_else(tmp_path, size):
    path = tmp_path / "history.json"
    path.write_text(json.dumps(KERAS)[:size])
    (source,) = history.read([path]).sources
    assert source.points == 0
    assert source.warnings


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["0.5", "x", "", "nan"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["loss", "val_loss", "epoch", "history", "0", "1", "acc", "step", "split"]), inner, max_size=4
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON.map(json.dumps) | st.text(alphabet='{}[]",:01.loss ', max_size=80))
def test_any_json_never_raises_anything_but_unreadable(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("run") / "history.json"
    path.write_text(text)
    json_file.recognise(path, text.encode())
    with contextlib.suppress(UnreadableError):
        assert all(len(points) for points in json_file.read(path).points.values())
