"""Layers' names made short: several that are alike as one, a table row's id."""

from __future__ import annotations

from collections.abc import Sequence

_NO_DIGITS = str.maketrans("", "", "0123456789")


def row_id(path: str) -> str:
    """The id of a layer's row: its path, and "root" for the model itself."""
    return "root" if not path else f"./{path}" if path == "root" else path


def stem(path: str) -> str:
    """The last part of a path without its digits: what layers of one kind in a row share."""
    return path.rpartition(".")[2].translate(_NO_DIGITS)


def span(paths: Sequence[str]) -> str:
    """`layers.0-79.mlp` where the paths differ in one number that runs; else the first and how many more."""
    first, last = paths[0].split("."), paths[-1].split(".")
    differ = [at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]]
    if len(paths) > 1 and len(first) == len(last) and len(differ) == 1:
        at = differ[0]
        numbers = [path.split(".")[at] if path.count(".") == len(first) - 1 else "" for path in paths]
        running = all(one.isdecimal() for one in numbers)
        if running and [int(one) for one in numbers] == list(range(int(numbers[0]), int(numbers[-1]) + 1)):
            return ".".join([*first[:at], f"{numbers[0]}-{numbers[-1]}", *first[at + 1 :]])
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1:,} more"
