"""Deletion and insertion curves as charts, their areas beside those of random orders, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution
from reportgen.attribution.removal import DELETION, NOISE, Removal, mean_known
from reportgen.report import Block, Column, Curves, Finding, Row, Series, Table
from reportgen.sections._made import briefly
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

TITLE = "Areas beside random orders"
EVIDENCE = "explanations/areas-beside-random-orders"
CHANCE = 0.25  # share of the random orders as good as a method's, above which its order is hardly better than chance
FEWEST = 3  # samples that say something of a method
COLOURS = 7  # lines of a chart before a colour comes again
ROOM = 5  # places: of fewer, a random order is often the best there is
RANDOM = "random order"


def blocks(told: Told, made: Removal, seed: int, kind: str) -> list[Block]:
    """A chart for each baseline and direction, and the table of the areas."""
    charts = [
        _chart(made, end, way, kind, which, said)
        for said, which in _together(told, made.methods)
        for end in range(len(made.baselines))
        for way in (0, 1)
        if np.isfinite(made.curves[:, end, way]).any()
        and (not made.classes or (made.directions[:, end] > 0).any())
    ]
    return [*charts, _table(told, made, seed, kind)]


def _together(told: Told, methods: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Which methods share a chart: all that worked, or where colours would repeat, signed and unsigned ones."""
    outcomes = [one for row in told.rows for one in row if isinstance(one, Attribution)]
    signs = {one.method: one.signed for one in outcomes}
    worked = [name for name in methods if name in signs]
    if len(worked) <= COLOURS:
        return [("", worked)]
    groups = [
        (", signed", [name for name in worked if signs[name]]),
        (", unsigned", [name for name in worked if not signs[name]]),
    ]
    return [
        (said + (f" {start // COLOURS + 1}" if len(names) > COLOURS else ""), names[start : start + COLOURS])
        for said, names in groups
        for start in range(0, len(names), COLOURS)
    ]


def _chart(made: Removal, end: int, way: int, kind: str, which: Sequence[str], said: str) -> Curves:
    places = "pixels" if kind == "image" else "parts"
    x = tuple(np.linspace(0, 1, made.effort.steps + 1).round(4).tolist())
    # A mean of probabilities that fall and of some that rise as the sample is hidden would say nothing.
    falling = made.directions[:, end] > 0 if made.classes else np.isfinite(made.directions[:, end])
    lines = mean_known(made.curves[falling, end, way])
    orders = mean_known(made.random[falling, end, way])
    middle, spread = orders.mean(axis=0), orders.std(axis=0, ddof=1)
    series = [
        Series(name=method, x=x, y=briefly(line))
        for method, line in zip(made.methods, lines, strict=True)
        if method in which and np.isfinite(line).all()
    ]
    random = Series(
        name=RANDOM,
        x=x,
        y=briefly(middle),
        role="dashed",
        low=briefly(middle - spread),
        high=briefly(middle + spread),
    )
    deletion = way == DELETION
    what = "hidden" if deletion else "shown"
    better = "The sooner a line falls" if deletion else "The sooner a line rises"
    count = int(np.isfinite(made.random_areas[falling, end, way]).all(axis=-1).sum())
    return Curves(
        title=f"{'Deletion' if deletion else 'Insertion'}: {made.baselines[end]}{said}",
        caption=f"Mean of {plural(count, 'sample')}. {better}, the more the score hangs on what the method ranks "
        f"first. The band is one standard deviation of {plural(made.effort.orders, 'random order')}.",
        series=(*series, random),
        x_label=f"share of the {places} {what}, most important first",
        y_label="probability of the target" if made.classes else "score, from baseline 0 to sample 1",
        width="half",
    )


