"""Layers over time: which tags are norms, and heat maps whose cells are the means they claim to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from series import points, run

from reportgen.history.layers import families, heat, histogram_heat, quantity
from reportgen.history.model import Histogram


@pytest.mark.parametrize(
    ("tag", "what", "layer"),
    [
        ("grad_norm/fc1.weight", "Gradient norm", "fc1.weight"),
        ("grad_2.0_norm/layer1.0.conv1.weight", "Gradient norm", "layer1.0.conv1.weight"),
        ("gradients/encoder/0", "Gradient norm", "encoder/0"),
        ("layer3/grad_norm", "Gradient norm", "layer3"),
        ("weight_norm/fc1", "Weight norm", "fc1"),
        ("params/norms/head", "Weight norm", "head"),
    ],
)
def test_a_norm_of_a_layer_is_known_by_its_tag(tag, what, layer):
    assert quantity(tag) == (what, layer)


@pytest.mark.parametrize(
    "tag", ["grad_norm", "loss/train", "weights/fc1", "norm/fc1", "lr", "gradual/loss", ""]
)
def test_what_is_no_norm_of_a_layer_stays_a_line(tag):
    assert quantity(tag) == ("", "")


def test_four_layers_make_a_family_and_three_do_not():
    few = {f"grad_norm__l{at}": [1.0, 2.0] for at in range(3)}
    assert families(run(**few)) == []
    (family,) = families(run(**few, grad_norm__l3=[1.0, 2.0], loss=[1.0, 2.0]))
    assert list(family.layers) == ["l0", "l1", "l2", "l3"]


def test_a_cell_is_log10_of_the_mean_of_its_stretch_and_blank_without_a_value():
    rng = np.random.default_rng(0)
    values = {f"grad_norm__l{at}": rng.lognormal(size=600) for at in range(4)}
    values["grad_norm__l3"][:] = 0.0
    values["grad_norm__l2"][100:110] = math.nan
    block = heat(families(run(**values))[0])
    assert len(block.column_labels) == 60
    expected = np.log10(values["grad_norm__l0"].reshape(60, 10).mean(axis=1))
    assert np.allclose(block.values[0], expected, atol=6e-4)
    assert math.isnan(block.values[2][10])
    assert all(math.isnan(cell) for cell in block.values[3])
    assert "10 values that are NaN or infinite left out" in block.caption


def histogram(step, edges, counts):
    return Histogram(step, math.nan, np.asarray(edges, float), np.asarray(counts, float))


def test_histograms_keep_each_steps_share_and_sum_to_one():
    rng = np.random.default_rng(1)
    found = []
    for step in range(100):
        counts, edges = np.histogram(rng.normal(step / 50, 1, 5000), bins=64)
        found.append(histogram(step, edges, counts))
    block = histogram_heat("w", found)
    shares = np.array(block.values)
    assert shares.shape == (32, 40)
    assert np.allclose(shares.sum(axis=0), 1, atol=5e-3)
    middles = np.array([float(label.replace("−", "-")) for label in block.row_labels])
    means = (shares * middles[:, None]).sum(axis=0)
    steps = np.array([int(label) for label in block.column_labels])
    assert np.abs(means - steps / 50).max() < 0.1


def test_histograms_that_match_the_bins_are_kept_as_they_are():
    edges = np.linspace(0, 32, 33)
    counts = np.zeros(32)
    counts[[0, 31]] = 25  # so that the drawn range is the whole
    counts[7] = 50
    block = histogram_heat("w", [histogram(3, edges, counts)])
    column = np.array(block.values)[::-1, 0]
    assert column[7] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("found", [[], [histogram(0, [0, 1], [0])], [histogram(0, [0, math.inf], [3])]])
def test_histograms_without_a_finite_value_are_not_drawn(found):
    assert histogram_heat("w", found) is None


def test_a_step_without_values_is_counted_and_left_out():
    block = histogram_heat("w", [histogram(0, [0, 1], [5]), histogram(1, [0, 1], [0])])
    assert "1 step without a finite value left out" in block.caption


def test_steps_far_apart_share_no_stretch():
    curves = {f"grad_norm__l{at}": points([1.0, 100.0], [0, 10**12]) for at in range(4)}
    block = heat(families(run(**curves))[0])
    assert [row[0] for row in block.values] == [0.0] * 4
    assert [row[-1] for row in block.values] == [2.0] * 4
