"""What a forward pass prints, from Python or C, is text in the report and never raw on the terminal."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import reportgen
from reportgen.printed import KEPT, SHOWN, Capture, Text, aside

DATA = (torch.rand(12, 4), torch.arange(12) % 3)


def text_of(*parts):
    text = Text()
    for part in parts:
        text.add(part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part)
    return str(text)


# --- what is made of it -------------------------------------------------------------------------------------


def test_control_characters_are_gone_and_a_line_is_as_a_terminal_leaves_it():
    assert (
        text_of("\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;http://x\x1b\\ link\x07\x08\x00\n") == "red link"
    )
    assert text_of("10 %\r 50 %\r100 %\nnext\r\n") == "100 %\nnext"
    assert text_of("a\u202eb\u2066c\x9bd\x85e") == "abcde"
    assert text_of(b"\xff\xfe", "\ud800") == "\\xff\\xfe\\xed\\xa0\\x80"
    assert text_of("\x1b[", "31mcut") == "cut"


def test_a_long_text_is_cut_at_a_line_and_the_rest_counted():
    lines = [f"line {number}" for number in range(100_000)]
    shown, _, rest = text_of("\n".join(lines)).rpartition("\n")
    kept = shown.split("\n")
    assert len(shown) <= SHOWN
    assert kept == lines[: len(kept)]
    assert rest == f"… {100_000 - len(kept):,} more lines"
    assert text_of("x" * (KEPT + 5)) == "x" * SHOWN + f"… {KEPT + 5 - SHOWN:,} more characters"


def test_a_progress_bar_that_draws_itself_a_million_times_leaves_its_last_state():
    text = Text()
    for number in range(20_000):
        text.add(f"\r{number:>5}/20000 {'#' * 60}".encode())
    assert str(text).startswith("19999/20000")


# --- what is caught -----------------------------------------------------------------------------------------


def test_prints_logs_warnings_and_raw_writes_are_caught_and_the_streams_are_as_they_were(capfd):
    streams, handler = (sys.stdout, sys.stderr), logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("reportgen.tests.printed")
    logger.addHandler(handler)
    with Capture() as capture:
        print("to stdout")
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"bytes\n")
        logger.warning("a log line")
        # pytest records what `warn` says; so a warning is written as Python writes it.
        sys.stderr.write(warnings.formatwarning("a warning", UserWarning, __file__, 1))
        os.write(1, b"raw\n")
        subprocess.run(["echo", "a child"], check=True)
    logger.removeHandler(handler)
    print("after")
    said = str(capture.text)
    for line in ("to stdout", "to stderr", "bytes", "a log line", "raw", "a child"):
        assert line in said.splitlines()
    assert "UserWarning: a warning" in said
    assert str(Path.cwd()) not in said
    assert (sys.stdout, sys.stderr) == streams
    assert handler.stream is streams[1]
    assert capfd.readouterr() == ("after\n", "")


def test_what_is_said_aside_goes_out_and_what_was_printed_before_it_does_not(capfd):
    with Capture() as capture:
        print("caught")
        os.write(1, b"caught too\n")
        with aside():
            print("said")
            os.write(2, b"said too\n")
        print("caught again")
    assert capfd.readouterr() == ("said\n", "said too\n")
    assert sorted(str(capture.text).splitlines()) == ["caught", "caught again", "caught too"]


def test_streams_that_are_no_files_are_caught_too_and_get_nothing(monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    handler = logging.StreamHandler()
    logging.getLogger("reportgen.tests.notebook").addHandler(handler)
    with Capture() as capture:
        print("caught")
        logging.getLogger("reportgen.tests.notebook").warning("logged")
        assert not sys.stdout.isatty()
    print("after")
    assert str(capture.text) == "caught\nlogged"
    assert (out.getvalue(), err.getvalue()) == ("after\n", "")


def test_what_another_thread_prints_goes_where_it_went(monkeypatch):
    out, ready, done = io.StringIO(), threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "stdout", out)

    def talk():
        ready.wait(10)
        print("from the other thread")
        done.set()

    thread = threading.Thread(target=talk)
    thread.start()
    with Capture() as capture:
        ready.set()
        done.wait(10)
        print("caught")
    thread.join()
    assert str(capture.text) == "caught"
    assert out.getvalue() == "from the other thread\n"


def test_a_stream_that_a_package_kept_while_it_was_imported_writes_to_the_real_one_afterwards(capfd):
    with Capture() as capture:
        handler = logging.StreamHandler()  # as packages make it on their first import
        logger = logging.getLogger("reportgen.tests.imported")
        logger.addHandler(handler)
        logger.warning("meanwhile")
    logger.warning("afterwards")
    with Capture() as later:
        logger.warning("in the next one")
    logger.removeHandler(handler)
    assert str(capture.text) == "meanwhile"
    assert str(later.text) == "in the next one"
    assert capfd.readouterr().err == "afterwards\n"


def test_captures_within_one_another_and_side_by_side_leave_the_streams_alone(capfd):
    with Capture() as outer:
        with Capture() as inner:
            print("one")
        print("two")
    assert str(outer.text) == "one\ntwo"
    assert not str(inner.text)
    first, second = Capture(), Capture()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    print("visible")
    second.__exit__()
    print("visible too")
    assert capfd.readouterr().out == "visible\nvisible too\n"


def test_without_a_folder_for_the_file_pythons_prints_are_caught(monkeypatch):
    def no_room(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr("tempfile.TemporaryFile", no_room)
    with Capture() as capture:
        print("caught")
    assert str(capture.text) == "caught"


def test_where_nothing_can_be_caught_what_runs_inside_runs_all_the_same(monkeypatch, capfd):
    def fails(*_):
        raise OSError("no")

    monkeypatch.setattr("os.dup2", fails)
    with Capture() as capture:
        print("visible")
    monkeypatch.undo()
    with Capture() as again:
        print("caught")
    assert not str(capture.text)
    assert str(again.text) == "caught"
    assert capfd.readouterr() == ("visible\n", "")


CLOSED = """
import os, sys
from reportgen.printed import Capture
for number in (1, 2):
    os.close(number)
