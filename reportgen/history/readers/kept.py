"""The curves among what a script saved: lists of numbers by name, dicts in a list, dicts by epoch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from reportgen.history.budget import halt, series
from reportgen.history.model import Points, Reading
from reportgen.history.readers.lines import EPOCHS, Columns

_DEEPEST = 5
_MOST = 4_000_000  # values that are looked at, each as often as it stands in what was saved
_EXACT = 2**53  # a step beyond it is no longer exact as a float
_OTHER = re.compile(
    r"state_dict|optim|sched|param|config|args|hparam|hyper|callback|loops|rng|random|scaler|vocab|classes|names|"
    r"shape|size|betas|indices|milestones",
    re.IGNORECASE,
)
_CONTAINERS = re.compile(
    r"(?:.*_)?(?:histor(?:y|ies)|logs?|metrics|results|stats|records?|curves?)", re.IGNORECASE
)


class _Found:
    """The curves by name: values, and the steps that they came with, None where they are counted."""

    def __init__(self) -> None:
        self.curves: dict[str, tuple[list[float | None], list[float] | None]] = {}
        self.epochs: list[float] | None = None
        self.rows: list[dict[str, float]] = []


class _Left:
    """How many values may still be looked at: a list that stands in a hundred places costs what it stands for."""

    def __init__(self) -> None:
        self._left = _MOST

    def __call__(self, count: int = 1) -> bool:
        """Take so many; whether there were enough."""
        self._left -= count
        if self._left < 0:
            halt(f"more than {_MOST:,} values in what was saved")
        return self._left >= 0


def found_in(saved: Any) -> Reading | None:
    """The history that was saved, or None where there is none."""
    if not isinstance(saved, Mapping):
        saved = {"history": saved} if isinstance(saved, list) else {}
    found, left = _Found(), _Left()
    for name, value in _walk(saved, (), 0, left):
        if not left(len(value)) or len(found.curves) > series():
            break
        _take(found, name, value, left)
    if found.rows:
        return _of_rows(found.rows)
    return _of_lists(found, _number(saved.get("epoch"))) if found.curves else None


def _walk(
    saved: Mapping[Any, Any], above: tuple[str, ...], depth: int, left: _Left
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that may be a curve, with the names on the way to it."""
    lengths = {len(value) for value in saved.values() if isinstance(value, list) and len(value) > 1}
    for key, value in saved.items():
        if not left():
            return
        name = _name(key)
        if _vector(value) in lengths and not _OTHER.search(name):
            # Beside lists of its length: alone, an array of one axis may be a bias.
            yield (*above, name), value.tolist()
            continue
        if _OTHER.search(name) or (depth == 0 and hasattr(value, "untyped_storage")):
            continue
        path = (*above, name)
        if isinstance(value, Mapping) and not _by_step(value) and depth < _DEEPEST:
            yield from _walk(value, path, depth + 1, left)
        elif isinstance(value, list | tuple | Mapping):
            yield path, value


def _vector(value: Any) -> int:
    """How many real numbers a tensor or array of one axis holds; 0 for anything else."""
    if getattr(value, "ndim", 0) != 1 or not hasattr(value, "tolist"):
        return 0
    return len(value)


def _by_step(value: Mapping[Any, Any]) -> bool:
    """Whether its keys are numbers of epochs or steps."""
    keys = list(value)
    whole = (isinstance(key, int) and not isinstance(key, bool) and abs(key) < _EXACT for key in keys)
    return len(keys) > 1 and all(whole)


def _name(key: Any) -> str:
    return (
        key
        if isinstance(key, str)
        else str(key)
        if isinstance(key, int | float | bool)
        else type(key).__name__
    )


