"""Rank statistics against SciPy, the noise estimate against noise of known size."""

import math

import numpy as np
import pytest
from scipy import stats

from reportgen.history.display import deviation
from reportgen.history.rules.statistics import averaged, mann_kendall, medians_before, theil_sen


def approximate(values: np.ndarray) -> float:
    """Kendall's S from SciPy's tau-b, and its one-sided normal p with ties and continuity corrected."""
    n = len(values)
    _, ties = np.unique(values, return_counts=True)
    pairs = n * (n - 1) / 2
    tied = float((ties * (ties - 1) / 2).sum())
    tau = stats.kendalltau(np.arange(n), values).statistic
    score = round(tau * math.sqrt(pairs * (pairs - tied)))
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    return float(stats.norm.sf((score - np.sign(score)) / math.sqrt(variance)))


@pytest.mark.parametrize("n", [10, 30, 200])
def test_mann_kendall_is_kendalls_tau_against_time(n):
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), np.arange(n) * 0.05 + rng.normal(size=n)):
        exact = stats.kendalltau(np.arange(n), values, method="exact", alternative="greater").pvalue
        assert mann_kendall(values) == pytest.approx(exact, abs=0.012)
        assert mann_kendall(values) == pytest.approx(approximate(values), rel=1e-9)


@pytest.mark.parametrize("n", [10, 50, 300])
def test_mann_kendall_corrects_for_ties(n):
    values = np.random.default_rng(n).integers(0, 5, n) + np.arange(n) // (n // 2)
    assert len(np.unique(values)) < n
    assert mann_kendall(values) == pytest.approx(approximate(values), rel=1e-9)


def test_mann_kendall_without_a_course():
    assert mann_kendall(np.ones(20)) == 1.0
    assert mann_kendall(np.array([1.0, 2.0])) == 1.0
    assert mann_kendall(np.array([np.nan] * 10)) == 1.0


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [5, 20, 120])
def test_theil_sen_is_scipys_with_its_interval(n, ties):
    rng = np.random.default_rng(n)
    x = np.sort(rng.integers(0, 10 * n, n)).astype(float)
    y = 0.3 * x + rng.normal(0, n, n)
    if ties:
        y = np.round(y / n) * n
    theirs = stats.theilslopes(y, x, alpha=0.95)
    assert theil_sen(x, y) == pytest.approx((theirs.slope, theirs.low_slope, theirs.high_slope), rel=1e-12)


@pytest.mark.parametrize("trend", [0.0, 0.05, -3.0])
def test_sigma_is_the_noises_whatever_the_trend(trend):
    noise = np.random.default_rng(0).normal(0, 0.2, 5000)
    assert deviation(noise + trend * np.arange(5000)) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("n", [15, 21, 60, 101, 102, 400])
def test_running_medians_are_numpys(n):
    values = np.random.default_rng(n).normal(size=n)
    middle, spread = medians_before(values, 101, 20)
    assert np.isnan(middle[:20]).all()
    for place in range(20, n):
        window = values[max(0, place - 101) : place]
        assert middle[place] == pytest.approx(np.median(window))
        assert spread[place] == pytest.approx(np.median(np.abs(window - np.median(window))))


def test_long_courses_are_averaged_evenly():
    assert averaged(np.arange(10.0), 20).tolist() == list(range(10))
    assert averaged(np.arange(10.0), 5).tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]
    assert averaged(np.arange(7.0), 3).tolist() == [0.5, 2.5, 5.0]
