"""Pictures as they stand on the page, and what a caption says of those drawn smaller than they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reportgen.pixels import shrink
from reportgen.report import Raster

if TYPE_CHECKING:
    import numpy as np

SMALL = 48  # pixels a side up to which each one is seen, and kept as it is


def as_raster(pixels: np.ndarray) -> Raster:
    """uint8 pixels (H, W) or (H, W, 3): small ones bit by bit, larger ones as photographs of a high quality."""
    return Raster.from_array(pixels, exact=max(pixels.shape[:2]) <= SMALL)


def scaled_each(pixels: Sequence[np.ndarray], limit: int = 128, what: str = "") -> str:
    """`scaled` of pictures shrunk to `limit`; where their sizes differ, for the longer side."""
    if len({picture.shape[:2] for picture in pixels}) == 1:
        return scaled(pixels[0].shape, shrink(pixels[0], limit).shape, what)
    if max(max(picture.shape[:2]) for picture in pixels) <= limit:
        return ""
    return f" {f'{what} drawn' if what else 'Drawn'} at {limit} pixels a side at most (means of blocks)."


def scaled(size: tuple[int, ...], drawn: tuple[int, ...], what: str = "") -> str:
    """` Drawn at 128 × 128 (means of blocks).`, or nothing where nothing was shrunk.

    `size` and `drawn` start with (height, width); `what` is named first, as in ` Input drawn at ...`.
    """
    if size[:2] == drawn[:2]:
        return ""
    head = f"{what} drawn" if what else "Drawn"
    return f" {head} at {drawn[0]} × {drawn[1]} (means of blocks)."
