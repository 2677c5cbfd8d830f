"""MLflow's SQLite store (mlflow.db): every run of it. MLflow is not needed."""

from __future__ import annotations

import math
import sqlite3
import sys
from pathlib import Path
from typing import Any

from reportgen.history.budget import series
from reportgen.history.columns import Column
from reportgen.history.model import Points, Reading, Setting
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.readers.flat import flat, too_many, typed
from reportgen.history.readers.mlflow import DELETED, STATES, run_name
from reportgen.history.sqlite import MAGIC, Rows, columns, opened
from reportgen.units import plural, shorten

_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_METRIC = ("run_uuid", "key", "value", "timestamp", "step", "is_nan")
_MOST_PARAMS = 2000  # of a run


def recognise(path: Path, head: bytes) -> str | None:
    """By the magic bytes, and a table of metrics as MLflow has it."""
    if not head.startswith(MAGIC):
        return None
    try:
        with opened(path) as (connection, _):
            found = set(_METRIC) <= set(columns(connection, "metrics"))
    except sqlite3.Error:
        return "SQLite database named mlflow" if path.stem.startswith("mlflow") else None
    return "SQLite database with a table 'metrics' that has 'is_nan'" if found else None


def read(path: Path) -> list[Reading]:
    """Every point of every run that was not deleted. Raises UnreadableError, OSError."""
    try:
        with opened(path) as (connection, told):
            store = _Store(connection, told)
            store.read()
    except sqlite3.Error as error:
        raise UnreadableError(f"can't be read as SQLite ({error}): expected MLflow's tables") from None
    return store.readings()


class _Store:
    """What has been read of one database so far."""

    def __init__(self, connection: sqlite3.Connection, told: str) -> None:
        self._connection = connection
        self._runs: dict[str, tuple[str, str]] = {}
        self._deleted: set[str] = set()
        self._columns: dict[str, dict[str, Column]] = {}
        self._params: dict[str, dict[str, Setting]] = {}
        self._notes = [told] if told else []
        self._odd = self._damaged = self._more = 0
        self._left = series()

    def read(self) -> None:
        """Read the four tables; a damaged one costs what is damaged in it."""
        experiments = {row[0]: _text(row[1]) for row in self._rows("experiments", ("experiment_id", "name"))}
        asked = ("run_uuid", "name", "status", "lifecycle_stage", "experiment_id")
        for run, name, status, stage, experiment in self._rows("runs", asked):
            where = experiments.get(experiment, "")
            self._runs[_text(run)] = (run_name(where, _text(name), _text(run)), STATES.get(_text(status), ""))
            if stage == "deleted":
                self._deleted.add(_text(run))
        for run, key, value in self._rows("params", ("run_uuid", "key", "value")):
            held = self._params.setdefault(_text(run), {})
            if len(held) < _MOST_PARAMS:
                held[_text(key)] = typed(_text(value))
        for row in self._rows("metrics", _METRIC):
            self._metric(*row)

    def _rows(self, table: str, names: tuple[str, ...]) -> Any:
        """The rows of a table, and what is damaged in it noted; none where it can't be read at all."""
        missing = set(names) - set(columns(self._connection, table))
        if missing:
            self._notes.append(f"table {table!r} lacks {sorted(missing)[0]!r} and is left out")
            self._damaged += 1
            return
        rows = Rows(self._connection, table, names)
        yield from rows
        self._damaged += rows.damaged
        if rows.damaged:
            rest = ", and what is behind" if rows.broken else ""
            count = f"{plural(rows.lost, 'row')} left out{rest}" if rows.lost else "its end is left out"
            self._notes.append(f"table {table!r} is damaged ({rows.error}): {count}")

    def _metric(self, run: Any, key: Any, value: Any, time: Any, step: Any, is_nan: Any) -> None:
        if run in self._deleted:
            return
        if not (isinstance(run, str) and isinstance(key, str) and isinstance(value, int | float)):
            self._odd += 1
            return
        if not isinstance(step, int):
            self._odd += 1
            return
        columns_ = self._columns.setdefault(run, {})
        if key not in columns_:
            if self._left <= 0:
                self._more += 1
                return
            self._left -= 1
            columns_[key] = Column()
        wall = time / 1000 if isinstance(time, int | float) else math.nan
        columns_[key].add(step, wall, math.nan if is_nan == 1 else _value(float(value)))

    def readings(self) -> list[Reading]:
        """A reading a run; the first one bears what is to be said of the whole file."""
        out: list[Reading] = []
        silent = [run for run in self._runs if run not in self._columns and run not in self._deleted]
        notes = self._notes.copy()
        if self._odd:
            notes.append(f"left out, as they are no points: {plural(self._odd, 'row')}")
        if self._more:
            notes.append(
                f"{plural(self._more, 'point')} of further series left out: more than {series():,} series"
            )
        if self._deleted:
            notes.append(DELETED.format(plural(len(self._deleted), "run")))
        if silent:
            notes.append(f"{plural(len(silent), 'run')} without a metric left out")
        for run, held in self._columns.items():
            name, state = self._runs.get(run, (run_name("", "run", run), ""))
            settings, left = flat(self._params.get(run, {}))
            points: dict[str, Points] = {key: column.points() for key, column in held.items()}
            first = not out
            told = (*(notes if first else ()), *too_many(left))
            damaged = self._damaged + self._odd if first else 0
            out.append(Reading(points, told, damaged, settings=settings, run=name, state=state))
        return out or self._nothing(notes)

    def _nothing(self, notes: list[str]) -> list[Reading]:
        if self._damaged:
            raise UnreadableError(f"no metrics found: {shorten('; '.join(notes), 200)}")
        return [Reading({}, tuple(notes))]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _value(value: float) -> float:
    """MLflow stores infinity as the largest number there is."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


READER = Reader(
    name="MLflow database",
    likely=lambda path: path.suffix.lower() in _SUFFIXES,
    recognise=recognise,
    read=read,
    by="magic",
    several=True,
)
