"""Sound as the methods see it: slices and bands, silence, channels folded, long clips in stretches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from looks import tools_of
from torch import nn

from reportgen.attribution.base import Attribution, Missing, attempt
from reportgen.attribution.choose import choose
from reportgen.attribution.kinds import kind_of, sights
from reportgen.attribution.kinds.signal import LONGEST, STRETCHES, Clip, noise, silence, slices
from reportgen.attribution.kinds.spectrogram import bands, lowest, steady
from reportgen.attribution.methods import suited
from reportgen.experiment import build

LENGTH, SLICE = 4000, 100  # samples, and samples of a slice
HEARD = slice(13 * SLICE, 14 * SLICE)


class Ear(nn.Module):
    """Scores from the sound of one slice alone, of (n, T), (n, C, T) or (n, T, C), times `each`."""

    def __init__(self, axis=-1, each=1):
        super().__init__()
        self.axis, self.each = axis, each
        self.weight = nn.Parameter(torch.tensor([1.0, -1.0]))

    def forward(self, x):
        heard = x.movedim(self.axis, -1)[..., HEARD.start * self.each : HEARD.stop * self.each]
        loud = heard.square().flatten(1).mean(dim=1)
        return torch.tanh(loud)[:, None] * self.weight + 0.1 * loud[:, None].sqrt()


class Eye(nn.Module):
    """Scores from bands 8 to 15 of 64 alone, of (n, F, T) or (n, C, F, T)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, -2.0]))

    def forward(self, x):
        return torch.tanh(x[..., 8:16, :].flatten(1).mean(dim=1))[:, None] * self.weight


def seen(model, clips, **fields):
    """The experiment and the sight of its first clip."""
    experiment = build(model.eval(), example_inputs=clips, task="classification", **fields)
    return experiment, sights(experiment, choose(experiment, 1)[0])[0]


def through(experiment, sight):
    """What every method for this kind gives."""
    made = [
        attempt(m.name, lambda m=m: m.make(sight, tools_of(experiment=experiment)))
        for m in suited(kind_of(experiment))
    ]
    missing = {outcome.method: outcome.reason for outcome in made if isinstance(outcome, Missing)}
    return [outcome for outcome in made if isinstance(outcome, Attribution)], missing


@pytest.mark.parametrize(
    ("shape", "axis"), [((LENGTH,), -1), ((1, LENGTH), -1), ((2, LENGTH), -1), ((LENGTH, 2), 1)]
)
def test_a_model_that_hears_one_slice_is_explained_by_that_slice(shape, axis):
    clips = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    experiment, sight = seen(Ear(axis), clips, modality="signal", sample_rate=8000)
    assert sight.shape == (LENGTH,)
    made, missing = through(experiment, sight)
    assert not missing
    assert {"LIME", "Saliency", "Integrated Gradients"} <= {one.method for one in made}
    for one in made:
        assert one.values.shape == (LENGTH,)
        inside = np.abs(one.values[HEARD]).sum()
        # The ridge of LIME and the drawn coalitions of SHAP leave the other slices a little.
        exact = one.method not in ("LIME", "KernelShap")
        assert np.abs(one.values).sum() == pytest.approx(inside, rel=1e-6 if exact else 0.15), one.method
        if one.method == "LIME":
            assert one.trust["R2"] > 0.9


def test_slices_say_how_long_they_last():
    assert slices(8000, 1, 8000).how == "40 slices of 25 ms"
    assert slices(8000, 1, 0).how == "40 slices of 200 samples"
    parts = slices(8010, 1, 0)
    assert parts.count == 40
    assert set(np.bincount(parts.numbers)) <= {200, 201}
    assert slices(7, 1, 0).count == 7


def test_channels_are_summed_where_signed_and_the_largest_taken_where_not():
    clips = torch.randn(1, 3, LENGTH, generator=torch.Generator().manual_seed(0))
    experiment, sight = seen(Ear(), clips, modality="signal")
    made = {one.method: one.values for one in through(experiment, sight)[0]}
    leaf = clips.clone().requires_grad_()
    experiment.scores(experiment.example.with_primary(leaf))[:, sight.subject.target.column].sum().backward()
    assert made["Saliency"] == pytest.approx(leaf.grad.abs()[0].amax(dim=0).double().numpy())
    assert made["Integrated Gradients"].sum() == pytest.approx(
        sight.score.numbers(sight.values, 1)[0] - sight.score.numbers(silence(clips), 1)[0], rel=0.01
    )


