"""Short-time spectra of sound, as a picture of time and frequency."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

RANGE = 80.0  # dB below the loudest place, under which all is silence
WINDOW = 0.025  # s: long enough for the harmonics of a voice, short enough for its consonants
SAMPLES = 256  # of a window where the sample rate is unknown


@dataclass(frozen=True)
class Spectrum:
    """Levels (bands, columns) in dB about the loudest, -80 to 0, the lowest frequency first.

    Columns are equal stretches of the clip, each the mean power of its windows; bands are equal stretches from
    0 to half the sample rate. `window` and `hop` are in samples; `times` (samples) and `frequencies` (cycles a sample)
    are the middles of columns and bands.
    """

    levels: np.ndarray
    window: int
    hop: int
    times: np.ndarray
    frequencies: np.ndarray


def spectrum(wave: np.ndarray, rate: float = 0.0, *, bands: int = 64, columns: int = 160) -> Spectrum:
    """The spectrum of samples (T,), at most `bands` by `columns`.

    Power of the Fourier transform under a Hann window of about 25 ms (256 samples where `rate` is 0), each
    window a quarter of one after the one before; outside the clip are zeros.
    """
    wanted = WINDOW * rate if rate else SAMPLES
    window = int(2 ** np.clip(round(np.log2(max(wanted, 1.0))), 5, 14))
    hop = window // 4
    padded = np.pad(np.nan_to_num(np.asarray(wave, np.float64)), ((window - hop) // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: max(len(wave), 1) : hop]
    taper = np.hanning(window + 1)[:-1]
    columns = min(columns, len(frames))
    places = np.arange(columns + 1) * len(frames) // columns
    # A column at a time, so that an hour takes no more memory than a second.
    power = np.stack(
        [
            (np.abs(np.fft.rfft(frames[start:stop] * taper, axis=1)) ** 2).mean(axis=0)
            for start, stop in pairwise(places)
        ],
        axis=1,
    )
    power = reduced(power, bands, columns)
    frequencies = reduced(np.fft.rfftfreq(window)[:, None], bands, 1)[:, 0]
    times = (places[:-1] + places[1:]) * (hop / 2)
    return Spectrum(decibels(power), window, hop, times, frequencies)


def decibels(power: np.ndarray) -> np.ndarray:
    """Power in dB about the largest of all, -80 at the least and where all is silence."""
    top = float(power.max())
    if top == 0:
        return np.full(power.shape, -RANGE)
    return 10 * np.log10(np.maximum(power / top, 10 ** (-RANGE / 10)))


def reduced(field: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Means of (H, W) over equal stretches of each axis, at most `rows` by `columns` of them."""
    made = np.asarray(field, np.float64)
    for axis, most in enumerate((rows, columns)):
        length = made.shape[axis]
        if length > most:
            edges = np.arange(most + 1) * length // most
            sizes = np.diff(edges).reshape([-1 if at == axis else 1 for at in range(2)])
            made = np.add.reduceat(made, edges[:-1], axis=axis) / sizes
    return made


def grey(field: np.ndarray) -> np.ndarray:
    """uint8 pixels (H, W) of a field (bands, columns), the highest band on top, from its lowest to its highest."""
    low, high = float(field.min()), float(field.max())
    pixels = np.rint((field - low) / (high - low or 1.0) * 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[::-1])
