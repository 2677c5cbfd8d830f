"""Tables that a program prints as it trains: a line of names, and below it a line of cells an epoch."""

from __future__ import annotations

import re

from reportgen.history.readers.patterns import METRICS, Pattern, Row, whole

HEADED = Pattern(
    "table below a line of names",
    re.compile(
        rf"^\s{{0,20}}(?P<place>epoch|step|iter|iteration)(?=(?:\s{{1,40}}[a-z_][\w@/.-]{{0,60}}){{1,40}}\s{{0,40}}$)"
        rf"(?P<rest>.{{0,2000}}?(?:{METRICS}).*)",
        re.IGNORECASE,
    ),
)
_CELL = re.compile(
    r"[-+]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:e[-+]?\d{1,4})?|nan|[-+]?inf", re.IGNORECASE
)
_LASTED = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d\d)")


class Headed:
    """Reads fastai's table, skorch's and any like them, line by line."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def __call__(self, line: str) -> Row | None:
        """What a line says; None where it is no row of a table that has begun, or not as wide as its names."""
        if HEADED.row.search(line) is not None:
            self._names = line.split()
            return None
        if not self._names:
            return None
        first, *cells = line.split(maxsplit=len(self._names)) or [""]
        place = whole(first)
        if place is None or len(cells) != len(self._names) - 1:
            return None
        metrics = {
            name: value
            for name, cell in zip(self._names[1:], cells, strict=True)
            if (value := _value(cell)) is not None
        }
        if not metrics:
            return None
        return Row(metrics, epoch=place) if self._names[0].lower() == "epoch" else Row(metrics, step=place)


def _value(cell: str) -> float | None:
    """The number in a cell, the seconds of a time that something took; None for any other."""
    if _CELL.fullmatch(cell):
        return float(cell)
    lasted = _LASTED.fullmatch(cell)
    if lasted is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in lasted.groups())
    return float(hours * 3600 + minutes * 60 + seconds)
