"""Explained spectrograms: for each sample what it shows, and where each method sees what counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Outcome
from reportgen.attribution.sight import Sight
from reportgen.report import Block, Text
from reportgen.sections._sound import made_by, pictures
from reportgen.spectra import reduced
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

BANDS, COLUMNS = 96, 160  # drawn at the most


def draw(told: Told) -> list[Block]:
    """What is explained; then a grid a sample."""
    blocks: list[Block] = [Text(title="Explained spectrograms", text=told.about)]
    return blocks + [_sample(told, sight, row) for sight, row in zip(told.sights, told.rows, strict=True)]


def _sample(told: Told, sight: Sight, row: tuple[Outcome, ...]) -> Block:
    made = [outcome for outcome in row if isinstance(outcome, Attribution)]
    levels = sight.subject.values.double().reshape(-1, *sight.shape).mean(dim=0).cpu().numpy()
    maps = [reduced(outcome.values, BANDS, COLUMNS) for outcome in made]
    channels = sight.values[0].numel() // int(np.prod(sight.shape))
    said = [axes(sight.shape, told.experiment.sample_rate)]
    if channels > 1:
        said.append(f"The mean of {channels} channels is shown.")
    shown = reduced(levels, BANDS, COLUMNS)
    if shown.shape != sight.shape:
        said.append(f"Drawn at {shown.shape[0]} × {shown.shape[1]} (means).")
    said += [made_by(told, sight, outcome) for outcome in made]
    return pictures(told, sight, row, shown, maps, " ".join(said))


def axes(shape: tuple[int, ...], rate: float) -> str:
    """What the sides of a spectrogram (F, T) are, as far as it is known.

    Where F is 2^k + 1, as the Fourier transform of 2^(k + 1) samples gives, band i is i * rate / 2^(k + 1) Hz. A
    sample rate does not say how far apart frames are.
    """
    height, width = shape
    linear = height >= 17 and (height - 1) & (height - 2) == 0
    up = f"{plural(height, 'band')}, the first at the bottom"
    if linear and rate:
        top = show(rate / 2, "exact")
        up = f"{height} bands, taken for those of a Fourier transform of {2 * (height - 1):,} samples: 0 to {top} Hz"
    across = f"Time across, {plural(width, 'frame')}"
    return f"{across}; frequency upwards, {up}. White is the highest level, black the lowest."
