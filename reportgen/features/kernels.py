"""What the first convolution over a signal lets through: its kernels as frequency responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.errors import InputError
from reportgen.features.filters import first_layer
from reportgen.hooks import hidden
from reportgen.spectra import decibels

if TYPE_CHECKING:
    from reportgen.experiment import Experiment

PADDED = 512  # taps that kernels are filled up to with zeros, at least


@dataclass(frozen=True)
class Responses:
    """Frequency responses of a Conv1d, by centre frequency.

    `decibels` (kernels, frequencies): power over its largest, -80 at the least. `frequencies` and `centres`
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
    levels, shape = decibels(power), weights.shape
    return Responses(name, order, centres[order], frequencies, levels[order], shape[2], padded, shape[1])
