"""Files of one metric, a point a line, as DVCLive and MLflow write them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from reportgen.history.columns import Column
from reportgen.history.model import Points
from reportgen.history.readers.lines import Lines

_MOST_TIME = 1e14  # milliseconds since 1970


def read_points(
    path: Path, separator: str, columns: Sequence[str], *, header: bool = False, least: int = 0
) -> tuple[Points | None, tuple[str, ...], int]:
    """The points, warnings, and how many lines are damaged. Raises UnreadableError, OSError.

    `columns` names each of "step", "value" and "time" (in milliseconds) by its place; cells beyond them are
    none of ours, and `least` cells will do.
    """
    column, damaged, count = Column(), 0, 0
    notes: list[str] = []
    source = Lines(path)
    for place, line in _whole(source, notes):
        if header:
            header = False
            continue
        point = _point(line.split(separator), columns, least or len(columns))
        try:
            if point is None:
                raise ValueError
            column.add(*point)
            count += 1
        except (ValueError, OverflowError):
            damaged += 1
            if damaged == 1:
                notes.append(f"line {place:,} is no point: left out, and any like it")
    return column.points() if count else None, tuple(notes), damaged


def _whole(source: Lines, notes: list[str]) -> Iterator[tuple[int, str]]:
    """Every line that has its end; of one that has none a note is made."""
    yield from source.new()
    rest = source.last()
    if rest is not None and rest[2]:
        yield rest[0], rest[1]
    elif rest is not None:
        notes.append(f"the last line, {rest[0]:,}, is cut off and left out: still being written?")


def _point(cells: Sequence[str], columns: Sequence[str], least: int) -> tuple[int, float, float] | None:
    """Step, wall time in seconds and value; None where a cell is missing or no number."""
    if len(cells) < least:
        return None
    held = dict(zip(columns, cells, strict=False))
    try:
        time = float(held["time"]) if "time" in held else math.nan
        wall = time / 1000 if abs(time) < _MOST_TIME else math.nan
        return int(held.get("step", "0")), wall, float(held["value"])
    except ValueError:
        return None
