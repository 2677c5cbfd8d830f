"""A matrix of numbers: confusion, correlations, weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reportgen import units
from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette, evenly, written
from reportgen.report import Heatmap
from reportgen.units import shorten, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WRITTEN, _LABELLED = 12, 40
_LARGE = 400  # cells
_SQUARE = 4  # times as many columns as rows, up to which the cells are square
_LONG = 20  # characters of a label
_BESIDE = 12  # columns of the table behind an axis of numbers
_PIXELS, _FINE = 4, 20_000  # a cell of a large matrix; of one of so many cells, 1


def draw(block: Heatmap, palette: Palette) -> Figure:
    """Cells on one scale, with their numbers where there is room; large ones as a raster."""
    rows, columns = _shape(block)
    large = rows * columns > min(palette.vector, _LARGE)
    names = max((len(shorten(label, _LONG)) for label in block.row_labels), default=0)
    width, height = _extent(rows, columns, 1.1 + 0.065 * names, palette.width if large else 6.6, large)
    figure, axes = style.canvas(width, height + 0.75 + _slant(block))
    if not rows or not columns:
        axes.set_axis_off()
        return figure
    low, high = _range(block)
    colours = style.DIVERGING if block.scale == "diverging" else style.SEQUENTIAL
    mesh = _mesh(axes, block, colours, (low, high), large)
    numeric = bool(block.row_ends or block.column_ends)
    square = not large and not numeric and max(rows, columns) <= _SQUARE * min(rows, columns)
    axes.set_aspect("equal" if square else "auto")
    # Rows are read downwards, and an axis of numbers upwards.
    axes.set_ylim(*(sorted(block.row_ends) if block.row_ends else (rows, 0)))
    for spine in axes.spines.values():
        spine.set_visible(False)
    _ticks(
        axes,
        block,
        round(height / 0.12) if large else _LABELLED,
        _across(block, width - 1.5) if large else _LABELLED,
    )
    if max(rows, columns) <= _WRITTEN and not numeric:
        _write(axes, block, low, high)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.6, aspect=18, pad=0.02, ticks=_bar_ticks(low, high))
    style.plain_bar(bar)
    bar.ax.yaxis.set_major_formatter(lambda value, _: written(_whole(float(value)), block.unit))
    return figure


def _shape(block: Heatmap) -> tuple[int, int]:
    return len(block.values), len(block.values[0]) if block.values else 0


def _extent(rows: int, columns: int, margin: float, most: float, large: bool) -> tuple[float, float]:
    """Inches of the figure across, and of the cells down."""
    if large:
        return most, min(4.6 if rows <= 100 else 3.2, max(0.9, rows * (0.125 if rows <= 24 else 0.085)))
    side = min(0.34, max(0.24, 3.4 / max(rows, columns, 1)))
    # Square cells of many columns are as high as the width leaves them wide.
    high = min(side, 4.6 / max(columns, 1)) if columns <= _SQUARE * rows else side
    return min(most, min(4.6, max(1.0, columns * side)) + margin), min(4.6, max(0.6, rows * high))


def _across(block: Heatmap, width: float) -> int:
    """How many column labels stand beside each other without touching; upright ones need a line's height each."""
    longest = max((len(shorten(label, _LONG)) for label in block.column_labels), default=1)
    return round(width / (0.2 if _slant(block) else 0.12 + 0.075 * longest))


def _slant(block: Heatmap) -> float:
    longest = max((len(shorten(label, _LONG)) for label in block.column_labels), default=0)
    return 0.06 * longest if longest > 3 else 0.0


def _range(block: Heatmap) -> tuple[float, float]:
    finite = [value for row in block.values for value in row if math.isfinite(value)]
    if block.scale == "diverging":
        top = max((abs(value) for value in finite), default=0.0) or 1.0
        return -top, top
    low, high = min([0.0, *finite]), max(finite, default=1.0)
    if min(finite, default=0.0) > 0.5 * high > 0:
        low = min(finite)
    return (low, high) if high > low else (low, low + 1.0)


def _mesh(
    axes: Axes, block: Heatmap, colours: tuple[str, ...], ends: tuple[float, float], large: bool
) -> Any:
    import numpy as np
    from matplotlib.colors import ListedColormap

    values = np.ma.masked_invalid(np.array(block.values, dtype=float))
    scale: dict[str, Any] = {"cmap": ListedColormap(list(colours)), "vmin": ends[0], "vmax": ends[1]}
    rows, columns = _shape(block)
    across, down = block.column_ends or (0.0, float(columns)), block.row_ends or (0.0, float(rows))
    if large:
        # A few pixels a cell: as many as keep its edges sharp where the picture is made larger.
        pixels = _PIXELS if rows * columns < _FINE else 1
        cells = np.ma.repeat(np.ma.repeat(values, pixels, axis=0), pixels, axis=1)
        return axes.imshow(cells, extent=(*across, *down), interpolation="none", origin="lower", **scale)
    edges = np.linspace(*across, columns + 1), np.linspace(*down, rows + 1)
    return axes.pcolormesh(*edges, values, edgecolors=style.SURFACE, linewidth=0.8, **scale)


