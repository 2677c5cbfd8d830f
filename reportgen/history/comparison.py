"""Several runs beside each other: hyper-parameters by results, and runs that differ in their seed alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.history.charts import Curve, curves_of
from reportgen.history.model import Run, Setting
from reportgen.history.results import result, result_names
from reportgen.history.verdict import Verdict
from reportgen.report import Column, Row, Table
from reportgen.units import plural, shorten

MOST_ROWS = 200
MOST_SETTINGS = 12  # columns of a comparison
MOST_RESULTS = 6
LEAST_SEEDS = 2
_SEED = re.compile(r"(^|[._/-])(seed|random_?seed|random_?state|manual_?seed)$", re.IGNORECASE)
_NAMED_SEED = re.compile(r"(?<![a-z])(seed|rs|s)[-_=.]?\d+", re.IGNORECASE)
# Where a run was written and how it was named says nothing of how it was trained.
_PLACES = re.compile(r"(^|[._/-])(run_?name|run_?id|name|id|version|log_?dir|output_?dir|save_?dir|logging_?dir|path)$",
                     re.IGNORECASE)  # fmt: skip


def settings_table(runs: Sequence[Run]) -> Table | None:
    """The hyper-parameters that are the same in all runs that logged any; None where there is none."""
    known = [run for run in runs if run.settings]
    apart = {
        name
        for name in (known[0].settings if known else ())
        for run in known
        if not _same(run, known[0], name)
    }
    shared = {
        name: value for name, value in (known[0].settings if known else {}).items() if name not in apart
    }
    if not shared:
        return None
    rows = tuple(Row(cells=(shorten(name, 120), _written(value))) for name, value in shared.items())
    several = len(runs) > 1
    of = f" of {plural(len(known), 'run')}" if several else ""
    return Table(
        id="settings",
        title="Hyper-parameters that the runs share" if several else "Hyper-parameters",
        caption=f"{plural(len(rows), 'hyper-parameter')}{of}, as logged.",
        columns=(Column(name="Name"), Column(name="Value")),
        rows=rows[:MOST_ROWS],
        total=len(rows) if len(rows) > MOST_ROWS else None,
        folded=len(rows) > 12,
    )


def _same(run: Run, other: Run, name: str) -> bool:
    return name in run.settings and repr(run.settings[name]) == repr(other.settings[name])


def _written(value: Setting) -> str | int | float | bool:
    return shorten(value, 300) if isinstance(value, str) else value


def differing(runs: Sequence[Run]) -> list[str]:
    """The hyper-parameters that are not the same in all runs, those that name a place or the run apart."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    known = [run for run in runs if run.settings]
    return [
        name
        for name in names
        if not _PLACES.search(name) and len({repr(run.settings.get(name)) for run in known}) > 1
    ]


def comparison(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> Table | None:
    """Runs by what differs in their hyper-parameters and what they reached; None for a single run."""
    if len(runs) < 2:
        return None
    names, told = differing(runs), result_names(runs)
    shown, results = names[:MOST_SETTINGS], told[:MOST_RESULTS]
    tags = list(dict.fromkeys(one.best_tag for one in verdicts if one.best is not None))
    measures = list(dict.fromkeys(one.measure for one in verdicts if one.best is not None))
    what = shorten(tags[0] if len(tags) == 1 else measures[0], 40) if len(measures) == 1 else ""
    columns = (
        Column(name="Run"),
        *(Column(name=shorten(name, 40), unit=_unit(runs, name)) for name in shown),
        *(Column(name=shorten(name, 40), unit="exact", note="result") for name in results),
        Column(name=f"Best {what}".strip(), unit="exact"),
        Column(name="at", unit="exact", note="step or epoch"),
        Column(name="Last", unit="exact", note="step or epoch"),
        Column(name="Time", unit="s"),
    )
    rows = tuple(
        Row(
            cells=(
                shorten(run.name, 80),
                *(_cell(run.settings.get(name), _unit(runs, name)) for name in shown),
                *(_digits(result(run, name)) for name in results),
                _digits(None if one.best is None else one.best.value),
                None if one.best is None else one.best.x,
                one.last,
                one.seconds,
            )
        )
        for run, one in zip(runs[:MOST_ROWS], verdicts, strict=False)
    )
    caption = f"{plural(len(runs), 'run')}; hyper-parameters that are the same in all of them are not shown."
    if not any(run.settings for run in runs):
        caption = f"{plural(len(runs), 'run')}; their logs hold no hyper-parameters."
    if results:
        caption += " Results are values that were logged for a whole run, beside its curves."
    if len(measures) > 1:
        caption += f" Best by different metrics: {', '.join(shorten(tag, 40) for tag in tags[:4])}."
    caption += _more(names[len(shown) :], "that differ are") + _more(told[len(results) :], "results are")
    return Table(
        id="comparison", title="Runs compared", caption=caption, columns=columns, rows=rows,
        total=len(runs) if len(runs) > len(rows) else None,
    )  # fmt: skip


def _more(names: Sequence[str], what: str) -> str:
    listed = ", ".join(shorten(name, 40) for name in names[:20])
    return f" {len(names)} more {what} left out: {listed}." if names else ""


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.7g}")


