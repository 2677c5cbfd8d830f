"""Event files: what real writers write is read exactly, and damage costs no more than it must."""

import contextlib
import math
import struct
import subprocess
import sys
from pathlib import Path

import eventfiles as files
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX import SummaryWriter
from tensorboardX.proto import event_pb2

from reportgen.history.readers import UnreadableError, events


def truth(path: Path) -> dict[str, list[tuple[int, float, float]]]:
    """The scalars by a plain loop over the records with tensorboardX's own schema."""
    out: dict[str, list[tuple[int, float, float]]] = {}
    data, position = path.read_bytes(), 0
    while position < len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        event = event_pb2.Event.FromString(data[position + 12 : position + 12 + length])
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                out.setdefault(value.tag, []).append((event.step, event.wall_time, value.simple_value))
        position += 16 + length
    return out


def told(path: Path) -> dict[str, list[tuple[int, float, float]]]:
    points = events.read(path).points
    return {
        tag: list(zip(one.step.tolist(), one.wall.tolist(), one.value.tolist(), strict=True))
        for tag, one in points.items()
    }


def test_tensorboardx_scalars_are_read_exactly(tmp_path):
    rng = np.random.default_rng(0)
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(300):
            writer.add_scalar("loss/train", rng.normal(), step)
            writer.add_scalar("accuracy", rng.random(), step * 100)
            writer.add_scalar("ünïcode <b>", -0.0, step)
            if step % 50 == 0:
                writer.add_histogram("weights", rng.normal(size=100), step)
                writer.add_text("note", "text", step)
                writer.add_image("picture", rng.random((3, 40, 40)), step)
    (path,) = tmp_path.iterdir()
    assert events.recognise(path, path.read_bytes()[:100]) == "first record says brain.Event:2"
    assert told(path) == truth(path)
    assert sum(map(len, told(path).values())) == 900
    assert events.read(path).warnings == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "loss/train", "x" * 200]),
            st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300),
            st.floats(width=32),
            st.floats(0, 2e9),
        ),
        min_size=1,
        max_size=80,
    )
)
def test_any_scalars_are_read_as_protobuf_reads_them(tmp_path_factory, points):
    records = [files.scalar(tag, step, value, wall) for tag, step, value, wall in points for _ in range(2)]
    path = files.write(tmp_path_factory.mktemp("run"), files.version(), *records)
    found, expected = told(path), truth(path)
    assert list(found) == list(expected)
    for tag, rows in expected.items():
        assert np.array_equal(np.array(found[tag]), np.array(rows), equal_nan=True)


def test_bulk_templates_are_not_fooled_by_a_field_that_comes_twice(tmp_path):
    # The second step and the second value win; a reader that goes by place alone takes the first.
    plain = files.event(wall_time=1.0, step=3)
    plain.summary.value.add(tag="a", simple_value=1.0)
    twice_step = plain.SerializeToString() + b"\x10\x09"
    value = b"\x0a\x01a\x15" + struct.pack("<f", 1.0) + b"\x15" + struct.pack("<f", 7.0)
    twice_value = b"\x09" + struct.pack("<d", 1.0) + b"\x10\x03\x2a" + bytes([len(value) + 2]) + b"\x0a"
    twice_value += bytes([len(value)]) + value
    path = files.write(
        tmp_path, files.version(), *[files.frame(twice_step)] * 20, *[files.frame(twice_value)] * 20
    )
    assert told(path) == truth(path) == {"a": [(9, 1.0, 1.0)] * 20 + [(3, 1.0, 7.0)] * 20}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dtype": 1, "float_val": [0.5]}, 0.5),
        ({"dtype": 1, "tensor_content": struct.pack("<f", 0.25)}, 0.25),
        ({"dtype": 2, "double_val": [0.1]}, 0.1),
        ({"dtype": 2, "tensor_content": struct.pack("<d", 0.1)}, 0.1),
        ({"dtype": 3, "int_val": [-7]}, -7.0),
        ({"dtype": 9, "int64_val": [1 << 40]}, float(1 << 40)),
        ({"dtype": 10, "bool_val": [True]}, 1.0),
        ({"dtype": 19, "half_val": [0x3C00]}, 1.0),
        ({"dtype": 14, "half_val": [0x3F80]}, 1.0),
    ],
)
def test_keras_scalars_are_tensors_without_dimensions(tmp_path, fields, expected):
    first = files.tensor("epoch_loss", 0, first=True, **fields)
    path = files.write(
        tmp_path, files.version(), first, *[files.tensor("epoch_loss", s, **fields) for s in range(1, 40)]
    )
    points = events.read(path).points["epoch_loss"]
    assert points.step.tolist() == list(range(40))
    assert points.value.tolist() == [expected] * 40


def test_tensors_that_are_no_scalars_are_left_alone(tmp_path):
    made = files.event(wall_time=1.0, step=1)
    value = made.summary.value.add(tag="vector")
    value.tensor.dtype = 1
    value.tensor.tensor_shape.dim.add(size=1)
    value.tensor.float_val.append(3.0)
    text = files.tensor("text", 1, dtype=7, string_val=[b"12"])
    path = files.write(tmp_path, files.version(), files.frame(made.SerializeToString()), text)
    assert events.read(path).points == {}


def ten(folder: Path) -> tuple[Path, list[bytes]]:
    records = [files.version(), *[files.scalar("loss", step, step / 10) for step in range(10)]]
    return files.write(folder, *records), records


