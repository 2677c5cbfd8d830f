"""What the time cut, as a block that also tells that another machine may not cut it, and what was not made at all."""

from __future__ import annotations

from reportgen.deadline import ENDED
from reportgen.report import Block, Failure, Text
from reportgen.units import plural


def late(title: str, what: str, group: str = "") -> Failure:
    """`what` says how much there is of it, or that there is nothing."""
    message = f"{what}: {ENDED}"
    return Failure(
        title=title,
        group=group,
        error="OutOfTime",
        message=message,
        hint="raise time_limit, or ask for fewer samples",
    )


def cut(title: str, done: int, wanted: int, *, lost: bool = False) -> list[Block]:
    """What the time cut of the samples, where it did; `lost`: the last of them did not go through all methods."""
    if done == wanted and not lost:
        return []
    what = f"{done} of {plural(wanted, 'sample')}{', not by all methods' if lost else ''}"
    return [late(f"{title}: what the time cut", what)]


def unmade(title: str, reason: str) -> Text:
    """A measure that could not be made, and why."""
    return Text(title=title, text=f"Not made: {reason}.")