def _ticks(axes: Axes, block: Heatmap, most_rows: int, most_columns: int) -> None:
    rows, columns = _shape(block)
    size = 8 if max(rows, columns) <= 20 or block.row_ends or block.column_ends else 6
    axes.tick_params(length=0, labelsize=size, labelcolor=style.INK)
    row_title, column_title = shorten(block.row_title, 40), shorten(block.column_title, 40)
    if block.row_ends:
        row_title = _numbered(axes.yaxis, block.row_ends, block.row_unit, row_title)
    else:
        down = evenly(range(rows), most_rows)
        axes.set_yticks([at + 0.5 for at in down], [shorten(block.row_labels[at], _LONG) for at in down])
    if block.column_ends:
        column_title = _numbered(axes.xaxis, block.column_ends, block.column_unit, column_title)
    else:
        across = evenly(range(columns), most_columns)
        axes.set_xticks(
            [at + 0.5 for at in across],
            [shorten(block.column_labels[at], _LONG) for at in across],
            rotation=90 if _slant(block) > 0 else 0,
        )
    axes.set_ylabel(row_title)
    axes.set_xlabel(column_title)


def _numbered(axis: Any, ends: tuple[float, float], unit: str, title: str) -> str:
    """Ticks at round numbers of the unit, which stands in the title that is given back."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    by, name = units.axis(max(abs(end) for end in ends), unit)
    low, high = sorted(ends)
    places = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low / by, high / by)
    kept = [float(place) for place in places if low / by <= place <= high / by]
    axis.set_major_locator(FixedLocator([place * by for place in kept]))
    axis.set_major_formatter(lambda value, _: show(_whole(float(f"{value / by:.6g}"))))
    axis.set_tick_params(length=3)
    return f"{title} ({shorten(name, 24)})" if title and name else title or shorten(name, 24)


def _bar_ticks(low: float, high: float) -> list[float]:
    middle = (low + high) / 2
    return [low, float(round(middle)) if high == int(high) and high - low > 2 else middle, high]


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _write(axes: Axes, block: Heatmap, low: float, high: float) -> None:
    """The number in each cell, dark on light and light on dark."""
    for down, row in enumerate(block.values):
        for across, value in enumerate(row):
            if not math.isfinite(value) or (value == 0 and block.scale == "sequential"):
                continue
            place = (value - low) / (high - low)
            strong = place > 0.55 if block.scale == "sequential" else abs(place - 0.5) > 0.3
            axes.text(across + 0.5, down + 0.5, _brief(value, block.unit), ha="center", va="center",
                      fontsize=7, color=style.SURFACE if strong else style.INK)  # fmt: skip


def _brief(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.0f}".replace("-", "−")
    return f"{value:.0f}" if value == int(value) else f"{value:.2g}".replace("-", "−")


def describe(block: Heatmap) -> str:
    """What is seen: the size, the range, where the extremes are."""
    rows, columns = _shape(block)
    cells = [
        (value, down, across)
        for down, row in enumerate(block.values)
        for across, value in enumerate(row)
        if math.isfinite(value)
    ]
    said = f"Heat map, {rows} rows ({block.row_title or 'rows'}) by {columns} columns"
    said += f" ({block.column_title or 'columns'})"
    if not cells:
        return f"{said}, no finite value."
    high, low = max(cells, key=lambda cell: cell[0]), min(cells, key=lambda cell: cell[0])
    return f"{said}: {_place('highest', high, block)}, {_place('lowest', low, block)}."


def _place(what: str, cell: tuple[float, int, int], block: Heatmap) -> str:
    value, down, across = cell
    where = f"{shorten(_row(block, down), 30)} / {shorten(_column(block, across), 30)}"
    return f"{what} {show(_whole(value), block.unit)} at {where}"


def _row(block: Heatmap, at: int) -> str:
    """The name of a row, or the number at its middle."""
    return (
        block.row_labels[at]
        if block.row_labels
        else _middle(block.row_ends, at, _shape(block)[0], block.row_unit)
    )


def _column(block: Heatmap, at: int) -> str:
    ends, unit = block.column_ends, block.column_unit
    return block.column_labels[at] if block.column_labels else _middle(ends, at, _shape(block)[1], unit)


def _middle(ends: tuple[float, float] | None, at: int, count: int, unit: str) -> str:
    first, last = ends or (0.0, float(count))
    return written(float(f"{first + (at + 0.5) / count * (last - first):.4g}"), unit)


def table(block: Heatmap, limit: int) -> Columns:
    """The matrix, its rows and columns thinned to `limit`."""
    rows, columns = _shape(block)
    across = evenly(range(columns), min(limit, _BESIDE) if block.column_ends else limit)
    down = evenly(range(rows), limit)
    corner = " / ".join(part for part in (block.row_title, block.column_title) if part)
    names = [corner, *(_column(block, at) for at in across)]
    cells = [
        [_row(block, at), *(show(_number(block.values[at][to]), block.unit) for to in across)] for at in down
    ]
    return Columns(names, cells, rows, across=columns)


def _number(value: float) -> int | float:
    return _whole(value) if math.isfinite(value) else value
