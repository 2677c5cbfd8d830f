"""Explained waveforms: over the clip's spectrogram by all methods, and each method's weights behind the wave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from reportgen.attribution.base import Attribution, Missing, Outcome
from reportgen.attribution.kinds.signal import Clip, heard
from reportgen.attribution.sight import Sight
from reportgen.report import Block, Failure, Signal, Text
from reportgen.sections._by_sample import SAMPLES, heading
from reportgen.sections._sound import made_by, pictures
from reportgen.spectra import RANGE, reduced, spectrum
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

DRAWN = 240  # stretches of a longer wave, each by its lowest and its highest sample


def draw(told: Told) -> list[Block]:
    """What is explained; then sample by sample the maps over its spectrogram and a wave a method."""
    text = (
        f"{told.about} {_rate(told)}\n\nWeights are shown at the samples of the wave: of gradient methods each "
        "sample's own, of the methods that hide slices the slice's weight at each of its samples. Over a spectrogram "
        "a method says when, not at which frequency. Waves of many samples are drawn in stretches: the lowest and the "
        "highest sample of each, and the mean of its weights."
    )
    blocks: list[Block] = [Text(title="Explained clips", text=text)]
    for sight, row in zip(told.sights, told.rows, strict=True):
        blocks += _sample(told, sight, row)
    return blocks


def _rate(told: Told) -> str:
    rate = told.experiment.sample_rate
    if rate:
        return f"The sample rate is {show(rate, 'exact')} Hz."
    return "No sample rate was given, so time is counted in samples."


def _sample(told: Told, sight: Sight, row: tuple[Outcome, ...]) -> list[Block]:
    rate, clip = told.experiment.sample_rate, Clip.of(tuple(sight.subject.values.shape[1:]))
    wave = clip.channels(sight.subject.values)[0].double().mean(dim=0).cpu().numpy()
    mixed = int(np.prod(clip.shape)) // max(clip.shape)
    seen = spectrum(heard(sight.subject.values), rate)
    columns = seen.levels.shape[1]
    maps = [_columns(made.values[None], columns) for made in row if isinstance(made, Attribution)]
    axes = _axes(len(wave), seen.window, rate) + (
        f" The mean of {mixed} channels is shown." if mixed > 1 else ""
    )
    width: Literal["half", "third"] = "third" if len(row) > 2 else "half"
    grid = pictures(told, sight, row, seen.levels, maps, axes)
    return [grid, *(_wave(told, sight, made, clip, wave, width) for made in row)]


def _columns(field: np.ndarray, columns: int) -> np.ndarray:
    """(1, columns) of a field (1, T): means where there are more places, repeated where there are fewer."""
    length = field.shape[1]
    if length < columns:
        field = field[:, np.arange(columns) * length // columns]
    return reduced(field, 1, columns)


def _axes(length: int, window: int, rate: float) -> str:
    across = (
        f"0 to {show(float(f'{length / rate:.4g}'), 's')}" if rate else f"0 to {plural(length, 'sample')}"
    )
    up = f"0 to {show(rate / 2, 'exact')} Hz" if rate else "0 to half the sample rate"
    how = f"Hann windows of {plural(window, 'sample')}, {show(RANGE, 'dB')} from white (loud) to black"
    return f"Time across, {across}; frequency upwards, {up}. Spectrogram: {how}."


def _wave(
    told: Told, sight: Sight, made: Outcome, clip: Clip, wave: np.ndarray, width: Literal["half", "third"]
) -> Block:
    title = f"{sight.subject.name.capitalize()}, {made.method}"
    place = {"group": SAMPLES, "choice": heading(sight)}
    if isinstance(made, Missing):
        return Failure(title=title, width=width, **place, error=made.method, message=made.reason)
    weights = np.repeat(made.values, clip.each)[: len(wave)] if clip.each > 1 else made.values
    rate = told.experiment.sample_rate
    caption = made_by(told, sight, made)
    if clip.each > 1:
        how = "sum" if made.signed else "largest"
        caption += f" Gradients: the {how} over stretches of {plural(clip.each, 'sample')}."
    drawn = Signal.of(wave, rate or 1.0, weights, most=DRAWN, title=title, width=width, **place)
    if drawn.each > 1:
        caption += f" Drawn in stretches of {plural(drawn.each, 'sample')}."
    return drawn.model_copy(update={"caption": caption, "unit": "s" if rate else "samples"})
