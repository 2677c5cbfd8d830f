"""The rules that are not calibrated: a planted case with its numbers, and a clean one, for each."""

import numpy as np
import pytest
from curves import series

from reportgen.history.diagnose import NotEnoughError
from reportgen.history.model import Histogram, Run
from reportgen.history.rules.courses import divergence, gap, noisy_best, slope_at_end, still_improving
from reportgen.history.rules.hygiene import constant, irregular
from reportgen.history.rules.layers import gradients, is_gradient, norms
from reportgen.history.rules.rates import loss_at, schedule

STEPS = np.arange(100)
FALLING = np.exp(-STEPS / 30)


def test_a_loss_that_ends_above_its_start_diverges():
    found = divergence(series(1 + STEPS**2 / 1000))
    assert found is not None
    assert (found.first, found.last, found.n) == (1, pytest.approx(9.93, abs=0.01), 100)
    assert divergence(series(FALLING)) is None
    assert divergence(series(np.random.default_rng(0).normal(1, 0.1, 100))) is None
    assert (
        divergence(series([2.3, *np.full(50, 1e9), *np.random.default_rng(0).normal(9e5, 4e5, 49)]))
        is not None
    )
    with pytest.raises(NotEnoughError, match="19 points, 20 needed"):
        divergence(series(STEPS[:19]))


def test_a_plateau_has_a_slope_that_may_be_nought():
    rng = np.random.default_rng(0)
    flat = slope_at_end(series(1 + rng.normal(0, 0.1, 1000), steps=np.arange(1000) * 5))
    assert flat.flat
    assert (flat.since, flat.n) == (3500, 300)
    falling = slope_at_end(series(5 - STEPS / 100, steps=STEPS * 10))
    assert not falling.flat
    assert falling.change == pytest.approx(-0.29)
    assert (falling.since, falling.low, falling.high) == (700, pytest.approx(-0.29), pytest.approx(-0.29))


def test_a_best_within_the_noise_names_the_next():
    values = 1 + np.random.default_rng(0).normal(0, 0.1, 40)
    values[[7, 21]] = 0.5, 0.51
    found = noisy_best(series(values, steps=np.arange(40) * 10))
    assert found is not None
    assert (found.step, found.best, found.count, found.nearest) == (70, 0.5, 1, (210,))
    values[21] = 1
    assert noisy_best(series(values)) is None


def test_a_best_at_the_end_may_still_improve():
    found = still_improving(series(FALLING, steps=STEPS * 10))
    assert found is not None
    assert (found.step, found.n) == (990, 100)
    assert found.p < 1e-6
    assert still_improving(series([*FALLING, 1])) is None
    assert still_improving(series(np.ones(30))) is None


def test_the_gap_is_to_training_since_the_validation_before():
    train = series(np.arange(100.0)[::-1], steps=np.arange(1, 101))
    validation = series([100, 60, 40, 50, 55], steps=[20, 40, 60, 80, 100])
    found = gap(validation, train)
    assert (found.best_step, found.at_best) == (60, 40 - np.mean(np.arange(40, 60)))
    assert (found.last_step, found.at_end) == (100, 55 - np.mean(np.arange(0, 20)))
    with pytest.raises(NotEnoughError, match="no training loss"):
        gap(validation, series(np.ones(5)))


