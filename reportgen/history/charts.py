"""Which series share a chart, and the chart as a block: train and validation together, runs beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.history.axes import epochs, times
from reportgen.history.diagnose import best
from reportgen.history.display import COLUMNS, logarithmic, rounded, smooth, smoothing, thin
from reportgen.history.model import SUPERSEDED, History, Run, Series
from reportgen.history.names import Name, parse
from reportgen.report import Curves, Mark, slug
from reportgen.report import Series as Line
from reportgen.units import plural, shorten, show

MOST_RUNS = 8  # beside each other in one chart
_MOST_MARKS = 5  # restarts marked
_MEAN_DIGITS = 5  # of a smoothed value, which nobody logged
_AXIS = {"step": "Step", "epoch": "Epoch", "row": "Row", "point": "Point"}


@dataclass(frozen=True, eq=False)
class Curve:
    """One series of one run, and what its name says."""

    of: Run
    series: Series
    name: Name

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.of.name


@dataclass(frozen=True, eq=False)
class Chart:
    """Curves of one metric over one axis; `id` is the block's.

    `every` curve there is; `curves` are those drawn: of the first eight runs.
    """

    id: str
    title: str
    every: tuple[Curve, ...]
    curves: tuple[Curve, ...]
    runs: int

    @property
    def judged(self) -> list[Curve]:
        """The curves whose best point counts: validation where there is any."""
        drawn = [curve for curve in self.curves if len(curve.series.shown) > 1]
        return [curve for curve in drawn if curve.name.role == "validation"] or drawn


def curves_of(run: Run) -> list[Curve]:
    """Every series of a run, its metric named so that train and validation of one metric agree.

    An evaluation on a named set (`eval_squad_loss`) joins the training metric (`loss`) where it has no
    training curve of its own.
    """
    curves = [Curve(run, series, parse(tag)) for tag, series in run.series.items()]
    trained = {curve.name.metric.lower() for curve in curves if curve.name.role in ("", "train")}
    return [Curve(curve.of, curve.series, _joined(curve.name, trained)) for curve in curves]


def _joined(name: Name, trained: set[str]) -> Name:
    metric = name.metric.lower()
    if name.role != "validation" or metric in trained:
        return name
    words = metric.split("_")
    for start in range(1, len(words)):
        rest = "_".join(words[start:])
        if rest in trained:
            return Name(rest, name.role, name.each, name.kind, name.direction)
    return name


def training_curves(curves: Sequence[Curve]) -> dict[tuple[str, str, str], list[Curve]]:
    """The curves of training, by run, metric and axis."""
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in curves:
        if curve.name.role in ("", "train"):
            groups.setdefault(_key(curve), []).append(curve)
    return groups


def _key(curve: Curve) -> tuple[str, str, str]:
    return curve.run, curve.name.metric.lower(), curve.series.axis


def partner(curve: Curve, trained: Mapping[tuple[str, str, str], list[Curve]]) -> Curve | None:
    """The training curve of a validation curve: same run, metric and axis, epoch means before single steps."""
    found = trained.get(_key(curve), [])
    return min(
        found,
        key=lambda other: (other.name.each != curve.name.each, other.name.each != "epoch"),
        default=None,
    )


def charts_of(history: History) -> list[Chart]:
    """The charts, the loss first, then other losses, metrics, the rest, and the learning rate."""
    groups: dict[tuple[int, str, str], list[Curve]] = {}
    for run in history.runs:
        for curve in curves_of(run):
            if curve.name.kind in ("metric", "lr"):
                lr = curve.name.kind == "lr"
                metric = "learning rate" if lr else curve.name.metric.lower()
                groups.setdefault((_rank(curve.name), metric, curve.series.axis), []).append(curve)
    charts: list[Chart] = []
    for (rank, metric, _axis), curves in sorted(groups.items(), key=lambda item: item[0][:1]):
        if any(len(curve.series.shown) > 1 for curve in curves):
            title = "learning rate" if rank == _LR else curves[0].name.metric
            charts.append(_chart(title, metric, curves, {chart.id for chart in charts}))
    return charts


_LR = 9


def _rank(name: Name) -> int:
    if name.kind == "lr":
        return _LR
    if name.metric.lower() == "loss":
        return 0
    if name.loss:
        return 1
    return 2 if name.direction else 3


def _chart(title: str, metric: str, curves: list[Curve], taken: set[str]) -> Chart:
    base = slug(metric)
    if base in RESERVED:
        base = f"{base}-curve"
    name = next(
        n for n in (base, *(f"{base}-{count}" for count in range(2, len(taken) + 3))) if n not in taken
    )
    runs = list(dict.fromkeys(curve.run for curve in curves))
    kept = tuple(curve for curve in curves if curve.run in runs[:MOST_RUNS])
    text = shorten(title.replace("_", " "), 80) or "(no name)"
    return Chart(
        name, text[:1].upper() + text[1:] if text.islower() else text, tuple(curves), kept, len(runs)
    )


RESERVED = ("totals", "sources", "series", "not-drawn")


def block(chart: Chart, columns: int = COLUMNS) -> Curves:
    """The chart as a block: smoothed where noisy, thinned for display, best point and restarts marked.

    `columns` is the number of pixel columns that it is thinned to.
    """
    lines: list[Line] = []
    notes = _Notes(columns)
    names: set[str] = set()
    several = len({curve.run for curve in chart.curves}) > 1
    for curve in chart.curves:
        text = f"{curve.run}: {curve.series.tag}" if several else curve.series.tag
        lines += _lines(curve, _unique(shorten(text, 60), names), notes)
    axis = chart.curves[0].series.axis
    return Curves(
        id=chart.id,
        title=chart.title,
        caption=_caption(chart, notes),
        series=tuple(lines),
        x_label=_AXIS.get(axis, "Step"),
        y_label=chart.title,
        log_y=_logarithmic(chart.curves),
        marks=(*_best(chart, several), *_restarts(chart)),
    )


@dataclass
class _Notes:
    """What the caption must say of the lines."""

    columns: int
    drawn: int = 0
    held: int = 0
    smoothed: tuple[float, ...] = ()
    superseded: int = 0


def _unique(name: str, taken: set[str]) -> str:
    count, wanted = 1, name
    while name in taken:
        count += 1
        name = f"{wanted} ({count})"
    taken.add(name)
    return name


def _lines(curve: Curve, name: str, notes: _Notes) -> list[Line]:
    """The lines of one series: what a restart replaced and the raw values faint, the smoothed on top."""
    series, index = curve.series, curve.series.shown
    y = series.value[index]
    lines = _superseded(curve, name, notes)
    weight = smoothing(y)
    borders = np.flatnonzero(np.diff(series.segment[index]))
    kept = thin(series.x[index], y, notes.columns, [*borders.tolist(), *(borders + 1).tolist()])
    notes.held += len(index)
    notes.drawn += len(kept)
    if not weight:
        role = "points" if len(kept) == 1 else "line"
        return [*lines, _line(curve, name, index[kept], role=role, group=name)]
    notes.smoothed = (*notes.smoothed, weight)
    raw = _line(curve, name, index[kept], role="faint", group=name)
    mean = rounded(smooth(y, weight)[kept], _MEAN_DIGITS)
    smoothed = Line.model_validate(
        {
            "name": f"{name}, smoothed {weight:g}",
            "x": raw.x,
            "y": mean,
            "group": name,
            "run": raw.run,
            "smooths": name,
            "weight": weight,
        }
    )
    return [*lines, raw, smoothed]


def _superseded(curve: Curve, name: str, notes: _Notes) -> list[Line]:
    lines, series = [], curve.series
    old = (series.flags & SUPERSEDED) > 0
    for segment in np.unique(series.segment[old])[-_MOST_MARKS:].tolist():
        index = np.flatnonzero(old & (series.segment == segment))
        kept = index[thin(series.x[index], series.value[index], notes.columns)]
        notes.superseded += len(index)
        lines.append(_line(curve, f"{name}, before a restart", kept, role="faint", group=name))
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
        parts.append(f"Exponential mean, weight {weights}, over the raw values (faint).")
    if notes.superseded:
        parts.append(f"{plural(notes.superseded, 'point')} that a restart replaced drawn faint.")
    if chart.runs > MOST_RUNS:
        parts.append(f"{MOST_RUNS} of {chart.runs} runs drawn, in the order of their names.")
    return " ".join(parts)


def _logarithmic(curves: Sequence[Curve]) -> bool:
    shown = [curve.series.value[curve.series.shown] for curve in curves]
    return logarithmic(np.concatenate([values[np.isfinite(values)] for values in shown]))


def _best(chart: Chart, several: bool) -> list[Mark]:
    """The best point of all judged curves; none where the direction is unknown."""
    direction = chart.curves[0].name.direction
    if chart.curves[0].name.kind != "metric":
        return []
    found = [(best(curve.series, direction), curve) for curve in chart.judged]
    known = [(point, curve) for point, curve in found if point is not None]
    if not known:
        return []
    pick = min if direction == "min" else max
    point, curve = pick(known, key=lambda pair: pair[0].value)
    where = f"{curve.series.axis} {point.x:,}" + (f" of {shorten(curve.run, 30)}" if several else "")
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
