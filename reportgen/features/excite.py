"""Which real samples excite a unit most: one pass, in which each sample leaves one number a unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.deadline import NEVER, Deadline
from reportgen.features.maco import SpectrumSum
from reportgen.features.units import Probe, read
from reportgen.spread import LIMIT, spread

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

TOP = 4  # samples shown a unit
WIDEST = 4096  # units of a layer that are looked at


@dataclass
class Activity:
    """How active the units of one probe are: the largest value of each unit over its places, a sample.

    `values` float64 (n, units) and `spots` (n, units): where in its map, of size `grid`, that value lies.
    `samples` (n,) are the samples' numbers. `units` is how many there are, `values` holds WIDEST of them at most.
    `left_out` counts samples with a value that is not finite.
    """

    probe: Probe
    grid: tuple[int, ...]
    units: int
    left_out: int = 0
    values: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    spots: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, tensor: torch.Tensor, indices: Sequence[int]) -> None:
        """Count in values (n, units, ...) of the samples of these numbers; others than before are passed over."""
        if tensor.shape[1] != self.units:
            return
        values, spots = (
            tensor.detach()[:, :WIDEST].flatten(2).max(dim=2)
            if tensor.ndim > 2
            else (tensor.detach()[:, :WIDEST], None)
        )
        numbers = values.double().cpu().numpy()
        places = np.zeros(numbers.shape, np.int64) if spots is None else spots.cpu().numpy()
        good = np.isfinite(numbers).all(axis=1)
        self.left_out += int((~good).sum())
        for name, rows in (("values", numbers), ("spots", places), ("samples", np.asarray(indices))):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, rows[good]]) if len(old) else rows[good])

    def liveliest(self, count: int) -> list[int]:
        """The units whose values differ most from sample to sample, those that are ever above zero first."""
        if len(self.values) < 1:
            return []
        awake = self.values.max(axis=0) > 0
        spread_ = _rounded(self.values.var(axis=0))
        return np.lexsort((np.arange(len(awake)), -spread_, ~awake))[:count].tolist()

    def top(self, unit: int, count: int = TOP) -> list[int]:
        """The rows of the samples in which this unit is the most active, the most active first."""
        return np.argsort(-_rounded(self.values[:, unit]), kind="stable")[:count].tolist()


def _rounded(values: np.ndarray) -> np.ndarray:
    """Six digits of the largest: samples that are equal but for the last bits keep their order."""
    top = float(np.abs(values).max(initial=0.0))
    return values.round(int(5 - np.floor(np.log10(top)))) if top > 0 else values


def activity(
    experiment: Experiment,
    wanted: Sequence[Probe],
    limit: int = LIMIT,
    spectrum: SpectrumSum | None = None,
    deadline: Deadline = NEVER,
) -> list[Activity]:
    """The probes' units on up to `limit` samples, evenly from the data, in one pass. Raises InputError.

    A probe that puts out nothing with a row a sample is left out. `spectrum` is given each batch of inputs.
    """
    import torch

    found: dict[Probe, Activity] = {}
    for batch in spread(experiment, limit, deadline=deadline):
        now: dict[Probe, torch.Tensor] = {}

        def keep(probe: Probe, tensor: Any, now: dict[Probe, torch.Tensor] = now) -> None:
            # A copy: an activation that follows may write over it.
            now[probe] = tensor.detach().clone()

        with torch.no_grad():
            read(experiment, batch.inputs, wanted, keep)
        for probe, tensor in now.items():
            new = Activity(probe, tuple(tensor.shape[2:]), tensor.shape[1])
            found.setdefault(probe, new).add(tensor, batch.indices)
        if spectrum is not None and batch.inputs.primary is not None:
            spectrum.add(batch.inputs.primary)
    return [found[probe] for probe in wanted if probe in found]


def maps_of(experiment: Experiment, probe: Probe, inputs: Inputs, unit: int) -> np.ndarray:
    """One unit's maps (n, height, width) on these samples, a sample at a time. Raises InputError."""
    import torch

    fields: list[np.ndarray] = []

    def keep(probe: Probe, tensor: torch.Tensor) -> None:
        now.append(tensor[0, unit].detach().double().cpu().numpy())

    for row in range(inputs.size):
        now: list[np.ndarray] = []
        with torch.no_grad():
            read(experiment, inputs.take([row]), [probe], keep)
        fields.append(now[-1])
    return np.stack(fields)
