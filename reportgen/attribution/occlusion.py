"""Occlusion: how far the score falls when one window, or one part, of the input is hidden."""

from __future__ import annotations

import numpy as np

from reportgen.attribution.base import Attribution
from reportgen.attribution.sight import Sight, Tools

GRID = 8  # windows along each side of a picture


def occlusion_windows(sight: Sight, tools: Tools) -> Attribution:
    """f(x) - f(x with a window hidden), at each place of that window (Zeiler and Fergus 2014).

    Eight windows along each side of the picture, that do not overlap, whatever its size.
    """
    height, width = sight.shape
    side = tuple(-(-length // GRID) for length in (height, width))
    down, across = np.arange(height) // side[0], np.arange(width) // side[1]
    columns = int(across[-1]) + 1
    windows = down[:, None] * columns + across[None, :]
    count = int(windows[-1, -1]) + 1
    whole = float(sight.score.numbers(sight.values, 1)[0])
    scores = np.concatenate(
        [
            sight.score.numbers(sight.shown(windows != numbers[:, None, None]), tools.forward)
            for numbers in np.split(np.arange(count), range(tools.forward, count, tools.forward))
        ]
    )
    return Attribution(
        method="Occlusion",
        values=(whole - scores)[windows],
        signed=True,
        settings=f"{int(down[-1]) + 1} × {columns} windows of {side[0]} × {side[1]}",
        baseline=sight.baseline.said,
        evaluations=count + 1,
        shared=windows,
    )


def occlusion_parts(sight: Sight, tools: Tools) -> Attribution:
    """f(x) - f(x with a part hidden), at each place of that part."""
    count = sight.parted()
    masks = np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)])
    scores = sight.hidden(masks, tools.forward)
    return Attribution(
        method="Occlusion",
        values=sight.parts.spread(scores[0] - scores[1:]),
        signed=True,
        settings=f"{sight.parts.how}, one at a time",
        baseline=sight.baseline.said,
        evaluations=count + 1,
        shared=sight.parts.numbers,
    )
