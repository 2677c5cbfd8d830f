"""Explained sound on the page: where a tone decides, how it is drawn, what is said of it, and long clips."""

from __future__ import annotations

import base64
import io
import tracemalloc

import numpy as np
import pytest
import torch
from networks import train
from PIL import Image
from torch import nn

from reportgen.collecting import collect
from reportgen.experiment import Options, build
from reportgen.report import Failure, Heatmap, Images, Raster, Signal
from reportgen.sections._explained_spectrogram import axes
from reportgen.sections.explanations import explanations
from reportgen.sections.features import features
from reportgen.spectra import grey

RATE, LENGTH, TONE = 8000, 4000, 800


class Tones(nn.Module):
    """A 1-D CNN that takes the loudest answer of its filters."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv1d(1, 8, 32, stride=4), nn.ReLU(), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.relu(self.conv(x.unsqueeze(1))).amax(dim=2))


class Band(nn.Module):
    """A score that rises with the lowest quarter of the bands of (n, 1, F, T)."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([3.0, -3.0]))

    def forward(self, x):
        return torch.tanh(x[:, :, : x.shape[2] // 4].flatten(1).mean(dim=1))[:, None] * self.weight


def tones(count=64):
    """Faint noise with a tone of 500 or 1,500 Hz for a tenth of a second: clips, classes, and where it begins."""
    rng = np.random.default_rng(0)
    clips = 0.02 * rng.standard_normal((count, LENGTH))
    labels, starts = np.arange(count) % 2, rng.integers(0, LENGTH - TONE, count)
    time = np.arange(TONE) / RATE
    for clip, label, start in zip(clips, labels, starts, strict=True):
        tone = np.sin(2 * np.pi * (500, 1500)[label] * time)
        clip[start : start + TONE] += np.hanning(TONE) * tone
    return torch.tensor(clips, dtype=torch.float32), torch.tensor(labels), starts


@pytest.fixture(scope="module")
def trained():
    """A network that tells the tones, and what it was trained on."""
    clips, labels, starts = tones()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Tones()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(model, clips, labels, nn.CrossEntropyLoss(), 60)
    torch.set_num_threads(threads)
    assert float((model(clips).argmax(1) == labels).float().mean()) == 1.0
    return model, clips, labels, starts


@pytest.fixture(scope="module")
def section(trained):
    model, clips, labels, _ = trained
    experiment = build(model, data=(clips, labels), sample_rate=RATE, class_names=["low", "high"])
    return explanations(experiment, Options(samples=3))


def pixels(raster: Raster) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(raster.data))).convert("L")).astype(float)


def of(section, kind):
    return [block for block in section.blocks if isinstance(block, kind)]


def test_what_speaks_for_a_tone_lies_where_the_tone_is(trained, section):
    starts = trained[3]
    waves = of(section, Signal)
    assert len(waves) >= 3 * 3
    for wave in waves:
        if wave.title.endswith(("LIME", "Integrated Gradients")):
            start = starts[int(wave.title.split(",")[0].removeprefix("Sample "))] / RATE
            when = np.arange(len(wave.weights)) * wave.each / wave.rate
            # A filter of 32 samples sees the tone 4 ms before it begins, a slice begins up to 12.5 ms before it.
            near = (when > start - 0.0165) & (when < start + TONE / RATE + 0.0165)
            weights = np.abs(wave.weights)
            least = 0.85 if wave.title.endswith("Gradients") else 0.6
            assert weights[near].sum() > least * weights.sum(), wave.title
            assert near[weights.argmax()]


def test_a_wave_says_method_target_baseline_and_stretches(section):
    wave = next(wave for wave in of(section, Signal) if wave.title.endswith("Integrated Gradients"))
    assert wave.caption.startswith("Integrated Gradients of the score of ")
    for part in ("steps against silence (zeros)", "Drawn in stretches of 17 samples"):
        assert part in wave.caption
    assert wave.unit == "s"
    assert len(wave.values) * wave.each / wave.rate == pytest.approx(0.5, abs=0.002)
    text = section.block("explained-clips").text
    for part in ("raw score (logit)", "3 of 64 samples", "Seed 0", "8,000 Hz"):
        assert part in text


def test_each_samples_group_names_label_prediction_and_reason(section):
    groups = {wave.choice for wave in of(section, Signal)}
    assert len(groups) == 3
    assert all("true " in group and "predicted " in group and " – " in group for group in groups)


@pytest.mark.parametrize("rate", [RATE, 0])
@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_a_clips_spectrogram_is_the_same_wherever_it_is_drawn(trained, rate, kind):
    class Reads(nn.Module):
        def forward(self, x):
            return trained[0](x.float() - (128 if x.dtype == torch.uint8 else 0))

    clips = trained[1][:3]
    clips = (clips * 100 + 128).round().to(kind) if kind == torch.uint8 else clips
    experiment = build(
        Reads(), data=clips, sample_rate=rate or None, modality="signal", class_names=["low", "high"]
    )
    drawn = features(experiment, Options(samples=3)).blocks
    heat = [block for block in drawn if isinstance(block, Heatmap) and block.title.startswith("Spectrogram")]
    grids = of(explanations(experiment, Options(samples=3, methods=("occlusion",))), Images)
    assert len(heat) == len(grids) == 3
    shown = {grid.title.split(" by ")[0].lower(): grid.pictures[0].raster for grid in grids}
    for block in heat:
        levels = np.array(block.values)[::-1]
        assert levels.min() >= -80
        raster = shown[block.title.removeprefix("Spectrogram, ").split(",")[0]]
        assert np.abs(pixels(raster) - grey(levels).astype(float)).max() <= 1


