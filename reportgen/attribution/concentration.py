"""Whether one feature, word or place holds nearly all of the attribution: a label that leaked, a watermark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.attribution.base import Attribution
from reportgen.attribution.explain import Rows

NEARLY = 0.9  # share of the sum of |a|, over all samples, that is nearly all
MOSTLY = 0.75  # share of the samples on which the same is the largest
FEWEST = 4  # samples that say something
ALONE = 4  # features, words or cells from which on one is few among them
METHODS = 2  # that agree on it
CELLS, TWO = 8, 2  # cells along each axis of an image or signal, of which a window is two along each axis


@dataclass(frozen=True)
class Concentration:
    """What holds nearly all: `key` is a feature's number, a word, or the first cell of a window along each axis.

    By each of the `methods` it is the largest on `samples` of `total` or more, and its share of all is `share` or more.
    """

    key: object
    methods: tuple[str, ...]
    samples: int
    total: int
    share: float


@dataclass(frozen=True)
class _Held:
    """What one method gives to one key."""

    method: str
    samples: int
    total: int
    share: float


def concentration(rows: Rows, owners: Sequence[Sequence[object]] | None) -> Concentration | None:
    """What the maps of two methods or more have in common, or None.

    `owners` name for each sample the feature or word that each place (flat) belongs to, None for a place that is not
    compared; without them the places are windows of an image or signal, of a quarter along each axis. Large values
    count for more, over all samples: of one that scores as the baseline does there is little to share.
    """
    found: dict[object, list[_Held]] = {}
    for at in range(len(rows[0]) if rows else 0):
        held = _held(rows, at, owners)
        if held is not None:
            found.setdefault(held[0], []).append(held[1])
    key, best = max(found.items(), key=lambda item: len(item[1]), default=(None, []))
    if len(best) < METHODS:
        return None
    fewest = min(best, key=lambda one: one.samples / one.total)
    share = min(one.share for one in best)
    return Concentration(key, tuple(one.method for one in best), fewest.samples, fewest.total, share)


def _held(rows: Rows, at: int, owners: Sequence[Sequence[object]] | None) -> tuple[object, _Held] | None:
    """What holds nearly all of one method's maps, and how much of it; None where nothing does."""
    pooled: Counter[object] = Counter()
    largest: Counter[object] = Counter()
    total = 0.0
    for number, row in enumerate(rows):
        made = row[at]
        if not isinstance(made, Attribution):
            continue
        sizes = np.abs(made.values)
        sums, whole = _sums(sizes, None if owners is None else owners[number])
        if len(sums) < ALONE or whole <= 0:
            continue
        pooled.update(sums)
        largest[max(sums, key=lambda one: sums[one])] += 1
        total += whole
    count = sum(largest.values())
    if count < FEWEST:
        return None
    key, sum_ = max(pooled.items(), key=lambda item: item[1])
    if sum_ < NEARLY * total or largest[key] < MOSTLY * count:
        return None
    return key, _Held(rows[0][at].method, largest[key], count, sum_ / total)


def _sums(sizes: np.ndarray, owners: Sequence[object] | None) -> tuple[dict[object, float], float]:
    """What each owner, or each window, has of sizes |a|, and what all have together."""
    if owners is None:
        return _windows(sizes), float(sizes.sum())
    sums: dict[object, float] = {}
    for owner, size in zip(owners, sizes.ravel().tolist(), strict=True):
        if owner is not None:
            sums[owner] = sums.get(owner, 0.0) + size
    return sums, sum(sums.values())


def _windows(sizes: np.ndarray) -> dict[object, float]:
    """The windows of a quarter along each axis, by their first cell along each; none where an axis has few places."""
    if min(sizes.shape) < ALONE:
        return {}
    for axis, length in enumerate(sizes.shape):
        starts = np.linspace(0, length, min(CELLS, length) + 1).astype(int)[:-1]
        sizes = np.add.reduceat(sizes, starts, axis=axis)
    for axis in range(sizes.ndim):
        sums = np.cumsum(np.insert(sizes, 0, 0.0, axis=axis), axis=axis)
        count = sizes.shape[axis]
        sizes = np.take(sums, range(TWO, count + 1), axis=axis) - np.take(
            sums, range(count + 1 - TWO), axis=axis
        )
    return {tuple(map(int, at)): float(sizes[at]) for at in np.ndindex(sizes.shape)}
