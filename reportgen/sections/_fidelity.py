"""Infidelity and max-sensitivity as a table, where they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import NotApplicable
from reportgen.attribution.checks import INFIDELITY, SENSITIVITY, Checked
from reportgen.attribution.infidelity import MASKS, UNSIGNED, infidelity
from reportgen.attribution.methods import Method
from reportgen.attribution.sensitivity import DRAWS, RADIUS, sensitivity
from reportgen.attribution.sight import Tools
from reportgen.deadline import Deadline, Late
from reportgen.errors import one_line
from reportgen.experiment import Options
from reportgen.report import Block, Column, Row, Table
from reportgen.sections._late import cut, late, unmade
from reportgen.timelimit import enforced
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

TITLE = "Infidelity and max-sensitivity"


def fidelity(
    told: Told, options: Options, tools: Tools, methods: Sequence[Method], deadline: Deadline
) -> tuple[list[Block], list[str]]:
    """The table of the checks that were asked for, what the time cut or what could not be made; and which are in it."""
    given = tools.experiment, options, tools, told.sights, told.rows
    looks: dict[str, Callable[[], Checked]] = {
        INFIDELITY: partial(infidelity, *given, deadline),
        SENSITIVITY: partial(sensitivity, *given, methods, deadline),
    }
    made: dict[str, Checked] = {}
    notes: list[Block] = []
    for name, look in looks.items():
        if name not in options.checks:
            continue
        title = name.capitalize()
        try:
            with enforced(deadline):
                made[name] = look()
        except Late:
            notes.append(late(title, "nothing"))
        except NotApplicable as reason:
            notes.append(unmade(title, str(reason)))
        except Exception as error:  # noqa: BLE001 - a model may break on half-hidden samples
            notes.append(unmade(title, one_line(error)))
        else:
            notes += cut(title, len(made[name].numbers), made[name].wanted, lost=made[name].lost)
    tables: list[Block] = [table(told, made, options.seed)] if made else []
    return tables + notes, list(made)


def table(told: Told, made: Mapping[str, Checked], seed: int) -> Table:
    """One row a method: median and range of each check over its samples."""
    notes = {INFIDELITY: "median, 0 to 1", SENSITIVITY: "median, 0 and more"}
    columns = [Column(name="Method")]
    for name in made:
        columns += [
            Column(name=name.capitalize(), unit="exact", note=notes[name]),
            Column(name="From – to"),
            Column(name="Known for", note="of the samples"),
        ]
    rows = [
        Row(cells=(method, *[cell for name in made for cell in _cells(made[name], at)]))
        for at, method in enumerate(told.methods)
    ]
    says = {INFIDELITY: _infidelity, SENSITIVITY: _sensitivity}
    said = " ".join(says[name](told, one) + _unknown(one) for name, one in made.items())
    return Table(
        title=TITLE,
        caption=f"Yeh et al. 2019; seed {seed}. {said}",
        columns=tuple(columns),
        rows=tuple(rows),
    )


def _cells(made: Checked, at: int) -> tuple[float | str | None, ...]:
    values = made.values[:, at]
    known = values[np.isfinite(values)]
    count = f"{len(known)} of {len(values)}"
    if not len(known):
        return "–" if made.why[made.methods[at]] == UNSIGNED else None, "–", count
    ends = [show(_brief(value, 2)) for value in (known.min(), known.max())]
    return _brief(float(np.median(known)), 3), f"{ends[0]} – {ends[1]}", count


def _brief(value: float, digits: int) -> float:
    """To a ten-thousandth: what is less of either is as good as 0, or noise of rounding."""
    return float(f"{round(value, 4):.{digits}g}")


def _infidelity(told: Told, made: Checked) -> str:
    sight = told.sights[made.numbers[0]]
    ways = list(dict.fromkeys(told.sights[number].parts.how for number in made.numbers))
    parts = ways[0] if len(ways) == 1 else f"as in {ways[0]}"
    held = "; of gradient methods those that have a gradient" if sight.smooth is not None else ""
    return (
        f"Infidelity, on {_of(told, made)}: {MASKS} times each of the parts ({parts}{held}) is hidden with "
        f"probability 1/2 by {sight.baseline.said}; d is by how much the score falls, p the map's sum over what is "
        "hidden, and mean((βp − d)²) / mean(d²) is shown, β = sum(pd) / sum(p²) the scale that fits best, but not "
        "below 0: one below 0 would make a map that says the opposite a good one (captum's may be). "
        "At 0 the map tells every fall, at 1 none. "
        f"{made.evaluations:,} evaluations of the model."
    )


def _sensitivity(told: Told, made: Checked) -> str:
    table = told.sights[made.numbers[0]].table is not None
    what = "each feature's range in the data" if table else "the range of the sample's values"
    held = ", categories and whole numbers held" if told.sights[made.numbers[0]].smooth is not None else ""
    return (
        f"Max-sensitivity, on {_of(told, made)}: the largest ‖Φ(x + δ) − Φ(x)‖ / ‖Φ(x)‖ of {DRAWS} draws, Φ(x) the "
        f"map of the sample, each value of δ uniform within ±{show(RADIUS, 'share')} of {what}{held}; baseline, parts "
        "and the method's own random choices stay the same. At 0 the map stays as it is. "
        f"{made.evaluations:,} evaluations of the model."
    )


def _of(told: Told, made: Checked) -> str:
    total = len(told.rows)
    return (
        plural(total, "sample") if len(made.numbers) == total else f"{len(made.numbers)} of {total} samples"
    )


def _unknown(made: Checked) -> str:
    """The reasons for what is unknown, each once, with its methods."""
    sharing: dict[str, list[str]] = {}
    for method in made.methods:
        if method in made.why:
            sharing.setdefault(made.why[method], []).append(method)
    return "".join(f" Unknown for {', '.join(names)}: {reason}." for reason, names in sharing.items())
