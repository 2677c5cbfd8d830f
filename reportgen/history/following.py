"""Logs read again and again while they grow: of a file that only grew, no more than what is new."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reportgen.history.budget import halted
from reportgen.history.model import Reading
from reportgen.history.readers import Follower, Reader

_ENDS = 1024  # bytes compared at the start of a file, and before where it ended

Found = Reading | Sequence[Reading]
Fetch = Callable[[Reader, Path], Found]


@dataclass
class _Cursor:
    """How far one file was read: which file it was, its size, and what its first and last bytes were."""

    reader: Reader
    device: int
    inode: int
    size: int
    changed: int
    first: bytes
    last: bytes
    follower: Follower | None
    found: Found


class Cursors:
    """Reads a log with its reader, and the next time goes on from there.

    A file is the same one that has grown where its device and inode are the same, it is no shorter, and the
    bytes at its start and before its old end are as they were; anything else is read anew.
    """

    def __init__(self) -> None:
        self._known: dict[Path, _Cursor] = {}

    def __call__(self, reader: Reader, path: Path) -> Found:
        """All that is in the file so far. Raises UnreadableError, OSError; the file is then read anew the next time."""
        before = self._known.pop(path, None)
        now = path.stat()
        old = before if before is not None and _grown(before, reader, path, now) else None
        if old is not None and (old.size, old.changed) == (now.st_size, now.st_mtime_ns):
            self._known[path] = old
            return old.found
        follower = old.follower if old is not None else reader.follow(path) if reader.follow else None
        # What is written between here and the reading is read now, and compared with the next time.
        first, last = _ends(path, now.st_size)
        found = follower.read() if follower is not None else reader.read(path)
        changed = -1 if halted() else now.st_mtime_ns  # there is more of it to read the next time
        self._known[path] = _Cursor(
            reader, now.st_dev, now.st_ino, now.st_size, changed, first, last, follower, found
        )
        return found


def _grown(cursor: _Cursor, reader: Reader, path: Path, now: os.stat_result) -> bool:
    same = (cursor.reader, cursor.device, cursor.inode) == (reader, now.st_dev, now.st_ino)
    return same and now.st_size >= cursor.size and _ends(path, cursor.size) == (cursor.first, cursor.last)


def _ends(path: Path, size: int) -> tuple[bytes, bytes]:
    """The first bytes of a file, and those before the place `size`."""
    with path.open("rb") as file:
        first = file.read(min(_ENDS, size))
        file.seek(max(0, size - _ENDS))
        return first, file.read(min(_ENDS, size))
