"""A growing log is read on from where it ended; one that is another file, or was rewritten, is read anew."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from tensorboardX import SummaryWriter

from reportgen.history.following import Cursors
from reportgen.history.readers import UnreadableError, events, jsonl, tables


def counted(reader):
    """A reader that says how often it was begun anew, and the bytes that were read of it after that."""
    begun = []

    def follow(path):
        begun.append(path)
        return reader.follow(path)

    return replace(reader, follow=follow), begun


def values(found, tag="loss"):
    return found.points[tag].value.tolist()


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f'{{"step": {at}, "loss": {at / 2}}}\n' for at in range(50)))
    return path


def test_what_is_added_is_read_on_and_nothing_is_read_twice(log):
    reader, begun = counted(jsonl.READER)
    cursors = Cursors()
    assert len(values(cursors(reader, log))) == 50
    with log.open("a") as file:
        file.write('{"step": 50, "loss": 25.0}\n{"step": 51, "lo')
    assert values(cursors(reader, log))[-1] == 25.0
    with log.open("a") as file:
        file.write('ss": 7.0}\n')
    assert values(cursors(reader, log)) == [*(at / 2 for at in range(51)), 7.0]
    assert len(begun) == 1


def test_an_unchanged_file_is_not_opened_again(log, monkeypatch):
    cursors = Cursors()
    first = cursors(jsonl.READER, log)
    assert cursors(jsonl.READER, log) is first


@pytest.mark.parametrize("how", ["replaced", "rewritten", "shortened", "header"])
def test_another_file_of_the_name_is_read_anew(tmp_path, how):
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n" + "".join(f"{at},{at}\n" for at in range(400)))
    reader, begun = counted(tables.READER)
    cursors = Cursors()
    cursors(reader, path)
    if how == "replaced":
        other = tmp_path / "other"
        other.write_text(path.read_text() + "400,1\n")
        os.replace(other, path)
        expected = [*map(float, range(400)), 1.0]
    elif how == "rewritten":
        path.write_text("step,loss\n" + "".join(f"{at},{at + 1}\n" for at in range(500)))
        expected = [float(at + 1) for at in range(500)]
    elif how == "header":
        path.write_text("step,loss,acc\n" + "".join(f"{at},{at},1\n" for at in range(500)))
        expected = [float(at) for at in range(500)]
    else:
        path.write_text("step,loss\n0,5\n1,6\n")
        expected = [5.0, 6.0]
    assert values(cursors(reader, path)) == expected
    assert len(begun) == 2


def test_a_file_that_failed_is_read_anew_the_next_time(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("{}\n")
    cursors = Cursors()
    with pytest.raises(UnreadableError):
        cursors(jsonl.READER, path)
    path.write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 3}\n')
    assert values(cursors(jsonl.READER, path)) == [2.0, 3.0]


def test_event_files_grow_record_by_record(tmp_path):
    writer = SummaryWriter(str(tmp_path))
    reader, begun = counted(events.READER)
    cursors = Cursors()
    path = next(tmp_path.iterdir())
    truth = (np.arange(100) / 4).tolist()
    for step in range(100):
        writer.add_scalar("loss", step / 4, step)
        if step % 20 == 19:
            writer.flush()  # which its own thread does in its own time
            got = cursors(reader, path).points
            assert not got or values(cursors(reader, path)) == truth[: len(got["loss"])]
    writer.close()
    assert values(cursors(reader, path)) == truth
    assert len(begun) == 1
