"""What explained waveforms and spectrograms have in common: groups, captions, maps over a spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Missing, Outcome
from reportgen.attribution.sight import Sight
from reportgen.report import Images, Map, Picture, Raster
from reportgen.sections._by_sample import SAMPLES, heading
from reportgen.sections._explained_image import rounded
from reportgen.sections._made import took
from reportgen.spectra import grey
from reportgen.units import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reportgen.sections.explanations import Told

ACROSS = 5  # pictures beside each other


def made_by(told: Told, sight: Sight, made: Attribution) -> str:
    """Method, target, settings, baseline, seed and seconds of an attribution."""
    against = f" against {made.baseline}" if made.baseline else ""
    whose = (
        f" of the score of {sight.subject.target.name}" if told.experiment.task == "classification" else ""
    )
    return f"{made.method}{whose}: {made.settings}{against}{took(made)}."


def pictures(
    told: Told,
    sight: Sight,
    row: Sequence[Outcome],
    levels: np.ndarray,
    maps: Sequence[np.ndarray],
    axes: str,
) -> Images:
    """The clip's spectrum, levels (bands, columns) of the lowest band first, and each method's map over it.

    `maps` (bands, columns) or (1, columns) belong to the attributions in `row`, in order.
    """
    raster = Raster.from_array(grey(levels))
    fields = iter(maps)
    places = [Picture(caption="the clip", alt=f"spectrogram of {sight.subject.name}", raster=raster)]
    for made in row:
        places.append(
            Picture(caption=made.method, missing=made.reason)
            if isinstance(made, Missing)
            else _over(sight, made, next(fields))
        )
    return Images(
        title=f"{sight.subject.name.capitalize()} by all methods",
        group=SAMPLES,
        choice=heading(sight),
        caption=f"{axes} Every map has its own scale.",
        pictures=tuple(places),
        columns=ACROSS,
        width="full",
    )


def _over(sight: Sight, made: Attribution, field: np.ndarray) -> Picture:
    limit = rounded(float(np.abs(field).max()))
    return Picture(
        caption=f"{made.method}, {'±' if made.signed else '0 to '}{show(float(f'{limit:.3g}'))}",
        alt=f"{made.method} over the spectrogram of {sight.subject.name}: {sight.subject.said}",
        behind=0,
        map=Map.from_array(field[::-1], signed=made.signed, limit=limit),
    )
