"""How far a report is: a display on a terminal, plain lines elsewhere, nothing where quiet is asked for."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from reportgen.terminal import plain, put
from reportgen.units import show

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from reportgen.running import Progress

REFRESH = 0.1  # seconds between two drawings of the terminal's display


def on_terminal(stream: TextIO) -> bool:
    """Whether a display that moves can be drawn there."""
    return stream.isatty() and os.environ.get("TERM", "") != "dumb"


class Display:
    """Called with each `Progress` event of `collect`; a context manager about the whole."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        """Write to `stream` (stderr unless given), or nothing where `quiet`."""
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._bars = _Bars(self._stream) if not quiet and on_terminal(self._stream) else None
        self._method = ""

    def __enter__(self) -> Display:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, event: Progress) -> None:
        """Show one event."""
        if self._quiet:
            return
        if event.event == "end":
            self._say(f"{_at(event)}: {outcome(event.result)}")
        elif self._bars is None and event.event == "start":
            self._say(_at(event))
        elif self._bars is None and event.method != self._method:
            self._say(
                f"{_at(event)}: {plain(event.method)}"
                + (f", {event.done} of {event.total}" if event.total > 1 else "")
            )
        self._method = event.method
        if self._bars is not None:
            self._bars.show(event)

    def say(self, text: str) -> None:
        """A line of its own, above whatever moves."""
        if not self._quiet:
            self._say(plain(text))

    def relay(self, printed: str) -> None:
        """A line that the user's code printed."""
        if not self._quiet:
            line = printed.expandtabs()[:500]
            indent = min(len(line) - len(line.lstrip(" ")), 40)
            self._say(" " * indent + plain(line, 500))

    def _say(self, text: str) -> None:
        if self._bars is not None:
            self._bars.say(text)
        else:
            put(text, self._stream)


def _at(event: Progress) -> str:
    return f"[{event.number}/{event.sections}] {plain(event.section)}"


def outcome(section: Any) -> str:
    """How a section ended, in a few words: `ok, 1.2 s` or `failed, 0.1 s: ValueError: ...`."""
    seconds = "" if section.seconds is None else f", {show(section.seconds, 's')}"
    reason = f": {plain(section.reason)}" if section.status != "ok" else ""
    return f"{section.status}{seconds}{reason}"


class _Bars:
    """Two lines at the foot of a terminal: the sections, and the steps of the one that runs.

    Drawn only as events come, from no thread of its own: a section may fork workers.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bars

        self._drawn = 0.0
        self._bars: Bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            console=Console(file=stream, markup=False, highlight=False, emoji=False),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=stream is sys.stderr,
        )
        self._sections = self._bars.add_task("sections", total=None)
        self._steps = self._bars.add_task("", visible=False, total=None)

    def start(self) -> None:
        self._bars.start()

    def stop(self) -> None:
        self._bars.stop()

    def say(self, text: str) -> None:
        self._bars.console.print(text, soft_wrap=True)

    def show(self, event: Progress) -> None:
        ended = event.event == "end"
        self._bars.update(
            self._sections,
            description=plain(event.section, 40),
            completed=event.number - (not ended),
            total=event.sections,
        )
        self._bars.update(
            self._steps,
            description=f"  {plain(event.method, 40)}",
            completed=event.done,
            total=event.total or None,
            visible=event.event == "step",
        )
        now = time.monotonic()
        if event.event != "step" or now - self._drawn >= REFRESH:
            self._bars.refresh()
            self._drawn = now