sys.stdout = sys.stderr = None
with Capture() as capture:
    print("caught")
    os.system("echo nowhere")
print("after")
assert sys.stdout is None
open(sys.argv[1], "w").write(str(capture.text).splitlines()[0])
"""


@pytest.mark.skipif(os.name != "posix", reason="descriptors are closed as a daemon has them")
def test_a_process_without_streams_is_none_the_worse(tmp_path):
    subprocess.run([sys.executable, "-c", CLOSED, str(tmp_path / "said")], check=True, timeout=120)
    assert (tmp_path / "said").read_text() == "caught"


# --- in a report --------------------------------------------------------------------------------------------


class Talks(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        print(f"\x1b]0;pwned\x07rows {len(x)}")
        logging.getLogger("reportgen.tests.talks").error("an error line")
        os.write(1, b"\x1b[2Jfrom C\n")
        return self.linear(x)


def test_a_report_shows_what_the_model_printed_where_it_was_printed_and_the_terminal_nothing(capfd):
    handler, seen = logging.StreamHandler(sys.stderr), []
    logging.getLogger("reportgen.tests.talks").addHandler(handler)

    def progress(event):
        if event.event == "step":
            print("progress")
        seen.append(event.event)

    report = reportgen.collect(Talks(), data=DATA, samples=2, progress=progress)
    logging.getLogger("reportgen.tests.talks").removeHandler(handler)
    out, err = capfd.readouterr()
    assert set(out.splitlines()) == {"progress"}
    assert err == ""
    talked = {
        section.name: block.text
        for section in report.sections
        for block in section.blocks
        if block.title == "Printed while the model ran"
    }
    assert set(talked) >= {"overview", "architecture", "evaluation"}
    for text in talked.values():
        assert "rows " in text
        assert "from C" in text
        assert "an error line" in text
        assert "\x1b" not in text
        assert "pwned" not in text
    assert "what the model prints may differ from run to run" in report.provenance.notes
    assert not report.failed


SCRIPTED = """
import sys, torch, reportgen
class Loud(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)
    def forward(self, x: torch.Tensor):
        print("from the script", x.shape)
        return self.linear(x)
if __name__ == "__main__":
    from reportgen.printed import Capture
    kept = sys.stderr
    with Capture() as capture:
        print("to the stream of before", file=kept)
    assert str(capture.text) == "to the stream of before"
    print("before", end="")  # no line's end: still in a buffer when the capture begins
    model = torch.jit.script(Loud())
    report = reportgen.collect(model, example_inputs=torch.rand(1, 4), sections=["architecture"])
    print(" and after")
    open(sys.argv[1], "w").write(report.to_json())
"""


def test_what_torchscript_prints_from_c_is_caught_in_a_process_of_its_own(tmp_path):
    (tmp_path / "loud.py").write_text(SCRIPTED)
    words = [sys.executable, str(tmp_path / "loud.py"), str(tmp_path / "report.json")]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)
    assert done.stdout == "before and after\n"
    assert "from the script" not in done.stderr
    assert "of before" not in done.stderr
    assert "from the script" in (tmp_path / "report.json").read_text()


def test_the_command_line_shows_its_progress_and_not_the_models_prints(tmp_path, monkeypatch, capfd):
    (tmp_path / "talks.py").write_text(
        "import torch\n"
        "class Talks(torch.nn.Linear):\n"
        "    def forward(self, x):\n"
        "        print('rows', len(x))\n"
        "        return super().forward(x)\n"
        "def build(): return Talks(4, 3)\n"
        "data = (torch.rand(12, 4), torch.arange(12) % 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    from reportgen.cli import main

    code = main(
        ["generate", "--model", "talks.py:build", "--data", "talks.py:data", "--section", "evaluation",
         "--section", "architecture", "--out", "r.json"]
    )  # fmt: skip
    out, err = capfd.readouterr()
    assert code == 0
    assert "rows" not in out + err
    assert "[1/2] architecture" in err
    assert "r.json" in out
    with contextlib.suppress(KeyError):
        del sys.modules["talks"]
    assert "rows 1" in (tmp_path / "r.json").read_text()
