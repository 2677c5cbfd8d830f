"""Histories that scripts keep in their checkpoints: the shapes they have, and what is never read or run."""

import math
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reportgen import history
from reportgen.history.readers import UnreadableError, checkpoint


def saved(folder: Path, value: object, name: str = "last.pth", **more: object) -> Path:
    path = folder / name
    torch.save(value, path, **more)
    return path


def told(path: Path) -> dict[str, list[tuple[int, float]]]:
    points = checkpoint.read(path).points
    return {t: list(zip(p.step.tolist(), p.value.tolist(), strict=True)) for t, p in points.items()}


WEIGHTS = torch.nn.Linear(3, 2).state_dict()
OPTIMIZER = torch.optim.AdamW(torch.nn.Linear(3, 2).parameters()).state_dict()


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (
            {"training_history": {"train_loss": [3.0, 2.0, 1.0], "val_acc": [1, 2, 3]}},
            {"train_loss": [(0, 3), (1, 2), (2, 1)], "val_acc": [(0, 1), (1, 2), (2, 3)]},
        ),
        ({"train_losses": [2.0, 1.0], "val_losses": [3.0, math.inf]},
         {"train_losses": [(0, 2), (1, 1)], "val_losses": [(0, 3), (1, math.inf)]}),
        ({"history": [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "val": {"loss": 3.0}}]},
         {"loss": [(1, 2), (2, 1)], "val/loss": [(2, 3)]}),
        ({"metrics": {1: {"loss": 2.0}, 2: {"loss": 1.0}}}, {"loss": [(1, 2), (2, 1)]}),
        ({"history": {"train": {"loss": [2.0, 1.0]}, "val": {"loss": [3.0, 2.5]}}},
         {"train/loss": [(0, 2), (1, 1)], "val/loss": [(0, 3), (1, 2.5)]}),
        ({"loss_by_epoch": {3: 2.0, 4: 1.0}}, {"loss_by_epoch": [(3, 2), (4, 1)]}),
        ({"history": {"epoch": [5, 6], "loss": [2.0, 1.0]}}, {"loss": [(5, 2), (6, 1)]}),
        ({"epoch": 2, "losses": [2.0, 1.0]}, {"losses": [(1, 2), (2, 1)]}),
        ({"losses": [torch.tensor(2.0), torch.tensor([1.0])]}, {"losses": [(0, 2), (1, 1)]}),
        ({"losses": [np.float64(2.0), np.float32(1.5), np.int64(1)]}, {"losses": [(0, 2), (1, 1.5), (2, 1)]}),
        ({"losses": [2.0, None, 1.0], "n": "x"}, {"losses": [(0, 2.0), (2, 1.0)]}),
    ],
    ids=["lists", "top", "rows", "by-epoch", "nested", "numbers-by-epoch", "epochs", "epoch", "tensors", "numpy",
         "none"],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [True, False])
def test_every_shape_is_read_beside_weights_and_optimizer(tmp_path, kept, expected, zipped):
    value = {"model_state_dict": WEIGHTS, "optimizer": OPTIMIZER, "config": {"betas": [1.0, 2.0]}, **kept}
    path = saved(tmp_path, value, _use_new_zipfile_serialization=zipped)
    assert checkpoint.recognise(path, path.read_bytes()[:65536]) is not None
    assert told(path) == {tag: [(s, float(v)) for s, v in rows] for tag, rows in expected.items()}


def test_lists_of_other_lengths_are_said_and_counted_each_by_itself(tmp_path):
    reading = checkpoint.read(saved(tmp_path, {"losses": [1.0] * 5, "val_losses": [1.0] * 2}))
    assert reading.warnings == ("its lists differ in length (2, 5): each is counted by itself",)
    assert reading.axis == "row"


def test_checkpoint_without_a_history_is_no_fault_in_a_folder_and_said_where_named(tmp_path):
    path = saved(tmp_path, {"state_dict": WEIGHTS, "optimizer": OPTIMIZER, "val_loss": 0.5})
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    listed = history.read([tmp_path]).sources
    assert [source.path for source in listed] == ["metrics.csv", "1 other file"]
    assert listed[1].warnings == ()
    (source,) = history.read([path]).sources
    assert "no history in it: expected a dict with lists of numbers" in source.warnings[0]


