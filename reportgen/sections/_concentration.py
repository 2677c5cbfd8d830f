"""The finding that one feature, word or place holds nearly all of the attribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.concentration import (
    CELLS,
    FEWEST,
    METHODS,
    MOSTLY,
    NEARLY,
    Concentration,
    concentration,
)
from reportgen.attribution.sight import Sight
from reportgen.report import Finding
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

EVIDENCE = "explanations/each-explanation"


def concentrated(told: Told, kind: str) -> list[Finding]:
    """At most one finding: what it is, how much it holds, on how many samples and by which methods."""
    made = concentration(told.rows, _owners(told, kind))
    if made is None:
        return []
    share = show(float(f"{made.share:.2g}"), "share")
    message = (
        f"{_name(told, kind, made)} holds nearly all of the attribution: at least {share} of it over the samples, the "
        f"most on {made.samples} of {plural(made.total, 'sample')}, by {', '.join(made.methods)}. If that is not what "
        "the model should go by, look for a label that leaked into the input, or a watermark."
    )
    what = {"table": "one feature", "text": "one word"}.get(kind, "one window of a quarter of each axis")
    rule = (
        f"{what} has at least {show(NEARLY, 'share')} of the sum of |a| over {FEWEST} samples or more, and the most on "
        f"at least {show(MOSTLY, 'share')} of them, by {METHODS} methods or more"
    )
    return [Finding(severity="warning", message=message, rule=rule, evidence=EVIDENCE)]


def _owners(told: Told, kind: str) -> list[Sequence[object]] | None:
    if kind == "table":
        return [range(int(np.prod(sight.shape))) for sight in told.sights]
    if kind == "text":
        return [_words(told, sight) for sight in told.sights]
    return None


def _words(told: Told, sight: Sight) -> list[object]:
    from reportgen.attribution.kinds.text import read

    reading = read(told.experiment, sight.subject.inputs)
    return [reading.words[word].strip().lower() if word >= 0 else None for word in reading.word_of]


def _name(told: Told, kind: str, made: Concentration) -> str:
    if kind == "table":
        table, number = told.sights[0].table, int(str(made.key))
        return (
            f"The feature {shorten(table.features[number].name, 60)!r}"
            if table is not None
            else f"Feature {number}"
        )
    if kind == "text":
        return f"The word {shorten(str(made.key), 60)!r}"
    shape, first = told.sights[0].shape, made.key
    assert isinstance(first, tuple)
    reach = [_reach(length, cell) for length, cell in zip(shape, first, strict=True)]
    axes = {1: ("place",), 2: ("row", "column")}.get(
        len(shape), tuple(f"axis {at}" for at in range(len(shape)))
    )
    where = ", ".join(f"{axis}s {low:,} to {high:,}" for axis, (low, high) in zip(axes, reach, strict=True))
    return f"One place of the input ({where}, counted from 0)"


def _reach(length: int, cell: int) -> tuple[int, int]:
    """The first and the last place of the two cells from that one on."""
    edges = np.linspace(0, length, min(CELLS, length) + 1).astype(int)
    return int(edges[cell]), int(edges[min(cell + 2, len(edges) - 1)]) - 1
