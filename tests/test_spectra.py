"""The spectrum as scipy has it, where a tone lies, and what is shown of silence and of long clips."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from reportgen.spectra import grey, reduced, spectrum

RNG = np.random.default_rng(0)


def test_levels_are_those_of_scipy():
    wave = RNG.standard_normal(4000)
    made = spectrum(wave, 8000, bands=999, columns=999)
    assert made.window == 256
    hop = 64
    # Frame i is centred on the middle of its hop, as the padding by hand makes it here.
    padded = np.pad(wave, ((256 - hop) // 2, 256))
    power = ShortTimeFFT(hann(256, sym=False), hop, 8000).spectrogram(padded, p0=2, p1=2 + 63)
    level = 10 * np.log10(power / power.max())
    assert made.levels == pytest.approx(np.maximum(level, -80), abs=1e-6)


def test_a_tone_is_bright_where_and_when_it_sounds_and_nowhere_else():
    time = np.arange(16000) / 8000
    wave = np.where((time > 0.5) & (time < 0.75), np.sin(2 * np.pi * 1000 * time), 0)
    levels = spectrum(wave, 8000, bands=64, columns=160).levels
    band, column = np.unravel_index(levels.argmax(), levels.shape)
    assert band == pytest.approx(64 * 1000 / 4000, abs=1)
    assert 0.5 < 2 * (column + 0.5) / 160 < 0.75
    loud = np.flatnonzero(levels.max(axis=0) > -20) * 2 / 160
    assert loud.min() == pytest.approx(0.5, abs=0.03)
    assert loud.max() == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("wave", [np.zeros(4000), np.zeros(1), np.zeros(0), np.full(300, np.nan)])
def test_silence_and_next_to_nothing_are_silent(wave):
    assert (spectrum(wave, 8000).levels == -80).all()


def test_an_hours_memory_is_a_minutes():
    wave = RNG.standard_normal(960_000).astype(np.float32)
    tracemalloc.start()
    made = spectrum(wave, 16000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made.levels.shape == (64, 160)
    assert peak < 40e6


def test_reducing_keeps_the_mean_of_equal_stretches():
    field = RNG.random((6, 12))
    assert reduced(field, 3, 4) == pytest.approx(field.reshape(3, 2, 4, 3).mean(axis=(1, 3)))
    assert reduced(field, 99, 99) == pytest.approx(field)


def test_the_lowest_band_is_at_the_bottom():
    pixels = grey(np.array([[0.0, 0.0], [1.0, 0.5]]))
    assert pixels.tolist() == [[255, 128], [0, 0]]


def test_times_and_frequencies_are_the_middles_of_what_they_name():
    time = np.arange(8192)
    wave = np.where((time >= 4096) & (time < 4224), np.sin(2 * np.pi * 0.125 * time), 0)
    for cells in ((999, 999), (16, 20)):
        made = spectrum(wave, bands=cells[0], columns=cells[1])
        band, column = np.unravel_index(made.levels.argmax(), made.levels.shape)
        assert made.frequencies[band] == pytest.approx(0.125, abs=0.5 / made.levels.shape[0])
        assert made.times[column] == pytest.approx(4160, abs=8192 / made.levels.shape[1] + made.window / 2)
        assert (len(made.frequencies), len(made.times)) == made.levels.shape
