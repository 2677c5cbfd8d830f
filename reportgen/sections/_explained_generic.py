"""Explained tensors of any other kind: a heat map a method of what counts where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Missing, Outcome
from reportgen.attribution.sight import Sight
from reportgen.report import Block, Failure, Images, Map, Picture
from reportgen.sections._explained_image import rounded, settings
from reportgen.units import show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

LONGEST = 256  # places of a side that are drawn


def draw(told: Told) -> list[Block]:
    """One grid: a row a sample, a column a method; the input flattened to rows of its last axis."""
    if not any(sight.values.numel() for sight in told.sights):
        return [Failure(title="Explained samples", error="Empty", message="the inputs hold no numbers")]
    pictures = [_map(sight, made) for sight, row in zip(told.sights, told.rows, strict=True) for made in row]
    shapes = sorted({sight.shape for sight in told.sights})
    shape = shapes[0] if len(shapes) == 1 else f"of {len(shapes)} shapes, {shapes[0]} to {shapes[-1]}"
    return [
        Images(
            title="Explained samples",
            caption=f"{told.about} {settings(told.rows)} A sample is {shape}: its last axis goes across, the others "
            "down. Every map has its own scale.",
            pictures=tuple(pictures),
            columns=len(told.methods),
            column_titles=told.methods,
            row_titles=tuple(f"{sight.subject.name}: {sight.subject.said}" for sight in told.sights),
        )
    ]


def _map(sight: Sight, made: Outcome) -> Picture:
    if isinstance(made, Missing):
        return Picture(missing=made.reason)
    field = made.values.reshape(-1, made.values.shape[-1])
    limit = rounded(float(np.abs(field).max()))
    cut = field[:LONGEST, :LONGEST]
    part = "" if cut.size == field.size else f", the first {cut.shape[0]} × {cut.shape[1]}"
    return Picture(
        caption=f"{'±' if made.signed else '0 to '}{show(float(f'{limit:.3g}'))}{part}",
        alt=f"{made.method} of {sight.subject.name}: {sight.subject.said}",
        map=Map.from_array(cut, signed=made.signed, limit=limit),
    )
