"""Tables made ready for the page: cells written out, trees marked, long ones cut."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.kept_rows import depth, kept_rows
from reportgen.report import Column, Row, Table
from reportgen.units import show
from reportgen.values import Cell

_DEEPEST = 12
_LONGEST = 28  # characters of a word that is not broken


@dataclass(frozen=True)
class CellView:
    """A cell's text; `long` words may break anywhere, `key` sorts, `share` is its bar's length in per cent."""

    text: str
    number: bool
    long: bool = False
    key: str = ""
    share: float | None = None


@dataclass(frozen=True)
class RowView:
    """A row; `level` is its depth, `parent` whether deeper rows follow it, `anchor` its id on the page."""

    cells: tuple[CellView, ...]
    level: int
    parent: bool
    anchor: str


@dataclass(frozen=True)
class TableView:
    """A table to lay out.

    `left_out` rows are in the data alone, `folded` rows equal others that are shown, `sortable` says that a
    script may help.
    """

    columns: tuple[Column, ...]
    heads: tuple[CellView, ...]
    rows: tuple[RowView, ...]
    tree: bool
    sortable: bool
    left_out: int
    cut_before: int
    folded: int


def shown_rows(table: Table, limit: int, *, printed: bool) -> tuple[Row, ...]:
    """At most `limit` of the rows: of a tree or of paths the shallow ones first, else the first ones."""
    rows = unfolded(table, limit, printed=printed)
    if table.paths:
        levels = [depth(show(row.cells[0])) if row.cells else 0 for row in rows]
    else:
        levels = [row.level for row in rows]
    nested = table.paths or any(levels)
    return tuple(rows[at] for at in kept_rows(levels, limit)) if nested else rows[:limit]


def unfolded(table: Table, limit: int, *, printed: bool) -> tuple[Row, ...]:
    """The rows to show; on paper, and where there are more than `limit`, equal neighbours as one."""
    return _folded(table.rows) if printed or len(table.rows) > limit else table.rows


def _folded(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows without those that equal an earlier one, whose name then says how many it stands for."""
    alike: dict[str, list[Row]] = {}
    kept: set[str] = set()
    found: list[Row] = []
    under: int | None = None
    for row in rows:
        if under is not None and row.level > under:
            continue
        under = row.level if row.same_as and row.same_as in kept else None
        if under is None:
            found.append(row)
            kept.add(row.id)
        else:
            alike.setdefault(row.same_as, []).append(row)
    return tuple(_standing_for(row, alike[row.id]) if row.id in alike else row for row in found)


def _standing_for(row: Row, others: list[Row]) -> Row:
    if not row.cells:
        return row
    name = f"{show(row.cells[0])} – {show(others[-1].cells[0])} × {len(others) + 1:,}"
    return row.model_copy(update={"cells": (name, *row.cells[1:])})


def view(table: Table, limit: int, anchors: Mapping[str, str], *, printed: bool) -> TableView:
    """At most `limit` rows; `anchors` gives a row's id on the page by the row's own id."""
    rows_all, left = unfolded(table, limit, printed=printed), dict(anchors)
    shown = shown_rows(table, limit, printed=printed)
    levels = [row.level for row in shown] + [0]
    tree = any(levels)
    rows = tuple(
        _row(row, table, levels[at + 1] > row.level, left.pop(row.id, "")) for at, row in enumerate(shown)
    )
    return TableView(
        columns=table.columns,
        heads=tuple(CellView(one.name, _numeric(one), _long(one.name + one.note)) for one in table.columns),
        rows=rows,
        tree=tree,
        sortable=not tree and len(rows) > 10,
        left_out=len(rows_all) - len(shown),
        folded=len(table.rows) - len(rows_all),
        cut_before=max(0, (table.total or 0) - len(table.rows)),
    )


def _numeric(column: Column) -> bool:
    return column.unit not in ("", "text")


def _long(text: str) -> bool:
    return any(len(word) > _LONGEST for word in text.split())


def _row(row: Row, table: Table, parent: bool, anchor: str) -> RowView:
    cells = tuple(_cell(cell, column) for cell, column in zip(row.cells, table.columns, strict=True))
    return RowView(cells, min(row.level, _DEEPEST), parent, anchor)


def _cell(value: Cell, column: Column) -> CellView:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not _numeric(column):
        text = "" if value is None else show(value)
        return CellView(text, False, _long(text), repr(value) if number else "")
    if value is None or value == "":
        return CellView(show(value), True)
    share = None
    if column.unit == "share" and isinstance(value, int | float) and math.isfinite(value):
        share = round(100 * min(1.0, max(0.0, value)), 1)
    text = show(value, column.unit)
    return CellView(text, True, _long(text), repr(value) if number else "", share)