def _table(told: Told, made: Removal, seed: int, kind: str) -> Table:
    areas, as_good = mean_known(made.areas), mean_known(made.as_good)
    random = mean_known(made.random_areas).mean(axis=-1)
    known = np.isfinite(made.areas)
    rows = []
    for end, said in enumerate(made.baselines):
        for at, method in enumerate(made.methods):
            cells = [_number(table[end, way, at]) for way in (0, 1) for table in (areas, as_good)]
            rows.append(Row(cells=(method, said, *cells, int(known[:, end, :, at].all(axis=1).sum()))))
        cells = [_number(random[end, 0]), None, _number(random[end, 1]), None]
        counted = int(np.isfinite(made.random_areas[:, end]).all(axis=(1, 2)).sum())
        rows.append(Row(cells=(RANDOM, said, cells[0], "–", cells[2], "–", counted)))
    by_chance = "share of the random orders; 0.5 is chance"
    return Table(
        title=TITLE,
        caption=_caption(told, made, seed, kind),
        columns=(
            Column(name="Order by"),
            Column(name="Hidden by"),
            Column(name="Deletion", unit="exact", note="area, less is better"),
            Column(name="As good", unit="exact", note=by_chance),
            Column(name="Insertion", unit="exact", note="area, more is better"),
            Column(name="As good", unit="exact", note=by_chance),
            Column(name="Samples", unit="exact"),
        ),
        rows=tuple(rows),
    )


def _caption(told: Told, made: Removal, seed: int, kind: str) -> str:
    effort, total = made.effort, len(told.rows)
    cut = (
        ""
        if effort.samples == total
        else ", as many as the model's cost or the time allows, evenly from them"
    )
    places = "Pixels are" if kind == "image" else f"Parts ({told.sights[0].parts.how}) are"
    scores = "probabilities of the target" if made.classes else "scores, 0 the baseline's and 1 the sample's"
    same = [said for end, said in enumerate(made.baselines) if not np.isfinite(made.areas[:, end]).any()]
    blank = (
        f" Unknown for {' and '.join(same)}: no second baseline, or a score within {show(NOISE, 'share')} of its own."
        if same
        else ""
    )
    return (
        f"Petsiuk et al. 2018; {effort.samples} of {plural(total, 'explained sample')}{cut}. {places} hidden in up to "
        f"{effort.steps} equal steps; signed values rank what moves the score away from the baseline's first, others "
        f"go by size, chance decides between equals. Areas under {scores}; of a score below the baseline's, where "
        f"hiding raises it, more is better by deletion. Each sample beside {plural(effort.orders, 'random order')} "
        f"of its own, equal areas counted half; seed {seed}. {made.evaluations:,} evaluations of the model.{blank}"
    )


def _number(value: float) -> float | None:
    return float(f"{value:.3g}") if np.isfinite(value) else None


def findings(made: Removal) -> list[Finding]:
    """Methods whose order does little better than random ones, by each of the four curves."""
    enough = np.array(made.places) >= ROOM
    as_good = made.as_good
    found = []
    for at, method in enumerate(made.methods):
        known = np.isfinite(as_good[..., at]) & enough[:, None, None]
        counted = known.sum(axis=0)
        if counted.max() < FEWEST:
            continue
        shares = mean_known(np.where(known, as_good[..., at], np.nan))
        best = float(shares[counted >= FEWEST].min())
        if best > CHANCE:
            message = (
                f"The order of {method} is hardly better than a random one: by the curve that suits it best, "
                f"{show(float(f'{best:.2g}'), 'share')} of the random orders did as well on "
                f"{plural(int(counted.max()), 'sample')} (by chance {show(0.5, 'share')})."
            )
            rule = (
                f"on at least {FEWEST} samples of {ROOM} places or more, each beside {made.effort.orders} random "
                f"orders of its own, more than {show(CHANCE, 'share')} of these have as good an area, equal ones "
                "counted half, by deletion and by insertion under either baseline"
            )
            found.append(Finding(severity="warning", message=message, rule=rule, evidence=EVIDENCE))
    return found
