"""Until when a section may go on: one moment for all its parts, where the clock may decide."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

ENDED = "the section's time ended"
SHARE = 0.37  # of the seconds after which a section fails: of the usual five minutes two, less the drawing
TWO_MINUTES, NEARLY = 110.0, 0.8  # where that is shorter: most of it, up to two minutes


class Late(Exception):  # noqa: N818 - nothing went wrong
    """The time ended before this was made."""


def _now() -> float:
    return time.perf_counter()


@dataclass(frozen=True)
class Deadline:
    """So many seconds from `start`; not `timed`, it never comes."""

    seconds: float
    timed: bool = True
    start: float = field(default_factory=_now)

    @classmethod
    def of(cls, limit: float, timed: bool) -> Deadline:
        """That of a section which starts now, and fails after `limit` seconds."""
        return cls(max(SHARE * limit, min(TWO_MINUTES, NEARLY * limit)), timed)

    def left(self) -> float:
        """Seconds until then, below zero after it."""
        return self.start + self.seconds - _now() if self.timed else math.inf

    def part(self, share: float) -> Deadline:
        """That share of the seconds, from now, but no later than this one."""
        return self.within(share * self.seconds)

    def within(self, seconds: float) -> Deadline:
        """So many seconds from now, but no later than this one."""
        return Deadline(min(seconds, self.left()), self.timed)

    def allows(self, done: int) -> bool:
        """Whether one more is likely to end in time, as long as the mean of those `done` since the start."""
        return not self.timed or not done or (_now() - self.start) / done <= self.left()

    def check(self) -> None:
        """Raises Late after it."""
        if self.left() <= 0:
            raise Late(ENDED)


NEVER = Deadline(math.inf, timed=False)
_CURRENT: ContextVar[Deadline] = ContextVar("deadline", default=NEVER)


def current() -> Deadline:
    """That of what is made once and kept for all sections: where the section that asks first has to have it."""
    return _CURRENT.get()


@contextlib.contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """Makes it the current one for what runs inside."""
    token = _CURRENT.set(deadline)
    try:
        yield
    finally:
        _CURRENT.reset(token)
