"""What the figure functions share: the palette of a report, and the data behind a chart as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from reportgen.render.figures.style import CLASSES, LINES
from reportgen.report import Curves, Distribution, Report, Scatter
from reportgen.units import plural, shorten, show

T = TypeVar("T")


@dataclass(frozen=True)
class Columns:
    """A chart's numbers as text, for the table behind it.

    `total` counts the rows before any were cut, `taken` says which are left; `across` counts the columns, after
    the first, before any were cut, 0 where none were.
    """

    names: list[str]
    rows: list[list[str]]
    total: int
    taken: str = "evenly taken"
    across: int = 0

    @property
    def cut(self) -> str:
        """What is left of the numbers, in words; "" where all of them are."""
        shown = [
            f"{left:,} of {plural(total, name)}"
            for left, total, name in (
                (len(self.rows), self.total, "row"),
                (len(self.names) - 1, self.across, "column"),
            )
            if left < total
        ]
        return f"{' and '.join(shown)}, {self.taken}" if shown else ""


def written(value: float, unit: str) -> str:
    """A number as it stands in a figure, its unit shortened where that is no unit's length."""
    return shorten(show(value, unit), 24)


def evenly(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the items, evenly taken, the first and the last among them."""
    if len(items) <= limit:
        return list(items)
    if limit < 2:
        return list(items[:limit])
    return [items[round(at * (len(items) - 1) / (limit - 1))] for at in range(limit)]


@dataclass(frozen=True)
class Palette:
    """Which colour a name has: the same class, and the same run, always in the same one.

    `width` is a chart's in inches: one column of the page, and a whole narrow screen. `vector` is how many
    marks of a chart are drawn one by one; more become a raster inside the vector frame.
    """

    width: float = 4.8
    vector: int = 1500
    lines: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, report: Report, width: float = 4.8, vector: int = 1500) -> Palette:
        """Colours in the order in which the names first come up."""
        blocks = [block for section in report.sections for block in section.blocks]
        lines = (s.group or s.name for b in blocks if isinstance(b, Curves) for s in b.series)
        groups = [name for b in blocks if isinstance(b, Scatter) for name in b.groups]
        groups += [
            h.name for b in blocks if isinstance(b, Distribution) and not b.panels for h in b.histograms
        ]
        return cls(width, vector, _numbered(lines), _numbered(groups))

    def number(self, name: str) -> int:
        """Which of the colours a line, or a group of lines, has."""
        return self.lines.get(name, 0) % len(LINES)

    def line(self, name: str) -> str:
        """The colour of a line, or of a group of lines."""
        return LINES[self.number(name)][0]

    def member(self, name: str) -> tuple[str, int]:
        """The colour of a class, and its number (which picks the marker)."""
        index = self.classes.get(name, 0)
        return CLASSES[index % len(CLASSES)][0], index


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(dict.fromkeys(names))}
