"""A log read again and again while it grows gives in the end what one reading of the whole gives."""

import json
from pathlib import Path
from random import Random

import damage
import eventfiles as files
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX import SummaryWriter

from reportgen.history.readers import UnreadableError, events, jsonl, tables

CUTS = st.lists(st.integers(0, 10**6), max_size=6)


def events_bytes(tmp: Path) -> bytes:
    with SummaryWriter(str(tmp)) as writer:
        for step in range(40):
            writer.add_scalar("loss", step / 7, step)
            writer.add_scalar("accuracy", np.nan if step == 9 else step / 40, step)
            if step % 10 == 0:
                writer.add_image("pic", np.full((3, 4, 4), step, np.uint8), step)
                writer.add_histogram("h", np.arange(step + 2.0), step)
                writer.add_text("note", f"at {step}", step)
    (path,) = tmp.iterdir()
    return path.read_bytes() + files.start(20) + files.scalar("loss", 20, 0.5) + files.scalar("new", 1, 1.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return events_bytes(tmp_path_factory.mktemp("whole"))


def told(reading):
    """Everything in a reading, in a form that can be compared."""
    points = {
        tag: [one.step.tolist(), *(part.tobytes() for part in (one.wall, one.value, one.session))]
        for tag, one in reading.points.items()
    }
    logged = [{tag: list(held) for tag, held in kind.items()} for kind in (reading.images, reading.texts)]
    histograms = {
        tag: [(h.step, h.wall, h.edges.tolist(), h.counts.tolist()) for h in held]
        for tag, held in reading.histograms.items()
    }
    rest = (reading.warnings, reading.damaged, reading.axis, reading.purges, reading.settings, reading.state)
    return list(points.items()), logged, histograms, rest


def grown(reader, path, data, cuts):
    """What the last of several looks at a growing file gives, each also equal to a single reading."""
    path.write_bytes(b"")
    follower, before, last = reader.follow(path), 0, None
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        with path.open("ab") as file:
            file.write(data[before:cut])
        before = cut
        try:
            last = told(follower.read())
        except UnreadableError as error:
            last = str(error)
        assert last == once(reader, path)
    return last


def once(reader, path):
    try:
        return told(reader.read(path))
    except UnreadableError as error:
        return str(error)


@given(CUTS)
def test_event_files_in_chunks_of_any_size(tmp_path_factory, whole, cuts):
    path = tmp_path_factory.mktemp("run") / "events.out.tfevents.1.host"
    points = dict(grown(events.READER, path, whole, cuts)[0])
    assert points["loss"][0] == [*range(40), 20]


@given(CUTS, st.integers(0, 10**6), st.lists(st.sampled_from(sorted(damage.EVENTS)), max_size=3))
def test_damaged_event_files_in_chunks_of_any_size(tmp_path_factory, cuts, seed, kinds):
    held = damage.pieces([files.scalar("loss", step, step / 8) for step in range(30)])
    for kind in kinds:
        held = damage.EVENTS[kind](held, Random(seed))
    path = tmp_path_factory.mktemp("run") / "events.out.tfevents.1.host"
    grown(events.READER, path, damage.joined(held), cuts)


TABLE = 'epoch,loss,"a, b",split\r\n' + "".join(f'{n},{n / 7},"{n}",train\r\n' for n in range(30))
LINES = "\ufeff" + "".join(json.dumps({"step": n, "löss": n / 7, "a": n}) + "\n" for n in range(30))
BROKEN = LINES.replace('"a": 7}', '"a": 7').encode() + b"\n\nnoise \xc3\n" + b'{"step": 99, "late": 1}'


@pytest.mark.parametrize(
    ("reader", "name", "text"),
    [
        (tables.READER, "log.csv", TABLE.encode()),
        (tables.READER, "log.csv", TABLE.replace("\r\n", "\r").encode()),
        (tables.READER, "log.csv", b"step\tloss\n1\t2\n2\n3\tx\n4\t5"),
        (jsonl.READER, "log.jsonl", LINES.encode()),
        (jsonl.READER, "log.jsonl", BROKEN),
    ],
    ids=["csv", "carriage returns", "ragged tsv", "jsonl", "broken jsonl"],
)
@given(cuts=CUTS)
def test_lines_in_chunks_of_any_size(tmp_path_factory, reader, name, text, cuts):
    grown(reader, tmp_path_factory.mktemp("run") / name, text, cuts)


def test_jsonl_names_its_columns_after_the_first_thousand_lines_also_in_chunks(tmp_path):
    text = "".join(json.dumps({"loss": n / 7, "step" if n > 900 else "note": n}) + "\n" for n in range(1200))
    half = len(text) // 2
    last = grown(jsonl.READER, tmp_path / "log.jsonl", text.encode(), [100, half, half + 7, len(text) - 3])
    assert last[3][2] == "step"


@pytest.mark.parametrize("kind", ["events", "csv", "jsonl"])
def test_only_what_is_new_is_read(tmp_path, kind, whole):
    reader, data = {
        "events": (events.READER, whole),
        "csv": (tables.READER, TABLE.encode()),
        "jsonl": (jsonl.READER, LINES.encode()),
    }[kind]
    path, half = tmp_path / "log", len(data) // 2
    path.write_bytes(data[:half])
    follower = reader.follow(path)
    follower.read()
    # Whatever stands there now, the first half is not looked at again.
    path.write_bytes(b"\xee" * half + data[half:])
    found = told(follower.read())
    path.write_bytes(data)
    assert found == once(reader, path)


def test_an_unfinished_last_line_is_said_and_read_when_it_is_finished(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    follower = jsonl.READER.follow(path)
    reading = follower.read()
    assert reading.points["loss"].step.tolist() == [1]
    assert reading.warnings == ("the last line, 2, is cut off and left out: still being written?",)
    with path.open("a") as file:
        file.write('ss": 1}\n')
    reading = follower.read()
    assert reading.points["loss"].step.tolist() == [1, 2]
    assert reading.warnings == ()


def test_a_reading_stays_as_it_was_when_more_is_read(tmp_path, whole):
    path = tmp_path / "events.out.tfevents.1.host"
    path.write_bytes(whole[: len(whole) // 2])
    follower = events.READER.follow(path)
    early = follower.read()
    before = told(early)
    path.write_bytes(whole)
    assert follower.read().points["loss"].value.size == 41
    assert told(early) == before