@pytest.mark.parametrize("shape", [(50_001,), (2, 50_001), (50_001, 2)])
def test_long_clips_are_the_same_clips_in_stretches(shape):
    clip, waves = Clip.of(shape), torch.randn(3, *shape)
    values = clip.split(waves)
    assert clip.each == 9
    assert values.shape == (3, 9 * (2 if len(shape) == 2 else 1), 5556)
    assert torch.equal(clip.join(values), waves)


@pytest.mark.parametrize("shape", [(30_000,), (2, 30_000), (30_000, 2)])
def test_stretches_hold_the_sums_of_their_samples(shape, monkeypatch):
    clips = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    axis = 1 if shape[-1] == 2 else -1
    experiment, sight = seen(Ear(axis), clips, modality="signal", sample_rate=16000)
    coarse = {one.method: one for one in through(experiment, sight)[0]}
    monkeypatch.setattr("reportgen.attribution.kinds.signal.LONGEST", 30_000)
    fine = {one.method: one for one in through(*seen(Ear(axis), clips, modality="signal"))[0]}
    assert sight.shape == (6000,)
    for name, merge in (("Integrated Gradients", np.sum), ("Saliency", np.max)):
        whole = merge(fine[name].values.reshape(6000, 5), axis=1)
        assert coarse[name].values == pytest.approx(whole, rel=1e-4, abs=1e-7), name


def test_no_clip_has_more_numbers_than_a_page_can_hold():
    for length in (LONGEST, LONGEST + 1, 960_000, 100_000_000):
        clip = Clip.of((length,))
        assert -(-length // clip.each) <= max(LONGEST, STRETCHES)
        assert (clip.each == 1) == (length <= LONGEST)


def test_absence_is_silence_and_faint_noise():
    clip = torch.randn(1, 2, 4000)
    faint = noise(clip, 3)
    assert float(silence(clip).abs().max()) == 0
    level = 20 * float(torch.log10(faint.square().mean().sqrt() / clip.square().mean().sqrt()))
    assert level == pytest.approx(-20, abs=0.5)
    assert torch.equal(faint, noise(clip, 3))
    assert not torch.equal(faint, noise(clip, 4))
    assert (silence(torch.zeros(1, 9, dtype=torch.uint8)) == 128).all()


@pytest.mark.parametrize("shape", [(64, 96), (1, 64, 96), (2, 64, 96)])
def test_a_model_that_reads_one_band_is_explained_by_that_band(shape):
    clips = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    experiment, sight = seen(Eye(), clips, modality="spectrogram")
    assert sight.shape == (64, 96)
    made, missing = through(experiment, sight)
    assert set(missing) == {"Grad-CAM"}
    for one in made:
        inside = np.abs(one.values[8:16]).sum()
        exact = one.method not in ("LIME", "KernelShap")
        assert np.abs(one.values).sum() == pytest.approx(inside, rel=1e-6 if exact else 0.3), one.method


def test_bands_cover_a_spectrogram_in_equal_parts():
    parts = bands(64, 96)
    assert parts.count == 96
    assert set(np.bincount(parts.numbers.ravel())) == {64}
    assert parts.how == "8 bands of frequency × 12 of time"
    assert bands(3, 5).count == 15


def test_a_spectrograms_absence_is_its_lowest_level_and_its_steady_part():
    clip = torch.rand(1, 2, 4, 5)
    assert torch.equal(lowest(clip)[0, 1], clip[0, 1].min().expand(4, 5))
    assert steady(clip)[0, 1, 2].tolist() == pytest.approx([float(clip[0, 1, 2].mean())] * 5)


def test_grad_cam_sees_a_spectrogram_as_a_picture():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    experiment, sight = seen(model, torch.rand(1, 1, 32, 50), sample_rate=8000)
    made, missing = through(experiment, sight)
    assert not missing
    assert {one.values.shape for one in made} == {(32, 50)}


def test_an_empty_clip_is_no_sound_to_explain():
    experiment = build(Ear(), example_inputs=torch.zeros(1, 1, 0), modality="signal")
    assert kind_of(experiment) == "generic"
