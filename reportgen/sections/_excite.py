"""What excites a unit: the real samples in which it is the most active, beside an image made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.experiment import Experiment, Options
from reportgen.features.excite import TOP, Activity, activity, maps_of
from reportgen.features.maco import RATE, STEPS, SpectrumSum
from reportgen.features.synthetic import UNITS, images_for, plan
from reportgen.features.synthetic import Made as Synthesised
from reportgen.features.units import probes, unit_name
from reportgen.hooks import hidden
from reportgen.pixels import shrink, to_pixels, to_pixels_alike
from reportgen.report import Column, Images, Map, Picture, Row, Table
from reportgen.sections._pictures import as_raster, scaled_each
from reportgen.sections._samples import described, label
from reportgen.sections._survey import Made
from reportgen.spread import looked_at
from reportgen.units import show

if TYPE_CHECKING:
    from reportgen.data import Inputs

TIME = 0.18  # of the section's for the pass over the data, where the clock may decide
SIDE = 64  # pixels of a real sample's picture, and of what lies over it
TITLE = "What excites units"
MADE = "those made for units"
STRETCHED = "each stretched from its smallest to its largest value"
ORDER = ("strongest", "2nd", "3rd", "4th")


def excite(experiment: Experiment, options: Options, made: Made) -> None:
    """The strongest real samples of a few units of a few layers; for images, an image made for each beside them."""
    if experiment.samples is None:
        made.notes.append("What excites units needs data; only an example input was given.")
        return
    example = experiment.require_forward()
    wanted = [] if hidden(experiment) else probes(experiment, example, options.layers)
    pictured = _pictured(experiment, example)
    allowed = plan(experiment, UNITS * len(wanted) if pictured else 0)
    spectrum = SpectrumSum()
    seen = (
        activity(
            experiment, wanted, allowed.samples, spectrum if pictured else None, made.deadline.part(TIME)
        )
        if wanted
        else []
    )
    found = [one for one in seen if len(one.values)]
    if not found:
        why = hidden(experiment) or "no layer that could be looked at puts out finite numbers, a row a sample"
        made.notes.append(f"What excites units is not shown: {why}.")
    elif pictured:
        images = images_for(
            experiment, example.take([0]), found, spectrum, allowed, options.seed, made.deadline
        )
        made.blocks += [_images(experiment, options, one, images) for one in found]
    else:
        made.blocks.append(_table(experiment, found))


def _pictured(experiment: Experiment, example: Inputs) -> bool:
    tensor = example.primary
    shape = tuple(tensor.shape) if tensor is not None else ()
    grey_or_colour = len(shape) == 4 and shape[1] in (1, 3) and min(shape[2:]) >= 8
    return experiment.modality == "image" and grey_or_colour


def _looked_at(experiment: Experiment, one: Activity) -> str:
    of = looked_at(experiment, len(one.values) + one.left_out)
    return f"{of}, less {one.left_out:,} with values that are not finite" if one.left_out else of


def _number(value: float) -> str:
    return show(float(f"{float(value):.3g}"))


# --- images ----------------------------------------------------------------------------------------------


def _images(experiment: Experiment, options: Options, one: Activity, images: Synthesised) -> Images:
    units = one.liveliest(UNITS)
    pictures: list[Picture] = []
    hows: list[str] = []
    for unit in units:
        shown, how = _real(experiment, one, unit)
        drawn, how_made = _synthetic(experiment, one, unit, images)
        pictures += [*shown, drawn]
        hows += [how, how_made]
    count = len(one.values)
    titles = (*ORDER[: min(TOP, count)], "made for it")
    return Images(
        title=f"{TITLE}: {one.probe.title}",
        caption=_caption(experiment, options, one, images, [how for how in dict.fromkeys(hows) if how]),
        pictures=tuple(pictures),
        columns=len(titles),
        column_titles=titles,
        row_titles=tuple(unit_name(experiment, one.probe, unit, one.units, bool(one.grid)) for unit in units),
    )


def _caption(
    experiment: Experiment, options: Options, one: Activity, images: Synthesised, hows: list[str]
) -> str:
    what = "the largest value in a unit's map" if one.grid else "a unit's value"
    where = (
        " The colour over a picture is the map's part above zero, on a scale of its own." if one.grid else ""
    )
    text = (
        f"The {len(one.liveliest(UNITS))} of {one.units:,} units whose activation, {what}, differs most from "
        f"sample to sample: the real samples with the largest, of {_looked_at(experiment, one)}.{where}"
    )
    if images.images:
        alike = " (of the first one's size)" if experiment.require_data().alone else ""
        text += (
            " Last, an image made for the unit: it has the mean magnitudes of the samples' Fourier spectra"
            f"{alike}, and only the phases are sought (after MACO, Fel et al. 2023; Adam from noise, rate "
            f"{RATE:g}, seed {options.seed}) until the unit is as active as in the strongest sample, at most {STEPS} "
            "steps. It may look like no sample: what the unit meets in the data, the real ones show."
        )
    return f"{text} Pictures: {'; '.join(hows)}."


def _real(experiment: Experiment, one: Activity, unit: int) -> tuple[list[Picture], str]:
    """The strongest samples of a unit, its map laid over each, and how their values became pixels."""
    rows = one.top(unit)
    batches = [experiment.batch([int(one.samples[row])]) for row in rows]
    images = [batch.inputs.primary for batch in batches]
    pixels, how = to_pixels_alike([image for image in images if image is not None], experiment.normalization)
    fields = (
        [maps_of(experiment, one.probe, batch.inputs, unit)[0] for batch in batches]
        if len(one.grid) == 2
        else None
    )
    pictures = []
    for at, row in enumerate(rows):
        small = shrink(pixels[at], SIDE)
        name, value = label(experiment, batches[at], 0), _number(float(one.values[row, unit]))
        number = f"sample {int(one.samples[row]):,}"
        pictures.append(
            Picture(
                caption=", ".join(part for part in (value, number, name) if part),
                alt=f"{number}, activation {value}",
                raster=as_raster(small),
                map=None if fields is None else _over(fields[at]),
            )
        )
    drawn = scaled_each(pixels, SIDE, "samples").strip().rstrip(".")
    return pictures, "; ".join(part for part in (how, drawn) if part)


def _over(field: np.ndarray) -> Map:
    above = shrink(np.maximum(np.nan_to_num(field, nan=0.0, posinf=0.0, neginf=0.0), 0.0), SIDE)
    return Map.from_array(above, signed=False, limit=float(f"{above.max():.6g}"))


def _synthetic(experiment: Experiment, one: Activity, unit: int, images: Synthesised) -> tuple[Picture, str]:
    import torch

    made = images.images.get((one.probe, unit))
    if made is None:
        return Picture(missing=images.reason), ""
    if not np.isfinite(made.activation):
        return Picture(missing="none: the activation is not finite"), ""
    pixels, how = to_pixels(torch.from_numpy(made.values)[None], experiment.normalization)
    real = one.values[:, unit]
    said = (
        f"{_number(made.activation)}; real: largest {_number(real.max())}, median {_number(np.median(real))}"
    )
    raster = as_raster(shrink(pixels[0], 2 * SIDE))
    return Picture(
        caption=said, alt=f"image made for the unit, activation {said}", raster=raster
    ), f"{MADE}, {STRETCHED if how.startswith('contrast') else how}"


# --- tables, texts, signals ------------------------------------------------------------------------------


def _table(experiment: Experiment, found: list[Activity]) -> Table:
    rows = []
    for one in found:
        sums = _moments(experiment, one) if experiment.modality == "table" else (np.zeros(0), np.zeros(0))
        for unit in one.liveliest(UNITS):
            name = unit_name(experiment, one.probe, unit, one.units, bool(one.grid))
            top = one.top(unit)
            for row in top:
                batch = experiment.batch([int(one.samples[row])])
                cells = (
                    one.probe.title,
                    name,
                    int(one.samples[row]),
                    float(f"{one.values[row, unit]:.4g}"),
                    float(f"{np.median(one.values[:, unit]):.4g}"),
                    label(experiment, batch, 0),
                    described(experiment, batch, 0, *sums),
                )
                rows.append(Row(cells=cells))
    columns = (
        Column(name="Where"),
        Column(name="Unit"),
        Column(name="Sample", unit="exact"),
        Column(name="Activation", unit="exact"),
        Column(name="Median", unit="exact", note="of all samples looked at"),
        Column(name="Target"),
        Column(
            name="The sample",
            note="a table's features furthest from their means, in deviations; a text's tokens",
        ),
    )
    kept = [at for at in range(len(columns)) if at < 5 or any(row.cells[at] for row in rows)]
    return Table(
        title=TITLE,
        caption=f"The {UNITS} units of each layer whose activation differs most from sample to sample, and the "
        f"{TOP} samples in which each is the most active, of {_looked_at(experiment, found[0])}. Where a unit has "
        "several places (tokens, times), its activation is the largest value over them.",
        columns=tuple(columns[at] for at in kept),
        rows=tuple(Row(cells=tuple(row.cells[at] for at in kept)) for row in rows),
    )


def _moments(experiment: Experiment, one: Activity) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of a table's features over the samples looked at."""
    size, parts = 256, []
    for first in range(0, len(one.samples), size):
        primary = experiment.batch(one.samples[first : first + size].tolist()).inputs.primary
        assert primary is not None
        parts.append(primary.cpu().double().numpy())
    values = np.concatenate(parts)
    return values.mean(axis=0), values.std(axis=0)
