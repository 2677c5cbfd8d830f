import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

import reportgen
from reportgen.cli import main
from reportgen.report import json_schema

LOG = "epoch,loss\n1,2.0\n2,1.0\n"
SLOW = """
import time
from pathlib import Path
import torch
from torch.utils.data import Dataset

def mark():
    Path("started").touch()
    time.sleep(120)

def while_loading():
    mark()

class WhileReading(Dataset):
    def __len__(self): return 200
    def __getitem__(self, i):
        if i == 150: mark()
        return torch.zeros(3), i % 2

net = torch.nn.Linear(3, 2)
"""
EXP = """
import torch
from torch.utils.data import TensorDataset

torch.manual_seed(0)
net = torch.nn.Linear(3, 2)
def data(): return torch.rand(20, 3), torch.arange(20) % 2
def wrong_shape(): return torch.rand(20, 5), torch.arange(20) % 2
def empty(): return torch.rand(0, 3), torch.zeros(0, dtype=torch.int64)
def raises(): raise OSError("the disk is gone")
"""
NO_CAPABILITIES = """
import ctypes, sys
header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert ctypes.CDLL(None).capset(header, none) == 0  # root may write anywhere; whom a folder refuses may not
from reportgen.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    Path("log.csv").write_text(LOG)
    Path("exp.py").write_text(EXP)
    return tmp_path


STUBS = '''
import time
from importlib.metadata import EntryPoint
from reportgen.report import Facts, Section

def good(experiment, options):
    """Say the title."""
    options.step("looking", 0, 2)
    facts = Facts(title="Said", facts=({"label": "Title", "value": experiment.title},))
    return Section(name="good", title="Good", blocks=(facts,))

def bad(experiment, options):
    """Break [bold]always[/bold]."""
    raise ValueError("broken\x1b[2J on purpose")

def rubbish(experiment, options):
    return {"name": "rubbish"}

def slow(experiment, options):
    """Take longer than there is."""
    time.sleep(30)

def points(names):
    return {name: EntryPoint(name, f"stub_sections:{name}", "reportgen.sections") for name in names}
'''
# Python imports this where it starts: in the process that makes the report, too.
INSTALL = """
import reportgen.running, stub_sections
reportgen.running.available = lambda: stub_sections.points({names!r})
"""


@pytest.fixture
def sections(monkeypatch, tmp_path_factory):
    """Sections that end in each way, in place of those that are installed."""
    place = tmp_path_factory.mktemp("stubs")
    (place / "stub_sections.py").write_text(STUBS)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, "stub_sections", raising=False)
    paths = [str(place), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    def install(*names):
        import stub_sections

        (place / "sitecustomize.py").write_text(INSTALL.format(names=names))
        monkeypatch.setattr("reportgen.running.available", lambda: stub_sections.points(names))

    yield install
    sys.modules.pop("stub_sections", None)


def run(*words, **options):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "reportgen", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def run_on(terminal, *words):
    """The same with its stderr on a terminal, which is closed afterwards."""
    command = [sys.executable, "-m", "reportgen", *words]
    environment = {**os.environ, "TERM": "xterm"}
    try:
        return subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
            timeout=120,
            check=False,
            env=environment,
        )
    finally:
        os.close(terminal)


def only_line(capsys):
    """The one line that says what is wrong."""
    said = capsys.readouterr().err
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    return line


# --- what starts at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["generate", "--help"], ["render", "--help"], []]
)
def test_help_and_version_import_nothing_heavy(words):
    code = f"import sys; from reportgen.cli import main; print(main({words!r})); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    *_, status, modules = done.stdout.splitlines()
    assert status == "0"
    heavy = {"torch", "numpy", "matplotlib", "jinja2", "weasyprint", "sklearn", "rich", "reportgen.report"}
    if words in (["--help"], ["--version"]):
        heavy.add("pydantic")  # elsewhere newer Typers load it themselves, to convert what was given
    assert not heavy & set(re.findall(r"'([^']+)'", modules))


def test_help_shows_examples(capsys):
    assert main(["--help"]) == 0
    assert (
        "reportgen generate --model my_pkg.models:build --weights best.safetensors" in capsys.readouterr().out
    )
    assert main(["generate", "--help"]) == 0
    said = capsys.readouterr().out
    assert "reportgen generate --logs runs/exp42" in said
    assert "Exit codes: 0 done" in said


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"reportgen {reportgen.__version__}\n"
    assert version("reportgen") == reportgen.__version__


def test_a_shell_completes_commands_and_options():
    def complete(line):
        asked = {
            "_REPORTGEN_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(line.count(" ")),
        }
        return run(env={**os.environ, **asked}).stdout.split()

    assert complete("reportgen gen") == ["generate"]
    assert "--class-names" in complete("reportgen generate --cl")


def test_the_schema_is_printed(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_sections_are_listed_without_torch():
    code = "import sys; from reportgen.cli import main; main(['sections']); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    *lines, torch = done.stdout.splitlines()
    names = ["overview", "architecture", "training", "evaluation", "features", "explanations", "environment"]
    assert [line.split()[0] for line in lines] == names
    assert all(line.endswith(f"  reportgen {reportgen.__version__}") for line in lines)
    assert "can't be loaded" not in done.stdout
    assert torch == "False"


def test_a_strangers_sections_are_listed_as_text_even_where_they_are_broken(capsys, sections, monkeypatch):
    sections("bad", "gone")
    assert main(["sections"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.split("  +", first) == ["bad", "Break [bold]always[/bold].", "unknown package"]
    assert "can't be loaded: AttributeError" in second


# --- generate ---------------------------------------------------------------------------------------------


def test_logs_alone_make_a_report_and_the_output_names_it(folder, sections, capsys):
    sections("good")
    assert main(["generate", "--logs", "log.csv", "--title", "T", "--out", "a.html", "--out", "a.json"]) == 0
    captured = capsys.readouterr()
    data, html, summary = captured.out.splitlines()
    for line, path in ((html, Path("a.html")), (data, Path("a.json"))):
        assert line == f"{path}  {path.stat().st_size / 1024:,.1f} KB"
    found = json.loads(Path("a.json").read_text())["sections"][0]
    size = len(json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()) / 1024
    assert re.fullmatch(rf"good  ok +\d\.\d\d s +{size:.1f} KB", summary)
    assert captured.err.splitlines()[:3] == ["loading", "[1/1] good", "[1/1] good: looking, 0 of 2"]


def test_the_default_is_report_html_and_the_command_is_kept(folder, sections):
    sections("good")
    assert main(["generate", "--logs", "log.csv", "--title", "a b", "--quiet"]) == 0
    report = reportgen.load("report.html")
    assert report.provenance.command == "reportgen generate --logs log.csv --title 'a b' --quiet"


def test_a_toml_alone_is_enough_and_the_command_line_wins(folder, sections, capsys):
    sections("good")
    (folder / "sub").mkdir()
    Path("sub/names.txt").write_text("a\nb\n")
    Path("sub/exp.toml").write_text(
        'model = "../exp.py:net"\ndata = "../exp.py:data"\nlogs = "../log.csv"\nclass_names = "names.txt"\n'
        'out = "made.json"\ntitle = "From the file"\n'
    )
    assert main(["generate", "sub/exp.toml"]) == 0
    assert reportgen.load("sub/made.json").title == "From the file"
    assert main(["generate", "sub/exp.toml", "--title", "Mine", "--out", "here.json"]) == 0
    assert reportgen.load("here.json").title == "Mine"


def test_a_module_beside_the_toml_is_found(folder, sections):
    sections("good")
    (folder / "sub").mkdir()
    Path("sub/beside_the_toml.py").write_text("import torch\nnet = torch.nn.Linear(1, 1)\n")
    Path("sub/exp.toml").write_text('model = "beside_the_toml:net"\nout = "a.json"\n')
    assert main(["generate", "sub/exp.toml", "--quiet"]) == 0
    assert "beside_the_toml" not in sys.modules  # what is reported on is never loaded here


def test_checks_are_asked_for_one_a_flag_or_as_a_list_in_the_toml(folder):
    words = ["generate", "--model", "exp.py:net", "--data", "exp.py:data", "--quiet"]
    only = ["--section", "explanations", "--method", "occlusion", "--samples", "2"]
    assert (
        main([*words, *only, "--check", "infidelity", "--check", "max-sensitivity", "--out", "a.json"]) == 0
    )
    Path("exp.toml").write_text('checks = ["infidelity"]\nout = "b.json"\n')
    assert main(["generate", "exp.toml", *words[1:], *only]) == 0
    both, one = (
        reportgen.load(path).section("explanations").block("infidelity-and-max-sensitivity")
        for path in ("a.json", "b.json")
    )
    assert [column.name for column in both.columns[1::3]] == ["Infidelity", "Max-sensitivity"]
    assert [column.name for column in one.columns[1::3]] == ["Infidelity"]


def test_quiet_says_nothing(folder, sections, capsys):
    sections("good")
    assert main(["generate", "--logs", "log.csv", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_failed_section_is_in_the_report_and_the_exit_code(folder, sections, capsys):
    sections("good", "bad", "rubbish", "slow")
    assert main(["generate", "--logs", "log.csv", "--out", "a.json", "--time-limit", "0.3"]) == 3
    captured = capsys.readouterr()
    states = {line.split()[0]: line.split()[1] for line in captured.out.splitlines()[1:]}
    assert states == {"good": "ok", "bad": "failed", "rubbish": "failed", "slow": "failed"}
    assert "ValueError: broken\\x1b[2J on purpose" in captured.out
    assert "\x1b" not in captured.out + captured.err
    assert [section.status for section in reportgen.load("a.json").sections] == [
        "ok",
        "failed",
        "failed",
        "failed",
    ]


def test_quiet_still_says_which_section_failed(folder, sections, capsys):
    sections("bad")
    assert main(["generate", "--logs", "log.csv", "--quiet"]) == 3
    assert only_line(capsys).startswith("error: section bad failed: ValueError: broken")


def test_strict_writes_nothing_and_keeps_the_old_file(folder, sections, capsys):
    sections("good", "bad")
    Path("report.html").write_text("old")
    assert (
        main(["generate", "--logs", "log.csv", "--strict", "--out", "report.html", "--out", "new.json"]) == 1
    )
    assert Path("report.html").read_text() == "old"
    assert not Path("new.json").exists()
    assert "nothing was written" in capsys.readouterr().err


def test_without_pango_all_but_the_pdf_is_written_and_one_line_says_what_brings_it(
    folder, sections, capsys, monkeypatch
):
    # In this process and in any it starts, importing WeasyPrint ends as it does where Pango is missing.
    (folder / "broken").mkdir()
    (folder / "broken" / "weasyprint.py").write_text(
        "raise OSError(\"cannot load library 'libpango-1.0-0'\")\n"
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "weasyprint"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(folder / "broken"))
    sections("good")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "broken"), os.environ["PYTHONPATH"]]))
    assert (
        main(["generate", "--logs", "log.csv", "--out", "a.pdf", "--out", "a.html", "--out", "a.json"]) == 1
    )
    captured = capsys.readouterr()
    said = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert said[0].startswith("error: a.pdf was not written: the PDF needs Pango")
    assert "libpango-1.0-0" in said[0]
    assert [line.split()[0] for line in captured.out.splitlines()] == ["a.json", "a.html", "good"]
    assert sorted(path.name for path in folder.glob("a.*")) == ["a.html", "a.json"]


def test_a_broken_template_costs_the_page_alone(folder, sections, capsys):
    sections("good")
    Path("mine").mkdir()
    Path("mine/report.html.j2").write_text("{{ nonsense }")
    words = ["--logs", "log.csv", "--templates", "mine", "--out", "a.html", "--out", "a.json"]
    assert main(["generate", *words]) == 1
    assert "error: a.html was not written: TemplateSyntaxError" in capsys.readouterr().err
    assert Path("a.json").exists()
    assert not Path("a.html").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_a_terminal_gets_a_display_that_leaves_and_a_pipe_gets_the_results(folder):
    import pty

    ours, theirs = pty.openpty()
    words = ["generate", "--logs", "log.csv", "--section", "training"]
    done = run_on(theirs, *words)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "\x1b[?25l" in shown
    assert shown.rstrip().rpartition("\x1b[?25h")[1]
    assert "[1/1] training: ok" in shown
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["report.html", "training"]
    assert "\x1b" not in done.stdout


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "nothing to report on: no model, no data and no logs"),
        (["gone.toml"], "config: 'gone.toml' is not a file"),
        (["--logs", "gone"], "logs: 'gone' does not exist"),
        (["--logs", "log.csv", "--samples", "x"], "--samples: got 'x', expected a whole number from 1 to 64"),
        (["--logs", "log.csv", "--section", "x"], "sections: got 'x', expected one of good"),
        (
            ["--logs", "log.csv", "--check", "x"],
            "checks: got 'x', expected one of infidelity, max-sensitivity",
        ),
        (["--logs", "log.csv", "--fact", "x"], "--fact: got 'x', expected KEY=VALUE"),
        (["--logs", "log.csv", "--out", "a.doc"], "--out: got 'a.doc', expected a file that ends in .html,"),
        (
            ["--logs", "log.csv", "--out", "x/a.pdf"],
            "--out: got 'x/a.pdf', expected a file in a folder that exists",
        ),
        (["--logs", "log.csv", "--templates", "x"], "templates: got 'x', expected a folder that exists"),
        (["--model", "exp.py:nett"], "model: got 'exp.py:nett', but 'exp.py' holds no 'nett'"),
        (["--model", "exp"], "model: got 'exp', expected package.module:name or path/file.py:name"),
        (["--weights", "log.csv"], "weights: got 'log.csv' and no model, expected a model"),
        (
            ["--model", "exp.py:net", "--weights", "log.csv"],
            "weights: got 'log.csv', expected a file that ends in",
        ),
        (["--model", "exp.py:net", "--weights", "gone.pt"], "weights: 'gone.pt' does not exist"),
        (
            ["--model", "exp.py:net", "--weights", "bad.pt"],
            "weights: 'bad.pt' is no file that torch.save wrote",
        ),
        (
            ["--model", "exp.py:net", "--data", "exp.py:raises"],
            "data: exp.py:raises raised when called without",
        ),
        (
            ["--model", "exp.py:net", "--data", "exp.py:data", "--class-names", "a,b,c"],
            "class_names: got 3 names",
        ),
        (["--model", "exp.py:net", "--class-names", "gone.txt"], "class_names: 'gone.txt' is not a file"),
        (["--model", "exp.py:net", "--device", "warp"], "device: got 'warp', expected cpu, cuda"),
        (["--logs", "log.csv", "--modle", "x"], "No such option: --modle"),
        (["a.toml", "b.toml"], "Got unexpected extra argument"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder, sections, capsys, words, line):
    sections("good")
    Path("bad.pt").write_text("not weights")
    before = sorted(folder.iterdir())
    assert main(["generate", *words]) == 2
    assert only_line(capsys).startswith(f"error: {line}")
    assert sorted(path for path in folder.iterdir() if path.name != "__pycache__") == before


def test_each_mistake_of_a_toml_is_a_line(folder, sections, capsys):
    sections("good")
    Path("exp.toml").write_text('modle = "x"\nsamples = 0\n')
    assert main(["generate", "exp.toml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: exp.toml: samples: got 0, expected a whole number from 1 to 64",
        "error: exp.toml: modle: unknown key, did you mean model?",
    ]


def test_debug_shows_the_traceback_and_the_line(folder, sections, capsys):
    sections("good")
    assert main(["generate", "--data", "exp.py:raises", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "OSError: the disk is gone" in said
    assert said.splitlines()[-1].startswith("error: data: exp.py:raises raised")


@pytest.mark.parametrize("name", ["wrong_shape", "empty"])
def test_data_that_does_not_fit_still_gives_a_report(folder, sections, name):
    sections("good")
    assert main(["generate", "--model", "exp.py:net", "--data", f"exp.py:{name}", "--out", "a.json"]) == 0
    assert reportgen.load("a.json").section("good").status == "ok"


def test_nan_weights_still_give_a_report(folder):
    import torch

    torch.save({"weight": torch.full((2, 3), torch.nan), "bias": torch.zeros(2)}, "nan.pt")
    words = [
        "--model",
        "exp.py:net",
        "--weights",
        "nan.pt",
        "--data",
        "exp.py:data",
        "--section",
        "evaluation",
    ]
    assert main(["generate", *words, "--out", "a.json"]) == 3
    section = reportgen.load("a.json").section("evaluation")
    assert "NaN" in section.reason
    assert [block.kind for block in section.blocks] == ["failure"]


def test_an_unreadable_log_still_gives_a_report(folder, capsys):
    Path("log.csv").write_bytes(b"\xff\xfe\x00\x01" * 50)
    assert main(["generate", "--logs", "log.csv", "--section", "training", "--out", "a.json"]) == 0
    section = reportgen.load("a.json").section("training")
    assert section.status == "empty"
    assert [block.title for block in section.blocks if block.kind == "failure"] == ["log.csv was not read"]


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_a_read_only_folder_is_one_line_before_any_work(folder):
    closed = folder / "closed"
    closed.mkdir()
    (closed / "report.html").write_text("old")
    closed.chmod(0o555)
    words = [
        sys.executable,
        "-c",
        NO_CAPABILITIES,
        "generate",
        "--logs",
        "log.csv",
        "--out",
        "closed/report.html",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    closed.chmod(0o755)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: closed/report.html: the folder can't be written to\n"
    assert [(path.name, path.read_text()) for path in closed.iterdir()] == [("report.html", "old")]


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits are POSIX's")
def test_a_write_that_fails_midway_keeps_the_old_file_and_leaves_no_litter(folder):
    import resource

    Path("report.json").write_text("old")
    Path("out").mkdir()
    done = run(
        *[
            "generate",
            "--logs",
            "log.csv",
            "--section",
            "environment",
            "--out",
            "report.json",
            "--out",
            "out/a.html",
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)),
    )
    assert done.returncode == 1, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert said == [
        "error: report.json was not written: File too large",
        "error: out/a.html was not written: File too large",
    ]
    assert Path("report.json").read_text() == "old"
    assert sorted(os.listdir()) == ["exp.py", "log.csv", "out", "report.json"]
    assert os.listdir("out") == []


# --- interrupts -------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("data", ["while_loading", "WhileReading"])
def test_an_interrupt_ends_cleanly_with_code_130(folder, sent, data):
    Path("slow.py").write_text(SLOW)
    Path("out").mkdir()
    Path("out/report.html").write_text("old")
    words = ["generate", "--model", "slow.py:net", "--data", f"slow.py:{data}", "--section", "evaluation"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reportgen", *words, "--out", "out/report.html", "--out", "out/new.json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have been told to ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for _ in range(600):
            if Path("started").exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out == ""
    assert err.splitlines()[-1] == "interrupted; nothing was written"
    assert "Traceback" not in err
    assert os.listdir("out") == ["report.html"]
    assert Path("out/report.html").read_text() == "old"


def test_an_interrupt_between_two_files_says_which_was_written(folder, sections, capsys, monkeypatch):
    sections("good")
    save = reportgen.Report.save

    def interrupted(report, path, **options):
        if path.suffix == ".html":
            raise KeyboardInterrupt
        return save(report, path, **options)

    monkeypatch.setattr("reportgen.report.Report.save", interrupted)
    assert main(["generate", "--logs", "log.csv", "--out", "a.html", "--out", "a.json"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted; the rest was not written, a.json was"


# --- render, demo -----------------------------------------------------------------------------------------


def test_render_needs_no_torch(folder, sections):
    sections("good")
    assert main(["generate", "--logs", "log.csv", "--out", "a.json", "--quiet"]) == 0
    words = ["render", "a.json", "--out", "b.html", "--out", "b.json"]
    code = f"import sys; from reportgen.cli import main; print(main({words!r})); print(sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    first, second, status, modules = done.stdout.splitlines()
    assert (first.split()[0], second.split()[0], status) == ("b.json", "b.html", "0")
    assert not {"torch", "captum", "lime", "sklearn"} & set(re.findall(r"'([^']+)'", modules))
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()
    assert main(["render", "b.html", "--out", "c.json", "--quiet"]) == 0
    assert Path("c.json").read_bytes() == Path("a.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["gone.json", "--out", "b.html"], "report: 'gone.json' is not a file"),
        (["log.csv", "--out", "b.html"], "report: can't read 'log.csv': the suffix must be one of"),
        (["bad.json", "--out", "b.html"], "report: "),
        (["bad.json", "--out", "b.odt"], "--out: got 'b.odt', expected a file that ends in"),
        (["bad.json", "--out", "b.html", "--templates", "x"], "templates: got 'x', expected a folder"),
        (["bad.json"], "Missing option '--out'"),
    ],
)
def test_what_can_not_be_rendered_is_one_line_and_exit_code_2(folder, capsys, words, line):
    Path("bad.json").write_text('{"sections": 3}')
    assert main(["render", *words]) == 2
    assert only_line(capsys).startswith(f"error: {line}")
    assert not Path("b.html").exists()


def test_an_unknown_command_is_one_line(capsys):
    assert main(["genrate"]) == 2
    assert only_line(capsys) == "error: No such command 'genrate'. Did you mean 'generate'?"


def test_an_error_of_our_own_is_one_line_too(folder, capsys, monkeypatch):
    monkeypatch.setattr("reportgen.commands.sections", lambda command: 1 / 0)
    assert main(["sections"]) == 1
    assert only_line(capsys) == "error: ZeroDivisionError: division by zero"


def test_a_reader_that_goes_away_is_no_error():
    command = f"{sys.executable} -m reportgen schema | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert (len(done.stdout), done.stderr) == (10, "")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's closed and full streams")
@pytest.mark.parametrize(
    "closed", ["| true", "2>&1 | true", ">&-", "2>&-", "<&- >&- 2>&-", "> /dev/full", "2> /dev/full"]
)
def test_output_that_nobody_reads_costs_no_file(folder, closed):
    if "full" in closed and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    words = "generate --logs log.csv --section training --out a.html --out a.json"
    done = subprocess.run(
        f"{sys.executable} -m reportgen {words} {closed}",
        shell=True,
        timeout=120,
        check=False,
        capture_output=True,
    )
    assert b"Traceback" not in done.stderr
    assert reportgen.load("a.json") == reportgen.load("a.html")
    if "|" not in closed:
        assert done.returncode == 0


def test_the_module_of_the_command_is_the_command():
    done = subprocess.run([sys.executable, "-m", "reportgen.cli", "--version"], capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"reportgen {reportgen.__version__}\n")


@pytest.mark.skipif(sys.platform != "linux", reason="a C locale")
def test_titles_facts_and_files_of_any_script_hold_in_a_c_locale(folder):
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    words = ["generate", "--logs", "log.csv", "--section", "overview", "--title", "Zoë 漢字".encode() + b"\xff",
             "--fact", "Über=größer", "--out", "ë.json", "--out", "a.html"]  # fmt: skip
    done = run(*words, env=environment)
    assert done.returncode == 0, done.stderr
    report = reportgen.load("ë.json")
    assert report.title == "Zoë 漢字\\xff"
    about = report.section("overview").block("about")
    assert [(fact.label, fact.value) for fact in about.facts] == [("Über", "größer")]
    assert "'Zoë 漢字\\xff'" in report.provenance.command
