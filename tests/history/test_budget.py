"""Whatever the files are, reading comes to its end, keeps what was read, and says what was left."""

import gzip
import io
import json
import os
import pickle
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

import eventfiles as files
import pytest

from reportgen import collect, history
from reportgen.deadline import Deadline
from reportgen.history import reading
from reportgen.history.budget import Budget
from reportgen.history.model import Points, Reading
from reportgen.history.readers import Reader

CSV = "step,loss\n1,2\n2,1\n"


def told(found: history.History) -> str:
    return " | ".join(f"{source.path}: {'; '.join(source.warnings)}" for source in found.sources)


def small(**given) -> Budget:
    return Budget(**given)


def test_three_gigabytes_in_three_megabytes_of_gzip_are_read_as_far_as_the_budget_goes(tmp_path):
    path = tmp_path / "metrics.csv.gz"
    packer, chunk = zlib.compressobj(9, wbits=31), b"1,0.5\n" * 100_000
    with path.open("wb") as file:
        file.write(packer.compress(b"step,loss\n"))
        for _ in range(400):  # 240 MB
            file.write(packer.compress(chunk))
        file.write(packer.flush())
    found = history.read([path], budget=small(unpacked=2_000_000))
    assert 300_000 < found.points < 400_000
    assert "larger than what is left to decompress of all logs, 1.91 MiB" in told(found)


def test_the_next_gzip_gets_what_the_one_before_left(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress(CSV.encode() * 100))
    found = history.read([tmp_path], budget=small(unpacked=len(CSV) * 100 + 40))
    assert [source.points > 100 for source in found.sources] == [True, False]
    assert "when decompressed: the rest is left out" in told(found)


def test_a_gzip_of_very_many_parts_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("reportgen.history.unpacking._MEMBERS", 50)
    part = gzip.compress(b"1,2\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"step,loss\n") + part * 1000)
    found = history.read([tmp_path])
    assert found.points == 49
    assert "of more than 50 parts" in told(found)


def rows(count: int) -> str:
    return "".join(f"{step},0.5\n" for step in range(count))


def contents(count: int) -> dict[str, bytes]:
    """So many steps in each format that is read step by step."""
    lines = [{"step": step, "loss": 0.5} for step in range(count)]
    return {
        "metrics.csv": f"step,loss\n{rows(count)}".encode(),
        "log.jsonl": "".join(json.dumps(row) + "\n" for row in lines).encode(),
        "train.log": "".join(f"step {row['step']} loss 0.5\n" for row in lines).encode(),
        "trainer_state.json": json.dumps({"log_history": lines}).encode(),
        "saved.json": json.dumps(lines).encode(),
        "events.out.tfevents.1.host": files.version()
        + b"".join(files.scalar("loss", step, 0.5) for step in range(count)),
    }


@pytest.mark.parametrize("name", list(contents(0)))
def test_records_are_budgeted_in_every_format_and_what_was_read_is_kept(tmp_path, monkeypatch, name):
    for module in ("readers.lines._BLOCK", "records.BLOCK"):
        monkeypatch.setattr(f"reportgen.history.{module}", 4096)
    (tmp_path / name).write_bytes(contents(4000)[name])
    found = history.read([tmp_path], budget=small(records=2000))
    assert 500 < found.points < 1500
    assert "not read to its end" in told(found)
    assert "still being written" not in told(found)
    whole = history.read([tmp_path])
    assert whole.points == 4000
    assert "not read to its end" not in told(whole)


@pytest.mark.parametrize("name", ["metrics.csv", "log.jsonl", "train.log", "events.out.tfevents.1.host"])
def test_bytes_are_budgeted_and_a_file_takes_no_more_than_half_of_what_is_left(tmp_path, monkeypatch, name):
    for module in ("readers.lines._BLOCK", "records.BLOCK"):
        monkeypatch.setattr(f"reportgen.history.{module}", 4096)
    content = contents(4000)[name]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / name).write_bytes(content)
    (tmp_path / "b" / name).write_bytes(content)
    found = history.read([tmp_path], budget=small(bytes=len(content)))
    counts = [source.points for source in found.sources]
    assert 1800 < counts[0] < 2700
    assert 500 < counts[1] < 1800


