"""How far to trust an attribution: completeness, stability between seeds, agreement between methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, combinations_with_replacement

import numpy as np

from reportgen.attribution.base import Attribution

MISSED = "missed share of all that the values move"
FEW = 50  # places up to which five of them are the top, and a tenth of them above


def completeness_error(total: float, score: float, baseline_score: float) -> float | None:
    """|total - (f(x) - f(baseline))| / |f(x) - f(baseline)|, a share.

    `total` is the sum of the attributions (Sundararajan et al. 2017, axiom of completeness). None where
    the two scores are equal to within rounding, so that there is nothing to divide by.
    """
    difference = score - baseline_score
    if equal(score, baseline_score):
        return None
    return abs(total - difference) / abs(difference)


def missed(values: np.ndarray, score: float, baseline_score: float) -> float | None:
    """|sum - (f(x) - f(baseline))| / sum of |values|, a share: how far from adding up, beside all that they move.

    Unlike the completeness error it does not grow where large values of both signs leave a small difference. The
    divisor is at least the difference itself. None where neither is anything.

    >>> missed(np.array([10.0, -9.9]), 0.2, 0.0) < 0.01 < completeness_error(0.1, 0.2, 0.0)
    True
    """
    difference = score - baseline_score
    moved = max(float(np.abs(values).sum()), abs(difference))
    return abs(float(values.sum()) - difference) / moved if moved > 0 else None


def equal(score: float, other: float) -> bool:
    """Whether two scores are the same to within the rounding of single precision."""
    return abs(score - other) <= 1e-6 * max(abs(score), abs(other), 1e-12)


def spearman(left: np.ndarray, right: np.ndarray) -> float | None:
    """Rank correlation of two equally shaped arrays, ties averaged; None where either is constant."""
    return _correlated(_ranks(left), _ranks(right))


def overlap(left: np.ndarray, right: np.ndarray) -> float | None:
    """Which share of the top places two equally shaped arrays have in common; None where either is constant.

    The top is a tenth of the places, or five where there are up to fifty, and never more than half. Places that
    tie at its edge share the room that is left.
    """
    return _shared(_members(left), _members(right))


def top(places: int) -> int:
    """How many of so many places are the top."""
    return round(places / 10) if places > FEW else max(1, min(5, places // 2))


def settled(values: np.ndarray) -> np.ndarray:
    """Values to a millionth of the largest, so that rounding noise about zero is a tie and no rank."""
    largest = float(np.abs(values).max(initial=0.0))
    return np.round(values / largest, 6) if largest > 0 else values


def _ranks(values: np.ndarray) -> np.ndarray | None:
    """Centred ranks, of length one; None where all values are equal, or there is none."""
    from scipy.stats import rankdata

    if values.size == 0:
        return None
    rank = rankdata(settled(np.asarray(values, np.float64).ravel()))
    centred = rank - rank.mean()
    length = float(np.sqrt(centred @ centred))
    return centred / length if length > 0 else None


def _correlated(left: np.ndarray | None, right: np.ndarray | None) -> float | None:
    return None if left is None or right is None else float(left @ right)


def _members(values: np.ndarray) -> np.ndarray | None:
    """How far each place belongs to the top, 0 to 1; None where all values are equal."""
    flat = settled(np.asarray(values, np.float64).ravel())
    if flat.size == 0 or flat.min() == flat.max():
        return None
    count = top(flat.size)
    edge = np.partition(flat, flat.size - count)[flat.size - count]
    above, tied = flat > edge, flat == edge
    member: np.ndarray = above + tied * ((count - above.sum()) / tied.sum())
    return member


def _shared(left: np.ndarray | None, right: np.ndarray | None) -> float | None:
    return None if left is None or right is None else float(np.minimum(left, right).sum() / left.sum())


def consistency(runs: Sequence[np.ndarray]) -> float | None:
    """Mean cosine between the values (n,) of runs that differ in their seed alone; None where all of a run are 0.

    Each value counts by its size, so that the order of small ones, which is noise, does not: values of which
    one stands above noise of a tenth of it have a cosine near 1, and noise alone one near 0.
    """
    return stability(runs, cosine)


def cosine(left: np.ndarray, right: np.ndarray) -> float | None:
    """The cosine of two equally shaped arrays; None where either is all zero."""
    length = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(np.vdot(left, right)) / length if length > 0 else None


def correlation(left: np.ndarray, right: np.ndarray) -> float | None:
    """Pearson's correlation of two equally shaped arrays; None where either is constant."""
    return cosine(left - left.mean(), right - right.mean()) if left.size else None


def stability(
    runs: Sequence[np.ndarray], measure: Callable[[np.ndarray, np.ndarray], float | None] = spearman
) -> float | None:
    """Mean rank correlation (or another `measure`) between the coefficients of runs that differ in their seed alone."""
    pairs = [measure(left, right) for left, right in combinations(runs, 2)]
    known = [value for value in pairs if value is not None]
    return float(np.mean(known)) if known else None


def agreement(
    samples: Sequence[Sequence[Attribution]], methods: Sequence[str], counted: Sequence[np.ndarray]
) -> np.ndarray:
    """Mean rank correlation of the sizes |a| between methods, over the samples; NaN where unknown.

    `counted`: for each sample which of its places are compared, bool of the attributions' shape. Returns
    (methods, methods). Sizes, because saliency and Grad-CAM tell no sign.
    """
    return _between(samples, methods, counted, _ranks, _correlated)


def common(
    samples: Sequence[Sequence[Attribution]], methods: Sequence[str], counted: Sequence[np.ndarray]
) -> np.ndarray:
    """Mean overlap of the places with the largest |a|, as `agreement` returns it."""
    return _between(samples, methods, counted, _members, _shared)


def by_size(
    samples: Sequence[Sequence[Attribution]], methods: Sequence[str], counted: Sequence[np.ndarray]
) -> np.ndarray:
    """Mean Pearson correlation of the sizes |a|, where large values count for more, as `agreement` returns it."""

    def compare(left: np.ndarray | None, right: np.ndarray | None) -> float | None:
        return None if left is None or right is None else correlation(left, right)

    return _between(samples, methods, counted, lambda sizes: sizes, compare)


def _between(
    samples: Sequence[Sequence[Attribution]],
    methods: Sequence[str],
    counted: Sequence[np.ndarray],
    prepare: Callable[[np.ndarray], np.ndarray | None],
    compare: Callable[[np.ndarray | None, np.ndarray | None], float | None],
) -> np.ndarray:
    found: dict[tuple[int, int], list[float]] = {}
    for sample, places in zip(samples, counted, strict=True):
        by_name = {made.method: made for made in sample}
        ready: dict[tuple[str, bytes], np.ndarray | None] = {}

        def seen(made: Attribution, known: np.ndarray, ready: dict = ready) -> np.ndarray | None:
            key = made.method, known.tobytes()
            if key not in ready:
                ready[key] = prepare(np.abs(made.values[known]))
            return ready[key]

        for row, column in combinations_with_replacement(range(len(methods)), 2):
            left, right = by_name.get(methods[row]), by_name.get(methods[column])
            if left is not None and right is not None:
                known = places & known_of(left) & known_of(right)
                value = compare(seen(left, known), seen(right, known))
                found.setdefault((row, column), []).extend([] if value is None else [value])
    table = np.full((len(methods), len(methods)), np.nan)
    for (row, column), values in found.items():
        if values:
            table[row, column] = table[column, row] = np.mean(values)
    return table


def known_of(made: Attribution) -> np.ndarray:
    """Of which places the method can say something."""
    return np.ones(made.values.shape, bool) if made.unknown is None else ~made.unknown
