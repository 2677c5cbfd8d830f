"""Runs that differ in their seed alone: the mean over the seeds, and a band of one standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.history.charts import Curve
from reportgen.history.comparison import Band, band, but_seed, same_metric, seed_groups
from reportgen.history.curves import AXES, unique
from reportgen.history.display import COLUMNS, logarithmic, rounded, thin
from reportgen.history.model import Run
from reportgen.report import Curves
from reportgen.report import Series as Line
from reportgen.units import plural, shorten

MOST = 6  # charts


def bands(runs: Sequence[Run]) -> list[Curves]:
    """A chart a metric, the losses and what has a better direction first; a line for each group of seeds."""
    groups = seed_groups(runs)
    found: dict[tuple[str, str, str], list[tuple[str, Band]]] = {}
    first: dict[tuple[str, str, str], Curve] = {}
    taken: set[str] = set()
    for group in groups:
        name = unique(_named(group, groups), taken)
        for curves in same_metric(group):
            over = band(curves)
            if over is None:
                continue
            key = (curves[0].name.metric.lower(), curves[0].name.role, curves[0].series.axis)
            first.setdefault(key, curves[0])
            found.setdefault(key, []).append((name, over))
    order = sorted(found, key=lambda key: (not first[key].name.loss, not first[key].name.direction, key))
    wanted = [key for key in order if first[key].name.direction][:MOST]
    return [_chart(first[key], found[key]) for key in wanted]


def _named(group: Sequence[Run], groups: Sequence[Sequence[Run]]) -> str:
    """What tells a group from the others: its settings that differ, else the name that its runs share."""
    if group[0].settings:
        own = dict(but_seed(group[0].settings))
        others = [dict(but_seed(other[0].settings)) for other in groups]
        told = [
            f"{name} {own[name]}" for name in own if any(other.get(name) != own[name] for other in others)
        ]
        if told:
            return shorten(", ".join(told), 60)
    return shorten(f"{group[0].name} and {len(group) - 1} more", 60)


def _chart(curve: Curve, groups: Sequence[tuple[str, Band]]) -> Curves:
    role = f", {curve.name.role}" if curve.name.role else ""
    title = f"{curve.name.metric.replace('_', ' ').capitalize()}{role}: mean over seeds"
    counts = sorted({over.seeds for _, over in groups})
    seeds = plural(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    values = np.concatenate([over.mean - over.deviation for _, over in groups])
    return Curves(
        title=shorten(title, 80),
        caption=(
            f"Mean ± one standard deviation (n − 1) over {seeds}, at the {curve.series.axis}s that all of them logged; "
            f"{plural(sum(len(over.x) for _, over in groups), 'place')} in {plural(len(groups), 'group')} of runs."
        ),
        series=tuple(_line(name, over) for name, over in groups),
        x_label=AXES.get(curve.series.axis, "Step"),
        y_label=shorten(curve.name.metric, 60),
        log_y=logarithmic(values),
    )


def _line(name: str, over: Band) -> Line:
    kept = thin(over.x, over.mean, COLUMNS)
    mean, deviation = over.mean[kept], over.deviation[kept]
    return Line(
        name=name,
        x=over.x[kept],
        y=rounded(mean),
        group=name,
        low=rounded(mean - deviation),
        high=rounded(mean + deviation),
    )
