"""Until when the explanations may go on: one moment for all parts of the section, where the clock may decide."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from reportgen.attribution.base import NotApplicable

ENDED = "the time for explanations ended"


class Late(NotApplicable):
    """The time ended before this was made."""


def _now() -> float:
    return time.perf_counter()


@dataclass(frozen=True)
class Deadline:
    """So many seconds from `start`; not `timed`, it never comes."""

    seconds: float
    timed: bool = True
    start: float = field(default_factory=_now)

    def left(self) -> float:
        """Seconds until then, below zero after it."""
        return self.start + self.seconds - _now() if self.timed else math.inf

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
