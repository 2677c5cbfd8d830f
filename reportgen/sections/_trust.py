"""How far to trust the explanations: what each method says of itself, and what a look from outside says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Missing, NotApplicable
from reportgen.attribution.explain import Rows
from reportgen.attribution.gradients import DIFFERENCE
from reportgen.attribution.methods import Method
from reportgen.attribution.randomize import randomised
from reportgen.attribution.removal import removal
from reportgen.attribution.sight import Tools
from reportgen.attribution.trust import agreement as correlations
from reportgen.attribution.trust import by_size, common, top
from reportgen.deadline import Deadline, Late
from reportgen.errors import one_line
from reportgen.experiment import Options
from reportgen.report import Block, Column, Finding, Heatmap, Row, Table
from reportgen.sections import _randomized, _removal
from reportgen.sections._claims import brief, claims, failed
from reportgen.sections._fidelity import fidelity
from reportgen.sections._late import cut, late, unmade
from reportgen.sections._reading import reading
from reportgen.timelimit import enforced
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

TRUST = "How far to trust them"
EVIDENCE = "explanations/how-far-to-trust-them"
APART = 0.3  # rank correlation below which two methods rank places differently


def trust(
    told: Told, options: Options, tools: Tools, methods: Sequence[Method], kind: str, deadline: Deadline
) -> tuple[list[Block], list[Finding]]:
    """All measures of the explanations, the findings where they fail, and how to read both."""
    blocks: list[Block] = [claims(told, TRUST, options.seed)]
    found = failed(told.rows, EVIDENCE)
    read = []
    for name, look in (("removal", _removals), ("randomised", _randomisations)):
        more, flaws = look(told, options, tools, methods, kind, deadline)
        blocks += more
        found += flaws
        read += [name] if any(isinstance(block, Table) for block in more) else []
    more, measured = fidelity(told, options, tools, methods, deadline)
    blocks += more
    read += measured
    more, flaws = agreement(told.rows, told.methods, [sight.counted for sight in told.sights])
    read += ["agreement"] if more else []
    blocks += [*more, each(told, options), reading(told.methods, read)]
    return blocks, found + flaws


def _removals(
    told: Told, options: Options, tools: Tools, methods: Sequence[Method], kind: str, deadline: Deadline
) -> tuple[list[Block], list[Finding]]:
    title = "Removal curves"
    try:
        with enforced(deadline):
            made = removal(told.experiment, options, tools, told.sights, told.rows, kind, deadline)
    except Late:
        return [late(title, "nothing")], []
    except Exception as error:  # noqa: BLE001 - a model may break on half-hidden samples
        return [unmade(title, one_line(error))], []
    if made is None:
        return [unmade(title, "the model's cost leaves no room for them")], []
    blocks = _removal.blocks(told, made, options.seed, kind)
    return [*blocks, *cut(title, len(made.numbers), made.wanted)], _removal.findings(made)


def _randomisations(
    told: Told, options: Options, tools: Tools, methods: Sequence[Method], kind: str, deadline: Deadline
) -> tuple[list[Block], list[Finding]]:
    title = _randomized.TITLE
    try:
        with enforced(deadline):
            made = randomised(
                tools.experiment, options, tools, told.sights, told.rows, methods, kind, deadline
            )
    except Late:
        return [late(title, "nothing")], []
    except NotApplicable as reason:
        return [unmade(title, str(reason))], []
    except Exception as error:  # noqa: BLE001 - a model may break with other parameters
        return [unmade(title, one_line(error))], []
    table = _randomized.table(told, made, options.seed, kind)
    return [table, *cut(title, len(made.numbers), made.wanted)], _randomized.findings(made, kind)


def agreement(
    rows: Rows, methods: Sequence[str], counted: Sequence[np.ndarray]
) -> tuple[list[Block], list[Finding]]:
    """Rank correlation and overlap of the top between the methods as matrices, where any is known.

    `counted`: for each sample which of its places belong to a part; the others, as padding, are not compared.
    """
    made = [[outcome for outcome in row if isinstance(outcome, Attribution)] for row in rows]
    table = correlations(made, methods, counted)
    if np.isfinite(table).sum() < 2:
        return [], []
    of = f"mean of {plural(len(rows), 'sample')}. Blank where unknown{_randomized.padded(counted)}"
    blocks: list[Block] = [
        _matrix(
            "Agreement between methods",
            f"Rank correlation (Spearman) of the sizes of the values over the same places, {of}; 1 is the same "
            "order, 0 none.",
            methods,
            table,
            "diverging",
        ),
        _matrix(
            "Overlap of what counts most",
            f"Share of the {_top(counted)} with the largest values that two methods have in common, {of}; by chance "
            f"it is {_by_chance(counted)}.",
            methods,
            common(made, methods, counted),
            "sequential",
        ),
    ]
    pairs = table[np.triu_indices(len(methods), 1)]
    known = pairs[np.isfinite(pairs)]
    sized = by_size(made, methods, counted)[np.triu_indices(len(methods), 1)]
    if len(known) < 3 or known.max() >= APART or np.nanmax(sized, initial=-1.0) >= APART:
        return blocks, []
    message = (
        f"No two methods agree on the places that count (rank correlations {_brief(known.min())} to "
        f"{_brief(known.max())}, "
        f"{plural(len(known), 'pair')} of methods)."
    )
    rule = (
        f"mean Spearman and mean Pearson of |a| below {APART} for each pair of methods, of three pairs at least; the "
        "second so that the order of values near zero does not count"
    )
    evidence = "explanations/agreement-between-methods"
    return blocks, [Finding(severity="info", message=message, rule=rule, evidence=evidence)]


def _top(counted: Sequence[np.ndarray]) -> str:
    """The top of so many places, as 5 places of 13; of the fewest and of the most where the samples differ."""
    numbers = sorted({int(one.sum()) for one in counted if one.any()})
    said = [
        f"{plural(top(places), 'place')} of {places:,}" for places in dict.fromkeys((numbers[0], numbers[-1]))
    ]
    return " to ".join(said)


def _by_chance(counted: Sequence[np.ndarray]) -> str:
    numbers = [int(one.sum()) for one in counted if one.any()]
    return show(float(np.mean([top(places) / places for places in numbers])), "share")


def _brief(value: float) -> str:
    return show(float(f"{value:.2g}"))


def _matrix(title: str, caption: str, methods: Sequence[str], table: np.ndarray, scale: str) -> Heatmap:
    return Heatmap(
        title=title,
        caption=caption,
        row_labels=tuple(methods),
        column_labels=tuple(methods),
        values=tuple(tuple(float(f"{value:.4g}") for value in line) for line in table),
        scale=scale,
    )


def each(told: Told, options: Options) -> Table:
    """One row a sample and method: target, baseline, what it took, and what the method says of itself."""
    names = [name for name in _names(told.rows) if name != DIFFERENCE]
    columns = [
        *(Column(name=name) for name in ("Sample", "Target", "Method", "Baseline")),
        Column(name="Evaluations", unit="exact", note="passes of the model"),
        *([Column(name="Time", unit="s")] if options.timed else []),
        Column(name=DIFFERENCE, unit="exact"),
        *(Column(name=name.capitalize() if name.islower() else name, unit="exact") for name in names),
    ]
    cells = []
    for sight, row in zip(told.sights, told.rows, strict=True):
        for made in row:
            start = [sight.subject.name, sight.subject.target.name, made.method]
            if isinstance(made, Missing):
                width = len(columns) - len(start)
                cells.append(Row(cells=(*start, f"nothing: {made.reason}", *["–"] * (width - 1))))
                continue
            took = [float(f"{made.seconds:.3g}")] if options.timed else []
            measures = [_cell(made, name) for name in (DIFFERENCE, *names)]
            cells.append(Row(cells=(*start, made.baseline or "–", made.evaluations, *took, *measures)))
    return Table(
        title="Each explanation",
        caption=f"Explained is {told.what}. {plural(len(told.rows), 'sample')}, {plural(len(told.methods), 'method')}, "
        f"seed {options.seed}. A dash where a method makes no such claim or needs no baseline.",
        columns=tuple(columns),
        rows=tuple(cells),
        folded=True,
    )


def _names(rows: Rows) -> list[str]:
    """What the methods say of themselves, in the order of the methods."""
    return list(dict.fromkeys(name for row in rows for made in row for name in _trust_of(made)))


def _trust_of(made: object) -> list[str]:
    return list(made.trust) if isinstance(made, Attribution) else []


def _cell(made: Attribution, name: str) -> float | str | None:
    if name not in made.trust:
        return "–"
    value = made.trust[name]
    return None if value is None else brief(value)