def test_a_deadline_ends_reading_and_keeps_what_was_read(tmp_path, monkeypatch):
    monkeypatch.setattr("reportgen.history.readers.lines._BLOCK", 4096)
    (tmp_path / "a.csv").write_bytes(contents(4000)["metrics.csv"])
    (tmp_path / "b.csv").write_bytes(contents(4000)["metrics.csv"])
    now = [0.0]

    def tick() -> float:
        now[0] += 0.1
        return now[0]

    monkeypatch.setattr("time.perf_counter", tick)
    found = history.read([tmp_path], budget=small(deadline=Deadline(1.5, start=0.0)))
    assert 0 < found.points < 4000
    assert "its share of the time for reading ended" in told(found)


def test_files_beyond_the_budget_are_counted_and_logs_by_name_come_first(tmp_path):
    for number in range(100):
        (tmp_path / f"label_{number}.txt").write_text("0 0.5 0.5\n")
    (tmp_path / "deep" / "run").mkdir(parents=True)
    (tmp_path / "deep" / "run" / "metrics.csv").write_text(CSV)
    (tmp_path / "zz" / "run").mkdir(parents=True)
    (tmp_path / "zz" / "run" / "train.log").write_text("step 1 loss 2\nstep 2 loss 1\n")
    found = history.read([tmp_path], budget=small(files=10))
    assert {source.path for source in found.sources if source.points} == {
        "deep/run/metrics.csv",
        "zz/run/train.log",
    }
    assert "92 more files: not looked at: 10 files are" in told(found)


def test_very_many_empty_files_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_FAILED", 5)
    for number in range(50):
        (tmp_path / f"{number:02}.csv").touch()
    (tmp_path / "metrics.csv").write_text(CSV)
    found = history.read([tmp_path])
    assert found.points == 2
    assert len(found.sources) == 7
    assert "45 further files: empty" in told(found)


def test_very_many_files_that_are_no_logs_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_FAILED", 5)
    for number in range(50):
        (tmp_path / f"{number:02}.csv").write_text("x\n")
    found = history.read([tmp_path])
    assert len(found.sources) == 6
    assert "45 further files: could not be read, or are no logs" in told(found)


def test_more_names_than_are_listed_are_said(tmp_path):
    for folder in range(20):
        (tmp_path / f"{folder:02}").mkdir()
        for number in range(10):
            (tmp_path / f"{folder:02}" / f"{number}.csv").write_text(CSV)
    found = history.read([tmp_path], budget=small(names=60))
    assert 0 < found.points < 400
    assert "more names in it than are listed" in told(found)


