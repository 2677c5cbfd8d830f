"""From paths to runs: what is found, how files make runs, and what costs what."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import eventfiles as files
import pytest
from tensorboardX import SummaryWriter

from reportgen import history
from reportgen.history import DUPLICATE, SUPERSEDED, HistoryError


def runs(*paths: Path) -> dict[str, list[str]]:
    return {run.name: list(run.series) for run in history.read(paths).runs}


def curve(*paths: Path, tag: str = "loss") -> history.Series:
    (run,) = history.read(paths).runs
    return run.series[tag]


def test_one_run_a_folder_named_by_its_place_in_natural_order(tmp_path):
    for name in ("version_10", "version_2", "deep/er"):
        files.write(tmp_path / "logs" / name, files.version(), files.scalar("loss", 1, 1.0))
    files.write(tmp_path / "logs", files.version(), files.scalar("loss", 1, 1.0))
    assert list(runs(tmp_path / "logs")) == ["logs", "deep/er", "version_2", "version_10"]


def test_paths_are_relative_to_what_was_given(tmp_path):
    path = files.write(tmp_path / "a" / "b", files.version(), files.scalar("loss", 1, 1.0))
    assert history.read([tmp_path / "a"]).sources[0].path == f"b/{path.name}"
    assert history.read([path]).sources[0].path == path.name
    assert history.read([path]).runs[0].name == "b"
    files.write(tmp_path / "c", files.version(), files.scalar("loss", 1, 1.0))
    found = history.read([tmp_path / "a", tmp_path / "c", path])
    assert [source.path for source in found.sources] == [f"a/b/{path.name}", f"c/{path.name}"]
    assert [run.name for run in found.runs] == ["a/b", "c"]


def test_missing_path_is_one_clear_error(tmp_path):
    with pytest.raises(HistoryError, match=r"no log at .*nowhere.*: expected a file or folder that exists"):
        history.read([tmp_path / "nowhere"])
    assert issubclass(HistoryError, ValueError)


def test_unreadable_files_cost_no_others(tmp_path):
    files.write(tmp_path, files.version(), files.scalar("loss", 1, 1.0))
    files.write(tmp_path, b"rubbish" * 10, name="events.out.tfevents.2.host")
    (tmp_path / "predictions.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "weights.bin").write_bytes(b"\0" * 100)
    found = history.read([tmp_path])
    assert found.points == 1
    told = {source.path: source.warnings for source in found.sources if source.warnings}
    assert list(told) == ["empty.jsonl", "events.out.tfevents.2.host", "predictions.csv"]
    assert told["empty.jsonl"][0].startswith("empty: expected one of TensorBoard events")
    assert told["predictions.csv"][0].startswith("not recognised: expected one of")


def test_file_without_permission_is_named(tmp_path, monkeypatch):
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n")

    opened = Path.open

    def refuse(self, *args, **kwargs):
        if self.parent == tmp_path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    assert history.read([tmp_path]).sources[0].warnings == ("can't be read: Permission denied",)


def test_named_pipe_in_a_folder_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "metrics.csv")
    assert history.read([tmp_path]).sources == ()


def test_folder_that_cannot_be_listed_costs_no_other(tmp_path, monkeypatch):
    files.write(tmp_path / "good", files.version(), files.scalar("loss", 1, 1.0))
    (tmp_path / "shut").mkdir()
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "shut":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = history.read([tmp_path])
    assert found.points == 1
    assert [(source.path, source.warnings) for source in found.sources if not source.format] == [
        ("shut", ("can't be listed: Permission denied",))
    ]
    with pytest.raises(HistoryError, match=r"can't look at the logs in .*: Permission denied"):
        history.read([tmp_path / "shut"])


def test_two_roots_of_one_name_are_told_apart(tmp_path):
    for parent in ("a", "b"):
        files.write(tmp_path / parent / "run", files.version(), files.scalar("loss", 1, 1.0))
    names = [run.name for run in history.read([tmp_path / "a" / "run", tmp_path / "b" / "run"]).runs]
    assert [name[-5:] for name in names] == ["a∕run", "b∕run"]


def test_current_folder_can_be_given(tmp_path, monkeypatch):
    files.write(tmp_path, files.version(), files.scalar("loss", 1, 1.0))
    files.write(tmp_path / "sub", files.version(), files.scalar("loss", 1, 1.0))
    monkeypatch.chdir(tmp_path)
    assert [run.name for run in history.read([Path(".")]).runs] == ["run", "sub"]


def test_purge_holds_for_tags_that_are_not_logged_again(tmp_path):
    before = [files.scalar(tag, step, 1.0) for step in range(6) for tag in ("loss", "val")]
    files.write(tmp_path, files.version(), *before, name="events.out.tfevents.1")
    again = files.scalar("loss", 3, 2.0, 1.7e9)
    files.write(tmp_path, files.version(1.7e9), files.start(3), again, name="events.out.tfevents.2")
    assert curve(tmp_path, tag="val").x[curve(tmp_path, tag="val").shown].tolist() == [0, 1, 2]
    assert curve(tmp_path).value[curve(tmp_path).shown].tolist() == [1.0, 1.0, 1.0, 2.0]


def test_restart_is_a_new_segment_and_supersedes(tmp_path):
    first = [files.scalar("loss", step, 1.0) for step in range(10)]
    second = [files.scalar("loss", step, 2.0, 1.7e9 + step) for step in range(6, 12)]
    files.write(tmp_path, files.version(), *first, name="events.out.tfevents.2.host")
    files.write(tmp_path, files.version(), *second, name="events.out.tfevents.1.host")
    series = curve(tmp_path)
    assert series.step.tolist() == [*range(10), *range(6, 12)]
    assert series.segment.tolist() == [0] * 10 + [1] * 6
    assert ((series.flags & SUPERSEDED) > 0).tolist() == [False] * 6 + [True] * 4 + [False] * 6
    assert series.x[series.shown].tolist() == list(range(12))


def test_purge_step_reaches_below_the_first_step_after_it(tmp_path):
    before = [files.scalar("loss", step, 1.0) for step in range(10)]
    after = [files.scalar("loss", step, 2.0) for step in (7, 11)]
    files.write(tmp_path, files.version(), *before, files.start(5), *after)
    assert curve(tmp_path).x[curve(tmp_path).shown].tolist() == [0, 1, 2, 3, 4, 7, 11]


def test_purge_step_by_tensorboardx(tmp_path):
    for purge, steps, value in ((None, range(10), 1.0), (4, range(4, 8), 2.0)):
        with SummaryWriter(str(tmp_path), purge_step=purge, filename_suffix=f".{value}") as writer:
            for step in steps:
                writer.add_scalar("loss", value, step)
    series = curve(tmp_path)
    assert series.value[series.shown].tolist() == [1.0] * 4 + [2.0] * 4


def test_duplicate_steps_are_kept_and_flagged(tmp_path):
    files.write(
        tmp_path, files.version(), *[files.scalar("loss", s, v) for s, v in ((1, 1.0), (2, 2.0), (2, 3.0))]
    )
    series = curve(tmp_path)
    assert series.value.tolist() == [1.0, 2.0, 3.0]
    assert series.flags.tolist() == [0, DUPLICATE, 0]
    assert series.value[series.shown].tolist() == [1.0, 3.0]


def test_two_writers_at_a_time_are_no_restart(tmp_path):
    for writer, name in enumerate("ab"):
        records = [
            files.scalar("loss", step, float(writer), 1e9 + 2 * step + writer)
            for step in range(writer, 20, 2)
        ]
        files.write(tmp_path, files.version(), *records, name=f"events.out.tfevents.{name}")
    series = curve(tmp_path)
    assert series.step.tolist() == list(range(20))
    assert not series.segment.any()
    assert not series.flags.any()


def test_everything_at_step_zero_keeps_its_order(tmp_path):
    files.write(tmp_path, files.version(), *[files.scalar("loss", 0, float(v), 1e9 + v) for v in range(5)])
    series = curve(tmp_path)
    assert series.axis == "point"
    assert series.x[series.shown].tolist() == [0, 1, 2, 3, 4]


def test_hparams_folder_is_no_run(tmp_path):
    with SummaryWriter(str(tmp_path / "run")) as writer:
        for step in range(3):
            writer.add_scalar("loss", 1.0, step)
        writer.add_hparams({"lr": 0.1}, {"metric": 2.0})
    assert runs(tmp_path / "run") == {"run": ["loss"]}


def test_add_scalars_folders_are_folded_into_their_run(tmp_path):
    with SummaryWriter(str(tmp_path / "run")) as writer:
        for step in range(3):
            writer.add_scalar("lr", 0.1, step)
            writer.add_scalars("loss", {"train": 1.0, "val": 2.0}, step)
    assert runs(tmp_path / "run") == {"run": ["lr", "loss/train", "loss/val"]}
    for part in ("train", "val"):  # as torch lays them out
        files.write(tmp_path / "torch" / f"loss_{part}", files.version(), files.scalar("loss", 1, 1.0))
    files.write(tmp_path / "torch", files.version(), files.scalar("lr", 1, 1.0))
    assert runs(tmp_path / "torch") == {"torch": ["lr", "loss/train", "loss/val"]}
    with SummaryWriter(str(tmp_path / "alone")) as writer:
        writer.add_scalars("loss", {"train": 1.0, "val": 2.0}, 1)
    assert runs(tmp_path / "alone") == {"alone": ["loss/train", "loss/val"]}


def test_keras_train_and_validation_folders_are_one_run(tmp_path):
    for part in ("train", "validation"):
        record = files.tensor("epoch_loss", 1, first=True, dtype=1, float_val=[0.5])
        files.write(tmp_path / "logs" / part, files.version(), record)
    assert runs(tmp_path / "logs") == {"logs": ["train/epoch_loss", "validation/epoch_loss"]}


def test_formats_of_one_folder_agree_on_one_run(tmp_path):
    files.write(
        tmp_path / "run", files.version(), files.scalar("loss/val", 1, 1.0), files.scalar("loss/val", 2, 1.0)
    )
    (tmp_path / "run" / "metrics.csv").write_text("epoch,val_loss,val_accuracy\n0,1,2\n1,1,3\n")
    assert runs(tmp_path / "run") == {"run": ["loss/val", "val_accuracy"]}
    why = history.read([tmp_path / "run"]).sources[1].why
    assert why == "header has 'epoch'; already read from another file of the run: 'loss/val'"


def test_several_tables_of_one_folder_are_a_run_each(tmp_path):
    for name in ("fold1", "fold2"):
        (tmp_path / f"{name}.csv").write_text("epoch,loss\n0,1\n1,2\n")
    assert runs(tmp_path) == {"fold1": ["loss"], "fold2": ["loss"]}


def test_newest_checkpoint_is_used_alone(tmp_path):
    rows = [{"step": step, "loss": 1 / step} for step in range(1, 21)]
    for folder, count in (("checkpoint-9", 9), ("checkpoint-10", 10), ("checkpoint-20", 20)):
        path = tmp_path / "out" / folder / "trainer_state.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"log_history": rows[:count]}))
    other = tmp_path / "out" / "checkpoint-5" / "trainer_state.json"
    other.parent.mkdir()
    other.write_text(json.dumps({"log_history": [{"step": 5, "loss": 9.0}]}))
    found = history.read([tmp_path / "out"])
    assert [(run.name, len(run.series["loss"])) for run in found.runs] == [("out", 20)]
    told = {source.path.split("/")[0]: source for source in found.sources}
    assert told["checkpoint-10"].why.endswith("an earlier state of checkpoint-20/trainer_state.json")
    assert told["checkpoint-5"].warnings == (
        "is no earlier state of checkpoint-20/trainer_state.json, and is left out",
    )


def test_progress_counts_every_file(tmp_path):
    for name in ("a", "b"):
        files.write(tmp_path / name, files.version(), files.scalar("loss", 1, 1.0))
    told = []
    history.read([tmp_path], progress=lambda *args: told.append(args))
    name = "events.out.tfevents.1600000000.host"
    assert told == [(f"a/{name}", 0, 2), (f"b/{name}", 1, 2), (f"b/{name}", 2, 2)]


def test_no_framework_is_imported_to_read_logs(tmp_path):
    files.write(tmp_path, files.version(), files.scalar("loss", 1, 1.0))
    script = (
        "import sys, pathlib; from reportgen import history; history.read([pathlib.Path(sys.argv[1])]); "
        "print([m for m in ('torch', 'pandas', 'tensorboardX', 'tensorflow', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
