"""A model that ends its process, or never comes back, costs the section that it did it in and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import ending
import pytest

import reportgen
from reportgen.ledger import Ledger, how_ended, message
from reportgen.report import Section, Text

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere the command runs in one process")

MODULE = Path(ending.__file__)
SECTIONS = ("overview", "architecture", "training", "evaluation", "features")
HOW = {
    "exits": "the process ended by itself with exit code 7, as os._exit does",
    "segfaults": "the process ended with signal 11 (SIGSEGV: segmentation fault)",
    "is-killed": "the process ended with signal 9 (SIGKILL: killed, probably because the memory ran out)",
    "gives-up": "the process ended with signal 6 (SIGABRT: compiled code gave up)",
    "swallows": "did not end within 5 s and could not be interrupted, so its process was ended",
    "hangs": "did not end within 5 s and could not be interrupted, so its process was ended",
}
LATE = ("swallows", "hangs")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    Path("log.csv").write_text("epoch,loss\n1,2.0\n2,1.0\n")
    return tmp_path


def words(*more, sections=SECTIONS, limit="60", model="model"):
    chosen = [word for name in sections for word in ("--section", name)]
    given = ["--model", f"{MODULE}:{model}", "--data", f"{MODULE}:data", "--logs", "log.csv"]
    out = ["--out", "a.json", "--out", "a.html"]
    return [
        sys.executable,
        "-m",
        "reportgen",
        "generate",
        *given,
        *chosen,
        "--time-limit",
        limit,
        *out,
        *more,
    ]


def where(**variables):
    return {**os.environ, "OMP_NUM_THREADS": "1", **variables}


def run(command, **variables):
    return subprocess.run(
        command, env=where(**variables), capture_output=True, text=True, timeout=120, check=False
    )


def made(*more, code=3, sections=SECTIONS, limit="60", **variables):
    done = run(words(*more, sections=sections, limit=limit), **variables)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert Path("a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    return reportgen.load("a.json"), done


def states(report):
    return {section.name: section.status for section in report.sections}


def processes(word):
    """How many processes have this in their command line."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += word in path.read_bytes()
        except OSError:
            continue
    return found


# --- the command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["exits", "segfaults", "swallows", "hangs"])
def test_a_model_that_does_so_when_it_is_first_called_keeps_its_layers_and_all_that_needs_no_call(
    folder, ends
):
    report, _ = made(limit="5" if ends in LATE else "60", ENDS=ends)
    assert states(report) == {
        "overview": "ok",
        "architecture": "ok",
        "training": "ok",
        "evaluation": "failed",
        "features": "ok",
    }
    architecture = report.section("architecture")
    facts = {fact.label: fact.value for fact in architecture.block("totals").facts}
    assert (facts["Parameters"], facts["FLOPs a sample"]) == (8, None)
    failure = architecture.block("failure")
    assert HOW[ends] in failure.message
    assert "the model was called on one sample" in failure.message
    assert "the last line" in failure.details
    assert HOW[ends] in report.section("evaluation").reason
    if ends not in ("exits", "is-killed"):
        assert "in forward" in failure.details
    assert str(MODULE.parent) not in failure.details
    assert report.section("overview").block("headline") is not None


@pytest.mark.parametrize(
    ("ends", "section"),
    [
        ("segfaults", "architecture"),
        ("hangs", "architecture"),
        ("gives-up", "evaluation"),
        ("is-killed", "features"),
        ("swallows", "features"),
    ],
)
def test_a_model_that_does_so_in_a_section_costs_that_section_alone(folder, ends, section):
    names = ("architecture", "evaluation", "features")
    report, done = made(sections=names, limit="5" if ends in LATE else "60", ENDS=ends, ENDS_IN=section)
    found = states(report)
    assert found.pop(section) == "failed"
    if ends not in LATE:  # on a busy machine five seconds may be too short for the others
        assert set(found.values()) == {"ok"}
    (failure,) = report.section(section).blocks
    assert HOW[ends] in failure.message
    assert failure.error == ("OutOfTime" if ends in LATE else "ProcessEnded")
    assert "the last line" in failure.details
    assert not report.provenance.reproducible
    assert any(note.startswith(f"{section} ") for note in report.provenance.notes)
    assert f"{section}: failed: {failure.error}" in done.stderr


def test_each_section_that_ends_its_process_is_tried_once_and_the_overview_tells_of_all(folder):
    names = ("overview", "architecture", "evaluation", "features")
    report, _ = made(sections=names, ENDS="exits", ENDS_IN="architecture evaluation features")
    assert states(report) == dict.fromkeys(names, "failed") | {"overview": "ok"}
    told = [finding.message for finding in report.section("overview").findings]
    assert len(told) == 3
    assert all("exit code 7" in line for line in told)


