"""W&B's logs, written by wandb itself, whole and damaged."""

import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen import history
from reportgen.history.framing import BLOCK, Fragments
from reportgen.history.readers import UnreadableError, wandb
from reportgen.history.results import result_names

SCRIPT = """
import json, sys, math
import numpy as np, wandb
quiet = wandb.Settings(console="off", x_disable_stats=True, silent=True)
def start(name, folder=".", **more):
    return wandb.init(mode="offline", dir=folder, project="p", name=name, settings=quiet, **more)
config = {"lr": 0.1, "opt": {"name": "adam", "betas": [0.9, 0.99]}, "none": None, "flag": True, "bs": 32}
told = {}
def rows(count):
    for i in range(count):
        yield i, {"train/loss": 1 / (i + 1), "nested": {"a": i, "b.c": -i / 7}, "ü/ñ": 1e300 * i, "text": "x",
                  "odd": [math.nan, math.inf, -math.inf, 0.0][i % 4], "big": 2**60 + i, "flag": True}
run = start("my/ rün", config=config, id="first")
pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
for i, row in rows(300):
    if i % 100 == 0:
        row["bins"] = wandb.Histogram(np_histogram=([1, 2, 3], [0.0, 1, 10, 100]))
        row["normal"] = wandb.Histogram(np.arange(100))
        row["image"] = wandb.Image(pixels)
        row["images"] = [wandb.Image(pixels), wandb.Image(pixels)]
        row["table"] = wandb.Table(columns=["a"], data=[[1]])
    run.log(row)
run.log({"late": 1.5}, step=1000)
run.log({"long": 1.0, "words": "x" * 100_000}, step=1001)
run.config.update({"added": 3})
run.summary["best"] = 0.25
run.finish(exit_code=0)
run = start("broken", id="second")
run.log({"train/loss": 1.0})
run.finish(exit_code=1)
for part in range(2):
    run = start("resumed", id="third", resume="allow")
    for i in range(4):
        run.log({"loss": float(part)}, step=2 * part + i)
    run.finish()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("script")
    environment = {
        **os.environ,
        "WANDB_MODE": "offline",
        "WANDB_DATA_DIR": str(path / "staging"),
        "HOME": str(path),
    }
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=path, env=environment, check=True, timeout=120)
    return path


@pytest.fixture(scope="module")
def runs(folder):
    return {run.name: run for run in history.read([folder]).runs}


@pytest.fixture(scope="module")
def log(folder):
    (path,) = folder.glob("wandb/*/run-first.wandb")
    return path


def test_every_point_is_the_one_that_was_logged(runs):
    run = runs["my∕ rün (first)"]
    steps = np.arange(300)
    expected = {
        "train/loss": 1 / (steps + 1),
        "nested.a": steps,
        "nested.b.c": -steps / 7,
        "ü/ñ": 1e300 * steps,
        "odd": np.array([math.nan, math.inf, -math.inf, 0.0])[steps % 4],
        "big": [float(2**60 + step) for step in range(300)],
    }
    for tag, values in expected.items():
        np.testing.assert_array_equal(run.series[tag].value, np.array(values, float))
        np.testing.assert_array_equal(run.series[tag].step, steps)
    assert set(run.series) == {*expected, "late", "long"}
    assert (run.series["late"].step.tolist(), run.series["late"].value.tolist()) == ([1000], [1.5])
    assert run.series["long"].step.tolist() == [1001]
    wall = run.series["train/loss"].wall
    assert (np.diff(wall) > 0).all()
    assert 1.6e9 < wall[0] < 1e10


def test_config_is_the_settings_without_what_wandb_keeps_for_itself(runs):
    assert runs["my∕ rün (first)"].settings == {
        "lr": 0.1, "opt.name": "adam", "opt.betas": "[0.9, 0.99]", "none": "None", "flag": True, "bs": 32, "added": 3,
    }  # fmt: skip


def test_the_exit_code_is_the_state_and_the_summary_is_kept(runs):
    assert runs["my∕ rün (first)"].state == "finished"
    assert runs["my∕ rün (first)"].summary["best"] == 0.25
    assert runs["broken (second)"].state == "failed"
    assert result_names([*runs.values()]) == ["best"]


def test_a_resumed_run_is_one_run_with_a_restart(runs):
    series = runs["resumed (third)"].series["loss"]
    assert series.step.tolist() == [0, 1, 2, 3, 2, 3, 4, 5]
    assert series.value[series.shown].tolist() == [0, 0, 1, 1, 1, 1]
    assert series.segment.tolist() == [0] * 4 + [1] * 4


def test_histograms_and_images_come_along(runs, folder):
    run = runs["my∕ rün (first)"]
    assert [held.step for held in run.histograms["bins"]] == [0, 100, 200]
    assert run.histograms["bins"][0].edges.tolist() == [0, 1, 10, 100]
    assert run.histograms["bins"][0].counts.tolist() == [1, 2, 3]
    counts, edges = np.histogram(np.arange(100), bins=64)
    np.testing.assert_array_equal(run.histograms["normal"][2].counts, counts)
    np.testing.assert_allclose(run.histograms["normal"][2].edges, edges)
    assert [picture.step for picture in run.images["image"]] == [0, 100, 200]
    assert [picture.step for picture in run.images["images"]] == [0, 0, 100, 100, 200, 200]
    written = {path.read_bytes() for path in folder.glob("wandb/*/files/media/images/*.png")}
    assert {picture.content for held in run.images.values() for picture in held} == written
    (source,) = [source for source in history.read([folder]).sources if "first" in source.path]
    assert source.warnings == ("logged and not shown: 3 of 'table-file'",)


def test_wandb_is_not_imported(log):
    script = "import sys; from reportgen.history import read; print(read(sys.argv[1:]).points, 'wandb' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, str(log)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1802", "False"]


def record(fields):
    """A history record as wandb's own protobuf classes encode it."""
    from wandb.proto import wandb_internal_pb2 as pb

    made = pb.Record()
    for name, value in fields.items():
        item = made.history.item.add(nested_key=name if isinstance(name, tuple) else [])
        if not isinstance(name, tuple):
            item.key = name
        if isinstance(value, tuple):
            setattr(item, value[0], value[1])
        else:
            item.value_json = value
    return made.SerializeToString()


