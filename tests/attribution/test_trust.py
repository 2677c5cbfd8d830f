import numpy as np
import pytest
from scipy.stats import spearmanr

from reportgen.attribution.base import Attribution
from reportgen.attribution.trust import (
    agreement,
    common,
    completeness_error,
    consistency,
    correlation,
    cosine,
    missed,
    overlap,
    spearman,
    stability,
    top,
)


def test_completeness_error_is_relative_to_the_difference_of_the_scores():
    assert completeness_error(2.1, 3.0, 1.0) == pytest.approx(0.05)
    assert completeness_error(-2.0, 1.0, 3.0) == 0


def test_what_a_sum_misses_is_set_beside_all_that_its_values_move():
    values = np.array([6.0, -5.0])
    assert missed(values, 1.5, 0.0) == pytest.approx(0.5 / 11)
    assert missed(values, 0.0, 0.0) == pytest.approx(1 / 11)
    assert missed(np.zeros(2), 3.0, 1.0) == 1
    assert missed(np.zeros(2), 3.0, 3.0) is None


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
    table = agreement([[one, two], [one]], ["A", "B", "C"], [np.ones(3, bool)] * 2)
    assert table[0, 1] == table[1, 0] == pytest.approx(1)
    assert table[0, 0] == pytest.approx(1)
    assert np.isnan(table[2]).all()


def test_the_overlap_of_the_top_is_counted_by_hand():
    left = np.arange(60.0)
    right = left.copy()
    right[[54, 0]] = right[[0, 54]]  # one of the six largest goes, another comes
    assert top(60) == 6
    assert overlap(left, left) == pytest.approx(1)
    assert overlap(left, right) == pytest.approx(5 / 6)
    assert overlap(left, -left) == 0
    assert overlap(left, np.ones(60)) is None


def test_the_top_is_five_of_few_places_and_never_more_than_half():
    assert [top(places) for places in (1, 2, 3, 7, 10, 30, 50, 51, 1000)] == [1, 1, 1, 3, 5, 5, 5, 5, 100]


def test_places_that_tie_at_the_edge_of_the_top_share_its_room():
    tied = np.array([9.0, 1, 1, 1, 1, 0, 0, 0, 0, 0])  # a top of five: all that are not zero
    half = np.array([1.0, 1, 1, 1, 1, 1, 1, 1, 1, 0])  # five rooms for nine
    assert overlap(tied, tied) == pytest.approx(1)
    assert overlap(half, half) == pytest.approx(1)
    assert overlap(tied, half) == pytest.approx(5 * (5 / 9) / 5)


def test_common_tops_and_places_of_which_a_method_can_say_nothing():
    rng = np.random.default_rng(0)
    values = rng.normal(size=12)
    unknown = np.arange(12) < 6
    one = Attribution("A", values, True, "")
    two = Attribution("B", np.where(unknown, 0.0, -values), True, "", unknown=unknown)
    every = [np.ones(12, bool)]
    assert common([[one, two]], ["A", "B"], every) == pytest.approx(np.ones((2, 2)))
    assert agreement([[one, two]], ["A", "B"], every) == pytest.approx(np.ones((2, 2)))


def test_places_that_do_not_count_change_no_correlation_and_no_overlap():
    rng = np.random.default_rng(0)
    short = [[Attribution(name, rng.normal(size=12), True, "") for name in "AB"]]
    long = [[Attribution(one.method, np.append(one.values, np.zeros(116)), True, "") for one in short[0]]]
    for measure in (agreement, common):
        expected = measure(short, ["A", "B"], [np.ones(12, bool)])
        assert measure(long, ["A", "B"], [np.arange(128) < 12]) == pytest.approx(expected)
        assert abs(measure(long, ["A", "B"], [np.ones(128, bool)])[0, 1] - expected[0, 1]) > 0.1
        assert np.isnan(measure(long, ["A", "B"], [np.zeros(128, bool)])).all()


def test_values_count_by_their_size_so_that_the_order_of_noise_does_not():
    noise = np.random.default_rng(0).normal(size=(2, 50))
    sparse = [np.append(10.0, 0.1 * row) for row in noise]
    assert stability(sparse) < 0.4
    assert consistency(sparse) > 0.99
    assert abs(consistency(list(noise))) < 0.3
    assert consistency([np.array([3.0, 4.0]), np.array([4.0, 3.0])]) == pytest.approx(24 / 25)
    assert consistency([np.zeros(3), np.ones(3)]) is None
    assert cosine(np.array([1.0, 0.0]), np.array([0.0, 2.0])) == 0
    left, right = noise
    assert correlation(left, right) == pytest.approx(np.corrcoef(left, right)[0, 1])