def _take(found: _Found, path: tuple[str, ...], value: Any, left: _Left) -> None:
    tag = "/".join(part for part in path if not _CONTAINERS.fullmatch(part)) or path[-1]
    if isinstance(value, Mapping):
        rows = [{"epoch": key, **row} for key, row in value.items() if isinstance(row, Mapping)]
        values = [_number(one) for one in value.values()]
        if rows:
            found.rows += [_numbers(row, left) for row in rows]
        elif all(one is not None for one in values):
            found.curves[tag] = (values, [float(key) for key in value])
    elif value and all(isinstance(row, Mapping) for row in value):
        rows = [_numbers(row, left) for row in value]
        if sum(len(row) > 0 for row in rows) == len(rows) and any(
            len(row) > 1 or len(rows) > 1 for row in rows
        ):
            found.rows += rows
    elif isinstance(value, list):
        numbers = [_number(one) for one in value]
        kept = [one for one in numbers if one is not None]
        if len(value) > 1 and kept and len(kept) == sum(one is not None for one in value):
            if path[-1].lower() in EPOCHS:
                found.epochs = kept
            else:
                found.curves[tag] = (numbers, None)


def _number(value: Any) -> float | None:
    """A number of Python's, NumPy's or a tensor's of one element; None for anything else."""
    if hasattr(value, "numel") and hasattr(value, "item"):
        value = value.item() if value.numel() == 1 and not value.is_complex() else None
    elif isinstance(value, np.number | np.bool_):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _numbers(row: Mapping[Any, Any], left: _Left, above: str = "") -> dict[str, float]:
    """The numbers of one row, those of dicts within by their path."""
    out: dict[str, float] = {}
    for key, value in row.items():
        if not left():
            break
        name = f"{above}{_name(key)}"
        if isinstance(value, Mapping) and above.count("/") < _DEEPEST:
            out.update(_numbers(value, left, f"{name}/"))
        elif (number := _number(value)) is not None:
            out[name] = number
    return out


def _of_rows(rows: list[dict[str, float]]) -> Reading:
    columns = Columns(list(dict.fromkeys(name for row in rows for name in row)))
    for row in rows:
        columns.row(row)
    points, axis, warnings = columns.points()
    return Reading(
        points, warnings, axis=axis, why=f"saved by torch.save, with {len(rows):,} rows of numbers"
    )


def _of_lists(found: _Found, last: float | None) -> Reading:
    """Lists of numbers: by the epochs saved beside them, else by their place."""
    lengths = {len(values) for values, _ in found.curves.values()}
    steps = _epochs(found, lengths, last)
    keyed = all(keys is not None for _, keys in found.curves.values())
    points, notes = {}, []
    for tag, (values, keys) in found.curves.items():
        own = keys if keys is not None else steps
        if own is None or len(own) != len(values):
            own = [float(place) for place in range(len(values))]
        logged = [(step, value) for step, value in zip(own, values, strict=True) if value is not None]
        at, said = np.array(logged, np.float64).T
        points[tag] = Points(at.astype(np.int64), np.full(len(at), np.nan), said, np.zeros(len(at), np.int32))
    if len(lengths) > 1:
        shown = ", ".join(f"{length:,}" for length in sorted(lengths)[:4])
        notes.append(f"its lists differ in length ({shown}): each is counted by itself")
    axis = "epoch" if (steps is not None and len(lengths) == 1) or keyed else "row"
    names = ", ".join(repr(tag[:40]) for tag in list(points)[:3])
    return Reading(
        points, tuple(notes), axis=axis, why=f"saved by torch.save, with lists of numbers: {names}"
    )


def _epochs(found: _Found, lengths: set[int], last: float | None) -> list[float] | None:
    """The epoch of each place in lists of one length: as saved, or by the epoch that the checkpoint is of."""
    if len(lengths) != 1:
        return None
    (count,) = lengths
    saved = found.epochs
    if saved is not None and len(saved) == count and all(abs(e) < _EXACT and e == int(e) for e in saved):
        return saved
    if last in (count, count - 1):
        return [float(int(last) - count + 1 + place) for place in range(count)]
    return None
