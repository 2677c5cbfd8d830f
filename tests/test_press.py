"""The PDF printed in a process of its own is the one printed here."""

from __future__ import annotations

import samples

from reportgen.press import Press
from reportgen.render import pdf


def test_it_prints_the_same_bytes_and_gives_them_as_often_as_asked():
    report = samples.report()
    with Press(None) as press:
        press.send(report)
        printed = press.receive()
        assert press.receive() is printed
    assert printed == pdf.encode(report, None)


def test_templates_of_ones_own_are_used(tmp_path):
    (tmp_path / "print.css").write_text("@page { size: A6 landscape }")
    with Press(str(tmp_path)) as press:
        press.send(samples.empty())
        printed = press.receive()
    assert printed == pdf.encode(samples.empty(), tmp_path)
    assert printed != pdf.encode(samples.empty(), None)


def test_what_fails_there_gives_nothing_so_that_it_is_done_here(tmp_path):
    (tmp_path / "report.print.html.j2").write_text("{{ nonsense() }}")
    with Press(str(tmp_path)) as press:
        press.send(samples.empty())
        assert press.receive() is None


def test_one_that_is_not_needed_is_gone_when_the_report_is_given_up():
    with Press(None) as press:
        child = press._child
    assert child is not None
    assert child.poll() is not None


def test_one_that_was_killed_gives_nothing():
    with Press(None) as press:
        press._child.kill()
        press._child.wait()
        press.send(samples.report())
        assert press.receive() is None
