"""Intervals for what was measured on a sample."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Z95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution
RESAMPLES = 1000


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, 1927); (0, 1) where nothing was seen.

    It begins at 0 where none is right and ends at 1 where all are, which rounding misses by some 1e-17.

    centre = (p + z²/2n) / (1 + z²/n), half = z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n).
    """
    if n == 0:
        return 0.0, 1.0
    share, square = right / n, Z95 * Z95
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return (max(0.0, centre - half) if right else 0.0), (min(1.0, centre + half) if right < n else 1.0)


def bootstrap(n: int, seed: int, figure: Callable[[np.ndarray], float]) -> tuple[float, float]:
    """The 95 % percentile interval of `figure(rows)` over 1,000 resamples of n rows (Efron, 1979)."""
    random = np.random.default_rng(seed)
    values = [figure(random.integers(0, n, n)) for _ in range(RESAMPLES)]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return math.nan, math.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)
