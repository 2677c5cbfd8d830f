"""What curves give away, by definitions that print their numbers and say when there is too little to judge."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reportgen.history.display import deviation
from reportgen.history.model import Series

LEAST = 8  # validation points without which nothing is said about overfitting
LEAST_TAIL = 5  # of them behind the best
SIGNIFICANT = 0.05
_MOST_PAIRED = 1000  # Mann-Kendall compares all pairs; longer series are averaged down to this

OVERFIT_RULE = (
    "n ≥ 8, at least 5 points after the best 3-point median; Mann-Kendall rise p < .05 there; mean of the last "
    "max(3, 10 %) above the best by > 2 sigma and > 1 %; sigma = 1.4826 MAD(second differences) / √6"
)


@dataclass(frozen=True)
class Rise:
    """A validation loss that rises after its best: where, how far, and what training does meanwhile.

    `rise` and `sigma` are in the metric's unit; `overfits` is whether the training loss still falls.
    """

    step: int
    best: float
    rise: float
    sigma: float
    p: float
    n: int
    overfits: bool


@dataclass(frozen=True)
class NonFinite:
    """Values that are NaN or infinite: how many of n, the first step, and whether the rest of the curve is."""

    step: int
    count: int
    n: int
    permanent: bool


def mann_kendall(values: np.ndarray) -> float:
    """The one-sided p of a rise in float64 (n,), normal approximation with ties and continuity corrected.

    Source: Mann 1945, Kendall 1975. 1 where there are fewer than 3 values or all are equal.
    """
    kept = _averaged(values[np.isfinite(values)])
    n = len(kept)
    if n < 3:
        return 1.0
    score = float(np.sign(kept[None, :] - kept[:, None])[np.triu_indices(n, 1)].sum())
    _, ties = np.unique(kept, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    if variance <= 0:
        return 1.0
    z = (score - np.sign(score)) / math.sqrt(variance)
    return 0.5 * math.erfc(z / math.sqrt(2))


def _averaged(values: np.ndarray) -> np.ndarray:
    if len(values) <= _MOST_PAIRED:
        return values
    return np.array([part.mean() for part in np.array_split(values, _MOST_PAIRED)])


def median_of_three(values: np.ndarray) -> np.ndarray:
    """The running median of three neighbours of float64 (n,), the ends as they are."""
    out = values.astype(np.float64)
    if len(values) >= 3:
        out[1:-1] = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return out


def rise_after_best(validation: Series, train: Series | None) -> Rise | None:
    """Whether a validation loss rises after its best, by OVERFIT_RULE; None where it does not.

    Raises ValueError below the minimum of points ("not enough data").
    """
    index = validation.shown
    index = index[np.isfinite(validation.value[index])]
    steps, values = validation.x[index], validation.value[index]
    if len(values) < LEAST:
        raise ValueError(f"not enough data: {len(values)} points, {LEAST} needed")
    middle = median_of_three(values)
    at = int(np.argmin(middle))
    tail = values[at + 1 :]
    if len(tail) < LEAST_TAIL:
        return None
    p = mann_kendall(tail)
    sigma = deviation(values)
    best = float(middle[at])
    rise = float(values[-max(3, math.ceil(len(values) / 10)) :].mean()) - best
    if not (p < SIGNIFICANT and rise > 2 * sigma and rise > 0.01 * abs(best)):
        return None
    return Rise(int(steps[at]), best, rise, sigma, p, len(values), falls(train, int(steps[at])))


def falls(train: Series | None, step: int) -> bool:
    """Whether a training loss still falls from `step` on: Mann-Kendall, one-sided, p < .05."""
    if train is None:
        return False
    index = train.shown
    index = index[train.x[index] >= step]
    return mann_kendall(-train.value[index]) < SIGNIFICANT


def non_finite(series: Series) -> NonFinite | None:
    """The NaN and infinite values among the points that stand; None where there are none."""
    index = series.shown
    finite = np.isfinite(series.value[index])
    if finite.all():
        return None
    places = np.flatnonzero(~finite)
    permanent = not finite[places[0] :].any() and len(places) > 1
    return NonFinite(int(series.x[index][places[0]]), len(places), len(index), permanent)


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
    index = series.shown
    index = index[np.isfinite(series.value[index])]
    if not len(index) or direction not in ("min", "max"):
        return None
    values = series.value[index]
    at = int(np.argmin(values) if direction == "min" else np.argmax(values))
    return Best(int(series.x[index][at]), float(values[at]), len(index))
