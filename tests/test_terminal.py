"""Nothing that a terminal obeys, no secret and no more than a screen comes out, whoever wrote what is shown."""

import io
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen import cli, load, terminal

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\u2066\u200b\ufeff\r\x08\x7f\u2028\x85\ue000\U000e0041"
BAD = set("\x1b\x07\x9b\u202e\u2066\u200b\ufeff\r\x08\x7f\u2028\x85\ue000\U000e0041")


def is_clean(text: str) -> bool:
    return not BAD & set(text) and all(letter.isprintable() or letter == "\n" for letter in text)


@given(st.text(max_size=3000), st.integers(20, 500))
def test_any_text_becomes_one_line_that_is_printable_and_short(text, limit):
    line = terminal.plain(text, limit)
    assert line.isprintable()
    assert len(line) <= limit


@given(st.text(max_size=20_000))
def test_any_text_of_many_lines_fits_a_screen(text):
    found = terminal.lines(text)
    assert len(found) <= 24
    assert sum(map(len, found)) < 24 * 80


def test_letters_of_any_language_stay():
    for text in ("Grüße", "日本語", "مرحبا", "é́", "🙂 loss"):
        assert terminal.plain(text) == text


def test_what_is_not_seen_and_towers_of_accents_are_written_out():
    assert "\u3164" not in terminal.plain("a\u3164b")
    assert terminal.plain("a" + "\u0301" * 50).count("\u0301") <= 3


def test_rich_markup_in_a_name_is_no_markup(monkeypatch):
    from reportgen.progress import Display
    from reportgen.running import Progress

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Display(stream) as display:
        display.say("[bold red]x[/] [link=https://evil.example]y[/link] :smile:")
        display(Progress("start", "a[link=https://evil.example]", 1, 1))
        display(Progress("step", "a", 1, 1, "[blink]m", 0, 2))
    shown = stream.getvalue()
    assert "[bold red]x[/] [link=https://evil.example]y[/link] :smile:" in shown
    assert "\x1b]8;" not in shown


@pytest.fixture
def ran(monkeypatch, tmp_path, capsys):
    """Run a command in an empty folder; its code, and all that it printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text("step,loss\n1,2\n2,1\n")

    def run(*words):
        code = cli.main(list(words))
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "--logs", EVIL),
        ("generate", EVIL),
        ("generate", "--model", f"{EVIL}:x"),
        ("generate", "--logs", "log.csv", "--section", EVIL),
        ("generate", "--logs", "log.csv", f"--{EVIL}"),
        (EVIL,),
        ("generate", "--logs", "log.csv", "--out", EVIL),
        ("generate", "--logs", "log.csv", "--out", f"{EVIL}/a.html"),
        ("generate", "--logs", "log.csv", "--samples", EVIL),
        ("generate", "--logs", "log.csv", "--log-pattern", f"({EVIL}"),
        ("generate", "--logs", "log.csv", "--fact", EVIL),
        ("render", EVIL, "--out", "a.html"),
        ("watch", EVIL, "--out", "a.pdf"),
        ("watch", "log.csv", "--every", EVIL),
        ("generate", "--logs", f"stdout={EVIL}"),
        ("generate", "--logs", "log.csv", "--debug", "--task", EVIL),
    ],
    ids=str,
)
def test_no_control_character_of_what_was_given_comes_back(ran, words):
    code, shown = ran(*[word.replace("\x00", "") for word in words])
    assert code in (1, 2)
    assert is_clean(shown)
    assert len(shown) < 24 * 80 * 3


def test_ten_thousand_mistakes_fit_a_screen(ran, tmp_path):
    (tmp_path / "exp.toml").write_text("".join(f"unknown_{n} = 1\n" for n in range(10_000)))
    code, shown = ran("generate", "exp.toml")
    assert code == 2
    assert len(shown.splitlines()) <= 24
    assert "more lines" in shown


STRANGE = f"""
import importlib.metadata
import logging
import sys
import types
import warnings

EVIL = {EVIL!r}


def strange(experiment, options):
    "Says \\x1b[2J of itself."
    from reportgen.report import Failure, Section

    options.step(EVIL, 0, 3)
    warnings.warn("beware", stacklevel=1)
    warnings.warn(EVIL, stacklevel=1)
    logging.getLogger("a.strangers").warning("%s", EVIL)
    blocks = tuple(Failure(id="f-%d" % n, error="E", message=EVIL * 20) for n in range(200))
    return Section(name="strange", title=EVIL, blocks=blocks)


module = types.ModuleType("a_strangers_section")
module.made = strange
sys.modules["a_strangers_section"] = module
point = importlib.metadata.EntryPoint("strange", "a_strangers_section:made", "reportgen.sections")
points = importlib.metadata.entry_points


def with_it(**wanted):
    found = points(**wanted)
    return (*found, point) if wanted.get("group") == "reportgen.sections" else found


importlib.metadata.entry_points = with_it
"""


def test_a_section_that_warns_logs_and_names_things_oddly(tmp_path):
    """In a process of its own, as the command runs: what it finds installed there is the stranger's, too."""
    (tmp_path / "sitecustomize.py").write_text(STRANGE, encoding="utf-8")
    (tmp_path / "log.csv").write_text("step,loss\n1,2\n2,1\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))

    def run(*words):
        command = [sys.executable, "-m", "reportgen", *words]
        done = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}, cwd=tmp_path,
            capture_output=True, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    code, shown = run("generate", "--logs", "log.csv", "--section", "strange", "--out", "r.json")
    assert code == 0, shown
    assert is_clean(shown)
    assert len(shown.splitlines()) < 30
    assert "195 more like these" in shown
    printed = [block for block in load(tmp_path / "r.json").section("strange").blocks if block.kind == "code"]
    assert ["beware" in block.text for block in printed] == [True]
    assert is_clean(run("sections")[1])


@pytest.mark.parametrize(
    "raised", ["ValueError(EVIL)", "SystemExit(EVIL)", "KeyboardInterrupt(EVIL)", "OSError(2, EVIL, EVIL)"]
)
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_whatever_a_users_file_raises(ran, tmp_path, raised, debug):
    (tmp_path / "mine.py").write_text(
        f"EVIL = {EVIL!r}\ndef build():\n    raise {raised}\n", encoding="utf-8"
    )
    code, shown = ran("generate", "--model", "mine.py:build", *debug)
    assert code in (2, 130)
    assert is_clean(shown)
    assert len(shown.splitlines()) <= 60


def test_a_secret_is_not_printed(ran):
    _, shown = ran("generate", "--logs", "https://me:CANARY@h.example/x?sig=CANARY", "--fact", "x")
    assert "CANARY" not in shown
    _, shown = ran("generate", "--logs", "log.csv", "--samples", "api_key=CANARY")
    assert "CANARY" not in shown


def test_a_name_of_a_log_file_and_of_a_metric(ran, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{EVIL.replace('/', '')}.csv").write_text(f"step,loss{EVIL}\n1,2\n2,1\n")
    code, shown = ran("generate", "--logs", "logs", "--out", "r.json")
    assert code == 0
    assert is_clean(shown)
