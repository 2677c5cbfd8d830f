"""Which series share a chart: train and validation together, runs beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.history.layers import families
from reportgen.history.model import History, Run, Series
from reportgen.history.names import Name, parse
from reportgen.report import slug
from reportgen.units import shorten

MOST_RUNS = 8  # beside each other in one chart


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

    `every` curve there is; `curves` are those drawn: of eight runs at the most.
    """

    id: str
    title: str
    every: tuple[Curve, ...]
    curves: tuple[Curve, ...]
    runs: int

    @property
    def rate(self) -> bool:
        """Whether it is the learning rate's."""
        return self.curves[0].name.kind == "lr"

    @property
    def flat(self) -> bool:
        """Whether each drawn curve has one value, and that a finite one."""
        values = [curve.series.value[curve.series.shown] for curve in self.curves]
        return all(np.isfinite(one).all() and len(np.unique(one)) < 2 for one in values)

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
    curves = [Curve(run, series, _named(run, tag)) for tag, series in run.series.items()]
    trained = {curve.name.key for curve in curves if curve.name.role in ("", "train")}
    return [Curve(curve.of, curve.series, _joined(curve.name, trained)) for curve in curves]


def _named(run: Run, tag: str) -> Name:
    """What a tag's name says; of curves that were logged for one chart they all measure the same."""
    name, shared = parse(tag), run.together.get(tag)
    if shared is None:
        return name
    metric = parse(shared)
    return Name(metric.metric, name.role or metric.role, metric.each, metric.kind, metric.direction)


def _joined(name: Name, trained: set[str]) -> Name:
    metric = name.key
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
    return curve.run, curve.name.key, curve.series.axis


def partner(curve: Curve, trained: Mapping[tuple[str, str, str], list[Curve]]) -> Curve | None:
    """The training curve of a validation curve: same run, metric and axis, epoch means before single steps."""
    found = trained.get(_key(curve), [])
    return min(
        found,
        key=lambda other: (other.name.each != curve.name.each, other.name.each != "epoch"),
        default=None,
    )


def charts_of(history: History, chosen: Sequence[str] = ()) -> list[Chart]:
    """The charts: losses first, then metrics, the learning rate and the rest; layer by layer norms are none.

    `chosen` are the names of the runs that are drawn where there are more than eight, the first by default.
    """
    by_layer = {
        id(series) for run in history.runs for family in families(run) for series in family.layers.values()
    }
    groups: dict[tuple[int, str, str], list[Curve]] = {}
    for run in history.runs:
        for curve in curves_of(run):
            if curve.name.kind in ("metric", "lr") and id(curve.series) not in by_layer:
                lr = curve.name.kind == "lr"
                metric = "learning rate" if lr else curve.name.key
                groups.setdefault((_rank(curve.name), metric, curve.series.axis), []).append(curve)
    charts: list[Chart] = []
    for (rank, metric, _axis), curves in sorted(groups.items(), key=lambda item: item[0][:1]):
        if any(len(curve.series.shown) > 1 for curve in curves):
            title = "learning rate" if rank == _LR else _title(curves)
            charts.append(_chart(title, metric, curves, chosen, {chart.id for chart in charts}))
    return charts


_LR = 1


def _title(curves: Sequence[Curve]) -> str:
    """The metric as it is logged; where runs spell it differently, in full."""
    name = curves[0].name
    alike = all(curve.name.metric.lower() == name.metric.lower() for curve in curves)
    return name.metric if alike else name.key


def _rank(name: Name) -> int:
    """The place on the page: the learning rate under the loss that it drives."""
    if name.kind == "lr":
        return _LR
    if name.metric.lower() == "loss":
        return 0
    if name.loss:
        return 2
    return 3 if name.direction else 4


def _chart(title: str, metric: str, curves: list[Curve], chosen: Sequence[str], taken: set[str]) -> Chart:
    base = slug(metric)
    if base in RESERVED:
        base = f"{base}-curve"
    name = next(
        n for n in (base, *(f"{base}-{count}" for count in range(2, len(taken) + 3))) if n not in taken
    )
    runs = list(dict.fromkeys(curve.run for curve in curves))
    first = [*(run for run in runs if run in chosen), *(run for run in runs if run not in chosen)][:MOST_RUNS]
    kept = tuple(curve for curve in curves if curve.run in first)
    text = shorten(title.replace("_", " "), 80) or "(no name)"
    return Chart(
        name, text[:1].upper() + text[1:] if text.islower() else text, tuple(curves), kept, len(runs)
    )


# The ids of the section's other blocks.
RESERVED = (
    "totals", "runs", "comparison", "parallel", "settings", "logged-pictures", "not-drawn", "time-a-step",
    "diagnoses", "series", "sources",
)  # fmt: skip
