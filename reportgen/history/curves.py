"""A chart as a block: its lines smoothed and thinned, its best point and restarts marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from reportgen.history.axes import epochs, times
from reportgen.history.charts import MOST_RUNS, Chart, Curve
from reportgen.history.diagnose import best
from reportgen.history.display import COLUMNS, logarithmic, rounded, smooth, smoothing, thin
from reportgen.history.model import SUPERSEDED
from reportgen.report import Curves, Mark
from reportgen.report import Series as Line
from reportgen.units import plural, shorten, show

_MOST_MARKS = 5  # restarts marked
_SMOOTHED = 30  # points from which a curve is smoothed with the others of its chart
_MEAN_DIGITS = 5  # of a smoothed value, which nobody logged
AXES = {"step": "Step", "epoch": "Epoch", "row": "Row", "point": "Point"}


def block(chart: Chart, columns: int = COLUMNS, **placed: Any) -> Curves:
    """The chart as a block: smoothed where noisy, thinned for display, best point and restarts marked.

    `columns` is the number of pixel columns that it is thinned to; `placed` are fields of the block that say
    where and how large it stands.
    """
    lines: list[Line] = []
    notes = _Notes(columns)
    names: set[str] = set()
    several = len({curve.run for curve in chart.curves}) > 1
    alone = several and len({curve.series.tag for curve in chart.curves}) == 1
    shared = _shared(chart) if several else 0
    for curve in chart.curves:
        run = curve.run[shared:]
        text = run if alone else f"{run}: {curve.series.tag}" if several else curve.series.tag
        name = unique(shorten(text, 60), names)
        # Of several runs each has one colour in all charts; of its curves in one chart that of training is dashed.
        group = shorten(curve.run, 60) or "run" if several else name
        dashed = several and curve.name.role != "validation" and _validated(chart, curve.run)
        lines += _lines(curve, name, group, notes, dashed=dashed, weight=_weight(chart, curve))
    axis = chart.curves[0].series.axis
    return Curves(
        id=chart.id,
        title=chart.title,
        caption=_caption(chart, notes),
        series=tuple(lines),
        x_label=AXES.get(axis, "Step"),
        y_label=chart.title,
        log_y=_logarithmic(chart.curves),
        marks=(*_best(chart, shared, several=several), *_restarts(chart)),
        **placed,
    )


@dataclass
class _Notes:
    """What the caption must say of the lines."""

    columns: int
    drawn: int = 0
    held: int = 0
    smoothed: tuple[float, ...] = ()
    superseded: int = 0


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken already."""
    count, wanted = 1, name
    while name in taken:
        count += 1
        name = f"{wanted} ({count})"
    taken.add(name)
    return name


def _shared(chart: Chart) -> int:
    """The length of the folders that all runs have in front: `lightning_logs/` of `lightning_logs/version_0`."""
    folders = [curve.run.split("/")[:-1] for curve in chart.curves]
    alike = takewhile(lambda parts: len(set(parts)) == 1, zip(*folders, strict=False))
    return sum(len(parts[0]) + 1 for parts in alike)


def _validated(chart: Chart, run: str) -> bool:
    return any(curve.run == run and curve.name.role == "validation" for curve in chart.curves)


def _weight(chart: Chart, curve: Curve) -> float:
    """How much a curve is smoothed: as the noisiest of its kind in the chart, so that runs can be compared."""
    if len(curve.series.shown) < _SMOOTHED:
        return 0.0
    kin = [other.series for other in chart.curves if other.name.role == curve.name.role]
    return max(smoothing(series.value[series.shown]) for series in kin)


def _lines(curve: Curve, name: str, group: str, notes: _Notes, *, dashed: bool, weight: float) -> list[Line]:
    """The lines of one series: what a restart replaced and the raw values faint, the smoothed on top."""
    series, index = curve.series, curve.series.shown
    y = series.value[index]
    lines = _superseded(curve, name, group, notes)
    borders = np.flatnonzero(np.diff(series.segment[index]))
    kept = thin(series.x[index], y, notes.columns, [*borders.tolist(), *(borders + 1).tolist()])
    notes.held += len(index)
    notes.drawn += len(kept)
    if not weight:
        role = "points" if len(kept) == 1 else "dashed" if dashed else "line"
        return [*lines, _line(curve, name, index[kept], role=role, group=group)]
    notes.smoothed = (*notes.smoothed, weight)
    raw = _line(curve, name, index[kept], role="faint", group=group)
    mean = rounded(smooth(y, weight)[kept], _MEAN_DIGITS)
    smoothed = Line.model_validate(
        {
            "name": f"{name}, smoothed {weight:g}",
            "x": raw.x,
            "y": mean,
            "role": "dashed" if dashed else "line",
            "group": group,
            "run": raw.run,
            "smooths": name,
            "weight": weight,
        }
    )
    return [*lines, raw, smoothed]


