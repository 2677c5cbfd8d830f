"""Rank statistics of a course: Mann-Kendall's rise, Theil and Sen's slope, running medians."""

from __future__ import annotations

import math

import numpy as np

Z95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution
_MOST_PAIRED = 1000  # all pairs are compared; longer courses are averaged down to this


def mann_kendall(values: np.ndarray) -> float:
    """The one-sided p of a rise in float64 (n,), normal approximation with ties and continuity corrected.

    Source: Mann 1945, Kendall 1975. 1 where there are fewer than 3 values or all are equal.
    """
    kept = averaged(values[np.isfinite(values)], _MOST_PAIRED)
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


def theil_sen(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """The median slope of all pairs of float64 (n,) points, and the ends of its 95 % interval.

    Source: Sen 1968, by Kendall's variance with ties in x and in y. Needs two different x.
    """
    later = np.triu_indices(len(x), 1)
    run, rise = (x[None, :] - x[:, None])[later], (y[None, :] - y[:, None])[later]
    slopes = np.sort(rise[run != 0] / run[run != 0])
    n = len(x)
    variance = n * (n - 1) * (2 * n + 5) / 18
    for values in (x, y):
        _, ties = np.unique(values, return_counts=True)
        variance -= float((ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    half = Z95 * math.sqrt(max(variance, 0.0))
    low = max(round((len(slopes) - half) / 2) - 1, 0)
    high = min(round((len(slopes) + half) / 2), len(slopes) - 1)
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


def averaged(values: np.ndarray, most: int) -> np.ndarray:
    """Means of neighbours where there are more than `most` values, as they are otherwise."""
    if len(values) <= most:
        return values
    edges = np.arange(most) * len(values) // most
    return np.add.reduceat(values, edges) / np.diff(edges, append=len(values))


def median_of_three(values: np.ndarray) -> np.ndarray:
    """The running median of three neighbours of float64 (n,), the ends as they are."""
    out = values.astype(np.float64)
    if len(values) >= 3:
        out[1:-1] = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return out


def medians_before(values: np.ndarray, window: int, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """The median and the MAD of the last `window` (odd) values before each of float64 (n,).

    Of all before where there are fewer; NaN where there are fewer than `fewest`.
    """
    count = len(values)
    middle, spread = np.full(count, np.nan), np.full(count, np.nan)
    sizes = np.arange(fewest, min(window, count))
    if len(sizes):
        early = np.where(np.arange(window) < sizes[:, None], np.resize(values, window), np.inf)
        middle[sizes] = _medians(early, sizes)
        spread[sizes] = _medians(np.abs(early - middle[sizes, None]), sizes)
    if count <= window:
        return middle, spread
    windows = np.lib.stride_tricks.sliding_window_view(values, window)[:-1]
    half = window // 2
    for start in range(0, len(windows), _CHUNK):
        part = windows[start : start + _CHUNK]
        centre = np.partition(part, half, axis=1)[:, half]
        place = slice(window + start, window + start + len(part))
        middle[place] = centre
        spread[place] = np.partition(np.abs(part - centre[:, None]), half, axis=1)[:, half]
    return middle, spread


def _medians(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The median of the `sizes` smallest of each row, where what lies beyond is infinite."""
    ordered, each = np.sort(rows, axis=1), np.arange(len(rows))
    return (ordered[each, (sizes - 1) // 2] + ordered[each, sizes // 2]) / 2


_CHUNK = 8192  # windows sorted at a time, which bounds the memory
