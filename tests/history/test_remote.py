"""Addresses: what is likely a log is copied from them, with limits, and what goes wrong is one line."""

import gzip
import zipfile
from pathlib import Path

import fsspec
import pytest

from reportgen import history
from reportgen.history import HistoryError, remote

CSV = b"step,loss\n1,2\n2,1\n"


@pytest.fixture
def memory():
    """A file system in memory, emptied afterwards."""
    store = fsspec.filesystem("memory")
    store.rm("/", recursive=True) if store.ls("/") else None
    yield store
    store.rm("/", recursive=True) if store.ls("/") else None


def test_folder_of_runs_is_read_with_names_relative_to_the_address(memory):
    memory.pipe("/bucket/exp/version_0/metrics.csv", CSV)
    memory.pipe("/bucket/exp/version_1/metrics.csv.gz", gzip.compress(CSV))
    memory.pipe("/bucket/exp/version_1/weights.bin", bytes(1000))
    memory.pipe("/bucket/exp/.hidden/metrics.csv", CSV)
    memory.pipe("/bucket/other/metrics.csv", CSV)
    found = history.read(["memory://bucket/exp"])
    assert [(source.path, source.points) for source in found.sources] == [
        ("version_0/metrics.csv", 2),
        ("version_1/metrics.csv.gz", 2),
    ]
    assert [run.name for run in found.runs] == ["version_0", "version_1"]


def test_only_what_is_likely_a_log_is_opened(memory, monkeypatch):
    memory.pipe("/exp/metrics.csv", CSV)
    memory.pipe("/exp/data.parquet", bytes(1000))
    opened = []
    original = type(memory).open
    monkeypatch.setattr(
        type(memory), "open", lambda self, path, *a, **k: opened.append(path) or original(self, path, *a, **k)
    )
    history.read(["memory://exp"])
    assert [Path(path).name for path in opened] == ["metrics.csv"]


def test_one_file_is_named_after_its_folder(memory):
    memory.pipe("/bucket/run7/odd.dat", CSV)
    memory.pipe("/bucket/run7/metrics.csv", CSV)
    found = history.read(["memory://bucket/run7/odd.dat"])
    assert [source.path for source in found.sources] == ["odd.dat"]
    assert [run.name for run in found.runs] == ["run7"]


def test_addresses_and_paths_beside_each_other(memory, tmp_path):
    for folder in ("a/run", "b/run"):
        memory.pipe(f"/{folder}/metrics.csv", CSV)
    (tmp_path / "metrics.csv").write_bytes(CSV)
    found = history.read(["memory://a/run", "memory://b/run", tmp_path])
    assert [run.name for run in found.runs] == ["memory:∕∕a∕run", "memory:∕∕b∕run", tmp_path.name]


def test_kind_in_front_of_an_address(memory):
    memory.pipe("/x/odd.dat", CSV)
    assert history.read(["table=memory://x/odd.dat"]).sources[0].why == "given as table"


def test_local_addresses_are_read_where_they_lie(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(CSV)
    assert history.read([f"file://{tmp_path}"]).points == 2
    assert history.read([f"file://{tmp_path}/metrics.csv"]).points == 2
    with pytest.raises(HistoryError, match="no log at"):
        history.read([f"file://{tmp_path}/nowhere"])


def test_archive_is_read_and_names_that_lead_out_of_it_are_not(tmp_path):
    with zipfile.ZipFile(tmp_path / "runs.zip", "w") as archive:
        archive.writestr("runs/a/metrics.csv", CSV)
        archive.writestr("runs/../../../evil.csv", CSV)
    found = history.read([f"zip://runs::file://{tmp_path}/runs.zip"])
    assert [source.path for source in found.sources] == ["a/metrics.csv"]
    assert not list(tmp_path.rglob("evil*"))


def test_files_beyond_the_limits_are_left_out_and_said(memory, monkeypatch):
    monkeypatch.setattr(remote, "LARGEST", 100)
    memory.pipe("/exp/a/metrics.csv", CSV)
    memory.pipe("/exp/b/metrics.csv", CSV * 100)
    found = history.read(["memory://exp"])
    assert found.points == 2
    told = {source.path: source.warnings for source in found.sources}
    assert told["b/metrics.csv"] == ("was not fetched: it is larger than 100 B",)
    with pytest.raises(HistoryError, match=r"metrics.csv' was not fetched: it is larger than 100 B"):
        history.read(["memory://exp/b/metrics.csv"])


def test_all_files_together_are_limited(memory, monkeypatch):
    monkeypatch.setattr(remote, "ALTOGETHER", 30)
    for name in "abc":
        memory.pipe(f"/exp/{name}/metrics.csv", CSV)
    found = history.read(["memory://exp"])
    assert found.points == 2
    assert sum("all that was fetched" in " ".join(source.warnings) for source in found.sources) == 2


def test_one_file_that_fails_costs_no_other(memory, monkeypatch):
    for name in "ab":
        memory.pipe(f"/exp/{name}/metrics.csv", CSV)
    original = type(memory).open

    def refuse(self, path, *args, **kwargs):
        if "/a/" in path:
            raise PermissionError("403 Forbidden")
        return original(self, path, *args, **kwargs)

    monkeypatch.setattr(type(memory), "open", refuse)
    found = history.read(["memory://exp"])
    assert found.points == 2
    assert found.sources[0].warnings == ("can't be fetched: PermissionError: 403 Forbidden",)


@pytest.mark.parametrize(
    ("address", "said", "hint"),
    [
        (
            "memory://nowhere",
            "can't be looked at: FileNotFoundError: there is nothing at this address",
            "check",
        ),
        (
            "nonsense://x",
            "can't be opened: ValueError: Protocol not known: nonsense",
            "an address that fsspec",
        ),
        ("hdfs://x", "can't be", ""),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line(memory, address, said, hint):
    with pytest.raises(HistoryError) as raised:
        history.read([address])
    assert said in str(raised.value)
    assert hint in raised.value.hint
    assert "\n" not in str(raised.value)


def test_missing_driver_says_what_to_install(monkeypatch):
    def missing(protocol):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(HistoryError, match=r"'s3://bucket/run' can't be opened: .*Install s3fs") as raised:
        history.read(["s3://bucket/run"])
    assert raised.value.hint == "pip install s3fs"


def test_refused_access_is_one_line_without_the_password(memory, monkeypatch):
    def refuse(self, path, **kwargs):
        raise PermissionError("denied for memory://me:secret@host/run?sig=abc")

    monkeypatch.setattr(type(memory), "isfile", refuse)
    with pytest.raises(HistoryError) as raised:
        history.read(["memory://me:secret@host/run?sig=abc"])
    assert "secret" not in str(raised.value)
    assert "abc" not in str(raised.value)
    assert "denied for memory://host/run" in str(raised.value)


def test_nothing_that_was_fetched_stays_on_the_disk(memory, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    memory.pipe("/exp/metrics.csv", CSV)
    assert history.read(["memory://exp"]).points == 2
    assert list(tmp_path.iterdir()) == []
