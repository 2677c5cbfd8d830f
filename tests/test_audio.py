"""What is taken for sound, why, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import state
import torch
from torch import nn

from reportgen.errors import InputError
from reportgen.experiment import build


class Wave(nn.Module):
    """A 1-D convolution over (n, T) or (n, C, T)."""

    def __init__(self, channels=1):
        super().__init__()
        self.conv, self.head = nn.Conv1d(channels, 4, 9), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.conv(x if x.ndim == 3 else x.unsqueeze(1)).mean(dim=2))


class Fourier(nn.Module):
    """A Fourier transform, then a linear layer."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(201, 3)

    def forward(self, x):
        return self.head(torch.fft.rfft(x[:, :400]).abs())


class Picture(nn.Module):
    """A 2-D convolution over (n, C, F, T)."""

    def __init__(self, channels=1):
        super().__init__()
        self.conv, self.head = nn.Conv2d(channels, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.conv(x).mean(dim=(2, 3)))


class Bands(nn.Module):
    """A linear layer over the bands of (n, F, T)."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(40, 3)

    def forward(self, x):
        return self.head(x.mean(dim=2))


def told(model, shape, **fields):
    """The modality, and why it was concluded."""
    experiment = build(model, example_inputs=torch.rand(shape), **fields)
    notes = {fact.label: fact.note for fact in experiment.inferred}
    return experiment.modality, notes.get("Modality", "")


@pytest.mark.parametrize(
    ("model", "shape", "fields", "kind", "why"),
    [
        (Wave(), (1, 8000), {}, "signal", "the model starts with a 1-D convolution"),
        (Fourier(), (1, 8000), {}, "signal", "the model starts with a Fourier transform"),
        (Wave(), (1, 1, 8000), {}, "signal", "the input is float32 (1, 1, 8000)"),
        (Wave(6), (1, 6, 8000), {"sample_rate": 250}, "signal", "a sample rate was given"),
        (nn.Linear(8000, 3), (1, 8000), {"sample_rate": 8000}, "signal", "a sample rate was given"),
        (nn.Linear(8000, 3), (1, 8000), {}, "table", "the input is float32 (1, 8000)"),
        (Wave(), (1, 30), {}, "table", "the input is float32 (1, 30)"),
        (Picture(), (1, 1, 64, 99), {}, "image", "the input is float32 (1, 1, 64, 99)"),
        (Picture(), (1, 1, 64, 99), {"sample_rate": 8000}, "spectrogram", "64 bands × 99 frames"),
        (Bands(), (1, 40, 99), {"sample_rate": 8000}, "spectrogram", "40 bands × 99 frames"),
        (Picture(), (1, 1, 64, 99), {"modality": "spectrogram"}, "spectrogram", ""),
    ],
)
def test_sound_is_told_by_shape_sample_rate_and_first_step_and_it_is_said_why(
    model, shape, fields, kind, why
):
    modality, said = told(model, shape, **fields)
    assert modality == kind
    assert why in said


def test_telling_leaves_model_and_process_as_they_were():
    model, clip = Wave().train(), torch.rand(1, 8000)
    before = (state.of_model(model), state.of_process())
    assert build(model, example_inputs=clip).modality == "signal"
    assert (state.of_model(model), state.of_process()) == before


@pytest.mark.parametrize("given", [0, -8000, "8 kHz", True, float("nan"), [8000], np.array([1.0, 2.0])])
def test_what_is_no_sample_rate_is_refused(given):
    with pytest.raises(InputError, match=r"sample_rate: got .*, expected samples a second") as caught:
        build(Wave(), example_inputs=torch.rand(1, 8000), sample_rate=given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [8000, 8000.0, np.int64(8000), torch.tensor(8000)])
def test_a_sample_rate_may_be_any_real_number(given):
    assert build(Wave(), example_inputs=torch.rand(1, 8000), sample_rate=given).sample_rate == 8000


@pytest.mark.parametrize(
    ("model", "inputs", "fields", "taken"),
    [
        (nn.Linear(30, 3), torch.rand(1, 30), {}, "taken for table"),
        (Picture(3), torch.rand(1, 3, 64, 99), {}, "taken for image"),
        (nn.Embedding(9, 3), torch.randint(0, 9, (1, 300)), {}, "taken for text"),
        (Wave(), torch.rand(1, 8000), {"modality": "table"}, "taken for table"),
        (nn.Flatten(), torch.rand(1, 2, 3, 4, 5), {}, r"the input is float32 \(1, 2, 3, 4, 5\)"),
    ],
)
def test_a_sample_rate_of_what_is_no_sound_is_one_line(model, inputs, fields, taken):
    with pytest.raises(InputError, match=rf"^sample_rate: given, but .*{taken}") as caught:
        build(model, example_inputs=inputs, sample_rate=8000, **fields)
    assert "\n" not in str(caught.value)
    assert "modality='signal'" in caught.value.hint


def test_sixteen_bit_sound_is_sound_where_a_rate_says_so():
    class Pcm(Wave):
        def forward(self, x):
            return super().forward(x.float() / 32768)

    clips = torch.randint(-9000, 9000, (4, 4000)).to(torch.int16)
    assert build(Pcm(), example_inputs=clips, sample_rate=8000).modality == "signal"
