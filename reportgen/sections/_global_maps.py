"""Mean maps of pictures drawn: a row for all samples and for each class, beside the mean picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.mean_maps import CLASSES, Sums, mean_maps
from reportgen.pixels import shrink, to_pixels
from reportgen.report import Block, Images, Map, Picture
from reportgen.sections._pictures import as_raster
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.deadline import Deadline
    from reportgen.experiment import Experiment

GROUP = "Over the whole data"


def maps(
    experiment: Experiment, size: int, step: Callable[[int, int], None], deadline: Deadline
) -> list[Block]:
    """The grid of mean pictures, mean signed maps and mean sizes. Raises NotApplicable."""
    rows, how, told = mean_maps(experiment, size, step, deadline)
    pictures = [made for sums in rows for made in _row(experiment, sums)]
    what = "the predicted class's score" if experiment.task == "classification" else "the output"
    if told.fixed >= 0 and experiment.task == "classification":
        what = f"the score of {experiment.class_name(told.fixed)}"
    classes = len(rows) - 1
    which = (
        f"one of the {CLASSES} most frequent predicted classes" if classes == CLASSES else "a predicted class"
    )
    return [
        Images(
            title="Mean maps",
            group=GROUP,
            caption=f"{how}: what counts for {what}. Signed: the mean, where for and against cancel; size: the mean of "
            f"|attribution|. A row is {which} and its number of samples. Places mean the same in all pictures "
            "only where the pictures are aligned. Every map has its own scale.",
            pictures=tuple(pictures),
            columns=3,
            column_titles=("Mean picture", "Signed", "Size"),
            row_titles=tuple(f"{sums.name}, {plural(sums.count, 'sample')}" for sums in rows),
        )
    ]


def _row(experiment: Experiment, sums: Sums) -> list[Picture]:
    import torch

    mean = np.asarray(sums.picture) / sums.count
    if mean.shape[0] in (1, 3):
        pixels, _ = to_pixels(torch.from_numpy(mean[None]), experiment.normalization)
        drawn = as_raster(shrink(pixels[0]))
        first = Picture(alt=f"the mean picture of {sums.name}", raster=drawn)
    else:
        first = Picture(missing=f"pictures of {mean.shape[0]} channels")
    return [first, _map(sums, sums.signed, signed=True), _map(sums, sums.sizes, signed=False)]


def _map(sums: Sums, summed: np.ndarray | float, *, signed: bool) -> Picture:
    field = shrink(np.asarray(summed) / sums.count)
    limit = float(f"{float(np.abs(field).max()):.6g}")
    kind = "mean signed map" if signed else "mean size"
    return Picture(
        caption=f"{'±' if signed else '0 to '}{show(float(f'{limit:.3g}'))}",
        alt=f"{kind} of {sums.name}",
        map=Map.from_array(field, signed=signed, limit=limit),
    )
