"""How much of the logs is read: names, files, bytes, records, series and seconds, however the files were made.

What is read before an end is kept, and what is left is said of the file, or counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from reportgen.deadline import NEVER, Deadline
from reportgen.units import show

NAMES = 500_000  # names of files and folders that are listed
FILES = 20_000  # files that are opened
BYTES = 4 << 30  # that readers take from files
UNPACKED = 1 << 30  # bytes that gzip may make of files
RECORDS = 20_000_000  # lines, events, rows
SERIES = 20_000  # of all files; of one file at most a quarter
SHARE = 0.5  # of what is left, for one file: the next ones get something, too
_GRACE = 2.0  # seconds in which a reader that is told to stop is expected to come to its end


@dataclass
class Share:
    """What one file may take; `why` says which of it was used up, "" while none is.

    `bytes` and `records` are what is left of them, `taken` and `seen` what was used.
    """

    bytes: int
    records: int
    series: int
    deadline: Deadline
    taken: int = 0
    seen: int = 0
    why: str = ""

    def take(self, size: int, records: int) -> bool:
        """Count what was read; whether there may be more."""
        self.taken, self.seen = self.taken + size, self.seen + records
        if self.taken > self.bytes:
            self.why = f"a file may take {show(self.bytes, 'bytes')} of what is left for all logs"
        elif self.seen > self.records:
            self.why = f"a file may take {self.records:,} lines or records of what is left for all logs"
        elif self.deadline.left() <= 0:
            self.why = "its share of the time for reading ended"
        return not self.why

    @property
    def patience(self) -> float:
        """Seconds after which a reader that does not stop by itself is stopped; 0 where there is no end."""
        left = self.deadline.left()
        return 0.0 if math.isinf(left) else max(left, 0.0) + _GRACE


@dataclass
class Budget:
    """What is left for all logs together."""

    names: int = NAMES
    files: int = FILES
    bytes: int = BYTES
    unpacked: int = UNPACKED
    records: int = RECORDS
    series: int = SERIES
    deadline: Deadline = field(default=NEVER)

    @property
    def spent(self) -> str:
        """Why no further file is opened; "" while some may be."""
        for left, what in (
            (self.bytes, "bytes"),
            (self.records, "lines and records"),
            (self.series, "series"),
        ):
            if left <= 0:
                return f"the {what} that are read of all logs are used up"
        return "the time for reading ended" if self.deadline.left() <= 0 else ""

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Half of what is left, for one file that is read inside; what it takes is taken from the whole."""
        left = self.deadline.left()
        one = Share(
            max(1, int(self.bytes * SHARE)),
            max(1, int(self.records * SHARE)),
            max(1, min(self.series, SERIES // 4)),
            self.deadline if math.isinf(left) else self.deadline.within(left * SHARE),
        )
        before = _SHARE.set(one)
        try:
            yield one
        finally:
            _SHARE.reset(before)
            self.bytes -= one.taken
            self.records -= one.seen


_SHARE: ContextVar[Share | None] = ContextVar("share", default=None)


def more(size: int = 0, records: int = 0) -> bool:
    """Count bytes and records that a reader took from its file; whether it may take more.

    A reader that is told to stop gives what it has, and what is left is said of its file.
    """
    share = _SHARE.get()
    return share is None or share.take(size, records)


def halt(why: str) -> bool:
    """Say why a file is not read on from here; whether there is anyone to tell, who keeps what was read."""
    share = _SHARE.get()
    if share is not None:
        share.why = share.why or why
    return share is not None


def halted() -> bool:
    """Whether the file that is read now was not read to its end."""
    share = _SHARE.get()
    return share is not None and bool(share.why)


def series() -> int:
    """How many series a file may hold."""
    share = _SHARE.get()
    return SERIES if share is None else share.series


def stopped() -> Callable[[], bool]:
    """Whether the share of the file that is read now is used up, asked from where nothing else is known of it."""
    share = _SHARE.get()
    return lambda: share is not None and not share.take(0, 0)
