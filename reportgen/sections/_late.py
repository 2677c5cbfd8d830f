"""What the time cut, as a block that also tells that another machine may not cut it."""

from __future__ import annotations

from reportgen.deadline import ENDED
from reportgen.report import Failure


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
