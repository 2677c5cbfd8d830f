"""An image that excites a unit, with the spectrum of the data: only the phases are sought.

Fel et al. 2023, Unlocking Feature Visualization for Deeper Networks with MAgnitude Constrained Optimization.
Unlike there, the search ends where the unit is as active as in the strongest real sample: beyond it, activations
grow to several times what any sample reaches, in images that look like no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.features.units import Probe, read

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

STEPS = 64
RATE = 0.05  # of Adam, in radians
HALVINGS = 5  # with which the last step is cut to where the unit is as active as in the strongest sample


class SpectrumSum:
    """Adds up the magnitudes of the Fourier transforms of images; those of another size than the first are left out."""

    def __init__(self) -> None:
        self.count = 0
        self._magnitude: Any = None
        self._mean: Any = None

    def add(self, images: torch.Tensor) -> None:
        """Count in images (n, channels, height, width); those with values that are not finite are left out."""
        import torch

        values = images.detach().double().cpu()
        values = values[values.isfinite().flatten(1).all(dim=1)]
        if not len(values) or (self._magnitude is not None and values.shape[1:] != self._magnitude.shape):
            return
        magnitude = torch.fft.fft2(values).abs().sum(dim=0)
        mean = values.mean(dim=(2, 3)).sum(dim=0)
        first = self._magnitude is None
        self._magnitude = magnitude if first else self._magnitude + magnitude
        self._mean = mean if first else self._mean + mean
        self.count += len(values)

    @property
    def magnitude(self) -> torch.Tensor:
        """The mean magnitude, float64 (channels, height, width). Raises ValueError before the first image."""
        if not self.count:
            raise ValueError("no image was counted in")
        return self._magnitude / self.count

    @property
    def dark(self) -> torch.Tensor:
        """Which channels have a mean below zero."""
        return self._mean < 0


@dataclass(frozen=True)
class Synthetic:
    """An image (channels, height, width) as the model takes it, the unit's activation on it, the steps it took."""

    values: np.ndarray
    activation: float
    steps: int


def image(magnitude: torch.Tensor, start: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """Real images (n, channels, height, width) of this magnitude.

    `start` are the phases of a real image. `moved` is any field: what is added to the phase of a frequency is
    taken from that of its opposite, so that the image stays real and the magnitude is kept exactly.
    """
    import torch

    opposite = torch.roll(torch.flip(moved, (-2, -1)), (1, 1), (-2, -1))
    phases = start + moved - opposite
    return torch.fft.ifft2(torch.polar(magnitude.expand_as(phases), phases)).real


def first_phases(spectrum: SpectrumSum, seeds: Sequence[Sequence[int]]) -> torch.Tensor:
    """Phases (n, channels, height, width) of white noise, the same in all channels; the mean's sign is the data's."""
    import torch

    magnitude = spectrum.magnitude
    noise = np.stack(
        [np.random.default_rng(list(seed)).standard_normal(magnitude.shape[1:]) for seed in seeds]
    )
    phases = torch.fft.fft2(torch.from_numpy(noise)).angle()[:, None].repeat(1, len(magnitude), 1, 1)
    phases[..., 0, 0] = torch.where(spectrum.dark, torch.pi, 0.0).double()
    return phases


def synthesise(
    experiment: Experiment,
    example: Inputs,
    probe: Probe,
    units: Sequence[int],
    limits: Sequence[float],
    spectrum: SpectrumSum,
    seeds: Sequence[Sequence[int]],
) -> list[Synthetic]:
    """One image a unit of `probe`, each from its own seed, all in one batch.

    Sought is a large value at the middle of the unit's map. The search ends after STEPS, or where the largest value
    of the map reaches the unit's limit. `example` is one sample, whose other inputs are held. Every second step
    is seen through a shift by up to a sixteenth of the sides. Raises InputError and RuntimeError.
    """
    import torch

    search = _Search(experiment, example, probe, units, spectrum.magnitude, first_phases(spectrum, seeds))
    top = torch.tensor(limits, dtype=torch.float64)
    before, after, steps = search.climb(top, np.random.default_rng([*seeds[0], len(units)]))
    with torch.no_grad():
        low, high = torch.zeros(len(units)).double(), torch.ones(len(units)).double()
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            reached = search.largest(before + _wide(middle) * (after - before)) >= top
            low, high = low.where(reached, middle), middle.where(reached, high)
        chosen = before + _wide(low) * (after - before)
        values, activations = search.image(chosen).numpy(), search.largest(chosen).tolist()
    return [Synthetic(*one) for one in zip(values, activations, steps, strict=True)]


def _wide(numbers: torch.Tensor) -> torch.Tensor:
    return numbers[:, None, None, None]


@dataclass
class _Search:
    """What stays the same while the phases of a batch of images are sought."""

    experiment: Experiment
    example: Inputs
    probe: Probe
    units: Sequence[int]
    magnitude: torch.Tensor
    start: torch.Tensor

    def image(self, moved: torch.Tensor) -> torch.Tensor:
        return image(self.magnitude, self.start, moved)

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """The values of each image's own unit, (n, ...). Gradients flow."""
        import torch

        found: list[torch.Tensor] = []

        def keep(probe: Probe, tensor: torch.Tensor) -> None:
            found[:] = [tensor[torch.arange(len(images)), list(self.units)]]

        primary = self.example.primary
        assert primary is not None
        given = self.example.with_primary(images.to(primary))
        read(self.experiment, given, [self.probe], keep)
        return found[0]

    def largest(self, moved: torch.Tensor) -> torch.Tensor:
        return self.maps(self.image(moved)).detach().reshape(len(self.units), -1).amax(dim=1).double().cpu()

    def climb(
        self, limits: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        """Phases before and after each unit's limit is passed, equal (the best) where it is not; and the steps."""
        import torch

        moved = torch.zeros_like(self.start).requires_grad_()
        adam = torch.optim.Adam([moved], lr=RATE)
        before, after = torch.zeros_like(self.start), torch.zeros_like(self.start)
        best, last = torch.full_like(limits, -torch.inf), torch.zeros_like(self.start)
        open_, steps = torch.ones_like(limits, dtype=torch.bool), [STEPS] * len(limits)
        for step in range(STEPS):
            shown = self.image(moved)
            if step % 2:
                sides = [max(1, side // 16) for side in shown.shape[-2:]]
                shown = torch.roll(shown, tuple(int(rng.integers(-s, s + 1)) for s in sides), (-2, -1))
            maps = self.maps(shown)
            if step % 2 == 0:
                now, here = (
                    maps.detach().reshape(len(self.units), -1).amax(dim=1).double().cpu(),
                    moved.detach().clone(),
                )
                passed, better = open_ & (now >= limits), open_ & (now > best)
                before = torch.where(_wide(passed), last, torch.where(_wide(better), here, before))
                after = torch.where(_wide(better), here, after)
                best, last = torch.where(better, now, best), here
                for unit in passed.nonzero().flatten().tolist():
                    open_[unit], steps[unit] = False, step
                if not bool(open_.any()):
                    break
            (moved.grad,) = torch.autograd.grad(-_middle(maps).sum(), moved)
            adam.step()
        return before, after, steps


def _middle(maps: torch.Tensor) -> torch.Tensor:
    """The value at the middle of each map (n, ...)."""
    for size in maps.shape[1:]:
        maps = maps[:, size // 2]
    return maps