def torch_rates(make, steps=100):
    """The learning rates of a scheduler of torch."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return series(rates)


def warmed(then):
    return lambda lr, optimizer: lr.SequentialLR(
        optimizer, [lr.LinearLR(optimizer, 0.01, 1.0, total_iters=10), then(lr, optimizer)], milestones=[10]
    )


@pytest.mark.parametrize(
    ("expected", "make"),
    [
        ("constant", lambda lr, o: lr.ConstantLR(o, factor=1.0)),
        ("steps", lambda lr, o: lr.StepLR(o, 30)),
        ("steps", lambda lr, o: lr.MultiStepLR(o, [40, 60, 65])),
        ("linear", lambda lr, o: lr.LinearLR(o, 1.0, 0.01, total_iters=99)),
        ("exponential", lambda lr, o: lr.ExponentialLR(o, 0.95)),
        ("cosine", lambda lr, o: lr.CosineAnnealingLR(o, 100)),
        ("cosine", lambda lr, o: lr.CosineAnnealingLR(o, 200)),  # stopped half-way
        ("one cycle", lambda lr, o: lr.OneCycleLR(o, 0.1, total_steps=101)),
        ("warm-up, then cosine", warmed(lambda lr, o: lr.CosineAnnealingLR(o, 90))),
        ("warm-up, then steps", warmed(lambda lr, o: lr.StepLR(o, 30))),
        ("warm-up, then constant", warmed(lambda lr, o: lr.ConstantLR(o, factor=1.0))),
        ("not recognised", lambda lr, o: lr.CyclicLR(o, 0.001, 0.1, step_size_up=10)),
    ],
)
def test_torch_schedules_are_recognised(expected, make):
    found = schedule(torch_rates(make))
    assert str(found) == expected
    if expected.startswith("warm-up"):
        assert found.warmup == 10


def test_jumps_of_the_rate_and_of_the_loss_are_dated():
    rates = schedule(torch_rates(lambda lr, o: lr.StepLR(o, 30)))
    assert rates.jumps == (30, 60, 90)
    loss = np.where(STEPS < 60, 2.0, 1.0) + np.random.default_rng(0).normal(0, 0.01, 100)
    (jump,) = loss_at(series(loss), rates.jumps)
    assert jump.step == 60
    assert (jump.before, jump.after) == (pytest.approx(2, abs=0.02), pytest.approx(1, abs=0.02))
    assert schedule(torch_rates(lambda lr, o: lr.CosineAnnealingLR(o, 100))).jumps == ()


def test_gradients_that_die_vanish_or_explode_are_told_by_layer():
    layers = {f"grad_norm/{name}": np.ones(100) for name in "abcd"}
    assert gradients(layers) == []
    layers["grad_norm/a"] = np.where(STEPS < 50, 1.0, 0.0)
    layers["grad_norm/b"] = np.full(100, 1e-6)
    layers["grad_norm/c"] = np.exp(STEPS / 10)
    found = {one.tag[-1]: (one.kind, one.n) for one in gradients(layers)}
    assert found == {"a": ("dead", 100), "b": ("vanishing", 100), "c": ("exploding", 100)}
    with pytest.raises(NotEnoughError, match="9 values a layer, 10 needed"):
        gradients({"grad_norm/a": np.ones(9)})


def test_per_layer_norms_come_from_norms_or_histograms():
    edges = np.array([-1.0, 0.0, 1.0])
    several = [Histogram(step, np.nan, edges, np.array([3.0, 3.0])) for step in range(12)]
    curves = {tag: series(np.ones(12), tag=tag) for tag in ("grad_norm/conv.weight", "grad_norm", "loss")}
    run = Run("run", curves, histograms={"gradients/fc": several, "weights/fc": several})
    found = norms(run)
    assert list(found) == ["grad_norm/conv.weight", "gradients/fc"]
    assert found["gradients/fc"].tolist() == [0.5] * 12


@pytest.mark.parametrize("tag", ["grad_norm/a", "gradients/fc1.weight", "grad_2.0_norm/a", "train/grad_norm"])
def test_gradient_tags_are_known(tag):
    assert is_gradient(tag)


@pytest.mark.parametrize("tag", ["graduation", "loss", "gradual/norm"])
def test_other_tags_are_no_gradients(tag):
    assert not is_gradient(tag)


def test_constant_and_irregular_series_are_told():
    assert constant(series([3.0] * 5)) == 3
    assert constant(series([3.0] * 5 + [4])) is None
    steps = np.cumsum([10, 10, 100, 10, 10, 50, 10, 10, 10, 10, 10, 10])
    found = irregular(series(np.ones(12), steps=steps))
    assert found is not None
    assert (found.count, found.n, found.median, found.least, found.most) == (2, 11, 10, 10, 100)
    assert irregular(series(np.ones(12), steps=np.arange(12) * 50)) is None
    segment = np.arange(12) >= 6  # the distance across a restart does not count
    assert (
        irregular(series(np.ones(12), steps=np.where(segment, 1000, 0) + np.arange(12), segment=segment))
        is None
    )
