"""Gzip is read as it is by every reader; damage costs what can't be decompressed, and the disk is bounded."""

import gzip
import json
import random
import zlib
from pathlib import Path

import eventfiles as files
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen import history
from reportgen.history import unpacking

ROWS = "".join(f"{step},{step / 8}\n" for step in range(2000))
TABLE = f"step,loss\n{ROWS}".encode()


def packed(folder: Path, data: bytes, name: str = "metrics.csv.gz") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0))
    return path


def losses(path: Path | str) -> list[float]:
    found = history.read([path])
    return [] if not found.runs else found.runs[0].series["loss"].value.tolist()


def test_every_format_is_read_from_gzip(tmp_path):
    event = b"".join([files.version(), *[files.scalar("loss", step, step / 8) for step in range(3)]])
    rows = [{"step": step, "loss": step / 8} for step in range(3)]
    contents = {
        "version_1/metrics.csv.gz": b"step,loss\n0,0\n1,0.125\n2,0.25\n",
        "events/events.out.tfevents.1.host.gz": event,
        "lines/log.jsonl.gz": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "state/trainer_state.json.gz": json.dumps({"log_history": rows}).encode(),
        "printed/train.log.gz": b"".join(b"step %d loss %f\n" % (s, s / 8) for s in range(3)),
    }
    for name, data in contents.items():
        packed(tmp_path, data, name)
    found = history.read([tmp_path])
    assert {source.path for source in found.sources if source.points == 3} == set(contents)
    assert {run.name for run in found.runs} == {"version_1", "events", "lines", "state", "printed"}
    for run in found.runs:
        assert run.series["loss"].value.tolist() == [0, 0.125, 0.25]
    told = {source.path: source.why for source in found.sources}
    assert told["version_1/metrics.csv.gz"] == "Lightning CSVLogger: header has 'step', in version_1"


def test_two_packed_tables_of_a_folder_are_named_without_their_suffixes(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        packed(tmp_path, TABLE, name)
    assert [run.name for run in history.read([tmp_path]).runs] == ["a", "b"]


def test_gzip_is_known_by_its_bytes_not_by_its_name(tmp_path):
    assert len(losses(packed(tmp_path, TABLE, "metrics.csv"))) == 2000
    plain = tmp_path / "plain.csv.gz"
    plain.write_bytes(TABLE)
    assert len(losses(plain)) == 2000


def test_members_behind_each_other_and_zero_padding(tmp_path):
    path = tmp_path / "metrics.csv.gz"
    path.write_bytes(gzip.compress(TABLE[:5000]) + gzip.compress(TABLE[5000:]) + bytes(70_000))
    assert len(losses(path)) == 2000
    assert history.read([path]).sources[0].warnings == ()


def test_rubbish_behind_the_end_is_said(tmp_path):
    path = packed(tmp_path, TABLE)
    path.write_bytes(path.read_bytes() + b"rubbish")
    assert len(losses(path)) == 2000
    assert "there is something else" in history.read([path]).sources[0].warnings[0]


def test_cut_off_gzip_gives_what_there_is(tmp_path):
    path = packed(tmp_path, TABLE)
    path.write_bytes(path.read_bytes()[:-2000])
    found = losses(path)
    assert 200 < len(found) < 2000
    assert found[:-1] == [step / 8 for step in range(len(found) - 1)]
    assert (
        "the gzip is cut off: what there is of it is kept, unchecked"
        in history.read([path]).sources[0].warnings[-1]
    )


def test_damaged_gzip_gives_what_comes_before(tmp_path):
    path = packed(tmp_path, TABLE * 30)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = random.Random(0).randbytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    assert losses(path)[:1000] == [step / 8 for step in range(1000)]
    assert "the gzip is damaged behind byte" in " ".join(history.read([path]).sources[0].warnings)


def test_wrong_checksum_is_said(tmp_path):
    path = packed(tmp_path, TABLE)
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    assert len(losses(path)) == 2000
    assert "checksum is wrong" in history.read([path]).sources[0].warnings[0]


def test_what_would_fill_the_disk_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "LARGEST", 1 << 20)
    target = tmp_path / "out"
    bomb = packed(tmp_path, b"step,loss\n" + b"1,2\n" * 5_000_000)
    assert unpacking.unpack(bomb, target) == ("larger than 1 MiB when decompressed: the rest is left out",)
    assert target.stat().st_size == 1 << 20


def test_nothing_stays_on_the_disk(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert len(losses(packed(tmp_path, TABLE))) == 2000
    assert list(scratch.iterdir()) == []


WHOLE = gzip.compress(TABLE[:8000], mtime=0)


@given(st.integers(0, len(WHOLE)), st.lists(st.tuples(st.integers(3, 10**5), st.integers(0, 7)), max_size=3))
def test_damage_never_raises_and_a_mere_cut_never_gives_a_wrong_byte(tmp_path_factory, size, flips):
    folder = tmp_path_factory.mktemp("gz")
    data = bytearray(WHOLE[:size])
    for place, bit in flips:
        if len(data) > 3:
            data[3 + place % (len(data) - 3)] ^= 1 << bit
    path, target = folder / "x.csv.gz", folder / "x.csv"
    path.write_bytes(data)
    warnings = unpacking.unpack(path, target)
    if not flips:
        assert TABLE[:8000].startswith(target.read_bytes())
        assert bool(warnings) == (0 < size < len(WHOLE))
        whole = zlib.decompressobj(31).decompress(bytes(data))
        assert target.read_bytes() == whole


@pytest.mark.parametrize("name", ["x.csv.gz", "x.csv.GZ", "x.csv.gzip"])
def test_suffixes_of_compression_are_seen_through(tmp_path, name):
    packed(tmp_path, TABLE, name)
    assert history.read([tmp_path]).points == 2000
