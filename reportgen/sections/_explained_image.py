"""Explained pictures: each sample beside the maps of all methods."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Missing, Outcome
from reportgen.attribution.kinds.image import pictures
from reportgen.pixels import shrink
from reportgen.report import Block, Images, Map, Picture
from reportgen.sections._pictures import as_raster, scaled_each
from reportgen.units import show

if TYPE_CHECKING:
    from reportgen.attribution.explain import Rows
    from reportgen.sections.explanations import Told


def draw(told: Told) -> list[Block]:
    """One grid: a row a sample, a column a method."""
    subjects = [sight.subject for sight in told.sights]
    pixels, how = pictures(told.experiment, subjects)
    made: list[Picture] = []
    for subject, pixel, row in zip(subjects, pixels, told.rows, strict=True):
        words = f"{subject.name}: {subject.said}"
        caption = f"{subject.said} – {subject.why}" if subject.why else subject.said
        made.append(Picture(caption=caption, alt=words, raster=as_raster(shrink(pixel))))
        made += [_map(outcome, words) for outcome in row]
    small = scaled_each(pixels)
    return [
        Images(
            title="Explained samples",
            caption=f"{told.about} {settings(told.rows)} Pictures: {how}. Every map has its own scale.{small}",
            pictures=tuple(made),
            columns=1 + len(told.methods),
            column_titles=("Sample", *told.methods),
            row_titles=tuple(subject.name for subject in subjects),
        )
    ]


def _map(made: Outcome, words: str) -> Picture:
    if isinstance(made, Missing):
        return Picture(missing=made.reason)
    field = shrink(made.values)
    limit = rounded(float(np.abs(field).max()))
    kind = "signed" if made.signed else "unsigned"
    return Picture(
        caption=f"{'±' if made.signed else '0 to '}{show(float(f'{limit:.3g}'))}",
        alt=f"{made.method}, {kind} map of {words}",
        map=Map.from_array(field, signed=made.signed, limit=limit),
    )


def rounded(value: float) -> float:
    """Six significant digits: what rounding in another order of additions can't reach."""
    return float(f"{value:.6g}")


def settings(rows: Rows) -> str:
    """How each method was run, as on most samples it worked on, and on how many of them where not on all."""
    parts = []
    for column in zip(*rows, strict=True):
        made = [outcome for outcome in column if isinstance(outcome, Attribution)]
        if made:
            ((usual, baseline), same), *_ = Counter((one.settings, one.baseline) for one in made).most_common(
                1
            )
            against = f" against {baseline}" if baseline else ""
            parts.append(f"{made[0].method}{against}: {usual}{_of(same, len(made))}")
    return "; ".join(parts) + "." if parts else ""


def _of(same: int, total: int) -> str:
    return "" if same == total else f" ({same} of {total} samples, for the others see Each explanation)"