def test_maps_lie_over_the_clips_spectrum_with_axes_in_words(section, trained):
    starts = trained[3]
    for grid in of(section, Images):
        first, *others = grid.pictures
        assert first.map is None
        assert "Time across, 0 to 500 ms; frequency upwards, 0 to 4,000 Hz" in grid.caption
        start = starts[int(grid.title.split()[1])]
        for picture in others:
            assert picture.behind == 0
            columns = picture.map.to_array()[0]
            if picture.map.signed:
                place = (np.abs(columns).argmax() + 0.5) / len(columns) * LENGTH
                assert start - 200 <= place <= start + TONE + 200


def test_the_same_seed_gives_the_same_bytes(trained, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    model, clips, labels, _ = trained
    made = [
        collect(model, data=(clips, labels), sample_rate=RATE, samples=1, sections=["explanations"])
        for _ in range(2)
    ]
    (first, second) = (report.model_dump_json() for report in made)
    assert first == second
    assert made[0].sections[0].status == "ok"


def test_without_a_sample_rate_time_is_counted_in_samples(trained):
    model, clips, labels, _ = trained
    section = explanations(build(model, data=(clips, labels)), Options(samples=1))
    wave = of(section, Signal)[0]
    assert wave.unit == "samples"
    assert len(wave.values) * wave.each / wave.rate == pytest.approx(LENGTH, abs=17)
    assert "Time across, 0 to 4,000 samples; frequency upwards, 0 to half the sample rate" in (
        of(section, Images)[0].caption
    )
    assert "No sample rate was given" in section.block("explained-clips").text


def test_what_a_method_can_not_do_stands_in_its_place():
    class Pcm(Tones):
        def forward(self, x):
            return super().forward(x.float() / 32768)

    clips = (tones(8)[0] * 9000).to(torch.int16)
    experiment = build(Pcm().eval(), data=(clips, torch.arange(8) % 2), sample_rate=RATE)
    section = explanations(experiment, Options(samples=1))
    lost = {block.error: block.message for block in of(section, Failure)}
    assert lost["Saliency"] == "the input is int16, which has no gradient"
    assert any(wave.title.endswith("LIME") for wave in of(section, Signal))


def test_a_spectrogram_is_drawn_with_its_lowest_band_at_the_bottom():
    clips = torch.rand(4, 1, 65, 300, generator=torch.Generator().manual_seed(0))
    experiment = build(Band(), data=(clips, torch.zeros(4, dtype=torch.int64)), sample_rate=RATE)
    section = explanations(experiment, Options(samples=1))
    (grid,) = of(section, Images)
    assert "65 bands, taken for those of a Fourier transform of 128 samples: 0 to 4,000 Hz" in grid.caption
    assert "against the clip's lowest level (silence)" in grid.caption
    assert "Drawn at 65 × 160 (means)" in grid.caption
    maps = {picture.caption.split(",")[0]: picture.map for picture in grid.pictures if picture.map}
    field = np.abs(maps["Integrated Gradients"].to_array())
    assert field.shape == (65, 160)
    assert field[:49].sum() == 0
    assert (field[49:] > 0).mean() > 0.99


def test_axes_of_a_spectrogram_are_said_as_far_as_they_are_known():
    assert "64 bands, the first at the bottom" in axes((64, 99), 8000)
    assert "257 bands, the first at the bottom" in axes((257, 99), 0)
    assert "Time across, 99 frames" in axes((257, 99), 8000)


def test_a_minute_of_sound_takes_little_memory_and_a_small_page(monkeypatch):
    monkeypatch.setattr("reportgen.attribution.lime.MOST", 1)

    class Level(nn.Module):
        """A score from the sound between the 20th and the 30th second."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([5.0, -5.0]))

        def forward(self, x):
            return torch.tanh(x[:, 320_000:480_000].square().mean(dim=1))[:, None] * self.weight

    clips = torch.randn(2, 960_000, generator=torch.Generator().manual_seed(0))
    experiment = build(Level(), data=(clips, torch.tensor([0, 1])), sample_rate=16000)
    tracemalloc.start()
    section = explanations(experiment, Options(samples=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6
    assert len(section.model_dump_json()) < 700_000
    waves = {wave.title: wave for wave in of(section, Signal)}
    wave = waves["Sample 0, Integrated Gradients"]
    assert "Gradients: the sum over stretches of 160 samples" in wave.caption
    assert "Drawn in stretches of 4,000 samples" in wave.caption
    when = np.arange(len(wave.weights)) * wave.each / wave.rate
    weights = np.abs(wave.weights)
    assert weights[(when >= 20) & (when < 30)].sum() == pytest.approx(weights.sum())


def test_the_features_section_runs_on_networks_for_sound(trained):
    model, clips, labels, _ = trained
    for experiment in (
        build(model, data=(clips, labels), sample_rate=RATE),
        build(
            nn.Sequential(
                nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
            ),
            data=(torch.rand(8, 1, 32, 40), torch.arange(8) % 2),
            sample_rate=RATE,
        ),
    ):
        made = features(experiment, Options())
        assert made.status == "ok"
        assert not [block for block in made.blocks if isinstance(block, Failure)]
