"""What the first convolution over a signal lets through: its kernels as frequency responses, and spectrograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.errors import InputError
from reportgen.features.filters import first_layer
from reportgen.hooks import hidden

if TYPE_CHECKING:
    from reportgen.experiment import Experiment

PADDED = 512  # taps that kernels are filled up to with zeros, at least
FLOOR = -60.0  # dB
WINDOW = 0.025  # seconds, where the sample rate is known
ROWS, COLUMNS = 64, 96  # cells of a drawn spectrogram, at most


@dataclass(frozen=True)
class Responses:
    """Frequency responses of a Conv1d, by centre frequency.

    `decibels` (kernels, frequencies): power over its largest, FLOOR at the least. `frequencies` and `centres`
    (kernels,) are in cycles a sample, 0 to 0.5; `kernels`: which kernel each row is.
    """

    name: str
    kernels: np.ndarray
    centres: np.ndarray
    frequencies: np.ndarray
    decibels: np.ndarray
    taps: int
    padded: int
    channels: int


def responses(experiment: Experiment) -> Responses | None:
    """The first layer's responses, where that is an nn.Conv1d. Raises InputError for weights that are not finite.

    Power |rfft|^2 of each kernel filled up with zeros (and with the gaps of its dilation), summed over its input
    channels. The centre of a kernel is its mean frequency, weighted by power.
    """
    from torch import nn

    from reportgen.dense import dense

    found = None if hidden(experiment) else first_layer(experiment)
    if found is None or not isinstance(found[1], nn.Conv1d) or found[1].weight.is_meta:
        return None
    name, layer = found
    weights = dense(layer.weight).cpu().double().numpy()
    if not np.isfinite(weights).all():
        raise InputError(
            f"weights of {name} are not finite", "load a checkpoint from before training diverged"
        )
    apart = np.zeros((*weights.shape[:2], (weights.shape[2] - 1) * layer.dilation[0] + 1))
    apart[:, :, :: layer.dilation[0]] = weights
    padded = max(PADDED, 1 << (apart.shape[2] - 1).bit_length())
    power = (np.abs(np.fft.rfft(apart, padded)) ** 2).sum(axis=1)
    frequencies = np.fft.rfftfreq(padded)
    centres = power @ frequencies / np.maximum(power.sum(axis=1), 1e-300)
    order = np.argsort(centres.round(9), kind="stable")
    ratio = power / max(float(power.max()), 1e-300)
    decibels = np.maximum(10 * np.log10(np.maximum(ratio, 1e-300)), FLOOR)
    shape = weights.shape
    return Responses(name, order, centres[order], frequencies, decibels[order], shape[2], padded, shape[1])


@dataclass(frozen=True)
class Spectrogram:
    """Power of a signal over time and frequency in dB under its largest: (frequencies, times), FLOOR at the least.

    `times` (samples) and `frequencies` (cycles a sample) are the middles of the cells. `window` and `hop` in samples.
    """

    decibels: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray
    window: int
    hop: int


def spectrogram(signal: np.ndarray, rate: float = 0.0) -> Spectrogram | None:
    """Of a signal (n,) of `rate` samples a second (0: unknown), by short Fourier transforms under a Hann window.

    The window is the power of two nearest to 25 ms, or to a sixteenth of the signal where no rate is known, 16 to 1,024
    samples; it moves by a quarter. Cells are means of power over blocks, ROWS by COLUMNS at most. None for a signal
    shorter than 32 samples or with values that are not finite.
    """
    import torch

    if len(signal) < 32 or not np.isfinite(signal).all():
        return None
    wanted = rate * WINDOW if rate > 0 else len(signal) / 16
    window = int(2 ** np.clip(np.round(np.log2(max(wanted, 1))), 4, 10))
    window = min(window, 1 << (len(signal).bit_length() - 2))
    hop = window // 4
    given = torch.from_numpy(np.asarray(signal, np.float64))
    hann = torch.hann_window(window, dtype=torch.float64)
    power = (
        torch.stft(given, window, hop, window=hann, center=False, return_complex=True).abs().square().numpy()
    )
    down, across = -(-power.shape[0] // ROWS), -(-power.shape[1] // COLUMNS)
    small = _blocks(_blocks(power, down).T, across).T
    top = float(small.max())
    ratio = small / top if top > 0 else small
    decibels = np.maximum(10 * np.log10(np.maximum(ratio, 1e-300)), FLOOR)
    frequencies = _blocks(np.fft.rfftfreq(window)[:, None], down)[:, 0]
    times = _blocks((np.arange(power.shape[1]) * hop + window / 2)[:, None], across)[:, 0]
    return Spectrogram(decibels, times, frequencies, window, hop)


def _blocks(values: np.ndarray, size: int) -> np.ndarray:
    """Means over blocks of `size` rows, the last of what is left."""
    starts = np.arange(0, len(values), size)
    sums = np.add.reduceat(values, starts, axis=0)
    lengths = np.diff([*starts, len(values)])
    return sums / lengths[:, None]
