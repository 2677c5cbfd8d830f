"""Occlusion: what the score loses without each part of the input."""

from __future__ import annotations

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable
from reportgen.attribution.sight import Sight, Tools


def occlusion(sight: Sight, tools: Tools) -> Attribution:
    """f(x) - f(x without the part) for each part, at each of its places (Zeiler and Fergus 2014)."""
    count = sight.parts.count
    if not count:
        raise NotApplicable("there is no part that may be hidden")
    masks = np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)])
    scores = sight.hidden(masks, tools.forward)
    return Attribution(
        method="Occlusion",
        values=sight.parts.spread(scores[0] - scores[1:]),
        signed=True,
        settings=f"each of {sight.parts.how} hidden in turn",
        baseline=sight.baseline.said,
        evaluations=count + 1,
    )