def test_newest_of_several_checkpoints_is_used_alone(tmp_path):
    for epoch in (2, 3, 10):
        saved(
            tmp_path,
            {"w": WEIGHTS, "epoch": epoch, "losses": [1 / e for e in range(1, epoch + 1)]},
            f"{epoch}.pt",
        )
    found = history.read([tmp_path])
    (run,) = found.runs
    assert run.series["losses"].step.tolist() == list(range(1, 11))
    assert run.series["losses"].axis == "epoch"
    assert [source.why.rpartition("; ")[2] for source in found.sources if not source.points] == [
        "an earlier state of 10.pt"
    ] * 2


class Bomb:
    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('boom').touch()",)


@pytest.mark.parametrize("wrap", [lambda path, value: torch.save(value, path),
                                  lambda path, value: path.write_bytes(pickle.dumps(value))])  # fmt: skip
def test_a_pickle_that_would_run_something_is_refused(tmp_path, wrap, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrap(tmp_path / "evil.pt", {"history": {"loss": [1.0, 2.0]}, "x": Bomb()})
    (source,) = history.read([f"checkpoint={tmp_path / 'evil.pt'}"]).sources
    assert "was not loaded: that could run anything" in source.warnings[0]
    assert not (tmp_path / "boom").exists()


def test_large_checkpoints_are_not_read_in_full(tmp_path):
    for place in range(10):
        value = {"model": {"w": torch.zeros(2_500_000)}, "losses": [1.0, 0.5, 0.1 * place]}
        saved(tmp_path, value, f"{place}.pt")
    script = (
        "import sys, resource, torch; from reportgen import history\n"
        "def read(): return int(open('/proc/self/io').read().split()[1])\n"
        "before = read(); found = history.read([sys.argv[1]]); print(found.points, read() - before)"
    )
    out = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    points, characters = map(int, out.stdout.split())
    assert points == 3
    assert characters < 20_000_000  # of 100 MB


def test_old_layout_that_would_have_to_be_read_in_full_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_LARGEST_OLD", 1000)
    path = saved(tmp_path, {"losses": [1.0] * 500}, _use_new_zipfile_serialization=False)
    with pytest.raises(UnreadableError, match=r"old layout and .* which would be read in full"):
        checkpoint.read(path)


def test_torch_is_imported_only_to_read_one(tmp_path):
    saved(tmp_path, {"w": WEIGHTS})
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    script = "import sys; from reportgen import history; history.read([sys.argv[1]]); print('torch' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "False"


KEYS = st.text(max_size=5) | st.integers() | st.sampled_from(["loss", "epoch", "history"])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN)
def test_whatever_was_saved_never_raises_anything_but_unreadable(tmp_path_factory, value):
    path = saved(tmp_path_factory.mktemp("run"), value)
    try:
        reading = checkpoint.read(path)
    except UnreadableError:
        return
    assert all(len(points) for points in reading.points.values())


@given(st.integers(0, 2000), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 7)), max_size=3))
def test_damage_never_raises_anything_but_unreadable(tmp_path_factory, size, flips):
    folder = tmp_path_factory.mktemp("run")
    data = bytearray(saved(folder, {"w": torch.zeros(3), "losses": [1.0, 2.0]}).read_bytes())
    data = data[: len(data) - size] if flips == [] else data
    for position, bit in flips:
        data[position % len(data)] ^= 1 << bit
    path = folder / "damaged.pt"
    path.write_bytes(data)
    start = time.perf_counter()
    history.read([f"checkpoint={path}"])
    history.read([path])
    assert time.perf_counter() - start < 5


def test_a_tensor_beside_lists_of_its_length_is_a_curve_and_a_bias_is_none(tmp_path):
    losses = torch.linspace(2, 1, 8)
    kept = {"train_losses": losses.tolist(), "val_losses": losses + 1, "fc.bias": torch.zeros(5)}
    (run,) = history.read([saved(tmp_path, kept)]).runs
    assert set(run.series) == {"train_losses", "val_losses"}
    assert run.series["val_losses"].value.tolist() == (losses + 1).tolist()
