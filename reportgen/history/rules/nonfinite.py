"""NaN and infinite values: the first, how many, whether the curve comes back, and what came before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.history.model import Series
from reportgen.history.rules.base import Rule, require

BEFORE = 20  # finite values kept of those before the first

NON_FINITE = Rule("non-finite values", "value is NaN or infinite", basis="counted")


@dataclass(frozen=True, eq=False)
class NonFinite:
    """Values that are NaN or infinite: how many of n, the first step, and whether the rest of the curve is.

    `before` float64 (<= 20,) are the finite values just before the first, `steps` int64 their places.
    `isolated` is whether no two are neighbours.
    """

    step: int
    count: int
    n: int
    permanent: bool
    isolated: bool
    before: np.ndarray
    steps: np.ndarray

    @property
    def share(self) -> float:
        """Of all points that stand."""
        return self.count / self.n


def non_finite(series: Series) -> NonFinite | None:
    """The NaN and infinite values among the points that stand; None where there are none."""
    index = series.shown
    require(len(index), 1)
    finite = np.isfinite(series.value[index])
    if finite.all():
        return None
    places = np.flatnonzero(~finite)
    first = int(places[0])
    permanent = not finite[first:].any() and len(places) > 1
    isolated = bool((np.diff(places) > 1).all())
    before = index[max(0, first - BEFORE) : first]
    return NonFinite(
        int(series.x[index][first]),
        len(places),
        len(index),
        permanent,
        isolated,
        series.value[before],
        series.x[before],
    )
