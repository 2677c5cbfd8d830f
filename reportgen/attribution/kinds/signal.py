"""Waveforms (n, T), (n, C, T) or (n, T, C): hidden in slices of time, by silence or by faint noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Baseline, Parts, Sight
from reportgen.experiment import Experiment
from reportgen.units import plural, show

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs

SLICES = 40
LONGEST = 24_000  # samples with a number each; of more, stretches have one
STRETCHES = 6000  # of a long clip, at the most
NOISE = 0.1  # of the clip's root mean square, which is 20 dB below it


@dataclass(frozen=True)
class Clip:
    """How the values of a sight, (n, ...) of `shape` (without n), lie in time.

    `time` is the axis of `shape` that is time; of long clips `each` samples are one stretch. The sight's values
    are (n, *shape) where `each` is 1, and (n, channels * each, stretches) of the clip, filled up with zeros, else.
    """

    shape: tuple[int, ...]
    each: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Clip:
        """Of samples of this shape: (T,), (C, T) or (T, C)."""
        length = max(shape)
        return cls(shape, 1 if length <= LONGEST else -(-length // STRETCHES))

    @property
    def time(self) -> int:
        """Time is the longer axis, the last one where both are equal."""
        return 0 if len(self.shape) == 1 or self.shape[0] > self.shape[1] else 1

    @property
    def folded(self) -> int | None:
        """The axis of the sight's values that an attribution is summed over."""
        if self.each > 1:
            return 0
        return None if len(self.shape) == 1 else 1 - self.time

    def split(self, waves: torch.Tensor) -> torch.Tensor:
        """The sight's values of `waves` (n, *shape)."""
        import torch

        if self.each == 1:
            return waves
        flat = self.channels(waves)
        filled = torch.nn.functional.pad(flat, (0, -flat.shape[-1] % self.each))
        return filled.unflatten(-1, (-1, self.each)).transpose(2, 3).flatten(1, 2).contiguous()

    def join(self, values: torch.Tensor) -> torch.Tensor:
        """`waves` of the sight's values again; gradients flow."""
        if self.each == 1:
            return values
        flat = values.unflatten(1, (-1, self.each)).transpose(2, 3).flatten(2)[..., : max(self.shape)]
        if len(self.shape) == 1:
            return flat[:, 0]
        return flat if self.time == 1 else flat.transpose(1, 2)

    def channels(self, waves: torch.Tensor) -> torch.Tensor:
        """(n, C, T) of `waves` (n, *shape)."""
        if len(self.shape) == 1:
            return waves.unsqueeze(1)
        return waves if self.time == 1 else waves.transpose(1, 2)

    def __call__(self, experiment: Experiment, inputs: Inputs, values: torch.Tensor) -> torch.Tensor:
        """The outputs for the sight's values (n, ...), as a Score asks for them. Raises InputError."""
        return experiment.scores(inputs.with_primary(self.join(values)))


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Clips; the baseline is silence, the other one noise 20 dB below the clip."""
    made = []
    for subject in subjects:
        wave = subject.values
        clip = Clip.of(tuple(wave.shape[1:]))
        score = Score(experiment, subject.inputs, subject.target)
        if clip.each > 1:
            score = Score(experiment, subject.inputs, subject.target, clip)
        made.append(
            Sight(
                subject=subject,
                score=score,
                values=clip.split(wave),
                folded=clip.folded,
                baseline=Baseline(clip.split(silence(wave)), "silence (zeros)"),
                other=Baseline(clip.split(noise(wave, subject.number)), "noise 20 dB below the clip"),
                parts=slices(max(clip.shape), clip.each, experiment.sample_rate),
            )
        )
    return made


def heard(waves: torch.Tensor) -> np.ndarray:
    """Samples (T,) of a clip (1, ...) about silence, float64: the mean of its channels, as one microphone hears it."""
    values = waves.detach().cpu()
    apart = Clip.of(tuple(values.shape[1:])).channels(values.double() - silence(values).double())[0]
    return np.asarray(apart.mean(dim=0).numpy())


def silence(wave: torch.Tensor) -> torch.Tensor:
    """Zeros; of unsigned 8-bit sound its middle, 128."""
    import torch

    return torch.full_like(wave, 128 if wave.dtype == torch.uint8 else 0)


def noise(wave: torch.Tensor, number: int) -> torch.Tensor:
    """Normal noise like `wave` (1, ...) at a tenth of its root mean square, the same for a sample's number."""
    import torch

    zero = silence(wave)
    level = NOISE * float((wave.double() - zero.double()).square().mean().sqrt())
    drawn = level * np.random.default_rng([number]).standard_normal(tuple(wave.shape)) + zero.cpu().numpy()
    values = torch.from_numpy(drawn)
    return (values if wave.is_floating_point() else values.round()).to(wave)


def slices(length: int, each: int, rate: float) -> Parts:
    """Up to 40 equal slices of `length` samples, a number for each stretch of `each` of them."""
    places = -(-length // each)
    count = min(SLICES, places)
    lasts = length / count
    said = show(float(f"{lasts / rate:.3g}"), "s") if rate else plural(round(lasts), "sample")
    return Parts(np.arange(places) * count // places, f"{count} slices of {said}")
