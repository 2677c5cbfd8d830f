"""A process that takes too much is ended with all that it started, and what it took is told in one line."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import samples

from reportgen import commands, press
from reportgen.archive import ReportFileError, load, reading
from reportgen.bounded import Limits, TooMuchError, end, resident, start, watched
from reportgen.rendering import SavedReport

told = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system tells nothing in /proc")
ENDLESS = """
import subprocess, sys, time
inner = "x = b'1' * {size}; print('here', flush=True); import time; time.sleep(600)"
child = subprocess.Popen([sys.executable, '-c', inner], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def endless(tmp_path: Path, size: int = 1) -> tuple[subprocess.Popen[bytes], int]:
    """A process that never ends, and the number of the one that it started."""
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS.format(size=size))
    child = start(script, [], stdout=subprocess.PIPE)
    assert child.stdout is not None
    return child, int(child.stdout.readline())


def runs(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@told
def test_what_a_process_started_ends_with_it(tmp_path):
    child, inner = endless(tmp_path)
    with child:
        with pytest.raises(TooMuchError, match="drawing it takes more than 0 s"):
            watched(child, Limits("drawing it", 0.2, 1 << 40))
        end(child)
    until = time.monotonic() + 30
    while runs(inner) and time.monotonic() < until:
        time.sleep(0.01)
    assert not runs(inner)


@told
def test_the_memory_of_what_a_process_started_is_its_own(tmp_path):
    child, inner = endless(tmp_path, 300 << 20)
    with child:
        try:
            assert resident(inner) > 300 << 20
            assert resident(child.pid) > resident(inner)
            with pytest.raises(TooMuchError, match=r"takes more than 0\.2 GiB of memory"):
                watched(child, Limits("it", 600, 200 << 20))
        finally:
            end(child)


def test_all_files_of_one_command_have_one_budget(tmp_path):
    source = samples.empty().save(tmp_path / "report.json")
    late = SavedReport(source, begun=time.monotonic() - 1000)
    with pytest.raises(TooMuchError, match="more than 55 s"):
        late.save(tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_taking_a_pdf_apart_has_a_budget(tmp_path, monkeypatch):
    path = samples.empty().save(tmp_path / "report.pdf")
    for name, said in (("SECONDS", "more than -1 s"), ("MEMORY", "GiB of memory")):
        monkeypatch.setattr(reading, name, -1)
        with pytest.raises(ReportFileError, match=said):
            load(path)
        monkeypatch.undo()
    assert load(path) == samples.empty()


def test_where_printing_takes_too_much_the_other_files_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(press, "SECONDS", -1)
    targets = [tmp_path / f"report.{suffix}" for suffix in ("pdf", "html", "json")]
    targets[0].write_text("the old one")
    with press.Press(None) as printing:
        assert not commands._save(samples.empty(), targets, None, printing, quiet=True)
    assert "report.pdf was not written: TooMuchError: printing it takes more than" in capsys.readouterr().err
    assert load(targets[1]) == load(targets[2]) == samples.empty()
    assert targets[0].read_text() == "the old one"
