import numpy as np
import pytest
import torch
from torch import nn

from reportgen.experiment import build
from reportgen.features.excite import activity
from reportgen.features.maco import STEPS, SpectrumSum, first_phases, image, synthesise
from reportgen.features.units import Probe, probes


def spectrum_of(images):
    found = SpectrumSum()
    for part in images.split(100):
        found.add(part)
    return found


def made_for(model, data, probe, count=3, seed=0):
    experiment = build(model, data=data)
    spectrum = SpectrumSum()
    (one,) = activity(experiment, [probe], spectrum=spectrum)
    units = one.liveliest(count)
    tops = one.values.max(axis=0)[units]
    seeds = [[seed, unit] for unit in units]
    made = synthesise(experiment, experiment.example, probe, units, tops.tolist(), spectrum, seeds)
    return made, tops, one.values[:, units], spectrum, units


def test_the_spectrum_is_the_mean_of_numpys(digits_cnn):
    pictures = digits_cnn[1].tensors[0]
    expected = np.abs(np.fft.fft2(pictures.double().numpy())).mean(axis=0)
    found = spectrum_of(pictures)
    assert found.count == 497
    assert found.magnitude.numpy() == pytest.approx(expected, rel=1e-12)


def test_a_picture_with_nan_or_of_another_size_is_no_part_of_the_spectrum():
    spoilt = torch.rand(5, 1, 8, 8)
    spoilt[2, 0, 3, 3] = float("nan")
    found = spectrum_of(spoilt)
    found.add(torch.rand(3, 1, 9, 8))
    assert found.count == 4
    expected = np.abs(np.fft.fft2(spoilt[[0, 1, 3, 4]].double().numpy())).mean(axis=0)
    assert found.magnitude.numpy() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (11, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_whatever_the_phases_the_image_is_real_and_has_the_magnitude(size, channels):
    found = spectrum_of(torch.rand(20, channels, *size) - 0.7)
    moved = torch.randn(2, channels, *size, dtype=torch.float64) * 5
    made = image(found.magnitude, first_phases(found, [[1], [2]]), moved)
    assert made.dtype == torch.float64
    magnitudes = np.abs(np.fft.fft2(made.numpy()))
    for one in magnitudes:
        assert one == pytest.approx(found.magnitude.numpy(), rel=1e-9, abs=1e-12)
    assert (made.mean(dim=(2, 3)) < 0).all()  # as the mean of the data


@pytest.mark.parametrize("layer", ["stem", "block1.conv2", "block2.conv2", None])
def test_the_unit_is_active_and_never_more_than_in_the_strongest_sample(layer, digits_cnn):
    """Above the median of the real samples, at most what the strongest reaches; with the data's magnitudes."""
    probe = Probe("", "scores") if layer is None else Probe(layer)
    made, tops, real, spectrum, units = made_for(*digits_cnn, probe)
    for one, top, values, unit in zip(made, tops, real.T, units, strict=True):
        assert np.median(values) < one.activation <= top
        assert np.abs(np.fft.fft2(one.values)) == pytest.approx(
            spectrum.magnitude.numpy(), rel=1e-9, abs=1e-12
        )
        given = torch.tensor(one.values, dtype=torch.float32)[None]
        with torch.no_grad():
            output = (
                digits_cnn[0](given)
                if layer is None
                else digits_cnn[0].get_submodule(layer)(_into(digits_cnn[0], layer, given))
            )
        assert float(output[0, unit].max()) == pytest.approx(one.activation, rel=1e-4)


def _into(model, layer, given):
    """What goes into a layer, by PyTorch's own hook."""
    seen = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, args, output: seen.append(args[0])
    )
    model(given)
    handle.remove()
    return seen[0].detach()


def test_the_search_ends_early_where_the_limit_is_low(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    spectrum = spectrum_of(data.tensors[0])
    search = [experiment, experiment.example, Probe("block1.conv2"), [8, 8]]
    low, high = synthesise(*search, [3.0, 1e9], spectrum, [[0], [0]])
    assert low.steps < high.steps == STEPS
    assert 2.8 < low.activation <= 3.0 < high.activation


def test_the_same_seed_gives_the_same_image_and_another_another(digits_cnn):
    one, two, other = (made_for(*digits_cnn, Probe("stem"), 1, seed)[0][0] for seed in (3, 3, 4))
    assert np.array_equal(one.values, two.values)
    assert not np.allclose(one.values, other.values)


def test_weights_get_no_gradient_and_may_be_frozen_or_followed_by_an_activation_in_place():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(400, 2)).eval()
    model[0].weight.requires_grad_(False)
    data = torch.rand(30, 3, 12, 12)
    made, *_ = made_for(model, (data,), Probe("0"), 2)
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        for one, unit in zip(made, probes_units(model, data), strict=True):
            output = model[0](torch.tensor(one.values, dtype=torch.float32)[None])[0, unit]
            assert float(output.max()) == pytest.approx(one.activation, rel=1e-4)


def probes_units(model, data):
    (one,) = activity(build(model, data=(data,)), [Probe("0")])
    return one.liveliest(2)


def test_a_model_that_lets_no_gradient_through_raises(digits_cnn):
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng():
                # Others may be as active on the first image already, and then no gradient is asked for.
                torch.manual_seed(0)
                self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return self.conv(x.detach()).mean(dim=(2, 3))

    with pytest.raises(RuntimeError):
        made_for(Cut().requires_grad_(False), digits_cnn[1], Probe("conv"), 1)


def test_layers_are_chosen_or_named(digits_cnn, cancer_mlp):
    experiment = build(digits_cnn[0], data=digits_cnn[1])
    first = [probe.title for probe in probes(experiment, experiment.example)]
    assert first == ["stem", "block1.conv2", "block2.conv2", "output"]
    named = probes(experiment, experiment.example, ["fc1", "nowhere"])
    assert [probe.title for probe in named] == ["fc1", "output"]
    table = build(cancer_mlp[0], data=cancer_mlp[1])
    assert [probe.title for probe in probes(table, table.example)] == ["input of 2", "output"]
