import io

import pytest

from reportgen.progress import Display, on_terminal, outcome
from reportgen.report import Section
from reportgen.running import Progress
from reportgen.terminal import plain


class Terminal(io.StringIO):
    def isatty(self):
        return True


def events():
    ok = Section(name="training", title="Training", seconds=1.25)
    bad = Section(name="evaluation", title="E", status="failed", reason="ValueError: no", seconds=0.5)
    return [
        Progress("start", "training", 1, 2),
        Progress("step", "training", 1, 2, "LIME", 0, 8),
        Progress("step", "training", 1, 2, "LIME", 4, 8),
        Progress("step", "training", 1, 2, "Saliency", 0, 1),
        Progress("end", "training", 1, 2, result=ok),
        Progress("start", "evaluation", 2, 2),
        Progress("end", "evaluation", 2, 2, result=bad),
    ]


def shown(stream, **options):
    with Display(stream, **options) as display:
        display.say("loading")
        for event in events():
            display(event)
    return stream.getvalue()


def test_off_a_terminal_each_start_method_and_end_is_a_plain_line():
    assert shown(io.StringIO()).splitlines() == [
        "loading",
        "[1/2] training",
        "[1/2] training: LIME, 0 of 8",
        "[1/2] training: Saliency",
        "[1/2] training: ok, 1.25 s",
        "[2/2] evaluation",
        "[2/2] evaluation: failed, 500 ms: ValueError: no",
    ]


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_quiet_says_nothing(stream):
    assert shown(stream(), quiet=True) == ""


def test_a_terminal_shows_section_method_and_how_far(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("reportgen.progress.REFRESH", 0)
    text = shown(Terminal())
    for part in (
        "loading",
        "training",
        "LIME",
        "4/8",
        "1/2",
        "[1/2] training: ok, 1.25 s",
        "[2/2] evaluation: failed",
    ):
        assert part in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is hidden, and back


def test_a_terminal_is_as_it_was_after_an_interrupt(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()

    def interrupted():
        with Display(stream) as display:
            display(events()[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().count("\x1b[?25h") == 1


def test_no_color_is_respected(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[35m" in shown(Terminal()) or "\x1b[38;5;" in shown(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    plainly = shown(Terminal())
    assert not any(f"\x1b[{code}" in plainly for code in ("3", "9", "38"))


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not on_terminal(Terminal())
    assert "\x1b" not in shown(Terminal())


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_strangers_names_are_text(monkeypatch, stream):
    monkeypatch.setenv("TERM", "xterm")
    out = stream()
    with Display(out) as display:
        display(Progress("start", "[red]x[/red]", 1, 1))
        display(Progress("step", "[red]x[/red]", 1, 1, "[/]\x1b]0;title\x07:smile:\r\nhi", 0, 2))
    assert "[red]x[/red]" in out.getvalue()
    assert "[/]\\x1b]0;title\\x07:smile: hi" in out.getvalue()
    assert "\x1b]0" not in out.getvalue()


def test_control_characters_and_lone_surrogates_are_written_out():
    assert plain("a\x1b[2J\n b\u202e\ud800ü") == "a\\x1b[2J b\\u202e\\ud800ü"
    assert len(plain("x" * 10_000)) == 200


def test_an_outcome_without_seconds_invents_none():
    assert outcome(Section(name="a", title="A")) == "ok"
    assert outcome(Section(name="a", title="A", status="empty", reason="no logs")) == "empty: no logs"
