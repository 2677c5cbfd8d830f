"""Whether two files tell the same of a metric, though they name it differently."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reportgen.history.model import Points, Series
from reportgen.history.names import parse

_CLOSE = 1e-4  # of each other: a log may be rounded, or of float32


def key(tag: str) -> tuple[str, str, str]:
    """What a tag measures, training taken for granted: `loss` and `train/loss` are alike, as are their epochs."""
    name = parse(tag)
    if name.kind == "axis":
        return tag.lower().rpartition("/")[2], "", ""
    return name.metric.lower(), name.role or "train", name.each


def agree(one: Points | Series, other: Points | Series) -> bool:
    """Whether half of the shorter one's steps, and one at least, are in both, and hold the same values there."""
    steps, mine, theirs = np.intersect1d(one.step, other.step, return_indices=True)
    if len(steps) < max(1, min(len(np.unique(one.step)), len(np.unique(other.step))) / 2):
        return False
    return bool(
        np.isclose(one.value[mine], other.value[theirs], rtol=_CLOSE, atol=1e-9, equal_nan=True).all()
    )


def alike(one: Mapping[str, Points], other: Mapping[str, Points]) -> bool:
    """Whether two readings share a metric, and tell the same of most that they share."""
    named = {key(tag): points for tag, points in other.items() if parse(tag).kind == "metric"}
    pairs = [(points, named[key(tag)]) for tag, points in one.items() if key(tag) in named]
    return 2 * sum(agree(a, b) for a, b in pairs) > len(pairs)
