"""The calibrated rules: planted cases with known steps, clean cases, simulated rates, below the minimum."""

import numpy as np
import pytest
from curves import series

from reportgen.history.diagnose import NotEnoughError, non_finite, rise_after_best, spikes, stalls
from reportgen.history.model import Series


def overfitting(rng, n=40, noise=0.02):
    x = np.arange(n)
    return 0.4 + np.exp(-x / 4) + np.clip(x - n // 3, 0, None) * 0.02 + rng.normal(0, noise, n)


def test_overfitting_is_told_from_a_validation_that_worsens():
    rng = np.random.default_rng(0)
    validation = series(overfitting(rng))
    falling = rise_after_best(validation, series(np.exp(-np.arange(400) / 100), np.arange(400) / 10))
    assert falling is not None
    assert falling.overfits
    assert 9 <= falling.step <= 18
    flat = rise_after_best(validation, series(rng.normal(size=40)))
    assert flat is not None
    assert not flat.overfits
    assert rise_after_best(validation, None) is not None


def share(make, count=200) -> float:
    rng = np.random.default_rng(1)
    return sum(rise_after_best(series(make(rng)), None) is not None for _ in range(count)) / count


def test_rule_finds_overfitting_and_seldom_cries_wolf():
    x = np.arange(40)
    assert share(overfitting) >= 0.95
    assert share(lambda rng: np.exp(-x / 15) + rng.normal(0, 0.01, 40)) == 0
    assert share(lambda rng: 0.5 + np.exp(-x / 3) + rng.normal(0, 0.02, 40)) <= 0.05
    assert share(lambda rng: 0.5 + rng.normal(0, 0.02, 40)) <= 0.05


def test_too_little_to_judge_is_said():
    with pytest.raises(ValueError, match="not enough data: 7 points, 8 needed"):
        rise_after_best(series(np.arange(7)), None)


def test_a_planted_rise_is_dated_to_its_step():
    values = np.concatenate([np.linspace(1, 0.5, 13), np.linspace(0.52, 0.8, 17)])
    found = rise_after_best(series(values, steps=np.arange(30) * 100), series(np.linspace(1, 0, 30) ** 2))
    assert found is not None
    assert found.step == 1200
    assert found.best == pytest.approx(values[11:14].min() + 0.02, abs=0.021)
    assert found.n == 30


def test_a_rise_of_less_than_a_hundredth_is_none():
    values = np.concatenate([np.linspace(1.2, 1, 13), 1 + np.linspace(0, 0.0099, 17)])
    assert rise_after_best(series(values), None) is None
    values[13:] = 1 + np.linspace(0, 0.02, 17)
    assert rise_after_best(series(values), None) is not None


def test_a_rise_needs_five_points_after_the_best():
    values = [*np.linspace(1, 0.5, 20), 0.6, 0.7, 0.8]  # the best 3-point median is at 18
    assert rise_after_best(series(values), None) is None
    assert rise_after_best(series([*values, 0.9]), None) is not None


def test_non_finite_values_are_counted_and_dated():
    found = non_finite(series([1, np.nan, 2, np.inf], steps=[10, 20, 30, 40]))
    assert found is not None
    assert (found.step, found.count, found.n) == (20, 2, 4)
    assert (found.permanent, found.isolated, found.share) == (False, True, 0.5)
    last = non_finite(series([1, 2, np.nan, np.nan]))
    assert last is not None
    assert (last.permanent, last.isolated) == (True, False)
    assert non_finite(series([1, 2])) is None


def test_the_twenty_values_before_the_first_non_finite_are_kept():
    found = non_finite(series([*range(50), np.nan, 3], steps=np.arange(52) * 10))
    assert found is not None
    assert found.before.tolist() == list(range(30, 50))
    assert found.steps.tolist() == list(range(300, 500, 10))


def noise(n=400, seed=0):
    return 2 + np.random.default_rng(seed).normal(0, 0.05, n)


def test_planted_spikes_are_counted_with_their_steps():
    values = noise()
    values[150:153] += [2, 4, 1.5]
    values[300] += 8
    found = spikes(series(values, steps=np.arange(400) * 10))
    assert found is not None
    first, second = found.spikes
    assert (first.began, first.step, first.points, first.back) == (1500, 1510, 3, 1530)
    assert (second.began, second.step, second.points, second.back) == (3000, 3000, 1, 3010)
    assert found.largest is second
    window = values[199:300]
    middle = np.median(window)
    assert second.median == middle
    assert second.mads == pytest.approx((values[300] - middle) / np.median(np.abs(window - middle)))


def test_a_loss_that_stays_up_has_not_recovered():
    values = noise()
    values[250:] += 3
    found = spikes(series(values))
    assert found is not None
    (one,) = found.spikes
    assert (one.began, one.points, one.back) == (250, 101, None)


def test_neither_a_clean_loss_nor_a_drop_nor_a_constant_spikes():
    assert spikes(series(noise())) is None
    assert spikes(series(np.where(np.arange(400) < 200, 4, 0) + noise())) is None
    assert spikes(series(np.ones(400))) is None
    assert spikes(series(np.where(np.arange(400) == 200, 1.005, 1.0))) is None  # half a per cent of the level


def spiking_at(places, spacing=1, n=400, seed=0):
    values = noise(n, seed)
    values[list(places)] += 4
    return spikes(series(values, steps=np.arange(n) * spacing))


@pytest.mark.parametrize("spacing", [1, 50])
def test_spikes_at_each_last_batch_recur(spacing):
    found = spiking_at(range(65, 400, 22), spacing)
    assert (found.period.every, found.period.places, len(found.spikes)) == (22 * spacing, 16, 16)


def test_spikes_at_some_last_batches_recur_at_the_period_of_all():
    found = spiking_at([65, 131, 153, 241, 263, 373])
    assert (found.period.every, found.period.places, len(found.spikes)) == (22, 15, 6)


@pytest.mark.parametrize(
    "places",
    [
        [65, 87],  # two
        [65, 87, 109, 132],  # one beside the period
        [65, 76, 87],  # three so near each other may be chance
        [200, 203, 206, 210],
    ],
)
def test_what_chance_explains_does_not_recur(places):
    found = spiking_at(places)
    assert len(found.spikes) == len(places)
    assert found.period is None


@pytest.mark.parametrize("count", [3, 4, 6])
def test_spikes_at_random_recur_in_at_most_one_of_twenty(count):
    rng = np.random.default_rng(count)
    found = [spiking_at(50 + rng.choice(800, count, replace=False), n=900, seed=seed) for seed in range(400)]
    assert sum(one is not None and len(one.spikes) == count for one in found) > 300
    assert sum(one is not None and one.period is not None for one in found) <= 20


def test_too_little_for_spikes_and_slow_steps_is_said():
    with pytest.raises(NotEnoughError, match="not enough data: 99 points, 100 needed"):
        spikes(series(noise(99)))
    with pytest.raises(NotEnoughError, match="not enough data: 19 timed intervals, 20 needed"):
        stalls(timed(np.ones(19)), np.array([]))
    with pytest.raises(NotEnoughError, match="not enough data: 0 timed intervals, 20 needed"):
        stalls(series(noise()), np.array([]))
    with pytest.raises(NotEnoughError, match="no measurable time"):
        stalls(timed(np.zeros(30)), np.array([]))


def timed(seconds, **given) -> Series:
    wall = 1e9 + np.concatenate([[0], np.cumsum(seconds)])
    return series(np.zeros(len(wall)), wall=wall, **given)


def test_planted_stalls_are_counted_with_the_longest_and_the_time_lost():
    seconds = np.full(100, 0.5)
    seconds[[19, 59]] = [20.5, 60.5]
    found = stalls(timed(seconds, steps=np.arange(101) * 10), np.array([]))
    assert (found.count, found.n, found.places) == (2, 100, (200, 600))
    assert (found.longest, found.longest_step) == (pytest.approx(60.5), 600)
    assert found.lost == pytest.approx(80)
    assert found.median == pytest.approx(0.05)
    assert found.every == 0


def test_stalls_that_recur_are_said_to():
    seconds = np.full(200, 0.5)
    seconds[49::50] = 30
    assert stalls(timed(seconds), np.array([])).every == 50


def test_gaps_at_restarts_are_no_stalls():
    seconds = np.full(100, 0.5)
    seconds[49] = 3600
    steps = np.concatenate([np.arange(50), np.arange(40, 91)])
    assert stalls(timed(seconds, steps=steps, segment=np.arange(101) >= 50), np.array([])).count == 0
    assert stalls(timed(seconds), np.array([])).count == 1


def test_evaluation_pauses_are_told_apart_from_stalls():
    seconds = np.full(100, 0.5)
    seconds[9::10] = 30
    seconds[54] = 45
    walls = 1e9 + np.cumsum(seconds)
    found = stalls(timed(seconds), walls[9::10] - 0.1)
    assert (found.count, found.places) == (1, (55,))
    assert (found.evaluations, found.evaluating) == (10, pytest.approx(295))


def test_steps_of_varying_length_and_hiccups_are_no_stalls():
    rng = np.random.default_rng(0)
    assert stalls(timed(np.exp(rng.normal(0, 0.5, 1000))), np.array([])).count == 0
    hiccups = np.full(100, 1e-5)
    hiccups[50] = 0.1
    assert stalls(timed(hiccups), np.array([])).count == 0
