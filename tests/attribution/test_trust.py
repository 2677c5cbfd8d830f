import numpy as np
import pytest
from scipy.stats import spearmanr

from reportgen.attribution.base import Attribution
from reportgen.attribution.trust import agreement, completeness_error, spearman, stability


def test_completeness_error_is_relative_to_the_difference_of_the_scores():
    assert completeness_error(2.1, 3.0, 1.0) == pytest.approx(0.05)
    assert completeness_error(-2.0, 1.0, 3.0) == 0


def test_completeness_error_is_unknown_where_the_scores_are_equal():
    assert completeness_error(0.3, 1.0, 1.0) is None
    assert completeness_error(0.0, 0.0, 0.0) is None


def test_spearman_is_that_of_scipy_also_with_ties():
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 6, 50), rng.normal(size=50)
    assert spearman(left, right) == pytest.approx(spearmanr(left, right).statistic, abs=1e-12)


def test_spearman_of_a_constant_is_unknown():
    assert spearman(np.zeros(4), np.arange(4)) is None


def test_rounding_noise_is_a_tie_and_no_rank():
    exact = np.array([0.0, 0.0, 0.0, 1.0, 2.0])
    noisy = exact + np.array([3e-12, -1e-12, 2e-12, 0, 0])
    assert spearman(exact, noisy) == pytest.approx(1)


def test_stability_is_the_mean_over_the_pairs_of_runs():
    up, down = np.arange(5.0), np.arange(5.0)[::-1]
    assert stability([up, up]) == pytest.approx(1)
    assert stability([up, up, down]) == pytest.approx((1 - 1 - 1) / 3)
    assert stability([up]) is None


def test_agreement_compares_sizes_and_leaves_unknown_what_is_missing():
    one = Attribution("A", np.array([1.0, -2.0, 3.0]), True, "")
    two = Attribution("B", np.array([1.0, 2.0, 3.0]), False, "")
    table = agreement([[one, two], [one]], ["A", "B", "C"])
    assert table[0, 1] == table[1, 0] == pytest.approx(1)
    assert table[0, 0] == pytest.approx(1)
    assert np.isnan(table[2]).all()
