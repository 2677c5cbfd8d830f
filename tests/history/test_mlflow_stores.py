"""MLflow's file store and its SQLite store, written by MLflow itself, whole and damaged."""

import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen import history
from reportgen.history.readers import UnreadableError, mlflow_sqlite

SCRIPT = """
import math, sys
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient
def run(client, experiment, name, status="FINISHED", metrics=True):
    made = client.create_run(experiment, run_name=name).info.run_id
    rows = []
    for i in range(40):
        step = i if i < 30 else i - 5
        time = 1_700_000_000_000 + 1500 * i
        rows += [Metric("train/loss", 1 / (i + 1), time, step), Metric("ü ñ/x.csv", 1e300 * i, time, 10**12 * i),
                 Metric("odd", [math.nan, math.inf, -math.inf, 0.0][i % 4], time, i)]
    params = [Param("lr", "0.1"), Param("net/depth", "5"), Param("name", "two words"), Param("flag", "True")]
    client.log_batch(made, metrics=rows if metrics else [], params=params)
    if status != "RUNNING":
        client.set_terminated(made, status)
    return made
for address in sys.argv[1:]:
    client = MlflowClient(tracking_uri=address)
    first = client.create_experiment("exp/ünï")
    named = ("a/b: 'q'", "FAILED"), ("same", "FINISHED"), ("same", "KILLED"), ("12e4", "RUNNING")
    print(*(run(client, first, *one) for one in named))
    client.delete_run(run(client, first, "gone"))
    run(client, first, "silent", metrics=False)
    dead = client.create_experiment("dead")
    run(client, dead, "buried")
    client.delete_experiment(dead)
"""
ODD = np.array([math.nan, math.inf, -math.inf, 0.0])


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Both stores, each with its folder and the ids of its runs."""
    folders = [tmp_path_factory.mktemp(name) for name in ("files", "database")]
    addresses = [f"file:{folders[0]}/mlruns", f"sqlite:///{folders[1]}/mlflow.db"]
    environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true", "GIT_PYTHON_REFRESH": "quiet"}
    command = [sys.executable, "-c", SCRIPT, *addresses]
    done = subprocess.run(
        command, cwd=folders[0], env=environment, check=True, timeout=300, stdout=subprocess.PIPE
    )
    ids = [line.split() for line in done.stdout.decode().splitlines()]
    return {"files": (folders[0], ids[0]), "database": (folders[1], ids[1])}


@pytest.fixture
def files(stores):
    return stores["files"]


@pytest.fixture
def database(stores):
    return stores["database"]


@pytest.fixture(params=["files", "database"])
def store(request):
    return request.getfixturevalue(request.param)


def test_every_point_of_every_run_is_the_one_that_was_logged(store):
    folder, ids = store
    runs = {run.name: run for run in history.read([folder]).runs}
    names = ["a∕b: 'q'", "same", "same", "12e4"]
    assert set(runs) == {f"exp∕ünï/{name} ({made[:8]})" for name, made in zip(names, ids, strict=True)}
    i = np.arange(40)
    for run in runs.values():
        assert set(run.series) == {"train/loss", "ü ñ/x.csv", "odd"}
        loss, far, odd = (run.series[tag] for tag in ("train/loss", "ü ñ/x.csv", "odd"))
        np.testing.assert_array_equal(loss.value, 1 / (i + 1))
        np.testing.assert_array_equal(loss.step, np.where(i < 30, i, i - 5))
        np.testing.assert_array_equal(loss.wall, 1.7e9 + 1.5 * i)
        assert loss.segment.tolist() == [0] * 30 + [1] * 10
        np.testing.assert_array_equal(far.value, 1e300 * i)
        np.testing.assert_array_equal(far.step, 10**12 * i)
        np.testing.assert_array_equal(odd.value, ODD[i % 4])
        assert run.settings == {"lr": 0.1, "net/depth": 5, "name": "two words", "flag": True}
    states = [runs[f"exp∕ünï/{name} ({made[:8]})"].state for name, made in zip(names, ids, strict=True)]
    assert states == ["failed", "finished", "failed", "running"]


def test_deleted_runs_are_left_out_and_told(store):
    folder, _ = store
    sources = history.read([folder]).sources
    told = [note for source in sources for note in source.warnings if "deleted in MLflow" in note]
    in_files = ["1 experiment left out: deleted in MLflow", "1 run left out: deleted in MLflow"]
    assert sorted(told) == (in_files if len(sources) > 4 else ["2 runs left out: deleted in MLflow"])


def test_no_file_of_the_store_is_taken_for_another_log(files):
    folder, _ = files
    found = history.read([folder])
    assert {source.format for source in found.sources} == {"MLflow files"}
    assert sum(source.points for source in found.sources) == 4 * 120


def test_one_run_of_the_file_store_can_be_given(files):
    folder, ids = files
    (path,) = folder.glob(f"mlruns/*/{ids[1]}")
    for given_path in (path, path / "meta.yaml"):
        (run,) = history.read([given_path]).runs
        assert run.name.endswith(f"same ({ids[1][:8]})")


def test_mlflow_is_not_imported(store):
    script = "import sys; from reportgen.history import read; print(read(sys.argv[1:]).points, 'mlflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(store[0])], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["480", "False"]


def test_half_lines_and_rubbish_cost_themselves_alone(files, tmp_path):
    folder, ids = files
    (run,) = folder.glob(f"mlruns/*/{ids[1]}")
    copied = tmp_path / "mlruns" / "1" / "run"
    shutil.copytree(run, copied)
    (copied / "metrics" / "train" / "loss").write_text(
        "1000 1.5\n2000 x 1\n3000 2.5 1\n4000 3.5 2 data abc\n5000 4.5 3"
    )
    (source,) = [source for source in history.read([tmp_path]).sources if source.path.endswith("meta.yaml")]
    (found,) = history.read([tmp_path]).runs
    series = found.series["train/loss"]
    assert (series.step.tolist(), series.value.tolist()) == ([0, 1, 2], [1.5, 2.5, 3.5])
    assert source.damaged == 1
    assert source.warnings == (
        "'train/loss': line 2 is no point: left out, and any like it",
        "'train/loss': the last line, 5, is cut off and left out: still being written?",
    )


def test_a_damaged_meta_yaml_is_one_line(files, tmp_path):
    folder, ids = files
    (run,) = folder.glob(f"mlruns/*/{ids[1]}")
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "meta.yaml").write_text("run_id: [\n")
    (source,) = [source for source in history.read([tmp_path]).sources if source.path.endswith("meta.yaml")]
    assert source.warnings[0].startswith("no whole YAML")


def digest(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_database_is_not_changed_by_being_read(database, tmp_path):
    for mode in ("DELETE", "WAL"):
        path = tmp_path / mode / "mlflow.db"
        path.parent.mkdir()
        shutil.copy(database[0] / "mlflow.db", path)
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.close()
        before = digest(path.parent)
        assert history.read([path]).points == 480
        assert digest(path.parent) == before


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_what_another_process_is_writing_is_not_waited_for_without_end(database, tmp_path, mode, monkeypatch):
    monkeypatch.setattr("reportgen.history.sqlite._PATIENCE", 0.2)
    path = tmp_path / "mlflow.db"
    shutil.copy(database[0] / "mlflow.db", path)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {mode}")
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("UPDATE metrics SET value = 3")
    began = time.monotonic()
    found = history.read([path])
    assert time.monotonic() - began < 3
    if mode == "WAL":
        assert found.points == 480
    else:
        assert "database is locked" in found.sources[0].warnings[0]
    writer.execute("ROLLBACK")
    writer.close()
    assert history.read([path]).points == 480


def test_a_write_that_was_cut_off_is_told(database, tmp_path):
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN'); "
        "c.execute('UPDATE metrics SET timestamp = 1'); os._exit(0)"
    )
    path = tmp_path / "mlflow.db"
    shutil.copy(database[0] / "mlflow.db", path)
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.with_name("mlflow.db-journal").exists()
    before = digest(tmp_path)
    found = history.read([path])
    assert found.points == 480
    assert "its last write was cut off: read as it stands, without it" in found.sources[0].warnings
    assert digest(tmp_path) == before


def test_another_sqlite_database_is_not_mlflows(tmp_path):
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("CREATE TABLE metrics (a)")
    connection.execute("CREATE VIEW metric_view AS SELECT 1 AS is_nan")
    connection.close()
    (source,) = history.read([tmp_path]).sources
    assert source.warnings[0].startswith("not recognised")


def small(path, rows=3000):
    """MLflow's four tables alone, so that damage hits what matters."""
    connection = sqlite3.connect(path)
    connection.executescript(
        "PRAGMA page_size = 1024;"
        "CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, lifecycle_stage TEXT);"
        "CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, lifecycle_stage TEXT, experiment_id INTEGER);"
        "CREATE TABLE params (run_uuid TEXT, key TEXT, value TEXT);"
        "CREATE TABLE metrics (key TEXT NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL, run_uuid TEXT, "
        "step BIGINT, is_nan BOOLEAN);"
        "INSERT INTO experiments VALUES (1, 'e', 'active');"
        "INSERT INTO runs VALUES ('r', 'n', 'FINISHED', 'active', 1);"
    )
    data = [("loss", step / 8, 1000 * step, "r", step, 0) for step in range(rows)]
    connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", data)
    connection.commit()
    connection.close()
    return path.read_bytes()


