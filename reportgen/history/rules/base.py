"""What all rules share: their definition, how they say that there is too little, and the points they look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.history.model import Series


class NotEnoughError(ValueError):
    """Too little to judge by a rule; the message says what there was and what is needed."""


def require(count: int, least: int, noun: str = "points") -> None:
    """Raise NotEnoughError where there are fewer than `least`."""
    if count < least:
        raise NotEnoughError(f"not enough data: {count:,} {noun}, {least:,} needed")


Basis = Literal["counted", "simulated", "information"]


@dataclass(frozen=True)
class Rule:
    """A diagnosis by name, and what stands behind it.

    `basis`: "counted" is a fact about the log, "simulated" a judgement whose error rates are known
    (benchmarks.diagnoses), "information" one whose rates are not, so that it never warns.
    """

    name: str
    definition: str
    basis: Basis = "information"


def finite(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """The axis int64 (n,) and values float64 (n,) of the finite points that stand."""
    index = series.shown
    index = index[np.isfinite(series.value[index])]
    return series.x[index], series.value[index]


def last_part(values: np.ndarray, share: float = 0.1, least: int = 3) -> np.ndarray:
    """The last `share` of values, at least `least` of them."""
    return values[-max(least, int(np.ceil(len(values) * share))) :]
