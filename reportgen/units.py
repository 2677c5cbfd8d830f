"""How numbers are written, in one place: 25.6 M, 3.4 GFLOPs, 12 ms, 94.2 %."""

from __future__ import annotations

import math
import sys

UNKNOWN = "unknown"
_THOUSANDS = ("", " k", " M", " G", " T", " P")
_TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def show(value: object, unit: str = "") -> str:
    """Write one value with its unit.

    `unit` is one of "count" (25.6 M), "exact" (25,557,032), "bytes" (KiB, MiB), "s" (seconds, as
    us, ms, s, min or h), "share" (0..1, as per cent), or a free suffix; "FLOPs" and "params" take an
    SI prefix. None is written as "unknown": a missing number is never a zero.
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if abs(value) > sys.float_info.max / 100:
        return _minus(_huge(int(value), unit))
    return _minus(_number(value, unit))


def _huge(value: int, unit: str) -> str:
    """A number near or beyond the largest float, in powers of ten."""
    power = math.floor(math.log10(abs(value)))
    digits = abs(value) // 10 ** (power - 3) / 1000
    name = {"exact": "", "count": "", "bytes": "B", "share": "%"}.get(unit, unit)
    sign = "-" if value < 0 else ""
    return f"{sign}{digits:.3f}e+{power + 2 * (unit == 'share')} {name}".rstrip()


def _number(value: int | float, unit: str) -> str:
    if unit == "exact":
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    if unit == "count":
        return _scaled(value)
    if unit in ("FLOPs", "params"):
        scaled = _scaled(value)
        return f"{scaled}{'' if ' ' in scaled and unit == 'FLOPs' else ' '}{unit}"
    if unit == "bytes":
        return _bytes(value)
    if unit == "s":
        return _seconds(value)
    if unit == "share":
        return f"{_significant(100 * value, 4 if abs(value) >= 0.01 else 2)} %"
    text = f"{value:,}" if isinstance(value, int) else _significant(value)
    return f"{text} {unit}".rstrip()


def _scaled(value: int | float) -> str:
    """Three significant digits with a decimal prefix; whole numbers below 1,000 as they are."""
    size, power = abs(value), 0
    while round(size, 1) >= 1000 and power < len(_THOUSANDS) - 1:
        size, power = size / 1000, power + 1
    if power == 0 and isinstance(value, int):
        return str(value)
    sign = "-" if value < 0 else ""
    return f"{sign}{_significant(size, 3)}{_THOUSANDS[power]}"


def _bytes(value: int | float) -> str:
    size, power = abs(value), 0
    while size >= 1024 and power < len(_BINARY) - 1:
        size, power = size / 1024, power + 1
    sign = "-" if value < 0 else ""
    number = f"{size:.0f}" if power == 0 else _significant(size, 3)
    return f"{sign}{number} {_BINARY[power]}"


def _seconds(value: int | float) -> str:
    size = abs(value)
    if size == 0 or 1 <= size < 120:
        return f"{_significant(value, 3)} s"
    if size < 1e-3:
        return f"{_significant(value * 1e6, 3)} µs"
    if size < 1:
        return f"{_significant(value * 1e3, 3)} ms"
    if size < 7200:
        return f"{_significant(value / 60, 3)} min"
    return f"{_significant(value / 3600, 3)} h"


def axis(top: float, unit: str) -> tuple[float, str]:
    """What to divide an axis's values by, and the unit to write beside it once, where its largest is `top`.

    Of bytes a power of 1,024, so that round ticks are round numbers of KiB or MiB.
    """
    size = abs(top) if math.isfinite(top) else 0.0
    if unit == "share":
        return 0.01, "%"
    if unit == "s":
        small = next(((by, name) for by, name in _TIMES if size >= by), _TIMES[-1])
        return small if size else (1.0, "s")
    if unit == "bytes":
        power = _power(size, 1024, len(_BINARY))
        return 1024.0**power, _BINARY[power]
    if unit in ("count", "FLOPs", "params"):
        power = _power(size, 1000, len(_THOUSANDS))
        prefix, name = _THOUSANDS[power].strip(), "" if unit == "count" else unit
        return 1000.0**power, f"{prefix}{' ' if unit == 'params' else ''}{name}".strip()
    return 1.0, "" if unit == "exact" else unit


def _power(size: float, base: int, count: int) -> int:
    """How often a size can be divided by `base` and stay at 1 or above."""
    return next((power for power in range(count - 1, 0, -1) if size >= base**power), 0)


def _significant(value: int | float, digits: int = 4) -> str:
    """`digits` significant digits, no exponent between 1e-4 and 1e6."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _minus(text: str) -> str:
    """A true minus sign before a number, so that it is as wide as a plus."""
    return "−" + text[1:] if text.startswith("-") else text


def plural(count: int, noun: str) -> str:
    """`1 sample`, `2 samples`, `1,797 samples`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shorten(text: str, limit: int = 60) -> str:
    """The text on one line, its middle left out where it is longer than `limit` characters."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    head = (limit - 1) * 2 // 3
    return f"{line[:head]}…{line[len(line) - (limit - 1 - head) :]}"