def framed(*payloads):
    """Records in as many fragments as blocks ask for."""
    out = bytearray(b":W&B\xe1\xbe\x00")
    for payload in payloads:
        first = True
        while True:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                room = BLOCK
            part, payload = payload[: room - 7], payload[room - 7 :]
            kind = (1 if first else 4) if not payload else 2 if first else 3
            crc = zlib.crc32(bytes([kind]) + part)
            out += struct.pack("<IHB", crc, len(part), kind) + part
            first = False
            if not payload:
                break
    return bytes(out)


def read_bytes(folder, content):
    path = Path(folder) / "run-x.wandb"
    path.write_bytes(content)
    return wandb.read(path)


def test_the_framing_is_wandbs(log):
    with log.open("rb") as file:
        payloads = list(Fragments(file, 7))
    assert framed(*payloads) == log.read_bytes()


def test_every_encoding_of_a_value_is_read(tmp_path):
    row = {
        "_step": "7", "_runtime": "2.5", "a": ("number", 1.5), "b": ("integer", -3), "c": ("json", "NaN"), "d": '"NaN"',
        "e": '{"f": {"g": 2}, "h": 1}', "i": "9" * 400, "j": ("text", "word"), "k": ("boolean", True), "l": "[1]",
        ("m", "n"): "-Infinity", "o": "5e-324", "p": ("none", 0), "q": "null",
    }  # fmt: skip
    got = read_bytes(tmp_path, framed(record(row))).points
    values = {tag: points.value[0] for tag, points in got.items()}
    assert math.isnan(values.pop("c"))
    assert math.isnan(values.pop("d"))
    assert values == {
        "a": 1.5, "b": -3, "e.f.g": 2, "e.h": 1, "i": math.inf, "m.n": -math.inf, "o": 5e-324,
    }  # fmt: skip
    assert {points.step[0] for points in got.values()} == {7}


@pytest.mark.parametrize(
    ("packed", "edges"),
    [({"min": 1.0, "size": 0.5, "count": 2}, [1.0, 1.5, 2.0]), ({"min": 1.0, "size": 0.5, "count": 3}, None)],
)
def test_packed_bins_are_equal_bins(tmp_path, packed, edges):
    value = json.dumps({"_type": "histogram", "values": [4, 5], "packedBins": packed})
    got = read_bytes(tmp_path, framed(record({"h": value})))
    assert [held.edges.tolist() for held in got.histograms.get("h", [])] == ([edges] if edges else [])
    assert got.warnings == (() if edges else ("logged and not shown: 1 of 'histogram'",))


def test_no_image_is_taken_from_outside_the_run(tmp_path):
    run = tmp_path / "run"
    (run / "files").mkdir(parents=True)
    secret = b"\x89PNG\r\n\x1a\nsecret"
    (tmp_path / "secret.png").write_bytes(secret)
    (run / "files" / "link.png").symlink_to(tmp_path / "secret.png")
    (run / "files" / "text.png").write_text("no picture")
    names = [
        "../../secret.png",
        str(tmp_path / "secret.png"),
        "link.png",
        "text.png",
        "nowhere.png",
        "a\0b",
        ".",
    ]
    rows = [record({"i": json.dumps({"_type": "image-file", "path": name})}) for name in names]
    got = read_bytes(run, framed(*rows))
    assert got.images == {}
    assert got.warnings == ("7 images left out: not in the run's folder, no PNG or JPEG, or too large",)


