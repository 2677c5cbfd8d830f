import math

import numpy as np
import pytest
import torch

from reportgen.features.tally import KEPT, Tally


def added(values, parts, **more):
    tally = Tally("x", rows=len(values), **more)
    for part in values.split(parts):
        tally.add(part, len(part))
    return tally


@pytest.mark.parametrize("parts", [1, 7, 500])
def test_moments_and_extremes_are_numpys_whatever_the_batches(parts):
    values = torch.from_numpy(np.random.default_rng(1).normal(3, 2, (500, 40)).astype("float32"))
    values[:, :4] = 0
    seen, exact = added(values, parts).summary(), values.double().numpy()
    assert seen.count == 20_000
    assert seen.mean == pytest.approx(exact.mean(), rel=1e-6)
    assert seen.std == pytest.approx(exact.std(), rel=1e-6)
    assert (seen.low, seen.high) == (exact.min(), exact.max())
    assert seen.zeros == pytest.approx(0.1)
    assert seen.norm == pytest.approx(np.linalg.norm(exact), rel=1e-6)
    assert seen.rms == pytest.approx(np.sqrt((exact**2).mean()), rel=1e-6)


def test_quantiles_of_few_values_are_exact_and_of_many_near():
    few = torch.randn(100, 20, generator=torch.Generator().manual_seed(1))
    tally = added(few, 10)
    assert not tally.sampled
    assert tally.summary().quantiles == pytest.approx(np.quantile(few.numpy(), [0.01, 0.5, 0.99]))
    many = torch.randn(200, 5000, generator=torch.Generator().manual_seed(2))
    tally = added(many, 32)
    assert tally.sampled
    assert sum(map(len, tally.kept)) == 200 * (KEPT // 200)
    low, middle, high = tally.summary().quantiles
    assert (many < low).float().mean() == pytest.approx(0.01, abs=0.003)
    assert (many < middle).float().mean() == pytest.approx(0.5, abs=0.015)
    assert (many < high).float().mean() == pytest.approx(0.99, abs=0.003)


def test_the_same_values_are_kept_whatever_the_other_layers_and_another_seed_keeps_others():
    values = torch.randn(20, 9000, generator=torch.Generator().manual_seed(3))
    first, again = added(values, 20, seed=5), added(values, 20, seed=5)
    assert np.array_equal(np.concatenate(first.kept), np.concatenate(again.kept))
    assert not np.array_equal(np.concatenate(first.kept), np.concatenate(added(values, 20, seed=6).kept))


def test_a_layer_that_runs_very_often_keeps_a_bounded_number_of_values():
    tally = Tally("x", rows=4)
    for step in range(100):
        tally.add(torch.full((4, 5000), float(step)), 4)
    assert sum(map(len, tally.kept)) <= 4 * KEPT
    assert tally.summary().quantiles[1] == pytest.approx(50, abs=15)  # early and late runs alike


def test_what_is_not_finite_is_counted_and_left_out_of_the_rest():
    seen = added(torch.tensor([[1.0, math.nan], [3.0, math.inf], [0.0, -math.inf]]), 2).summary()
    assert (seen.count, seen.bad, seen.mean, seen.low, seen.high) == (6, 0.5, pytest.approx(4 / 3), 0, 3)
    nothing = added(torch.full((3, 2), math.nan), 3)
    assert nothing.summary().bad == 1
    assert math.isnan(nothing.summary().mean)
    assert math.isnan(nothing.histogram("x").edges[0])


@pytest.mark.parametrize(
    "values",
    [
        torch.tensor([[1e30, -1e30]]),
        torch.tensor([[True, False]]),
        torch.tensor([[2, 4]]),
        torch.ones(1, 3).half(),
    ],
)
def test_any_dtype_and_size_of_numbers_is_taken(values):
    seen = added(values, 1).summary()
    assert seen.std == pytest.approx(values.double().std(correction=0).item(), rel=1e-6)
    assert seen.bad == 0


def test_a_histogram_holds_the_middle_99_percent_and_its_edges_grow():
    values = (
        torch.randn(1, 100_000, generator=torch.Generator().manual_seed(4), dtype=torch.float64) * 1e-6 + 1
    )
    tally = Tally("x", room=100_000)
    tally.add(values)
    made = tally.histogram("x")
    assert sum(made.counts) == pytest.approx(0.99, abs=0.002)
    assert all(np.diff(made.edges) > 0)
    assert len(made.counts) == 40
    constant = Tally("y")
    constant.add(torch.full((1, 9), 5.0))
    assert sum(constant.histogram("y").counts) == 1