def _unit(runs: Sequence[Run], name: str) -> str:
    values = [run.settings[name] for run in runs if name in run.settings]
    return "exact" if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values) else "text"


def _cell(value: Setting | None, unit: str) -> str | int | float | bool | None:
    if value is None:
        return "–" if unit == "text" else None
    return str(value) if unit == "text" and not isinstance(value, str) else _written(value)


# --- seeds -----------------------------------------------------------------------------------------------


def seed_groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that differ in their seed alone, by their hyper-parameters or, where none were logged, by name."""
    groups: dict[object, list[Run]] = {}
    for run in runs:
        key = but_seed(run.settings) if run.settings else _NAMED_SEED.sub("", run.name)
        seeded = any(_SEED.search(name) for name in run.settings) or (
            not run.settings and _NAMED_SEED.search(run.name) is not None
        )
        if seeded:
            groups.setdefault(key, []).append(run)
    return [group for group in groups.values() if len(group) >= LEAST_SEEDS]


def but_seed(settings: Mapping[str, Setting]) -> tuple[tuple[str, str], ...]:
    """The hyper-parameters that are no seed and name no place, as text, in the order of their names."""
    kept = {
        name: value for name, value in settings.items() if not _SEED.search(name) and not _PLACES.search(name)
    }
    return tuple(sorted((name, repr(value)) for name, value in kept.items()))


@dataclass(frozen=True, eq=False)
class Band:
    """A metric over the seeds: x int64, mean and standard deviation (n - 1) float64, all (n,); `seeds` runs."""

    x: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    seeds: int


def band(curves: Sequence[Curve]) -> Band | None:
    """Mean and standard deviation at the places where all curves have a finite value; None below two of them."""
    points = []
    for curve in curves:
        index = curve.series.shown
        index = index[np.isfinite(curve.series.value[index])]
        places, first = np.unique(curve.series.x[index], return_index=True)
        points.append((places, curve.series.value[index][first]))
    if len(points) < LEAST_SEEDS:
        return None
    common = points[0][0]
    for places, _ in points[1:]:
        common = np.intersect1d(common, places, assume_unique=True)
    if len(common) < 2:
        return None
    values = np.stack([value[np.searchsorted(places, common)] for places, value in points])
    return Band(common, values.mean(axis=0), values.std(axis=0, ddof=1), len(points))


def same_metric(group: Sequence[Run]) -> list[list[Curve]]:
    """For each metric that all runs of a group logged: its curves, one a run, validation and training apart."""
    found: dict[tuple[str, str, str, str], list[Curve]] = {}
    for run in group:
        for curve in curves_of(run):
            if curve.name.kind == "metric":
                key = (curve.name.metric.lower(), curve.name.role, curve.name.each, curve.series.axis)
                found.setdefault(key, []).append(curve)
    return [curves for curves in found.values() if len(curves) == len(group)]