class Content:
    """A database's bytes, without showing them in a failure."""

    def __init__(self, data):
        self.data = data


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    return Content(small(tmp_path_factory.mktemp("small") / "mlflow.db"))


def rows_of(content):
    """Steps and values that can be read, and the warnings."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        path.write_bytes(content)
        if mlflow_sqlite.recognise(path, content[:65536]) is None:
            return {}, ()
        try:
            readings = mlflow_sqlite.read(path)
        except UnreadableError as error:
            return {}, (str(error),)
    notes = tuple(note for reading in readings for note in reading.warnings)
    points = [reading.points["loss"] for reading in readings if "loss" in reading.points]
    held = {}
    for one in points:
        held.update(zip(one.step.tolist(), one.value.tolist(), strict=True))
    return held, notes


def test_a_damaged_page_costs_its_rows_alone(held):
    content = held.data
    whole, notes = rows_of(content)
    assert whole == {step: step / 8 for step in range(3000)}
    assert notes == ()
    pages = [number for number in range(len(content) // 1024) if content[number * 1024] == 13 and number > 10]
    for page in pages[:: len(pages) // 5]:
        spoilt = content[: page * 1024] + b"\xee" * 1024 + content[page * 1024 + 1024 :]
        got, notes = rows_of(spoilt)
        lost = set(whole) - set(got)
        assert 0 < len(lost) < 60
        assert all(whole[step] == value for step, value in got.items())
        if max(whole) not in lost:
            assert notes == (
                f"table 'metrics' is damaged (database disk image is malformed): {len(lost)} rows left out",
            )


def test_a_damaged_schema_is_one_line(held, tmp_path):
    content = bytearray(held.data)
    place = content.index(b"metricsmetrics")  # SQLite's own error quotes these names, which are no text now
    content[place : place + 14] = b"\xce\xff" * 7
    content[content.index(b"CREATE TABLE metrics")] ^= 1
    (tmp_path / "mlflow.db").write_bytes(bytes(content))
    (source,) = history.read([tmp_path]).sources
    assert source.warnings == (
        "can't be read as SQLite (malformed database schema): expected MLflow's tables",
    )


@given(bits=st.lists(st.integers(0, 3000 * 1024 // 30 * 8), min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_flipped_bits_are_no_traceback(held, bits):
    spoilt = bytearray(held.data)
    for bit in bits:
        spoilt[bit // 8 % len(spoilt)] ^= 1 << bit % 8
    _, notes = rows_of(bytes(spoilt))
    assert not any("\n" in note for note in notes)


@given(cut=st.floats(0, 1))
@settings(deadline=None, max_examples=40)
def test_a_cut_is_told_and_costs_what_is_behind_it(held, cut):
    content = held.data
    length = int(cut * len(content))
    got, notes = rows_of(content[:length])
    assert all(value == step / 8 for step, value in got.items())
    if length >= 100 and len(got) < 3000:
        assert notes
    assert len(got) >= 30 * (length // 1024 - 10)  # 34 rows a page, as far as the page above them is there
