"""Images made for the liveliest units of several layers, as many as a model's cost allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.deadline import ENDED, NEVER, Deadline
from reportgen.errors import one_line
from reportgen.features.excite import Activity
from reportgen.features.maco import STEPS, SpectrumSum, Synthetic, synthesise
from reportgen.features.units import Probe
from reportgen.spread import LIMIT, affordable, passes
from reportgen.units import plural

if TYPE_CHECKING:
    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

UNITS = 3  # a layer
STARTS = 2  # images begun for a unit, where the model is cheap


@dataclass(frozen=True)
class Plan:
    """How many samples are looked at, for how many units an image is made, and from how many beginnings."""

    samples: int
    units: int
    starts: int


@dataclass(frozen=True)
class Made:
    """The images, by probe and unit, and why there is none for the others."""

    images: Mapping[tuple[Probe, int], Synthetic]
    reason: str = ""


def plan(experiment: Experiment, wanted: int) -> Plan:
    """What the budget of operations allows; images are left out before samples are. Raises InputError."""
    if not experiment.operations:
        return Plan(LIMIT, wanted, 1)
    samples = affordable(experiment)
    # A backward pass costs about two forward ones.
    images = max(0, int((passes(experiment) - samples) / (3 * STEPS)))
    return Plan(samples, min(wanted, images), STARTS if images >= STARTS * wanted else 1)


def images_for(
    experiment: Experiment,
    example: Inputs,
    found: Sequence[Activity],
    spectrum: SpectrumSum,
    allowed: Plan,
    seed: int,
    deadline: Deadline = NEVER,
) -> Made:
    """The images that plan and clock allow: of each layer one unit, from the output down, then the second of each."""
    primary = example.primary
    if primary is None or not primary.is_floating_point():
        kind = str(primary.dtype).removeprefix("torch.") if primary is not None else "no tensor"
        return Made({}, f"none: the input is {kind}, which has no gradient")
    model = experiment.model
    if model is not None and any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers())):
        return Made({}, "none: the model was made in inference mode, where no gradient can be taken")
    if not spectrum.count:
        return Made({}, "none: no sample looked at holds finite values alone")
    ranks = [
        (rank, -at, unit) for at, one in enumerate(found) for rank, unit in enumerate(one.liveliest(UNITS))
    ]
    chosen = sorted(ranks)[: allowed.units]
    images: dict[tuple[Probe, int], Synthetic] = {}
    for at, one in enumerate(found):
        if not deadline.allows(at):
            return Made(images, f"left out: {ENDED}")
        units = [unit for _, place, unit in chosen if place == -at]
        try:
            images |= _of(experiment, example, one, units, spectrum, allowed.starts, [seed, at])
        except Exception as error:  # noqa: BLE001 - any model may refuse a gradient in its own way
            return Made(images, f"none: {one_line(error, 120)}")
    said = f"left out: the model's cost allows {len(chosen)} of {plural(len(ranks), 'image')}"
    return Made(images, said)


def _of(
    experiment: Experiment,
    example: Inputs,
    one: Activity,
    units: Sequence[int],
    spectrum: SpectrumSum,
    starts: int,
    seed: list[int],
) -> dict[tuple[Probe, int], Synthetic]:
    """The images of one layer's units: of a unit's beginnings the one in which it is the most active."""
    rows = [(unit, start) for unit in units for start in range(starts)]
    best: dict[tuple[Probe, int], Synthetic] = {}
    for first in range(0, len(rows), experiment.batch_size):
        part = rows[first : first + experiment.batch_size]
        tops = [float(one.values[:, unit].max()) for unit, _ in part]
        seeds = [[*seed, unit, start] for unit, start in part]
        made = synthesise(experiment, example, one.probe, [unit for unit, _ in part], tops, spectrum, seeds)
        for (unit, _), image in zip(part, made, strict=True):
            known = best.get((one.probe, unit))
            if known is None or image.activation > known.activation:
                best[one.probe, unit] = image
    return best
