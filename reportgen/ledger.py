"""What is known of a report while another process makes it, and the report of that when the process ends too early.

The other process says what it does in lines of JSON; lines of another kind are what Python's fault handler wrote of
its end. Knows no torch: it is read by what must be small, and live on.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from reportgen.report import Failure, Report, Section
from reportgen.units import shorten

PRINTED = "Printed while the model ran"
OUT_OF_TIME = "OutOfTime"
ENDED = "ProcessEnded"
LATE = {
    OUT_OF_TIME: "ran out of time, which another machine may not",
    ENDED: "was not made, for its process ended, which may not come again",
}
STAGES = {"data": "the first samples were read", "forward": "the model was called on one sample"}
_WORDS = {**STAGES, "loading": "the model was loaded", "looking": "the model was looked at"}
POLL = 0.2  # seconds between two looks at a process that says nothing
LONGEST = 1 << 28  # bytes of a line: a section is no longer
KEPT = 40  # lines of what was printed last, and of where it was
_FRAME = re.compile(r'^\s*File "(?:[^"]*[/\\])?([^"/\\]+)", line (\d+) in (.*)$')
_SIGNALS = {
    "SIGSEGV": "segmentation fault",
    "SIGKILL": "killed, probably because the memory ran out",
    "SIGABRT": "compiled code gave up",
}


def failed(name: str, error: str, message: str, hint: str = "", details: str = "") -> Section:
    """The section of that name as what became of it: one Failure."""
    block = Failure(title="What went wrong", error=error, message=message, hint=hint, details=details)
    title = name.replace("-", " ").capitalize()
    return Section(name=name, title=title, status="failed", reason=f"{error}: {message}", blocks=(block,))


def assembled(begun: Report, sections: Sequence[Section]) -> Report:
    """The report of these sections; what of them another run may not show again is noted."""
    notes = begun.provenance.notes
    for section in sections:
        errors = {block.error for block in section.blocks if isinstance(block, Failure)}
        notes += tuple(f"{section.name} {said}" for error, said in LATE.items() if error in errors)
    if any(block.title == PRINTED for section in sections for block in section.blocks):
        notes += ("what the model prints may differ from run to run",)
    provenance = begun.provenance.model_copy(update={"notes": notes, "reproducible": not notes})
    return begun.model_copy(update={"sections": tuple(sections), "provenance": provenance})


def grace(limit: float) -> float:
    """Seconds after its time limit in which a section that can be interrupted has put the model back."""
    return max(3.0, limit / 10)


def how_ended(code: int) -> str:
    """In words, how a process ended whose exit code, or signal below zero, that is."""
    if code >= 0:
        return f"ended by itself with exit code {code}, as os._exit does"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"ended with signal {-code}"
    said = _SIGNALS.get(name) or (signal.strsignal(-code) or "").lower()
    return f"ended with signal {-code} ({name}: {said})"


@dataclass
class Ledger:
    """Sections in the order of the page, what runs now and since when, and what was printed last.

    `limit`: seconds that a section has, 0 where it has any. `running` is a section's name; `stage` is "loading", "data"
    or "forward" before there are any. `trace`: where the process was when it ended.
    """

    order: Sequence[str]
    limit: float
    begun: Report | None = None
    made: dict[str, Section] = field(default_factory=dict)
    lost: dict[str, tuple[str, str]] = field(default_factory=dict)
    running: str = ""
    step: str = ""
    stage: str = "loading"
    since: float = field(default_factory=time.monotonic)
    printed: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    trace: list[str] = field(default_factory=list)

    def restart(self) -> None:
        """Another process begins."""
        self.running, self.step, self.stage, self.since = "", "", "loading", time.monotonic()
        self.printed.clear()
        self.trace.clear()

    def take(self, line: bytes) -> dict[str, Any] | None:
        """Note what a line says, and give it; None where it is none of ours, or was cut short."""
        text = line.decode("utf-8", "replace")
        if not text.startswith("{"):
            self._traced(text)
            return None
        try:
            said = json.loads(text)
            if "stage" in said:
                self.stage, self.since = str(said["stage"]), time.monotonic()
            elif "begun" in said:
                self.begun, self.stage = Report.from_json(said["begun"]), ""
            elif "event" in said:
                self._event(said)
            elif "printed" in said:
                self.printed.extend(str(said["printed"]).splitlines()[-KEPT:])
        except (ValueError, ValidationError, KeyError, TypeError, RecursionError):
            return None
        return said if isinstance(said, dict) else None

    def _event(self, said: dict[str, Any]) -> None:
        if said["event"] == "end":
            made = Section.model_validate_json(said["result"])
            self.made[made.name] = said["result"] = made
            self.running = self.step = ""
        elif said["event"] == "start":
            self.running, self.step = str(said["section"]), ""
        else:
            self.step = str(said["method"])
            return
        self.since = time.monotonic()

    def _traced(self, text: str) -> None:
        """A line of Python's fault handler, with the file's name in place of its path."""
        frame = _FRAME.match(text)
        line = f"{frame[1]}:{frame[2]} in {frame[3]}" if frame else re.sub("0x[0-9a-f]+", "0x…", text)
        if line.strip() and not line.startswith("Extension modules:") and len(self.trace) < KEPT:
            self.trace.append(line.rstrip()[:300])

    @property
    def overdue(self) -> bool:
        """Whether what runs has outlived its time limit by so much that it can't be interrupted from within."""
        timed = self.running or self.stage in STAGES
        return bool(timed and self.limit and time.monotonic() - self.since > self.limit + grace(self.limit))

    @property
    def left(self) -> list[str]:
        """The sections that are not made yet, in the order in which they are made."""
        return sorted(
            (name for name in self.order if name not in self.made), key=lambda name: name == "overview"
        )

    @property
    def doing(self) -> str:
        """What went on, in words, to come after `while`."""
        if self.running:
            return f"{self.running} ran" + (f" ({shorten(self.step, 60)})" if self.step else "")
        return _WORDS.get(self.stage, "the next section began")

    def ended(self, how: str) -> bool:
        """Lay the end of the process at the door of what ran; whether another process may do the rest.

        `how`, in words; "" where the process was ended because it was overdue.
        """
        said = f"the process {how} while {self.doing}"
        if not how:
            said = (
                f"did not end within {self.limit:g} s and could not be interrupted, so its process was ended"
            )
        error = ENDED if how else OUT_OF_TIME
        if self.running or (self.begun is not None and not self.stage):
            name = self.running or next(iter(self.left), "")
            if name:
                hint = "the other sections were made in a process of their own" if how else "raise time_limit"
                self.made[name] = failed(name, error, said, hint, self.details())
            return bool(self.left)
        if self.stage in STAGES and self.stage not in self.lost:
            self.lost[self.stage] = said if how else f"{self.doing}, which {said}", self.details()
            return True
        return False

    def details(self) -> str:
        """Where the process was, and what it printed last."""
        parts = ["\n".join(self.trace)] if self.trace else []
        if self.printed:
            parts.append("\n".join(["Printed last:", *self.printed]))
        return "\n\n".join(parts)

    def report(self) -> Report | None:
        """The report of the sections that are made; None where not even its title is known."""
        if self.begun is None:
            return None
        return assembled(self.begun, [self.made[name] for name in self.order if name in self.made])


def message(**said: Any) -> bytes:
    """A line that says this. It begins with a line's end, so that one that was cut short before it spoils nothing."""
    return b"\n" + json.dumps(said).encode("ascii") + b"\n"


def lines(descriptor: int, *, asks: bool = False) -> Iterator[bytes]:
    """The lines that come in there; where one may ask something, also one without an end that nothing follows."""
    rest = b""
    while True:
        if asks and rest and b"\r" not in rest and not select.select([descriptor], [], [], POLL)[0]:
            yield rest
            rest = b""
        try:
            found = os.read(descriptor, 1 << 16)
        except OSError:
            found = b""
        *whole, rest = (rest + found).split(b"\n")
        yield from filter(None, whole)
        if not found or len(rest) > LONGEST:
            yield from filter(None, [rest])
            rest = b""
        if not found:
            return
