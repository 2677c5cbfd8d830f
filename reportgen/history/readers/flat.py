"""Nested settings made flat: hyper-parameters as they stand in a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from reportgen.history.model import Setting
from reportgen.units import shorten

_MOST = 500  # settings of a run: more is data, and no table that anyone reads
_LONGEST = 200  # characters of a text
_DEEPEST = 20


def flat(data: Mapping[Any, Any]) -> tuple[dict[str, Setting], int]:
    """The settings by dotted name (`optimizer.lr`), and how many were left out as there are too many.

    A list stays one setting, written as Python writes it.
    """
    out: dict[str, Setting] = {}
    left = 0
    for name, value in _leaves(data, "", 0):
        if len(out) < _MOST or name in out:
            out[name] = value
        else:
            left += 1
    return out, left


def too_many(left: int) -> tuple[str, ...]:
    """The warning about settings that were left out; none where there are none."""
    return (f"{left:,} settings left out: more than {_MOST}",) if left else ()


def _leaves(data: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Setting]]:
    for key, value in data.items():
        name = f"{prefix}{shorten(str(key), _LONGEST)}"
        if isinstance(value, Mapping) and value and depth < _DEEPEST:
            yield from _leaves(value, f"{name}.", depth + 1)
        else:
            yield name, _setting(value)


def _setting(value: Any) -> Setting:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    return shorten(value if isinstance(value, str) else _text(value), _LONGEST)


def _text(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"
    except RecursionError:
        return "(nested too deeply)"


def typed(text: str) -> Setting:
    """What a setting that was written as text means: a number, True or False, or the text."""
    if text in ("True", "False", "true", "false"):
        return text.lower() == "true"
    try:
        number = float(text) if "_" not in text else None
    except ValueError:
        number = None
    if number is None:
        return shorten(text, _LONGEST)
    whole = math.isfinite(number) and abs(number) < 2**53 and text.strip().lstrip("+-").isdigit()
    return int(number) if whole else number