def test_data_that_does_so_is_no_longer_read(folder):
    report, _ = made(sections=("architecture", "evaluation"), DATA_ENDS="segfaults", AT="0")
    said = report.section("evaluation").reason
    assert said.startswith("InputError: data: the process ended with signal 11 (SIGSEGV: segmentation fault)")
    assert "the first samples were read" in said
    assert report.section("architecture").status == "ok"


def test_data_that_does_so_beyond_the_first_samples_costs_the_section_that_reads_it(folder):
    report, _ = made(sections=("architecture", "evaluation"), DATA_ENDS="exits", AT="90")
    assert states(report) == {"architecture": "ok", "evaluation": "failed"}
    assert "exit code 7" in report.section("evaluation").reason


def test_a_model_that_ends_the_process_while_it_is_made_is_one_line_and_no_report(folder):
    done = run(words(model="never_made"), ENDS="segfaults")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    said = "the process ended with signal 11 (SIGSEGV: segmentation fault) while the model was loaded"
    assert line == f"error: {said}"
    assert not Path("a.json").exists()
    debug = run(words("--debug", model="never_made"), ENDS="segfaults")
    assert "ending.py" in debug.stderr
    assert "in never_made" in debug.stderr


def test_strict_and_quiet_hold(folder):
    Path("a.html").write_text("old")
    done = run(words("--strict", "--quiet", sections=("features",)), ENDS="exits", ENDS_IN="features")
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.partition(" failed: ")[0] for line in done.stderr.splitlines()] == [
        "error: section features",
        "error: a section failed under --strict: nothing was written",
    ]
    assert Path("a.html").read_text() == "old"


