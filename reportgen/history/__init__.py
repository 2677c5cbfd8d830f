"""Training logs of any format, read into runs of (tag, step, wall time, value)."""

from __future__ import annotations

from reportgen.history.model import (
    DUPLICATE,
    NONFINITE,
    SUPERSEDED,
    History,
    HistoryError,
    Run,
    Series,
    Source,
)
from reportgen.history.reading import read

__all__ = [
    "DUPLICATE",
    "NONFINITE",
    "SUPERSEDED",
    "History",
    "HistoryError",
    "Run",
    "Series",
    "Source",
    "read",
]
