"""Signals: what the first kernels let through, and spectrograms of a few clips."""

from __future__ import annotations

import numpy as np

from reportgen.attribution.kinds.signal import heard
from reportgen.experiment import Experiment, Options
from reportgen.features.kernels import Responses, responses
from reportgen.report import Heatmap
from reportgen.sections._samples import label
from reportgen.sections._survey import Made
from reportgen.spectra import RANGE, Spectrum, spectrum
from reportgen.units import plural, show

CLIPS = 3
SHORTEST = 32  # samples of a clip that is drawn
KERNELS = 64  # drawn
BINS = 128  # frequencies drawn of a response, at most


def signals(experiment: Experiment, options: Options, made: Made) -> None:
    """Frequency responses of a first Conv1d, and a spectrogram a clip where the data are signals."""
    found = responses(experiment)
    if found is not None:
        made.blocks.append(_responses(experiment, found))
        made.said.append(
            f"the kernels of {found.name} are centred between {_frequency(experiment, float(found.centres[0]))} "
            f"and {_frequency(experiment, float(found.centres[-1]))}"
        )
    if experiment.modality == "signal":
        _clips(experiment, made)


def _rate(experiment: Experiment) -> float:
    return float(experiment.sample_rate)


def _frequency(experiment: Experiment, cycles: float) -> str:
    """`440 Hz` where a sample rate is known, else `0.25 cycles a sample`."""
    rate = _rate(experiment)
    return show(float(f"{cycles * (rate or 1):.3g}"), "Hz" if rate else "cycles a sample")


def _ticks(experiment: Experiment, frequencies: np.ndarray) -> tuple[str, ...]:
    rate = _rate(experiment)
    return tuple(show(float(f"{value * (rate or 1):.3g}")) for value in frequencies)


def _axis(experiment: Experiment) -> str:
    return "frequency (Hz)" if _rate(experiment) else "frequency (cycles a sample)"


def _rows(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(value), 1) + 0.0 for value in row) for row in values)


def _responses(experiment: Experiment, found: Responses) -> Heatmap:
    strongest = np.sort(np.argsort(-found.decibels.max(axis=1).round(6), kind="stable")[:KERNELS])
    every = max(1, (len(found.frequencies) - 1) // BINS)
    shown = found.decibels[strongest][:, ::every]
    count = len(found.kernels)
    over = "" if found.channels == 1 else f", power summed over {found.channels} input channels"
    which = "All" if count <= KERNELS else f"The {KERNELS} strongest of"
    return Heatmap(
        title=f"Frequency responses: {found.name}",
        caption=f"{which} {plural(count, 'kernel')} of {found.taps} taps{over}, sorted by centre frequency (mean "
        f"weighted by power). |rfft| of the kernels filled up with zeros to {found.padded}, in dB under the largest; "
        f"{show(-RANGE, 'dB')} and less alike.",
        row_labels=tuple(str(found.kernels[at]) for at in strongest),
        column_labels=_ticks(experiment, found.frequencies[::every]),
        values=_rows(shown),
        row_title="kernel",
        column_title=_axis(experiment),
        unit="dB",
    )


def _clips(experiment: Experiment, made: Made) -> None:
    samples = experiment.samples
    if samples is None:
        found = [("example", "", experiment.require_forward().take([0]))]
    else:
        total = samples.total
        count = CLIPS if total is None else min(CLIPS, total)
        places = list(range(1)) if total is None else [i * total // count for i in range(count)]
        batches = [experiment.batch([place]) for place in places]
        found = [
            (f"sample {place:,}", label(experiment, batch, 0), batch.inputs)
            for place, batch in zip(places, batches, strict=True)
        ]
    for of, name, inputs in found:
        primary = inputs.primary
        if primary is None or primary.ndim not in (2, 3) or primary.is_complex():
            given = inputs.take([0]).describe()
            made.notes.append(
                f"There are no spectrograms: the input is {given}, expected waveforms (n, T), (n, C, T) or (n, T, C)."
            )
            return
        wave = heard(primary)
        if len(wave) < SHORTEST or not np.isfinite(wave).all():
            made.notes.append(
                f"There is no spectrogram of {of}: it is shorter than {SHORTEST} samples, or not finite."
            )
            continue
        named = f"{of}, {name}" if name else of
        made.blocks.append(
            _spectrogram(
                experiment, spectrum(wave, _rate(experiment)), named, primary[0].numel() // len(wave)
            )
        )


def _spectrogram(experiment: Experiment, found: Spectrum, of: str, channels: int) -> Heatmap:
    rate = _rate(experiment)
    over = "" if channels == 1 else f" of the mean of {channels} channels"
    length = f"{found.window} samples" + (
        f" ({show(float(f'{found.window / rate:.3g}'), 's')})" if rate else ""
    )
    times = found.times / (rate or 1)
    return Heatmap(
        title=f"Spectrogram, {of}",
        caption=f"Power{over} by short Fourier transforms: Hann window of {length}, hop {found.hop}; in dB under the "
        f"clip's loudest place, {show(-RANGE, 'dB')} and less alike; means over equal stretches of time and frequency.",
        row_labels=_ticks(experiment, found.frequencies[::-1]),
        column_labels=tuple(show(float(f"{time:.3g}")) for time in times),
        values=_rows(found.levels[::-1]),
        row_title=_axis(experiment),
        column_title="time (s)" if rate else "time (samples)",
        unit="dB",
    )
