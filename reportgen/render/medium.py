"""What a page is made for: a screen, or paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Medium:
    """What a page is made for.

    How many rows of a table, of a table that a screen folds, of the data behind a chart, lines of a listing and
    pieces of a text it shows; the pixels that a picture may be wide and high; the largest scale that a graph is drawn
    at; the widths of a whole, a half and a third chart in inches, and how many marks of one are drawn one by one; the
    pixels of a page on its side; how many characters of a listing stand beside each other, 0: any number; how many
    facts and pictures of a block, and characters of a text, it shows.
    """

    name: Literal["screen", "print"]
    rows: int
    folded_rows: int
    data_rows: int
    lines: int
    pieces: int
    width: int
    height: int
    scale: float
    inches: tuple[float, float, float]
    vector: int
    facts: int
    pictures: int
    characters: int
    turned: tuple[int, int] = (0, 0)
    columns: int = 0

    @property
    def printed(self) -> bool:
        """Whether it is paper: nothing folds, nothing can be pressed."""
        return self.name == "print"

    def table(self, *, folded: bool) -> int:
        """The rows that a table has at most; paper has few of what a reader of the screen must open."""
        return self.folded_rows if folded else self.rows

    def chart(self, width: str) -> float:
        """The inches that a chart of this width has."""
        return self.inches[("full", "half", "third").index(width)]


_WIDE, _NARROW = (9.6, 4.8, 3.05), (6.6, 3.9, 3.2)  # on paper a third is as wide as half the page
SCREEN = Medium(
    "screen", rows=400, folded_rows=400, data_rows=40, lines=4000, pieces=4000, width=928, height=900, scale=1.0,
    inches=_WIDE, vector=1500, facts=2000, pictures=2000, characters=400_000,
)  # fmt: skip
PRINT = Medium(
    "print", rows=200, folded_rows=25, data_rows=0, lines=60, pieces=1000, width=640, height=840, scale=0.8,
    inches=_NARROW, vector=150, facts=300, pictures=400, characters=40_000, turned=(1040, 600), columns=150,
)  # fmt: skip