def test_many_histograms_are_thinned_and_counted(tmp_path):
    value = json.dumps({"_type": "histogram", "values": [1], "bins": [0, 1]})
    got = read_bytes(tmp_path, framed(*(record({"_step": str(step), "h": value}) for step in range(1000))))
    steps = [held.step for held in got.histograms["h"]]
    assert (steps[0], steps[-1]) == (0, 999)
    assert len(steps) <= 101
    assert got.warnings == (
        f"{1000 - len(steps):,} histograms left out between others of their tag, for lack of room",
    )


ROWS = [
    record({"_step": str(step), "loss": f"{step}.5", "pad": '"' + "p" * (step % 7 * 400) + '"'})
    for step in range(80)
]
ROWS[40] = record({"_step": "40", "loss": "40.5", "pad": '"' + "q" * 70_000 + '"'})
WHOLE = framed(*ROWS)
STEPS = set(range(80))


def places():
    """Where each record begins and ends."""
    ends = [len(framed(*ROWS[: count + 1])) for count in range(len(ROWS))]
    return list(zip([7, *ends[:-1]], ends, strict=True))


PLACES = places()


def survivors(content):
    with tempfile.TemporaryDirectory() as folder:
        try:
            got = read_bytes(folder, content)
        except UnreadableError:
            return {}, None
    points = got.points.get("loss")
    return dict(zip(points.step.tolist(), points.value.tolist(), strict=True)) if points else {}, got


@given(cut=st.integers(0, len(WHOLE)))
@settings(deadline=None, max_examples=60)
def test_a_cut_costs_the_record_it_cuts(cut):
    got, reading = survivors(WHOLE[:cut])
    whole = {step: step + 0.5 for step, (_, end) in enumerate(PLACES) if end <= cut}
    assert got == whole
    if reading is not None and cut not in {end for _, end in PLACES}:
        assert any("cut off" in note or "damaged" in note for note in reading.warnings)


@given(bits=st.lists(st.integers(7 * 8, len(WHOLE) * 8 - 1), min_size=1, max_size=4))
@settings(deadline=None, max_examples=100)
def test_flipped_bits_cost_the_records_they_are_in(bits):
    content = bytearray(WHOLE)
    for bit in bits:
        content[bit // 8] ^= 1 << bit % 8
    got, reading = survivors(bytes(content))
    hit = {step for step, (start, end) in enumerate(PLACES) if any(start <= bit // 8 < end for bit in bits)}
    if bytes(content) == WHOLE:
        hit = set()
    assert set(got) >= STEPS - hit
    assert all(value == step + 0.5 for step, value in got.items())
    if set(got) != STEPS:
        assert reading.warnings


@given(content=st.binary(max_size=300), where=st.integers(0, len(WHOLE)))
@settings(deadline=None, max_examples=60)
def test_rubbish_between_records_is_no_traceback(content, where):
    got, _ = survivors(WHOLE[:where] + content + WHOLE[where:])
    assert all(value == step + 0.5 for step, value in got.items())


@given(content=st.binary(max_size=200))
@settings(deadline=None, max_examples=60)
def test_whatever_a_record_holds_is_no_traceback(content):
    survivors(framed(content, *ROWS[:2]))


def test_zeros_at_the_end_are_told_once():
    got, reading = survivors(WHOLE + bytes(100_000))
    assert set(got) == STEPS
    assert reading.damaged == 1
    assert reading.warnings == (f"1 damaged place left out: at byte {len(WHOLE):,}",)


def test_a_damaged_magic_is_known_by_the_name(tmp_path):
    (tmp_path / "run-x.wandb").write_bytes(b"?" + WHOLE[1:])
    (source,) = history.read([tmp_path]).sources
    assert (source.why, source.points) == ("named .wandb, first bytes are damaged", 80)
    assert source.warnings == ("the file's first bytes are damaged",)


def test_nested_without_end_is_one_lost_value(tmp_path):
    got = read_bytes(tmp_path, framed(record({"a": "[" * 100_000, "loss": "1"})))
    assert got.points["loss"].value.tolist() == [1]
    assert got.warnings == ("left out, as they are no JSON: 1 value",)


def test_a_file_of_rubbish_alone_is_one_line(tmp_path):
    (tmp_path / "run-x.wandb").write_bytes(b":W&B\xe1\xbe\x00" + b"\x04" * 200_000)
    (source,) = history.read([tmp_path]).sources
    assert source.warnings[0].startswith("no whole record in it: expected a W&B log")


def test_a_folder_that_was_moved_keeps_the_name(log, tmp_path):
    shutil.copy(log, tmp_path / "run-first.wandb")
    assert [run.name for run in history.read([tmp_path]).runs] == ["my∕ rün (first)"]
