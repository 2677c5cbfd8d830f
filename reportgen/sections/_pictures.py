"""What a caption says of pictures that are drawn smaller than they are."""

from __future__ import annotations


def scaled(size: tuple[int, ...], drawn: tuple[int, ...], what: str = "") -> str:
    """` Drawn at 128 × 128 (means of blocks).`, or nothing where nothing was shrunk.

    `size` and `drawn` start with (height, width); `what` is named first, as in ` Input drawn at ...`.
    """
    if size[:2] == drawn[:2]:
        return ""
    head = f"{what} drawn" if what else "Drawn"
    return f" {head} at {drawn[0]} × {drawn[1]} (means of blocks)."
