"""The logs in tables: every series in numbers, every file that was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reportgen.kept_rows import SAID, depth, kept_rows
from reportgen.report import Column, Failure, Row, Table
from reportgen.units import plural, shorten

if TYPE_CHECKING:
    from reportgen.history import History

_MOST_ROWS = 1000


def every_series(history: History) -> Table:
    """Every series in numbers, also those that are not drawn."""
    import numpy as np

    columns = tuple(
        Column(name=name, unit=unit)
        for name, unit in (
            ("Series", "text"),
            ("Run", "text"),
            ("Axis", "text"),
            ("Points", "exact"),
            ("First", "exact"),
            ("Last", "exact"),
            ("Lowest", "exact"),
            ("Highest", "exact"),
            ("Last value", "exact"),
        )
    )
    rows: list[Row] = []
    every = [(run, series) for run in history.runs for series in run.series.values()]
    for at in kept_rows([depth(series.tag) for _, series in every], _MOST_ROWS):
        run, series = every[at]
        shown = series.value[series.shown]
        finite = shown[np.isfinite(shown)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
        last = float(shown[-1]) if len(shown) else None
        ends = (int(series.x[0]), int(series.x[-1]))
        name = shorten(series.tag, 80)
        cells = (name, shorten(run.name, 60), series.axis, len(series), *ends, low, high, last)
        rows.append(Row(cells=tuple(_digits(cell) for cell in cells)))
    caption = "Lowest and highest of the finite values that no restart replaced."
    if len(rows) < len(every):
        caption += f" Of more than {_MOST_ROWS:,}, {SAID}."
    return Table(
        id="series",
        title="All series",
        caption=caption,
        folded=True,
        columns=columns,
        rows=tuple(rows),
        total=len(every) if len(every) > len(rows) else None,
        paths=True,
    )


def _digits(cell: Any) -> Any:
    return float(f"{cell:.7g}") if isinstance(cell, float) else cell


def sources(history: History) -> Table:
    """Where the curves come from: every file looked at, what it was taken for and why."""
    columns = (
        Column(name="File"),
        Column(name="Format"),
        Column(name="Recognised by"),
        Column(name="Run"),
        Column(name="Points", unit="exact"),
        Column(name="Warnings and notes"),
    )
    rows = []
    for source in history.sources[:_MOST_ROWS]:
        warnings = shorten("; ".join((*source.warnings, *source.notes)), 500)
        path, run = shorten(source.path, 120), shorten(source.run, 60)
        cells = (
            path,
            source.format or "not read",
            source.why or "–",
            run or "–",
            source.points,
            warnings or "none",
        )
        rows.append(Row(cells=cells))
    total = len(history.sources)
    files = sum(source.files for source in history.sources)
    caption = f"{plural(files, 'file')} looked at, by content; paths are relative to what was given."
    return Table(
        id="sources",
        title="Log files",
        caption=caption,
        columns=columns,
        rows=tuple(rows),
        total=total if total > len(rows) else None,
    )


def unread(history: History) -> list[Failure]:
    """A block for each file that could not be read."""
    failed = [source for source in history.sources if not source.format and source.warnings]
    return [
        Failure(
            id=f"unread-{place + 1}",
            title=f"{shorten(source.path, 80)} was not read",
            error="Unreadable log",
            message=f"{shorten(source.path, 120)}: {'; '.join(source.warnings)}",
        )
        for place, source in enumerate(failed[:_MOST_ROWS])
    ]
