"""A history saved as one JSON value: a list of rows, or lists of numbers by name, as Keras and pandas give them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from reportgen.history.budget import more, series
from reportgen.history.model import Reading
from reportgen.history.readers.base import NothingLoggedError, Reader, UnreadableError
from reportgen.history.readers.rows import Others, Rows, as_number, numbers
from reportgen.history.readers.signs import is_step, tells
from reportgen.units import plural

_LARGEST = 64 << 20  # bytes: the file is read whole
_MOST_ROWS = 2_000_000  # made of lists
_TRIED = 100  # rows by whose names a list of rows is known
_CONTAINERS = re.compile(r"(?:\w{0,40}_)?(?:history|logs?|metrics|results|records)", re.IGNORECASE)
_NAME = r'"(?P<name>[^"\\]{1,200})"\s{0,99}:\s{0,99}'
_VALUE = r'(?:[-\d]|NaN|Infinity|null|"[-\d.])'
_LIST = re.compile(
    _NAME + rf'(?:\[\s{{0,99}}{_VALUE}|\{{\s{{0,99}}"\d{{1,18}}"\s{{0,99}}:\s{{0,99}}{_VALUE})'
)
_ROWS = re.compile(r'(?:^|"(?P<name>[^"\\]{1,200})"\s{0,99}:)\s{0,99}\[\s{0,99}(?P<row>\{)')
_EXPECTED = "expected a list of rows with a step and numbers, or lists of numbers such as 'loss'"


def recognise(path: Path, head: bytes) -> str | None:
    """By the names in its beginning: rows of a loss or of steps and metrics, or lists of numbers by such names."""
    text = head.decode("utf-8-sig", "replace").strip()
    if not text.startswith(("{", "[")):
        return None
    rows = _ROWS.match(text) if text.startswith("[") else _ROWS.search(text)
    if rows is not None and (rows["name"] is None or _CONTAINERS.fullmatch(rows["name"])):
        sign = _rows_tell([_first(text, rows.start("row"))])
        if sign:
            return f"JSON, a list of rows with {sign!r}"
    sign = tells(found["name"] for found in _LIST.finditer(text)) if text.startswith("{") else ""
    return f"JSON, lists of numbers with {sign!r}" if sign else None


def _first(text: str, start: int) -> Any:
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None


def _rows_tell(rows: list[Any]) -> str:
    """The name by which rows are a training's: with steps, or with nothing but numbers in them."""
    names: dict[str, None] = {}
    plain = True
    for row in rows[:_TRIED]:
        if not isinstance(row, dict):
            return ""
        others: Others = []
        names.update(dict.fromkeys(numbers(row, others)))
        texts = {name for name, value in others if as_number(value) is not None}
        names.update(dict.fromkeys(sorted(texts)))
        plain &= len(texts) == len(others)
    return tells(names) if plain or any(is_step(name) for name in names) else ""


def read(path: Path) -> Reading:
    """Every number of every row or list. Raises UnreadableError, OSError."""
    data = _load(path)
    within = [data]
    if isinstance(data, dict):
        axes = {name: value for name, value in data.items() if is_step(name) and isinstance(value, list)}
        held = [(name, value) for name, value in data.items() if _CONTAINERS.fullmatch(name)]
        within += [{**axes, **value} if isinstance(value, dict) else value for _, value in held]
    for one in within:
        found = _of_rows(one) if isinstance(one, list) else _of_lists(one) if isinstance(one, dict) else None
        if found is not None:
            return found
    raise NothingLoggedError(f"no history in it: {_EXPECTED}")


def _load(path: Path) -> Any:
    if path.stat().st_size > _LARGEST:
        raise UnreadableError(f"larger than {_LARGEST >> 20} MiB: expected a history")
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig", "replace"))
    except RecursionError:
        raise UnreadableError(f"nested too deeply: {_EXPECTED}") from None
    except ValueError as error:
        raise UnreadableError(f"no whole JSON ({error}): {_EXPECTED}") from None


def _of_rows(data: list[Any]) -> Reading | None:
    held = [row for row in data if isinstance(row, dict)]
    sign = _rows_tell(held)
    if not sign:
        return None
    other = len(data) - len(held)
    note = (f"{other:,} of its rows no object: left out",) if other else ()
    return _reading(_counted(held), note, other, f"JSON, a list of {plural(len(held), 'row')} with {sign!r}")


def _of_lists(data: Mapping[str, Any]) -> Reading | None:
    lists: dict[str, list[Any]] = {}
    room = series()
    for name, value in islice(data.items(), 20 * room):
        if len(lists) > room:
            break
        values = _column(value)
        if values and all(_is_number(one) for one in values):
            lists[name] = values
    sign = tells(lists)
    if not sign:
        return None
    lengths = sorted({len(values) for values in lists.values()})
    notes: tuple[str, ...] = ()
    if len(lengths) > 1:
        shown = ", ".join(f"{length:,}" for length in lengths[:4])
        notes = (f"its lists differ in length ({shown}): each is counted by itself",)
        lists = {name: values for name, values in lists.items() if not is_step(name)}
    rows = [
        {name: values[place] for name, values in lists.items() if place < len(values)}
        for place in range(min(lengths[-1], _MOST_ROWS))
    ]
    if lengths[-1] > _MOST_ROWS:
        notes += (f"only the first {_MOST_ROWS:,} values of each list are read",)
    why = f"JSON, {plural(len(lists), 'list')} of numbers with {sign!r}"
    return _reading(_counted(rows), notes, 0, why, _left_out(data, lists))


def _left_out(data: Mapping[str, Any], lists: Mapping[str, Any]) -> tuple[str, ...]:
    """Lists that hold more than numbers are told."""
    names = [
        name for name, value in data.items() if _column(value) and name not in lists and not is_step(name)
    ]
    shown = ", ".join(repr(name[:40]) for name in names[:5]) + (", …" if len(names) > 5 else "")
    return (f"{plural(len(names), 'list')} of other things than numbers left out: {shown}",) if names else ()


def _column(value: Any) -> list[Any] | None:
    """The values of a column: a list, or a dict by the rows' numbers, as pandas gives it."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and value and all(key.isdecimal() and key.isascii() for key in value):
        return list(value.values())
    return None


def _is_number(value: Any) -> bool:
    if value is None or isinstance(value, int | float):
        return not isinstance(value, bool)
    return as_number(value) is not None


def _counted(rows: list[dict[str, Any]]) -> Rows:
    """As many of the rows as the budget allows, in columns."""
    return Rows(takewhile(lambda row: more(records=1), rows))


def _reading(
    rows: Rows, notes: tuple[str, ...], damaged: int, why: str, left: tuple[str, ...] = ()
) -> Reading:
    points, axis, warnings = rows.points()
    if not points:
        raise NothingLoggedError(f"no numbers found: {_EXPECTED}")
    return Reading(points, (*notes, *warnings), damaged, axis, notes=(*left, *rows.notes()), why=why)


READER = Reader(
    name="JSON",
    likely=lambda path: path.suffix.lower() == ".json",
    recognise=recognise,
    read=read,
    by="pattern",
)
