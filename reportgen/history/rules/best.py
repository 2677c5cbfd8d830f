"""The best point of a curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.model import Series
from reportgen.history.rules.base import finite


@dataclass(frozen=True)
class Best:
    """The best point of a curve: its place on the axis, its value, and of how many points."""

    x: int
    value: float
    n: int


def best(series: Series, direction: str) -> Best | None:
    """The lowest ("min") or highest ("max") finite point that stands, the earliest of equals.

    None where the direction is unknown, or nothing is finite.
    """
    x, values = finite(series)
    if not len(x) or direction not in ("min", "max"):
        return None
    at = int(np.argmin(values) if direction == "min" else np.argmax(values))
    return Best(int(x[at]), float(values[at]), len(x))
