"""Smoothing and down-sampling against pandas and against the truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reportgen.history.display import (
    COLUMNS,
    FEWEST,
    columns_for,
    deviation,
    rounded,
    smooth,
    smoothing,
    thin,
)


@pytest.mark.parametrize("weight", [0.1, 0.6, 0.99])
def test_smoothing_is_pandas_ewm(weight):
    values = np.random.default_rng(0).normal(size=500).cumsum()
    values[[3, 50, 51, 200]] = np.nan
    expected = pd.Series(values).ewm(alpha=1 - weight, adjust=True, ignore_na=True).mean().to_numpy()
    finite = np.isfinite(values)
    np.testing.assert_allclose(smooth(values, weight)[finite], expected[finite], rtol=1e-12)
    assert np.isnan(smooth(values, weight)[~finite]).all()


def test_constant_series_is_untouched():
    assert smooth(np.full(50, 0.1), 0.9).tolist() == [0.1] * 50


def test_deviation_finds_the_noise_under_a_trend():
    rng = np.random.default_rng(0)
    values = np.linspace(0, 1000, 20_000) + rng.normal(0, 3, 20_000)
    assert deviation(values) == pytest.approx(3, rel=0.03)


def test_only_long_and_noisy_curves_are_smoothed():
    rng = np.random.default_rng(0)
    assert smoothing(rng.normal(size=99)) == 0
    assert smoothing(np.exp(-np.linspace(0, 5, 5000))) == 0
    assert smoothing(rng.normal(size=1000)) == 0.95
    falling = np.exp(-np.linspace(0, 8, 1000))
    # Plain on a logarithmic axis, hidden on a linear one.
    assert smoothing(falling * (1 + 2 * rng.random(1000))) == 0.95


VALUES = arrays(
    np.float64,
    st.integers(41, 400),
    elements=st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf]),
)


@given(VALUES, st.booleans())
def test_thinning_keeps_first_last_extremes_and_kinds_of_non_finite(y, gaps):
    x = np.cumsum(np.arange(len(y)) % 7) if gaps else np.arange(len(y))
    kept = thin(x, y, columns=10)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert kept[-1] == len(y) - 1
    assert len(kept) <= 7 * 10
    finite = y[np.isfinite(y)]
    if len(finite):
        assert {finite.min(), finite.max()} <= set(y[kept].tolist())
    for kind in (np.isnan, np.isposinf, np.isneginf):
        assert kind(y).any() == kind(y[kept]).any()


def test_thinning_keeps_first_last_lowest_and_highest_of_every_column():
    y = np.random.default_rng(0).normal(size=10_000)
    kept = set(thin(np.arange(10_000), y, columns=100).tolist())
    for column in range(100):
        rows = np.flatnonzero((np.arange(10_000) * 100 // 9_999).clip(max=99) == column)
        assert {int(rows[0]), int(rows[y[rows].argmin()]), int(rows[y[rows].argmax()]), int(rows[-1])} <= kept
    assert len(kept) <= 400


def test_thinning_keeps_what_must_be_kept():
    assert {1234, 5678} <= set(
        thin(np.arange(10_000), np.zeros(10_000), columns=10, always=[1234, 5678]).tolist()
    )


def test_the_more_curves_the_fewer_columns_each_within_bounds():
    assert [columns_for(count) for count in (0, 10, 120, 500)] == [COLUMNS, COLUMNS, 83, FEWEST]


def test_short_curves_are_kept_whole():
    assert len(thin(np.arange(1000), np.zeros(1000))) == 1000


def test_rounding_keeps_float32():
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    back = np.array(rounded(values.astype(np.float64)))
    np.testing.assert_allclose(back, values, rtol=5e-7)