def test_folders_nested_beyond_what_a_path_may_be_end(tmp_path):
    (tmp_path / "metrics.csv").write_text(CSV)
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(1500):
            os.mkdir("deep", dir_fd=here)
            below = os.open("deep", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    found = history.read([tmp_path])
    assert found.points == 2
    assert "can't be listed: File name too long" in told(found)
    os.system(f"rm -rf {tmp_path}/deep")


def test_one_endless_line_costs_what_lies_behind_it_alone(tmp_path):
    (tmp_path / "metrics.csv").write_text(CSV + "3," + "0" * 5_000_000 + "\n4,1\n")
    found = history.read([tmp_path])
    assert found.points == 2
    assert "line 4 is longer than 1,048,576 characters" in told(found)


def test_a_table_of_very_many_columns_is_cut_and_said(tmp_path):
    names = [f"m{number}" for number in range(7000)]
    (tmp_path / "metrics.csv").write_text(f"step,{','.join(names)}\n" + ("1," * 7000 + "1\n") * 2)
    found = history.read([tmp_path])
    assert len(found.runs[0].series) == 5000
    assert "further series left out: more than 5,000" in told(found)


@pytest.mark.parametrize("kind", ["events", "jsonl"])
def test_very_many_series_are_cut_and_said(tmp_path, kind):
    if kind == "events":
        files.write(tmp_path, files.version(), *[files.scalar(f"m{n}", 1, 1.0) for n in range(6000)])
    else:
        lines = [json.dumps({"step": n, f"m{n}": 1.0, "loss": 1.0}) for n in range(6000)]
        (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    found = history.read([tmp_path])
    assert sum(len(run.series) for run in found.runs) == 5000
    assert "left out: more than 5,000" in told(found)


def test_a_database_that_would_compute_for_ever_is_stopped(tmp_path):
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as made:
        made.execute(
            "CREATE TABLE metrics (run_uuid TEXT, key TEXT, value REAL, timestamp INT, step INT, is_nan INT)"
        )
        made.execute("CREATE TABLE runs (run_uuid, name, status, lifecycle_stage, experiment_id)")
        made.execute("CREATE TABLE params (run_uuid, key, value)")
        made.execute("CREATE TABLE experiments (experiment_id, name)")
        made.executemany(
            "INSERT INTO metrics VALUES ('r', 'loss', 0.5, 1, ?, 0)", [(step,) for step in range(50_000)]
        )
    made.close()
    found = history.read([tmp_path], budget=small(records=40_000))
    assert 20_000 <= found.points <= 40_000  # rows are asked for in thousands
    assert "not read to its end" in told(found)
    assert history.read([tmp_path]).points == 50_000


def test_what_lies_beside_a_database_and_would_block_is_not_opened(tmp_path):
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE metrics (run_uuid, key, value, timestamp, step, is_nan)")
        made.execute("INSERT INTO metrics VALUES ('r', 'loss', 0.5, 1, 1, 0)")
    made.close()
    os.mkfifo(tmp_path / "mlflow.db-journal")
    found = history.read([tmp_path])
    assert found.points == 1


def test_pipes_in_the_place_of_files_do_not_block(tmp_path):
    run = tmp_path / "mlruns" / "0" / "abc"
    (run / "metrics").mkdir(parents=True)
    (run / "params").mkdir()
    (run / "tags").mkdir()
    (run / "meta.yaml").write_text("run_id: abc\n")
    (run / "metrics" / "loss").write_text("1600000000000 0.5 1\n")
    for pipe in (run / "metrics" / "pipe", run / "params" / "lr", run / "tags" / "mlflow.runName"):
        os.mkfifo(pipe)
    os.mkfifo(run.parent / "meta.yaml")
    os.mkfifo(tmp_path / "metrics.csv")
    os.mkfifo(tmp_path / "target")
    (tmp_path / "link.csv").symlink_to("target")
    assert history.read([tmp_path]).points == 1


def test_a_yaml_of_aliases_and_a_json_nested_without_end_cost_themselves_alone(tmp_path):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (tmp_path / "hparams.yaml").write_text(bomb)
    (tmp_path / "history.json").write_text('{"loss": [1, 2], "x": ' + "[" * 100_000 + "]" * 100_000 + "}")
    (tmp_path / "trainer_state.json").write_text('{"log_history": ' + "[" * 100_000 + "]" * 100_000 + "}")
    (tmp_path / "log.jsonl").write_text('{"step": 1, "loss": 1}\n{"a":' + "[" * 100_000 + "\n")
    found = history.read([tmp_path])
    assert found.points == 1
    said = told(found)
    assert "hparams.yaml: more than 20,000 values" in said
    assert "trainer_state.json: nested too deeply" in said


def test_a_record_of_an_event_file_that_is_too_large_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr("reportgen.history.records._LARGEST", 1 << 16)
    monkeypatch.setattr("reportgen.history.records.BLOCK", 4096)
    film = files.tensor("film", 2, dtype=7, string_val=[b"x" * 200_000])
    files.write(tmp_path, files.version(), files.scalar("loss", 1, 1.0), film, files.scalar("loss", 3, 0.5))
    found = history.read([tmp_path])
    assert found.runs[0].series["loss"].step.tolist() == [1, 3]
    assert "1 record of more than 0 MiB each left out" in told(found)


class Packed:
    """A checkpoint, its parts compressed as torch.save never writes them."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/data.pkl", pickle.dumps({"train_loss": [1.0, 2.0]}, 2))
            archive.writestr("a/data/0", bytes(50_000_000))
            archive.writestr("a/version", "3\n")


def test_a_checkpoint_of_compressed_parts_is_not_loaded(tmp_path):
    Packed(tmp_path / "a.pt")
    assert "its parts are compressed" in told(history.read([tmp_path / "a.pt"]))


def test_a_checkpoint_of_lists_within_lists_ends(tmp_path):
    import torch

    inner: dict = {f"loss_{n}": [0.1, 0.2] for n in range(50)}
    for _ in range(4):
        inner = {f"part_{n}": inner for n in range(50)}  # 50^5 curves in a few kilobytes
    torch.save({"history": inner}, tmp_path / "a.pt")
    found = history.read([tmp_path / "a.pt"])
    assert len(found.runs[0].series) == 5000


def a_reader(**given) -> Reader:
    def nothing(path, head=b""):
        return None

    fields = {"likely": lambda path: True, "recognise": nothing, "read": nothing, "by": "magic"}
    return Reader(name="broken", **{**fields, **given})


def raising(error: BaseException):
    def function(*given):
        raise error

    return function


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), KeyError("x"), RecursionError(), MemoryError()]
)
@pytest.mark.parametrize("part", ["likely", "recognise", "read", "run_folder", "follow"])
def test_a_reader_that_raises_anything_anywhere_costs_its_own_file_alone(tmp_path, monkeypatch, part, error):
    (tmp_path / "metrics.csv").write_text(CSV)
    (tmp_path / "a.mine").write_text("MYLOG\n")
    given = {part: raising(error)}
    if part != "recognise":
        given["recognise"] = lambda path, head: "mine" if path.suffix == ".mine" else None
    if part == "run_folder":
        given["read"] = lambda path: Reading({})
    _install(monkeypatch, a_reader(**given))
    found = history.read([tmp_path], fetch=reading_with(part))
    assert found.points == 2
    assert part == "likely" or "a.mine" in told(found)


def reading_with(part: str):
    from reportgen.history.following import Cursors

    return Cursors() if part == "follow" else None


def _install(monkeypatch, *readers) -> None:
    from reportgen.history.readers import installed

    ours, broken = installed()
    theirs = {f"mine{place}": reader for place, reader in enumerate(readers)}
    monkeypatch.setattr(reading, "installed", lambda: ({**theirs, **ours}, broken))


POINTS = Points([1, 2], [0.0, 0.0], [1.0, 2.0], [0, 0])


@pytest.mark.parametrize(
    "given",
    [None, 7, "text", [1], {"loss": 1}, Reading({"loss": [1, 2]}),
     Reading({"loss": Points([1], [1.0], [1.0, 2.0], [0])}), Reading({"loss": Points(["a"], [1.0], [1.0], [0])})],
    ids=repr,
)  # fmt: skip
def test_what_a_reader_gives_instead_of_a_reading_costs_its_own_file_alone(tmp_path, monkeypatch, given):
    (tmp_path / "metrics.csv").write_text(CSV)
    (tmp_path / "a.mine").write_text("MYLOG\n")
    known = lambda path, head: "mine" if path.suffix == ".mine" else None  # noqa: E731
    _install(monkeypatch, a_reader(recognise=known, read=lambda path: given))
    found = history.read([tmp_path])
    assert found.points == 2
    assert "its reader gave" in told(found)
    assert collect(logs=tmp_path, sections=["training"]).section("training").status == "ok"


def test_lists_that_a_reader_gives_are_taken_as_arrays(tmp_path, monkeypatch):
    (tmp_path / "a.mine").write_text("MYLOG\n")
    known = lambda path, head: "mine" if path.suffix == ".mine" else None  # noqa: E731
    _install(monkeypatch, a_reader(recognise=known, read=lambda path: Reading({"loss": POINTS})))
    assert collect(logs=tmp_path, sections=["training"]).section("training").status == "ok"


def test_the_reader_of_contributing_costs_a_damaged_file_alone(tmp_path, monkeypatch):
    """The code block that shows how to add a reader, run as it stands there."""
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    code = text.split("## How to add a reader of logs")[1].split("```python\n")[1].split("```")[0]
    space: dict = {}
    exec(code, space)
    _install(monkeypatch, space["READER"])
    for name, text in (
        ("a/metrics.csv", CSV),
        ("b/good.mylog", "MYLOG\n1 0.5\n2 0.25\n"),
        ("c/bad.mylog", "MYLOG\n1 0.5\n2 half\n"),
    ):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    found = history.read([tmp_path])
    assert found.points == 4
    assert "bad.mylog: its reader (my log) raised ValueError" in told(found)
    assert "bad.mylog" in collect(logs=tmp_path).to_json()


def test_a_reader_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    import time

    def sleep(path):
        while True:
            time.sleep(0.01)

    (tmp_path / "a.mine").write_text("MYLOG\n")
    (tmp_path / "metrics.csv").write_text(CSV)
    known = lambda path, head: "mine" if path.suffix == ".mine" else None  # noqa: E731
    monkeypatch.setattr("reportgen.history.budget._GRACE", 0.1)
    _install(monkeypatch, a_reader(recognise=known, read=sleep))
    found = history.read([tmp_path], budget=small(deadline=Deadline(1.0)))
    assert "its reader did not end within" in told(found)
    assert found.points == 2


def test_what_was_left_is_a_finding_of_the_training_section(tmp_path, monkeypatch):
    monkeypatch.setattr("reportgen.history.readers.lines._BLOCK", 4096)
    monkeypatch.setattr("reportgen.history.budget.RECORDS", 2000)
    monkeypatch.setattr(Budget, "__init__", _with_records(Budget.__init__))
    (tmp_path / "metrics.csv").write_bytes(contents(4000)["metrics.csv"])
    section = collect(logs=tmp_path, sections=["training"]).section("training")
    assert any("not read to its end" in finding.message for finding in section.findings)


def _with_records(made):
    def init(self, **given):
        made(self, **{"records": 2000, **given})

    return init


def test_a_huge_block_of_a_wandb_log_is_bounded(tmp_path):
    head = b":W&B\xe1\xbe\x00"
    pieces, payload = [], b"x" * (32768 - 7)
    for place in range(40):
        kind = 2 if place == 0 else 3
        body = payload[len(head) :] if place == 0 else payload
        crc = zlib.crc32(bytes([kind]) + body)
        pieces.append(struct.pack("<IHB", crc, len(body), kind) + body)
    path = tmp_path / "run-1.wandb"
    path.write_bytes(head + b"".join(pieces))
    found = history.read([path], budget=small(bytes=100_000))
    assert found.points == 0
    assert io.BytesIO(path.read_bytes()).read(4) == b":W&B"


def test_a_pattern_that_blows_up_is_tried_on_one_file_alone(tmp_path, monkeypatch):
    from reportgen.history.readers import stdout

    tried = []
    limited = stdout.time_limit
    monkeypatch.setattr(stdout, "_PATIENCE", 0.2)
    monkeypatch.setattr(stdout, "time_limit", lambda seconds: tried.append(seconds) or limited(seconds))
    for name in "abc":
        (tmp_path / f"{name}.log").write_text("step 1 loss 2\n" + "a" * 60 + "!\n")
    found = history.read([tmp_path], pattern=r"(?P<loss>(a+)+)b")
    assert told(found).count("took more than 0.2 s") == 3
    assert len(tried) == 1


def test_files_at_an_address_are_budgeted_too(tmp_path):
    import fsspec

    store = fsspec.filesystem("memory")
    for number in range(20):
        store.pipe(f"/many/{number:02}/metrics.csv", CSV.encode())
    try:
        found = history.read(["memory://many"], budget=small(files=5))
    finally:
        store.rm("/many", recursive=True)
    assert found.points == 10
    assert "15 further files: not fetched: more than 5 files" in told(found)
