"""Layers' names made short: several that are alike as one, a table row's id."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NO_DIGITS = str.maketrans("", "", "0123456789")


def row_id(path: str) -> str:
    """The id of a layer's row: its path, and "root" for the model itself."""
    return "root" if not path else f"./{path}" if path == "root" else path


def uncompiled(name: str) -> str:
    """A parameter's name without the parts that `torch.compile` puts in for a module it wraps."""
    return re.sub(r"(^|\.)_orig_mod\.", r"\1", name)


def stem(path: str) -> str:
    """The last part of a path without its digits: what layers of one kind in a row share."""
    return path.rpartition(".")[2].translate(_NO_DIGITS)


def span(paths: Sequence[str]) -> str:
    """`layers.0-79.mlp` where the paths differ in one number that runs; else the first and how many more."""
    at = _differ(paths[0], paths[-1])
    if at is not None:
        numbers = [parts[at] if len(parts := _NUMBERS.split(path)) > at else "-1" for path in paths]
        if [int(one) for one in numbers] == list(range(int(numbers[0]), int(numbers[-1]) + 1)):
            return between(paths[0], paths[-1]) or paths[0]
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"


def between(first: str, last: str) -> str:
    """`layers.0-79` for `layers.0` and `layers.79`; nothing where they differ in more than one number."""
    at = _differ(first, last)
    if at is None:
        return ""
    parts = _NUMBERS.split(first)
    return "".join([*parts[:at], f"{parts[at]}-{_NUMBERS.split(last)[at]}", *parts[at + 1 :]])


_NUMBERS = re.compile(r"(\d+)")  # splits a name so that its numbers stand at the odd places


def _differ(first: str, last: str) -> int | None:
    """The place of the one number in which two names differ."""
    one, other = _NUMBERS.split(first), _NUMBERS.split(last)
    differ = [at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]]
    return differ[0] if len(one) == len(other) and len(differ) == 1 and differ[0] % 2 else None