def _superseded(curve: Curve, name: str, group: str, notes: _Notes) -> list[Line]:
    lines, series = [], curve.series
    old = (series.flags & SUPERSEDED) > 0
    whole = int(np.ptp(series.x)) or 1
    for segment in np.unique(series.segment[old])[-_MOST_MARKS:].tolist():
        index = np.flatnonzero(old & (series.segment == segment))
        columns = max(1, round(notes.columns * int(np.ptp(series.x[index])) / whole))
        kept = index[thin(series.x[index], series.value[index], columns)]
        notes.superseded += len(index)
        lines.append(_line(curve, f"{name}, before a restart", kept, role="faint", group=group))
    return lines


def _line(curve: Curve, name: str, index: np.ndarray, *, role: str, group: str) -> Line:
    """The points `index` of a curve on every axis that is known."""
    series = curve.series
    return Line.model_validate(
        {
            "name": name,
            "x": series.x[index],
            "y": rounded(series.value[index]),
            "role": role,
            "group": group,
            "run": shorten(curve.run, 60) or "run",
            "epochs": epochs(curve.of, series, index),
            "times": times(curve.of, series, index),
        }
    )


def _caption(chart: Chart, notes: _Notes) -> str:
    parts = [f"{plural(notes.held, 'logged point')} in {len(chart.curves)} series."]
    if notes.drawn < notes.held:
        parts.append(
            f"{notes.drawn:,} of {notes.held:,} points drawn: first, last, lowest and highest of each of "
            f"{notes.columns} pixel columns."
        )
    if notes.smoothed:
        weights = ", ".join(f"{weight:g}" for weight in sorted(set(notes.smoothed)))
        of = "" if len(notes.smoothed) == len(chart.curves) else f" of {len(notes.smoothed)} of the series"
        parts.append(f"Exponential mean, weight {weights}, over the raw values{of} (faint).")
    if notes.superseded:
        parts.append(f"{plural(notes.superseded, 'point')} that a restart replaced drawn faint.")
    if chart.runs > MOST_RUNS:
        parts.append(f"{MOST_RUNS} of {chart.runs} runs drawn, the best ones.")
    return " ".join(parts)


def _logarithmic(curves: Sequence[Curve]) -> bool:
    shown = [curve.series.value[curve.series.shown] for curve in curves]
    return logarithmic(np.concatenate([values[np.isfinite(values)] for values in shown]))


def _best(chart: Chart, shared: int, *, several: bool) -> list[Mark]:
    """The best point of all judged curves, its run named as the lines are; none where the direction is unknown."""
    direction = chart.curves[0].name.direction
    if chart.curves[0].name.kind != "metric":
        return []
    found = [(best(curve.series, direction), curve) for curve in chart.judged]
    known = [(point, curve) for point, curve in found if point is not None]
    if not known:
        return []
    pick = min if direction == "min" else max
    point, curve = pick(known, key=lambda pair: pair[0].value)
    where = f"{curve.series.axis} {point.x:,}" + (f" of {shorten(curve.run[shared:], 30)}" if several else "")
    value = rounded(np.array([point.value]))[0]
    word = "best" if len(chart.every) == len(chart.curves) else "best drawn"
    return [Mark(x=point.x, y=value, label=f"{word} {show(value)} at {where}")]


def _restarts(chart: Chart) -> list[Mark]:
    """Where training started again, in a chart of one run."""
    if len({curve.run for curve in chart.curves}) > 1:
        return []
    steps: dict[int, None] = {}
    for curve in chart.curves:
        series = curve.series
        steps |= dict.fromkeys(series.x[np.flatnonzero(np.diff(series.segment)) + 1].tolist())
    return [Mark(x=step, label="restart") for step in sorted(steps)[-_MOST_MARKS:]]
