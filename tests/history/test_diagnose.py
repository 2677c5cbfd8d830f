"""Diagnoses: against SciPy, against simulated courses with a known answer, and below the minimum."""

import numpy as np
import pytest
from scipy import stats

from reportgen.history.diagnose import non_finite, rise_after_best
from reportgen.history.model import Series
from reportgen.history.rules.statistics import mann_kendall


def series(values, steps=None) -> Series:
    values = np.asarray(values, np.float64)
    n = len(values)
    steps = np.arange(n) if steps is None else np.asarray(steps)
    return Series("loss", steps, np.full(n, np.nan), values, np.zeros(n, np.int32), np.zeros(n, np.uint8))


@pytest.mark.parametrize("n", [10, 30, 200])
def test_mann_kendall_is_kendalls_tau_against_time(n):
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), np.arange(n) * 0.05 + rng.normal(size=n)):
        exact = stats.kendalltau(np.arange(n), values, method="exact", alternative="greater").pvalue
        assert mann_kendall(values) == pytest.approx(exact, abs=0.012)


def test_mann_kendall_without_a_course():
    assert mann_kendall(np.ones(20)) == 1.0
    assert mann_kendall(np.array([1.0, 2.0])) == 1.0
    assert mann_kendall(np.array([np.nan] * 10)) == 1.0


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
    assert share(lambda rng: 0.5 + rng.normal(0, 0.02, 40)) <= 0.1


def test_too_little_to_judge_is_said():
    with pytest.raises(ValueError, match="not enough data: 7 points, 8 needed"):
        rise_after_best(series(np.arange(7)), None)


def test_non_finite_values_are_counted_and_dated():
    found = non_finite(series([1, np.nan, 2, np.inf], steps=[10, 20, 30, 40]))
    assert found is not None
    assert (found.step, found.count, found.n, found.permanent) == (20, 2, 4, False)
    last = non_finite(series([1, 2, np.nan, np.nan]))
    assert last is not None
    assert last.permanent
    assert non_finite(series([1, 2])) is None
