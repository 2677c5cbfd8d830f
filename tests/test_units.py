"""Numbers as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.units import axis, plural, shorten, show


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "FLOPs", "unknown"),
        (True, "", "yes"),
        (float("nan"), "", "NaN"),
        (float("inf"), "bytes", "∞"),
        (float("-inf"), "", "−∞"),
        (25_557_032, "exact", "25,557,032"),
        (25_557_032, "params", "25.6 M params"),
        (8_178_368_512, "FLOPs", "8.18 GFLOPs"),
        (512, "FLOPs", "512 FLOPs"),
        (999, "count", "999"),
        (999_960, "count", "1 M"),
        (0, "count", "0"),
        (1536, "bytes", "1.5 KiB"),
        (12, "bytes", "12 B"),
        (0.00123, "s", "1.23 ms"),
        (0, "s", "0 s"),
        (3661, "s", "61 min"),
        (0.9444, "share", "94.44 %"),
        (-0.5, "", "−0.5"),
        (1234.5678, "", "1,235"),
        (1e-7, "", "1.000e-07"),
        (0.693147, "nats", "0.6931 nats"),
        ("text", "bytes", "text"),
    ],
)
def test_a_value_is_written_as_a_reader_expects(value, unit, text):
    assert show(value, unit) == text


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-30, max_value=1e30))
def test_a_number_read_back_differs_by_less_than_its_last_digit(value):
    written = show(value).replace(",", "").replace("−", "-")
    assert float(written) == pytest.approx(value, rel=1e-3)


@given(st.integers(0, 10**18), st.sampled_from(["count", "FLOPs", "bytes", "params", "s", "share", "exact"]))
def test_the_sign_of_a_number_is_kept(value, unit):
    assert show(-value, unit).startswith("−") == (value > 0)


@given(st.text(), st.integers(4, 80))
def test_shortened_text_is_one_line_within_its_limit(text, limit):
    short = shorten(text, limit)
    assert len(short) <= limit
    assert "\n" not in short


def test_plural_counts():
    assert [plural(n, "sample") for n in (0, 1, 1797)] == ["0 samples", "1 sample", "1,797 samples"]


@pytest.mark.parametrize(
    ("top", "unit", "expected"),
    [
        (3 * 1024**2, "bytes", (1024.0**2, "MiB")),
        (999, "bytes", (1.0, "B")),
        (3.2e7, "FLOPs", (1e6, "MFLOPs")),
        (12, "FLOPs", (1.0, "FLOPs")),
        (4.2e4, "params", (1e3, "k params")),
        (0.004, "s", (1e-3, "ms")),
        (0.0, "s", (1.0, "s")),
        (0.9, "share", (0.01, "%")),
        (7, "exact", (1.0, "")),
        (7, "kg", (1.0, "kg")),
        (float("inf"), "bytes", (1.0, "B")),
    ],
)
def test_an_axis_has_one_unit(top: float, unit: str, expected: tuple[float, str]) -> None:
    assert axis(top, unit) == expected
