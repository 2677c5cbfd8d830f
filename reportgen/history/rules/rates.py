"""The learning rate's schedule, and what the loss does where it jumps. Not calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.display import deviation
from reportgen.history.model import Series
from reportgen.history.rules.base import Rule, finite, require

LEAST_RATES = 5
AROUND = 5  # loss points on each side of a jump
_FIT = 0.02  # of the range: how far from its formula a schedule may be
UNKNOWN = "not recognised"
_JUMP = 1.5  # times, from one point to the next

SCHEDULE = Rule(
    "learning-rate schedule",
    "constant, steps, linear, exponential or cosine after a warm-up: the one within 2 % of the range; n ≥ 5",
)
JUMPS = Rule(
    "loss at learning-rate jumps",
    "the learning rate changes by a factor > 1.5 at once; median loss of 5 points after against 5 before differs by "
    "> 3 sigma",
)


@dataclass(frozen=True)
class Schedule:
    """A learning rate's course: `kind` after a warm-up that ends at `warmup` (None: there is none).

    kind: "constant", "steps", "linear", "exponential", "cosine", "one cycle" or "not recognised". `jumps` are
    the steps at which it changes by more than 1.5 times.
    """

    kind: str
    warmup: int | None
    first: float
    peak: float
    last: float
    jumps: tuple[int, ...]
    n: int

    def __str__(self) -> str:
        bare = self.warmup is None or self.kind in ("one cycle", UNKNOWN)
        return self.kind if bare else f"warm-up, then {self.kind}"


def schedule(series: Series) -> Schedule:
    """Recognise a learning rate's schedule."""
    x, rates = finite(series)
    require(len(rates), LEAST_RATES)
    top = int(np.argmax(rates))
    rises = top > 0 and bool((np.diff(rates[: top + 1]) > 0).all()) and rates[top] > rates[0]
    start = top if rises else 0
    kind = _kind(x[start:].astype(np.float64), rates[start:])
    if rises and top >= 0.15 * len(rates) and rates[-1] < 0.1 * rates[0] and kind != "steps":
        kind = "one cycle"
    sudden = _jumps(rates) if kind in ("steps", UNKNOWN) else []
    jumps = tuple(int(x[place + 1]) for place in sudden if place >= start)
    warmup = int(x[top]) if rises else None
    ends = (float(rates[0]), float(rates[top]), float(rates[-1]))
    return Schedule(kind, warmup, *ends, jumps, len(rates))


def _jumps(rates: np.ndarray) -> list[int]:
    """Places after which the rate differs by more than _JUMP times; none where it does so at most points."""
    safe = np.maximum(rates, 1e-300)
    far = np.abs(np.diff(np.log(safe))) > np.log(_JUMP)
    return np.flatnonzero(far).tolist() if np.count_nonzero(far) <= len(rates) // 4 else []


def _kind(x: np.ndarray, rates: np.ndarray) -> str:
    """The schedule of a stretch by the first formula that fits, the simplest first."""
    low, high = float(rates.min()), float(rates.max())
    if high - low <= 1e-6 * abs(high):
        return "constant"
    changes = np.flatnonzero(np.abs(np.diff(rates)) > 1e-9 * high)
    if len(rates) >= LEAST_RATES and len(changes) <= max(1, len(rates) // 4):
        return "steps"
    if len(rates) < LEAST_RATES:
        return UNKNOWN
    time = (x - x[0]) / (x[-1] - x[0])
    if _straight(time, rates, high - low):
        return "linear"
    if low > 0 and _straight(time, np.log(rates), float(np.log(high / low))):
        return "exponential"
    for floor in (0.0, low):
        turn = np.arccos(np.clip(2 * (rates - floor) / (high - floor) - 1, -1, 1))
        if _straight(time, turn, float(np.ptp(turn)), 2 * _FIT):
            return "cosine"
    return UNKNOWN


def _straight(time: np.ndarray, values: np.ndarray, span: float, most: float = _FIT) -> bool:
    """Whether values float64 (n,) lie on a straight line through their ends, to within a share of their span."""
    line = values[0] + time * (values[-1] - values[0])
    return span > 0 and bool(np.abs(values - line).max() <= most * span)


@dataclass(frozen=True)
class Jump:
    """The loss about a jump of the learning rate: medians of five points before and after, and the noise."""

    step: int
    before: float
    after: float
    sigma: float


def loss_at(loss: Series, jumps: tuple[int, ...]) -> list[Jump]:
    """Where the loss moves by more than 3 sigma at a jump of the learning rate."""
    x, values = finite(loss)
    sigma = deviation(values)
    found = []
    for step in jumps:
        at = int(np.searchsorted(x, step))
        if at < AROUND or len(x) - at < AROUND:
            continue
        before, after = float(np.median(values[at - AROUND : at])), float(np.median(values[at : at + AROUND]))
        if abs(after - before) > 3 * sigma and after != before:
            found.append(Jump(step, before, after, sigma))
    return found