def flipped(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(bytes(data))


def test_bit_flip_in_a_payload_costs_that_record_alone(tmp_path):
    path, records = ten(tmp_path)
    at = sum(map(len, records[:4]))
    flipped(path, at + 25)
    reading = events.read(path)
    assert reading.points["loss"].step.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert reading.damaged == 1
    assert reading.warnings == (f"1 record with a wrong checksum is left out: at byte {at:,}",)


def test_bit_flip_in_a_length_costs_that_record_alone(tmp_path):
    path, records = ten(tmp_path)
    at = sum(map(len, records[:4]))
    flipped(path, at + 1)
    reading = events.read(path)
    assert reading.points["loss"].step.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    after = at + len(records[4])
    assert reading.warnings == (
        f"the record at byte {at:,} has a damaged length: bytes {at:,} to {after:,} left out",
    )


def test_damaged_first_record_does_not_hide_the_rest(tmp_path):
    path, _ = ten(tmp_path)
    flipped(path, 0)
    assert events.recognise(path, path.read_bytes()) == "named tfevents, first record is damaged"
    assert len(events.read(path).points["loss"]) == 10


def test_cut_off_last_record_is_dropped_with_its_offset(tmp_path):
    path, records = ten(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    reading = events.read(path)
    assert reading.points["loss"].step.tolist() == list(range(9))
    at = sum(map(len, records[:-1]))
    assert reading.warnings == (
        f"the last record, at byte {at:,}, is cut off and left out: still being written?",
    )


def test_zero_filled_tail_is_said(tmp_path):
    path, _ = ten(tmp_path)
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(5000))
    reading = events.read(path)
    assert len(reading.points["loss"]) == 10
    assert reading.warnings == (f"from byte {size:,} on there are only zeros: 5,000 bytes left out",)


def test_records_longer_than_a_block_and_damage_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("reportgen.history.records.BLOCK", 100)
    long = files.event(wall_time=1.0, graph_def=b"g" * 5000)
    many = [files.scalar("loss", step, 0.5) for step in range(100)]
    path = files.write(tmp_path, files.version(), files.frame(long.SerializeToString()), *many)
    assert events.read(path).points["loss"].step.tolist() == list(range(100))
    flipped(path, len(files.version()) + 1)
    reading = events.read(path)
    assert reading.points["loss"].step.tolist() == list(range(100))
    assert reading.damaged == 1


def test_session_start_marks_where_it_purges(tmp_path):
    before = [files.scalar("loss", step, 1.0) for step in range(10)]
    after = [files.scalar("loss", step, 2.0) for step in range(5, 12)]
    path = files.write(tmp_path, files.version(), *before, files.start(5), *after)
    reading = events.read(path)
    assert reading.purges == (5,)
    assert reading.points["loss"].session.tolist() == [0] * 10 + [1] * 7


def test_file_without_a_record_says_what_was_expected(tmp_path):
    path = files.write(tmp_path, b"")
    with pytest.raises(UnreadableError, match="expected TensorBoard event records"):
        events.read(path)


WHOLE = [files.version(), *[files.scalar(f"t{s % 3}", s, s / 7) for s in range(30)]]
EXACT = {(f"t{s % 3}", s, float(np.float32(s / 7))) for s in range(30)}


@given(
    st.integers(0, len(b"".join(WHOLE))),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 7)), max_size=4),
)
def test_truncation_and_bit_flips_never_raise_and_never_give_a_wrong_value(tmp_path_factory, size, flips):
    data = bytearray(b"".join(WHOLE)[:size])
    for position, bit in flips:
        if data:
            data[position % len(data)] ^= 1 << bit
    path = files.write(tmp_path_factory.mktemp("run"), bytes(data))
    try:
        reading = events.read(path)
    except UnreadableError:
        return
    found = {
        (tag, step, value)
        for tag, points in reading.points.items()
        for step, value in zip(points.step.tolist(), points.value.tolist(), strict=True)
    }
    assert found <= EXACT
    if size == len(b"".join(WHOLE)) and not flips:
        assert found == EXACT


@given(st.binary(max_size=400))
def test_rubbish_never_raises_anything_but_unreadable(tmp_path_factory, data):
    path = files.write(tmp_path_factory.mktemp("run"), data)
    with contextlib.suppress(UnreadableError):
        assert not events.read(path).points


def test_non_finite_values_are_kept(tmp_path):
    values = [1.0, math.nan, math.inf, -math.inf] * 5
    path = files.write(tmp_path, files.version(), *[files.scalar("loss", s, v) for s, v in enumerate(values)])
    assert np.array_equal(events.read(path).points["loss"].value, values, equal_nan=True)


def test_reading_event_files_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys, reportgen.history.readers.events; "
        "print({'torch', 'matplotlib', 'tensorboard'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout == "set()\n"


def test_lengths_that_are_met_within_payloads_are_not_taken_for_records(tmp_path):
    inner = b"".join(files.scalar("inner", step, 9.0) for step in range(5))
    held = files.event(wall_time=1.0, graph_def=inner)
    records = [files.version()]
    for step in range(20):
        records += [files.frame(held.SerializeToString()), files.scalar("loss", step, step / 8)]
    reading = events.read(files.write(tmp_path, *records))
    assert list(reading.points) == ["loss"]
    assert reading.points["loss"].step.tolist() == list(range(20))
    assert reading.warnings == ()
