"""Curves for the eye: smoothed as TensorBoard does, and fewer points without losing what would be seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COLUMNS = 250  # about the points' places that a printed chart can tell apart
FEWEST = 50
POINTS = 40_000  # of all curves of a page, about 600 KB of it
LOG_FROM = 50
DIGITS = 7  # what float32 logs hold


def smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """TensorBoard's smoothing of float64 (n,): an exponential mean without the bias of its start.

    last = weight * last + (1 - weight) * y; out = last / (1 - weight**k), k the count of finite values so
    far. Non-finite values stay as they are and a constant series is untouched. Source: TensorBoard's line
    chart; equal to pandas' ewm(alpha=1 - weight, adjust=True, ignore_na=True).mean().
    """
    out = values.astype(np.float64)
    finite = np.isfinite(out)
    kept = out[finite]
    if not len(kept) or (kept == kept[0]).all():
        return out
    last, decay, smoothed = 0.0, 1.0, []
    for value in kept.tolist():
        last = weight * last + (1 - weight) * value
        decay *= weight
        smoothed.append(last / (1 - decay))
    out[finite] = smoothed
    return out


def smoothing(values: np.ndarray) -> float:
    """How much to smooth float64 (n,): about a fiftieth of the curve; 0 where it is short or not noisy.

    Noisy is a deviation, from second differences, of more than 2 % of the middle 90 % of the values; of their
    logarithms where the axis is logarithmic.
    """
    kept = values[np.isfinite(values)]
    if len(kept) < 100:
        return 0.0
    if logarithmic(kept):
        kept = np.log(kept)
    low, high = np.quantile(kept, [0.05, 0.95])
    if deviation(kept) <= 0.02 * (high - low):
        return 0.0
    return float(np.round(np.clip(1 - 50 / len(kept), 0.6, 0.99), 2))


def logarithmic(values: np.ndarray) -> bool:
    """Whether finite values float64 (n,) want a logarithmic axis: all positive, and max / min above 50."""
    return bool(len(values) and values.min() > 0 and values.max() > LOG_FROM * values.min())


def deviation(values: np.ndarray) -> float:
    """The noise's standard deviation, robustly: 1.4826 * MAD(second differences) / sqrt(6).

    Second differences cancel any straight trend; the variance of one is six times that of the noise.
    """
    if len(values) < 3:
        return 0.0
    bends = np.diff(values, 2)
    return float(1.4826 * np.median(np.abs(bends - np.median(bends))) / np.sqrt(6))


def columns_for(series: int) -> int:
    """How many pixel columns each of so many series on a page may have, so that the page stays light."""
    return max(FEWEST, min(COLUMNS, POINTS // (4 * max(series, 1))))


def thin(x: np.ndarray, y: np.ndarray, columns: int = COLUMNS, always: Sequence[int] = ()) -> np.ndarray:
    """Indices (ascending) of the points that a chart of `columns` pixel columns can show (M4).

    Of each column the first, last, lowest and highest finite point and one of each kind of non-finite value,
    the first and the last of all, and `always`. So no extreme is missed. x must not fall. A short curve is
    kept whole. Source: Jugel et al., "M4: A visualization-oriented time series data aggregation", VLDB 2014.
    """
    if len(x) <= 4 * columns:
        return np.arange(len(x))
    span = float(x[-1]) - float(x[0])
    place = (x.astype(np.float64) - float(x[0])) / span if span > 0 else np.linspace(0, 1, len(x))
    column = np.minimum((place * columns).astype(np.int64), columns - 1)
    edges = np.flatnonzero(np.diff(column, prepend=-1, append=columns))
    kept = [0, len(x) - 1, *always]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        kept += _column(y[start:end], start)
    return np.array(sorted(set(kept)), np.int64)


def _column(y: np.ndarray, start: int) -> list[int]:
    finite = np.isfinite(y)
    kept = []
    if finite.any():
        places = np.flatnonzero(finite)
        low, high = places[np.argmin(y[places])], places[np.argmax(y[places])]
        kept += [int(places[0]), int(low), int(high), int(places[-1])]
    if not finite.all():
        for kind in (np.isnan(y), y == np.inf, y == -np.inf):
            kept += np.flatnonzero(kind)[:1].tolist()
    return [start + place for place in kept]


def rounded(values: np.ndarray, digits: int = DIGITS) -> tuple[float, ...]:
    """Values to seven significant digits, the most that a float32 log holds: what is written in a block."""
    return tuple(float(f"{value:.{digits}g}") for value in values.tolist())
