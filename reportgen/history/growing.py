"""Points by tag that grow batch by batch, 28 bytes each."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from reportgen.history.budget import series
from reportgen.history.model import Points

Piece = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # record number, step, wall, value


class Growing:
    """The points read so far. Records come in order from batch to batch, but not within one."""

    def __init__(self) -> None:
        self._done: dict[str, list[array[Any]]] = {}  # of each tag: steps, walls, values, sessions
        self._first: dict[str, int] = {}
        self._pieces: dict[str, list[Piece]] = {}
        self._singles: dict[str, list[tuple[int, int, float, float]]] = {}
        self._tags: set[str] = set()
        self._room = series()

    def fork(self) -> Growing:
        """A copy that may be added to."""
        other = Growing()
        other._done = {tag: [column[:] for column in columns] for tag, columns in self._done.items()}
        other._first, other._tags = dict(self._first), set(self._tags)
        return other

    def many(self, tag: str, piece: Piece) -> None:
        """Add points of one tag from one batch."""
        if not self._has_room(tag):
            return
        self._pieces.setdefault(tag, []).append(piece)

    def one(self, tag: str, record: int, step: int, wall: float, value: float) -> None:
        """Add one point."""
        if self._has_room(tag):
            self._singles.setdefault(tag, []).append((record, step, wall, value))

    def _has_room(self, tag: str) -> bool:
        """Whether a tag is known, or is no more than one above what there is room for, by which that is told."""
        if tag not in self._tags:
            if len(self._tags) > self._room:
                return False
            self._tags.add(tag)
        return True

    def settle(self, starts: np.ndarray) -> None:
        """End a batch; `starts` are the records at which sessions have begun so far."""
        for tag, points in self._singles.items():
            records, steps, walls, values = zip(*points, strict=True)
            piece = (np.array(records), np.array(steps, np.int64), np.array(walls), np.array(values))
            self.many(tag, piece)
        for tag, pieces in self._pieces.items():
            record, step, wall, value = _joined(pieces)
            if (record[1:] < record[:-1]).any():
                order = np.argsort(record, kind="stable")
                record, step, wall, value = record[order], step[order], wall[order], value[order]
            session = np.searchsorted(starts, record).astype(np.int32)
            held = self._done.get(tag, [array("q"), array("d"), array("d"), array("i")])
            columns = zip(held, (step, wall, value, session), strict=True)
            self._done[tag] = [_longer(column, new) for column, new in columns]
            self._first.setdefault(tag, int(record[0]))
        self._pieces, self._singles = {}, {}

    def points(self) -> dict[str, Points]:
        """All points, the tags in the order of their first records."""
        out = {}
        for tag in sorted(self._done, key=lambda tag: (self._first[tag], tag)):
            kinds = (np.int64, np.float64, np.float64, np.int32)
            held = zip(self._done[tag], kinds, strict=True)
            out[tag] = Points(*(np.frombuffer(column, kind) for column, kind in held))
        return out


def _longer(column: array[Any], new: np.ndarray) -> array[Any]:
    """A column with more at its end: the same one, unless a reading still shows it."""
    try:
        column.frombytes(new.tobytes())
    except BufferError:
        column = column[:]
        column.frombytes(new.tobytes())
    return column


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    record, step, wall, value = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return record, step, wall, value
