"""Whether the maps change when the model's parameters are random, beside how far they are the input's own edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.explain import LEAST
from reportgen.attribution.randomize import Randomised
from reportgen.attribution.removal import mean_known
from reportgen.report import Column, Finding, Row, Table
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

TITLE = "With random parameters"
EVIDENCE = "explanations/with-random-parameters"
SAME = 0.8  # rank correlation above which a map has hardly changed
ROOM = 5  # parts: of fewer, ranks are often alike by chance
Z = 1.645  # of the normal distribution's 95 %, one-sided
FEWEST = 2  # samples that say something of a method


def table(told: Told, made: Randomised, seed: int, kind: str) -> Table:
    """One row a method: how alike the maps are, and how alike map and control."""
    rows = []
    for at, method in enumerate(made.methods):
        cells = [_said(values[:, at]) for values in (made.same, made.control)]
        known = int(np.isfinite(made.same[:, at]).sum())
        rows.append(Row(cells=(method, *cells[0], *cells[1], f"{known} of {len(made.numbers)}")))
    control = _control(kind)
    names = ", ".join(told.sights[number].subject.name for number in made.numbers)
    return Table(
        title=TITLE,
        caption=f"Rank correlations (Spearman) of the sizes of the values, on {names}; seed {seed}. Random: a copy of "
        "the model in which all parameters are drawn anew (Adebayo et al. 2018), as its layers do it or normally with "
        "the same root mean square, once a sample; perturbing methods make do with at most "
        f"{show(LEAST, 'share')} of the perturbations. Control: {control}. Unknown where a map has one value all over "
        f"or could not be made{padded([told.sights[number].counted for number in made.numbers])}.",
        columns=(
            Column(name="Method"),
            Column(
                name="With random parameters",
                unit="exact",
                note="mean; 1: the map does not hang on the model",
            ),
            Column(name="From – to"),
            Column(name="With the control", unit="exact", note=f"mean; 1: the map is {control}"),
            Column(name="From – to"),
            Column(name="Known for", note="of the samples"),
        ),
        rows=tuple(rows),
    )


def padded(counted: Sequence[np.ndarray]) -> str:
    """What is said of places that are not compared, where there are any: for each sample which are, bool."""
    return "" if all(one.all() for one in counted) else ". Padding and special tokens are left out"


def _control(kind: str) -> str:
    return "the picture's edges (Sobel's filter)" if kind == "image" else "the size of the input's values"


def _said(values: np.ndarray) -> tuple[float | None, str]:
    known = values[np.isfinite(values)]
    if not len(known):
        return None, "–"
    ends = [show(round(float(value), 2) + 0.0) for value in (known.min(), known.max())]
    return round(float(known.mean()), 3) + 0.0, f"{ends[0]} – {ends[1]}"


def findings(made: Randomised, kind: str) -> list[Finding]:
    """Methods whose maps hardly change, with the control's value."""
    enough = np.isfinite(made.same) & (made.parts >= ROOM)
    same, control = (mean_known(np.where(enough, one, np.nan)) for one in (made.same, made.control))
    found = []
    for at, method in enumerate(made.methods):
        count = int(enough[:, at].sum())
        if count >= FEWEST and lowest(float(same[at]), made.parts[enough[:, at], at]) > SAME:
            beside = show(float(f"{control[at]:.2g}")) if np.isfinite(control[at]) else "unknown"
            message = (
                f"The maps of {method} hardly change when the model's parameters are random (rank correlation "
                f"{show(float(f'{same[at]:.2g}'))} on {plural(count, 'sample')}; with {_control(kind)} {beside})."
            )
            rule = (
                f"mean Spearman of |a| between the model and a copy with random parameters, less what so few parts can "
                f"bring by chance (the lower end of its one-sided 95 % interval, by Fisher's z), > {SAME}, on at least "
                f"{FEWEST} samples of {ROOM} parts or more"
            )
            found.append(Finding(severity="info", message=message, rule=rule, evidence=EVIDENCE))
    return found


def lowest(correlation: float, parts: np.ndarray) -> float:
    """The lower end of the one-sided 95 % interval of a mean correlation over samples of so many `parts` (n,) each.

    Fisher's z of each sample has the variance 1 / (parts - 3).
    """
    spread = 1 / np.sqrt(np.sum(np.maximum(1, parts - 3)))
    return float(np.tanh(np.arctanh(min(correlation, 1 - 1e-9)) - Z * spread))