def test_what_hangs_is_ended_with_all_that_it_started(folder):
    made(sections=("evaluation",), limit="2", ENDS="leaves")
    assert processes(b"sleep\x00601\x00") == 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_command_ends_the_model(folder, sent):
    if sent == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux ends a process with the one that started it")
    word = f"{folder}/marked".encode()
    command = words("--title", word.decode(), sections=("environment",), limit="100")
    process = subprocess.Popen(
        command,
        env=where(ENDS="hangs" if sent == signal.SIGKILL else "leaves", SIGN=str(folder / "hangs")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have been told to ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        end = time.monotonic() + 100
        while not (folder / "hangs").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        children = [
            int(p.parent.name) for p in Path("/proc").glob("[0-9]*/stat") if _parent(p) == process.pid
        ]
        assert children
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    if sent != signal.SIGKILL:
        assert process.returncode == 130
        assert said.splitlines()[-1] == "interrupted; nothing was written"
    end = time.monotonic() + 30
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert processes(b"sleep\x00601\x00") == 0
    assert not Path("a.json").exists()


def _parent(stat):
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def test_a_model_can_ask_and_what_it_prints_is_no_command_to_the_terminal(folder):
    process = subprocess.Popen(
        words(sections=("environment",), model="asks"),
        env=where(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stop = threading.Timer(100, process.kill)
    stop.start()
    try:
        assert "which seed?\n" in iter(process.stderr.readline, "")
        out, said = process.communicate("3\n")
    finally:
        stop.cancel()
        process.kill()
    assert process.returncode == 0, said
    assert said.splitlines()[:2] == ["\\x1b[2Jtaken", "seed"]
    assert "\x1b" not in said + out


@pytest.mark.parametrize("model", ["Unpicklable", "on_meta"])
def test_a_model_that_can_not_be_handed_on_or_has_no_values_is_reported_on(folder, model):
    done = run(words(sections=("architecture",), model=model))
    assert done.returncode == 0, done.stderr
    facts = reportgen.load("a.json").section("architecture").block("totals").facts
    assert {fact.label: fact.value for fact in facts}["Parameters"] == 8


def test_a_model_that_loops_for_ever_and_can_be_interrupted_keeps_its_layers_in_the_callers_process(folder):
    report = reportgen.collect(
        ending.Loops(), data=ending.data(), sections=["architecture", "evaluation"], time_limit=3
    )
    assert states(report) == {"architecture": "ok", "evaluation": "failed"}
    assert (
        "the model's forward pass on one sample did not end within 3 s" in report.section("evaluation").reason
    )
    facts = {fact.label: fact.value for fact in report.section("architecture").block("totals").facts}
    assert (facts["Parameters"], facts["FLOPs a sample"]) == (8, None)


def test_an_interrupt_that_the_model_raises_ends_the_command(folder):
    done = run(words(model="interrupts"))
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "interrupted; nothing was written"


# --- from Python ------------------------------------------------------------------------------------------

COLLECT = """
import sys
sys.path.insert(0, sys.argv[1])
import ending, reportgen
print("begins", flush=True)
report = reportgen.collect(ending.model(), data=ending.data(), logs="log.csv", time_limit=float(sys.argv[2]),
                           sections=sys.argv[3:], title="Exp", out=["a.json", "a.html"])
print("returned", [section.status for section in report.sections])
"""


def collected(*sections, limit="60", **variables):
    command = [sys.executable, "-c", COLLECT, str(MODULE.parent), limit, *sections]
    return subprocess.Popen(
        command, env=where(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def written(seconds=30):
    end = time.monotonic() + seconds
    while not (Path("a.json").exists() and Path("a.html").exists()):
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.1)
    return reportgen.load("a.json")


def test_collect_writes_the_files_it_is_told_and_leaves_no_process(folder):
    process = collected("architecture", "environment")
    said, errors = process.communicate(timeout=120)
    assert said.splitlines()[-1] == "returned ['ok', 'ok']", errors
    assert errors == ""
    assert states(reportgen.load("a.html")) == {"architecture": "ok", "environment": "ok"}
    assert processes(f"{folder}/a.json".encode()) == 0


@pytest.mark.parametrize(
    ("ends", "how"),
    [
        ("exits", "without a word: by os._exit, or killed, as where the memory runs out"),
        ("is-killed", "without a word: by os._exit, or killed, as where the memory runs out"),
        ("segfaults", "segmentation fault"),
    ],
)
def test_where_the_process_of_collect_ends_what_was_made_is_on_disk(folder, ends, how):
    process = collected("overview", "architecture", "features", "environment", ENDS=ends, ENDS_IN="features")
    process.communicate(timeout=120)
    assert process.returncode not in (0, 1)
    report = written()
    assert report.title == "Exp"
    assert states(report) == {
        "overview": "skipped",
        "architecture": "ok",
        "features": "failed",
        "environment": "skipped",
    }
    assert "the process ended while features ran" in report.section("features").reason
    assert how in report.section("features").reason
    assert "the process ended while features ran" in report.section("environment").reason


def test_where_it_ends_before_any_section_the_report_says_so(folder):
    process = collected("architecture", "training", ENDS="exits")
    process.communicate(timeout=120)
    report = written()
    assert states(report) == {"architecture": "failed", "training": "skipped"}
    assert (
        "the process ended while the model was called on one sample" in report.section("architecture").reason
    )


def test_where_a_section_never_comes_back_what_was_made_is_on_disk_while_it_hangs(folder):
    process = collected(
        "training", "architecture", "environment", limit="5", ENDS="hangs", ENDS_IN="architecture"
    )
    try:
        report = written(60)
        assert process.poll() is None
        assert "did not end within 5 s and can't be interrupted; its process still runs" in (
            report.section("architecture").reason
        )
        assert report.section("environment").status == "skipped"
    finally:
        process.kill()
        process.communicate()


def test_a_mistake_or_an_interrupt_writes_nothing(folder):
    with pytest.raises(reportgen.InputError):
        reportgen.collect(logs="log.csv", task="nonsense", out="a.json")

    def stop(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reportgen.collect(logs="log.csv", sections=["training"], progress=stop, out="a.json")
    with pytest.raises(reportgen.InputError, match=r"out: got 'a.doc', expected a file that ends in"):
        reportgen.collect(logs="log.csv", out="a.doc")
    assert [path.name for path in folder.iterdir()] == ["log.csv"]


def test_a_file_that_can_not_be_written_is_a_warning_and_the_report_is_returned(folder, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reportgen.files.replace", full)
    with pytest.warns(RuntimeWarning, match=r"a.json was not written: OSError: .*No space left"):
        report = reportgen.collect(logs="log.csv", sections=["training"], out="a.json")
    assert states(report) == {"training": "ok"}


# --- what is known of another process ---------------------------------------------------------------------


def test_a_line_that_was_cut_short_spoils_no_other():
    ledger = Ledger(["a", "b"], 1)
    section = Section(name="a", title="A", blocks=(Text(text="{\n"),))
    whole = message(event="end", section="a", number=1, sections=2, method="", done=0, total=0,
                    result=section.model_dump_json())  # fmt: skip
    sent = message(event="step", section="a", method="x" * 100)[:50] + whole + b"\x00\xff{}\n{\n[1]\n"
    for line in sent.split(b"\n"):
        ledger.take(line)
    assert ledger.made == {"a": section}
    assert ledger.left == ["b"]


def test_ends_are_told_in_words():
    assert how_ended(0) == "ended by itself with exit code 0, as os._exit does"
    assert how_ended(-9).startswith(
        "ended with signal 9 (SIGKILL: killed, probably because the memory ran out"
    )
    assert how_ended(-15) == "ended with signal 15 (SIGTERM: terminated)"
    assert how_ended(-63) == "ended with signal 63"
