"""Whether one feature, word or place holds nearly all of the attribution: a label that leaked, a watermark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.attribution.base import Attribution
from reportgen.attribution.explain import Rows

NEARLY = 0.9  # share of the sum of |a| that is nearly all
MOSTLY = 0.75  # share of the samples on which the same holds it
FEWEST = 4  # samples that say something
ALONE = 4  # features, words or cells from which on one is few among them
METHODS = 2  # that agree on it
CELLS, TWO = 8, 2  # cells along each axis of an image or signal, of which a window is two along each axis


@dataclass(frozen=True)
class Concentration:
    """What holds nearly all: `key` is a feature's number, a word, or the first cell of a window along each axis.

    `methods` find it on `samples` of `total`, and `share` is the median share that they give it there.
    """

    key: object
    methods: tuple[str, ...]
    samples: int
    total: int
    share: float


def concentration(rows: Rows, owners: Sequence[Sequence[object]] | None) -> Concentration | None:
    """What most methods' maps have in common, or None.

    `owners` name for each sample the feature or word that each place (flat) belongs to, None for a place that is not
    compared; without them the places are windows of an image or signal, of a quarter along each axis.
    """
    methods = [made.method for made in rows[0]] if rows else []
    found: dict[object, list[tuple[str, int, int, list[float]]]] = {}
    for at, method in enumerate(methods):
        held: list[tuple[object, float]] = []
        for number, row in enumerate(rows):
            made = row[at]
            if isinstance(made, Attribution):
                largest = _largest(np.abs(made.values), None if owners is None else owners[number])
                held += [] if largest is None else [largest]
        if len(held) < FEWEST:
            continue
        nearly = [(key, share) for key, share in held if share >= NEARLY]
        for key, count in Counter(key for key, _ in nearly).most_common(1):
            if count >= MOSTLY * len(held):
                shares = [share for one, share in nearly if one == key]
                found.setdefault(key, []).append((method, count, len(held), shares))
    best = max(found.items(), key=lambda item: len(item[1]), default=None)
    if best is None or len(best[1]) < METHODS:
        return None
    key, lines = best
    shares = [share for *_, each in lines for share in each]
    fewest = min(lines, key=lambda line: line[1] / line[2])
    return Concentration(
        key, tuple(line[0] for line in lines), fewest[1], fewest[2], float(np.median(shares))
    )


def _largest(sizes: np.ndarray, owners: Sequence[object] | None) -> tuple[object, float] | None:
    """Who holds most of sizes |a|, and which share; None where there is nothing, or too few to be one of many."""
    total = float(sizes.sum())
    if total <= 0:
        return None
    if owners is None:
        return _window(sizes, total)
    sums: dict[object, float] = {}
    for owner, size in zip(owners, sizes.ravel().tolist(), strict=True):
        if owner is not None:
            sums[owner] = sums.get(owner, 0.0) + size
    if len(sums) < ALONE:
        return None
    key = max(sums, key=lambda one: sums[one])
    return key, sums[key] / sum(sums.values())


def _window(sizes: np.ndarray, total: float) -> tuple[object, float] | None:
    """The window of a quarter along each axis that holds most, by its first cell along each axis."""
    if min(sizes.shape) < ALONE:
        return None
    for axis, length in enumerate(sizes.shape):
        starts = np.linspace(0, length, min(CELLS, length) + 1).astype(int)[:-1]
        sizes = np.add.reduceat(sizes, starts, axis=axis)
    for axis in range(sizes.ndim):
        sums = np.cumsum(np.insert(sizes, 0, 0.0, axis=axis), axis=axis)
        count = sizes.shape[axis]
        sizes = np.take(sums, range(TWO, count + 1), axis=axis) - np.take(
            sums, range(count + 1 - TWO), axis=axis
        )
    at = np.unravel_index(int(sizes.argmax()), sizes.shape)
    return tuple(int(one) for one in at), float(sizes[at]) / total
