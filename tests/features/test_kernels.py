import numpy as np
import pytest
import torch
from networks import RATE, TONES, tones
from scipy.signal import freqz
from torch import nn

from reportgen.errors import InputError
from reportgen.experiment import Options, build
from reportgen.features.kernels import responses
from reportgen.sections._kernels import signals
from reportgen.sections._survey import Made
from reportgen.spectra import RANGE, spectrum


@pytest.fixture(scope="module")
def pitches():
    return tones()


def look(model, rate=0, **given):
    experiment = build(model, **given)
    experiment.sample_rate = rate
    made = Made()
    signals(experiment, Options(), made)
    return made


def test_the_responses_are_those_of_scipy(pitches):
    model, data = pitches
    found = responses(build(model, data=data))
    weights = model[0].weight.detach().double().numpy()[:, 0]
    for row, kernel in enumerate(found.kernels):
        _, expected = freqz(weights[kernel], worN=2 * np.pi * found.frequencies)
        power = np.abs(expected) ** 2
        assert found.centres[row] == pytest.approx((power * found.frequencies).sum() / power.sum())
        level = 10 * np.log10(power / np.abs(np.fft.rfft(weights, 512)).max() ** 2)
        assert found.decibels[row] == pytest.approx(np.maximum(level, -RANGE), abs=1e-6)
    assert (np.diff(found.centres) >= 0).all()
    assert found.decibels.max() == 0


def test_a_kernel_that_is_a_sine_answers_to_its_own_frequency():
    layer = nn.Conv1d(1, 2, 64)
    taps = torch.arange(64)
    layer.weight.data = torch.stack([torch.sin(2 * torch.pi * f * taps) for f in (0.25, 0.125)])[:, None]
    found = responses(build(layer, example_inputs=torch.rand(1, 1, 100)))
    assert found.kernels.tolist() == [1, 0]
    assert found.frequencies[found.decibels.argmax(axis=1)] == pytest.approx([0.125, 0.25], abs=0.002)


def test_dilation_stretches_the_kernel_and_channels_add_their_power():
    torch.manual_seed(0)
    layer = nn.Conv1d(2, 1, 5, dilation=3)
    found = responses(build(layer, example_inputs=torch.rand(1, 2, 50)))
    apart = np.zeros((2, 13))
    apart[:, ::3] = layer.weight.detach().numpy()[0]
    power = (np.abs(np.fft.rfft(apart, 512)) ** 2).sum(axis=0)
    assert found.decibels[0] == pytest.approx(10 * np.log10(power / power.max()), abs=1e-5)


def test_weights_that_are_not_finite_are_an_error():
    layer = nn.Conv1d(1, 2, 3)
    layer.weight.data[0, 0, 0] = float("inf")
    with pytest.raises(InputError, match="not finite"):
        responses(build(layer, example_inputs=torch.rand(1, 1, 9)))


def test_each_tone_is_loudest_at_its_own_pitch(pitches):
    _, data = pitches
    for row in range(3):
        found = spectrum(data.tensors[0][row, 0].double().numpy(), RATE)
        loudest = found.frequencies[found.levels.mean(axis=1).argmax()] * RATE
        assert loudest == pytest.approx(TONES[row], rel=0.08, abs=65)


def test_short_and_broken_clips_are_not_drawn():
    for clip in (torch.ones(1, 1, 31), torch.full((1, 1, 100), torch.nan)):
        made = look(nn.Flatten(), data=clip, modality="signal")
        assert made.blocks == []
        assert made.notes == [
            "There is no spectrogram of sample 0: it is shorter than 32 samples, or not finite."
        ]


def test_kernels_and_clips_are_blocks_with_axes_in_hertz_where_a_rate_is_known(pitches):
    model, data = pitches
    kernels, *clips = look(model, RATE, data=data).blocks
    assert kernels.title == "Frequency responses: 0"
    assert kernels.column_title == "frequency (Hz)"
    assert kernels.column_labels[-1] == "4,000"
    assert sorted(kernels.row_labels) == [str(i) for i in range(8)]
    assert [clip.title for clip in clips] == [f"Spectrogram, sample {i}, class {i % 3}" for i in (0, 80, 160)]
    assert "Hann window of 256 samples (32 ms), hop 64" in clips[0].caption
    without, clip, *_ = look(model, data=data).blocks
    assert without.column_labels[-1] == "0.5"
    assert without.column_title == "frequency (cycles a sample)"
    assert clip.column_title == "time (samples)"


def test_time_may_come_before_channels_and_sound_may_be_whole_numbers(pitches):
    clips = pitches[1].tensors[0][:1]
    plain = look(nn.Flatten(), data=clips, modality="signal").blocks
    apart = torch.cat([clips * 2, clips * 0], dim=1).transpose(1, 2).contiguous()
    (turned,) = look(nn.Flatten(), data=apart, modality="signal").blocks
    assert "of the mean of 2 channels" in turned.caption
    assert np.array(turned.values) == pytest.approx(np.array(plain[0].values), abs=0.11)
    for whole, zero in ((torch.int16, 0), (torch.uint8, 128)):
        size = 100 / float(clips.abs().max())
        (quantised,) = look(Floats(), data=(clips * size + zero).round().to(whole), modality="signal").blocks
        loud = np.array(plain[0].values) > -20
        assert np.array(quantised.values)[loud] == pytest.approx(np.array(plain[0].values)[loud], abs=1)


def test_what_is_no_waveform_is_said_to_have_no_spectrogram():
    made = look(nn.Flatten(), data=torch.rand(3, 1, 8, 64), modality="signal")
    assert made.blocks == []
    assert made.notes == [
        "There are no spectrograms: the input is float32 (1, 1, 8, 64), expected waveforms (n, T), (n, C, T) or "
        "(n, T, C)."
    ]


class Floats(nn.Module):
    def forward(self, x):
        return x.float().flatten(1)


def test_other_data_and_layers_say_nothing(cancer_mlp):
    assert look(cancer_mlp[0], data=cancer_mlp[1]) == Made()
