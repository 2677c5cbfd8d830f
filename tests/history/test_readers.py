"""Readers are found through their entry points, a stranger's like ours."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from reportgen import history
from reportgen.history import readers
from reportgen.history.model import Points, Reading
from reportgen.history.readers import Reader


def stranger(**more):
    points = Points(np.arange(3), np.full(3, np.nan), np.array([3.0, 2.0, 1.0]), np.zeros(3, np.int32))
    return Reader(
        name="odd log",
        likely=lambda path: path.suffix == ".odd",
        recognise=lambda path, head: "starts with ODD" if head.startswith(b"ODD") else None,
        read=lambda path: Reading({"loss": points}),
        **more,
    )


@pytest.fixture
def install(monkeypatch):
    """Makes a reader one that is found through an entry point, as an installed package's is."""

    def put(name, reader):
        module = types.ModuleType("odd_package")
        module.READER = reader
        monkeypatch.setitem(sys.modules, "odd_package", module)
        ours = list(readers.entry_points(group=readers.GROUP))
        theirs = EntryPoint(name, "odd_package:READER", readers.GROUP)
        monkeypatch.setattr(readers, "entry_points", lambda group: [*ours, theirs])

    return put


def test_a_strangers_reader_reads_its_files(tmp_path, install):
    install("odd", stranger())
    (tmp_path / "a.odd").write_text("ODD")
    found = history.read([tmp_path])
    assert [(source.format, source.why, source.points) for source in found.sources] == [
        ("odd log", "starts with ODD", 3)
    ]
    assert found.runs[0].series["loss"].value.tolist() == [3.0, 2.0, 1.0]


def test_magic_bytes_are_tried_before_headers(tmp_path, install):
    install("zz", stranger(by="magic"))
    order = [reader.by for reader in readers.installed()[0].values()]
    assert order == sorted(order, key=("magic", "name", "header", "pattern").index)


@pytest.mark.parametrize("wrong", [None, 3])
def test_what_is_no_reader_is_named_and_costs_none_of_the_others(tmp_path, install, wrong):
    install("bad", wrong)
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    found = history.read([tmp_path])
    assert found.points == 2
    assert f"the reader 'bad' is a {type(wrong).__name__}" in found.sources[0].warnings[0]


def test_a_file_may_hold_several_runs(tmp_path, install):
    def two(path):
        points = stranger().read(path).points
        return [Reading(points, run="a"), Reading(points, run="b", settings={"lr": 0.1}, state="finished")]

    install("odd", Reader("odd", lambda path: path.suffix == ".odd", lambda path, head: "odd", two))
    (tmp_path / "x.odd").write_text("ODD")
    runs = {run.name: run for run in history.read([tmp_path]).runs}
    assert set(runs) == {"a", "b"}
    assert runs["b"].settings == {"lr": 0.1}
    assert runs["b"].state == "finished"
