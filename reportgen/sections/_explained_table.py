"""Explained rows of a table: signed bars of the features that count most, a chart a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Missing, Outcome
from reportgen.attribution.sight import Sight
from reportgen.report import Bars, Block, Failure
from reportgen.sections._explained_image import rounded
from reportgen.units import shorten, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

TOP = 10  # features shown a sample


def draw(told: Told) -> list[Block]:
    """The bars, sample by sample."""
    return [
        _bars(told, sight, made) for sight, row in zip(told.sights, told.rows, strict=True) for made in row
    ]


def _bars(told: Told, sight: Sight, made: Outcome) -> Block:
    subject = sight.subject
    title = f"{subject.name.capitalize()}, {made.method}: {subject.said}"
    if isinstance(made, Missing):
        return Failure(title=title, error=made.method, message=made.reason)
    values = sight.values[0].cpu().double().numpy()
    order = np.argsort(-np.abs(made.values).round(9), kind="stable")[:TOP]
    rest = len(values) - len(order)
    meaning = " A bar is coefficient × (value - mean) / deviation." if made.method == "LIME" else ""
    cut = f" The {len(order)} largest of {len(values)} features." if rest else ""
    against = f" against {made.baseline}" if made.baseline else ""
    return Bars(
        title=title,
        caption=f"{told.about} {made.method}: {made.settings}{against}.{meaning}{cut}",
        labels=tuple(
            f"{shorten(told.experiment.feature_name(i))} = {show(float(f'{values[i]:.4g}'))}" for i in order
        ),
        values=tuple(rounded(float(made.values[i])) for i in order),
        x_label=f"contribution to {told.what.removeprefix('the ')}",
    )
