"""The worst mistakes, shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from reportgen.attribution.kinds import kind_of
from reportgen.attribution.kinds.text import read
from reportgen.experiment import Experiment, Options
from reportgen.pixels import shrink, to_pixels_alike
from reportgen.report import Column, Images, Picture, Row, Table, Text
from reportgen.sections._pictures import as_raster, scaled_each
from reportgen.units import plural, shorten, show

LETTERS = 200  # of a text that are shown


def mistakes(
    experiment: Experiment,
    options: Options,
    numbers: np.ndarray,
    targets: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray,
) -> list[Any]:
    """The wrong predictions with the least probability for the true class: pictures, or a table.

    Row i of each array is sample numbers[i] of the data; targets below zero are no label, predictions below zero none.
    """
    labelled = targets >= 0
    wrong = np.flatnonzero(labelled & (predicted != targets) & (predicted >= 0))
    if not len(wrong):
        held = int((labelled & (predicted >= 0)).sum())
        both = "" if held == len(targets) else " that have a label and a prediction"
        text = f"None in {plural(held, 'sample')}{both}."
        return [Text(id="mistakes", title="Worst mistakes", text=text)]
    truth = probabilities[np.arange(len(targets)), targets]
    worst = wrong[np.argsort(truth[wrong], kind="stable")][: options.samples]
    caption = (
        f"The {len(worst)} of {plural(len(wrong), 'mistake')} with the least probability for the true class, "
        "worst first."
    )
    described = [_describe(experiment, i, targets, predicted, probabilities) for i in worst]
    if experiment.modality == "image":
        shown = _pictures(experiment, numbers[worst], described, caption)
        if shown is not None:
            return [shown]
    texts = _texts(experiment, numbers[worst])
    columns = (
        Column(name="Sample", unit="exact"),
        Column(name="True"),
        Column(name="Predicted"),
        Column(name="Its probability", unit="share"),
        Column(name="Probability of the true class", unit="share"),
        *((Column(name="Text", note=f"its first {LETTERS} letters"),) if texts else ()),
    )
    rows = tuple(
        Row(
            cells=(
                int(numbers[i]),
                experiment.class_name(int(targets[i])),
                experiment.class_name(int(predicted[i])),
                float(f"{probabilities[i, predicted[i]]:.4g}"),
                float(f"{truth[i]:.4g}"),
                *texts[place : place + 1],
            )
        )
        for place, i in enumerate(worst)
    )
    return [Table(id="mistakes", title="Worst mistakes", columns=columns, rows=rows, caption=caption)]


def _texts(experiment: Experiment, worst: np.ndarray) -> list[str]:
    """The beginnings of the texts, where the samples are texts whose tokens are known."""
    if kind_of(experiment) != "text" or experiment.tokenizer is None:
        return []
    readings = [read(experiment, experiment.batch([int(i)]).inputs) for i in worst]
    return [shorten("".join(reading.pieces).strip(), LETTERS) for reading in readings]


def _describe(
    experiment: Experiment, index: int, targets: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray
) -> str:
    said, true = int(predicted[index]), int(targets[index])
    return (
        f"true {experiment.class_name(true)} ({show(float(f'{probabilities[index, true]:.2g}'), 'share')}), "
        f"predicted {experiment.class_name(said)} ({show(float(f'{probabilities[index, said]:.2g}'), 'share')})"
    )


def _pictures(experiment: Experiment, worst: np.ndarray, described: list[str], caption: str) -> Images | None:
    found = [experiment.batch([int(i)]).inputs.primary for i in worst]
    images = [tensor for tensor in found if tensor is not None and tensor.ndim == 4]
    if len(images) < len(found) or {tensor.shape[1] for tensor in images} not in ({1}, {3}):
        return None
    pixels, how = to_pixels_alike(images, experiment.normalization)
    pictures = tuple(
        Picture(
            caption=f"#{index}: {text}",
            alt=f"sample {index}, {text}",
            raster=as_raster(shrink(image)),
        )
        for index, text, image in zip(worst.tolist(), described, pixels, strict=True)
    )
    small = scaled_each(pixels)
    note = f"{caption} Sample numbers count from 0; {how}.{small}"
    return Images(id="mistakes", title="Worst mistakes", pictures=pictures, columns=4, caption=note)
