"""Damaged logs: never a traceback, every undamaged point kept, and what was lost is counted."""

import json
import math
from collections import Counter
from random import Random

import damage
import eventfiles as files
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen import history
from reportgen.history.readers import UnreadableError, events, jsonl, tables

RANDOM = st.randoms(use_true_random=False)


def scalar(number):
    """The records differ in length, and in how the value is written."""
    tag, step, value = f"tag{'x' * (number % 3)}", number * 40, number / 8
    if number % 4:
        return (tag, step, value), files.scalar(tag, step, value)
    return (tag, step, value), files.tensor(tag, step, dtype=1, float_val=[value])


MADE = [scalar(number) for number in range(40)]
TRUTH = [point for point, _ in MADE]
RECORDS = [record for _, record in MADE]


def found(reading):
    return Counter(
        (tag, step, value)
        for tag, points in reading.points.items()
        for step, value in zip(points.step.tolist(), points.value.tolist(), strict=True)
    )


def damaged(random, kinds):
    held = damage.pieces(RECORDS)
    for kind in kinds:
        held = damage.EVENTS[kind](held, random)
    return held


@given(RANDOM, st.lists(st.sampled_from(sorted(damage.EVENTS)), min_size=1, max_size=4))
def test_exactly_the_undamaged_records_of_an_event_file_are_read(tmp_path_factory, random, kinds):
    held = damaged(random, kinds)
    path = files.write(tmp_path_factory.mktemp("run"), damage.joined(held))
    expected = Counter(TRUTH[number] for number in damage.intact(held))
    try:
        reading = events.read(path)
    except UnreadableError:
        assert not expected
        return
    assert found(reading) == expected
    # Damage that left a byte behind is said, and counted unless it looks like a record still being written.
    if any(data for data, number in held if number is None):
        assert reading.warnings
        assert reading.damaged or "still being written" in reading.warnings[-1]


@pytest.mark.parametrize("kind", [kind for kind in damage.EVENTS if kind.startswith("flipped")])
@given(RANDOM, st.integers(1, 10))
def test_every_record_with_a_flipped_bit_is_counted(tmp_path_factory, kind, random, times):
    held = damaged(random, [kind] * times)
    bad = [number is None for _, number in held]
    # Records beside each other whose lengths are lost are one gap; a payload's checksum tells each apart.
    gaps = sum(now and not before for before, now in zip([False, *bad], bad, strict=False))
    path = files.write(tmp_path_factory.mktemp("run"), files.version(), damage.joined(held))
    expected = gaps if "length" in kind else sum(bad)
    assert events.read(path).damaged == expected


def test_damage_at_every_byte_costs_one_record_at_the_most(tmp_path):
    data = b"".join(RECORDS[:6])
    ends = [sum(map(len, RECORDS[: n + 1])) for n in range(6)]
    for position in range(len(data)):
        hit = next(number for number, end in enumerate(ends) if position < end)
        for broken in (data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :],
                       data[:position] + data[position + 1 :]):  # fmt: skip
            path = files.write(tmp_path, broken)
            assert found(events.read(path)) == Counter(p for n, p in enumerate(TRUTH[:6]) if n != hit)


@pytest.mark.parametrize("block", [1, 13, 50, 333])
def test_damage_is_told_alike_whatever_is_read_at_once(tmp_path, monkeypatch, block):
    for seed in range(40):
        random = Random(seed)
        held = damaged(random, random.choices(sorted(damage.EVENTS), k=3))
        path = files.write(tmp_path, files.version(), damage.joined(held))
        with monkeypatch.context() as patched:
            patched.setattr("reportgen.history.records.BLOCK", block)
            small = events.read(path)
        large = events.read(path)
        assert found(small) == found(large)
        assert (small.warnings, small.damaged) == (large.warnings, large.damaged)


def row(number):
    return {"step": number, "loss": number / 8, "acc": math.nan if number % 5 == 0 else number / 16}


def rows(reading):
    return [int(value * 8) for value in reading.points["loss"].value.tolist()]


@given(RANDOM, st.lists(st.sampled_from(sorted(damage.TABLES)), min_size=1, max_size=4))
def test_ragged_rows_cost_themselves_alone(tmp_path_factory, random, kinds):
    lines = [b"step,loss,acc\n", *(",".join(map(str, row(n).values())).encode() + b"\n" for n in range(30))]
    held = damage.pieces(lines)
    for kind in kinds:
        held = damage.TABLES[kind](held, random)
    path = tmp_path_factory.mktemp("run") / "log.csv"
    path.write_bytes(damage.joined(held))
    reading = tables.read(path)
    assert rows(reading) == [number - 1 for number in damage.intact(held)[1:]]
    assert reading.damaged == sum(number is None for _, number in held)
    assert reading.warnings


@given(RANDOM, st.lists(st.sampled_from(sorted(damage.JSON_LINES)), min_size=1, max_size=4))
def test_half_lines_cost_themselves_alone(tmp_path_factory, random, kinds):
    held = damage.pieces([json.dumps(row(number)).encode() + b"\n" for number in range(30)])
    for kind in kinds:
        held = damage.JSON_LINES[kind](held, random)
    path = tmp_path_factory.mktemp("run") / "log.jsonl"
    path.write_bytes(damage.joined(held))
    reading = jsonl.read(path)
    assert rows(reading) == damage.intact(held)
    assert reading.damaged == sum(number is None for _, number in held)
    assert reading.warnings


@settings(max_examples=20)
@given(RANDOM)
def test_two_writers_in_a_folder_are_one_run_with_all_their_points(tmp_path_factory, random):
    folder = tmp_path_factory.mktemp("run")
    side = [random.random() < 0.5 for _ in RECORDS]
    for name in (False, True):
        mine = [record for record, at in zip(RECORDS, side, strict=True) if at is name]
        files.write(folder, files.version(), *mine, name=f"events.out.tfevents.{1600000000 + name}.host")
    (run,) = history.read([folder]).runs
    points = [
        (tag, step, value)
        for tag, one in run.series.items()
        for step, value in zip(one.step.tolist(), one.value.tolist(), strict=True)
    ]
    assert sorted(points) == sorted(TRUTH)
    assert all((one.flags == 0).all() for one in run.series.values())


def test_wrong_extensions_are_read_by_their_content(tmp_path):
    event = files.write(tmp_path, files.version(), *RECORDS, name="metrics.csv")
    table = tmp_path / "events.jsonl"
    table.write_text("step,loss\n1,2\n2,1\n")
    lines = tmp_path / "log.csv"
    lines.write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n')
    for path, format_, count in ((event, "TensorBoard events", 40), (table, "table", 2), (lines, "JSONL", 2)):
        read = history.read([path])
        assert [(one.format, one.points) for one in read.sources] == [(format_, count)]


@pytest.mark.parametrize(
    "name", ["events.out.tfevents.1.host", "metrics.csv", "log.jsonl", "trainer_state.json"]
)
def test_an_empty_file_is_said_and_costs_no_other(tmp_path, name):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / name).touch()
    files.write(tmp_path / "good", files.version(), *RECORDS)
    read = history.read([tmp_path])
    assert read.points == 40
    assert any("empty" in line for source in read.sources for line in source.warnings)


def test_a_folder_of_ten_thousand_files_and_links_in_a_circle(tmp_path):
    damage.flood(tmp_path)
    damage.loop(tmp_path)
    files.write(tmp_path, files.version(), *RECORDS)
    read = history.read([tmp_path])
    assert read.points == 40
    assert len(read.runs) == 1
