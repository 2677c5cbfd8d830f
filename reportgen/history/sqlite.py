"""SQLite files of others read without touching them, row by row, also past damaged pages."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reportgen.history.budget import more, stopped

MAGIC = b"SQLite format 3\0"
_PATIENCE = 5.0  # seconds to wait for one who is writing
_WAL = 2  # of the header's bytes 18 and 19: written ahead to a file beside it
_CHUNK = 20_000  # rows of one query
_LONGEST = 1 << 20  # bytes of a text: more is an error of the row
_STEPS = 1_000_000  # of SQLite's machine between two looks at the budget
_COPIED = 1 << 30  # bytes of a file that is copied, which one that was cut off has to be
_FARTHEST = 1 << 40  # rows that are skipped at most in the search for the next that can be read


@contextmanager
def opened(path: Path) -> Iterator[tuple[sqlite3.Connection, str]]:
    """A connection that can only read, and what is to be said of it. Raises sqlite3.Error, OSError."""
    try:
        with ExitStack() as held:
            connection, told = _connected(path, held)
            held.callback(connection.close)
            yield connection, told
    except UnicodeDecodeError:  # the error's own message quotes what is damaged
        raise sqlite3.DatabaseError("malformed database schema") from None


def _connected(path: Path, held: ExitStack) -> tuple[sqlite3.Connection, str]:
    with path.open("rb") as file:
        head = file.read(32).ljust(32, b"\0")
    size = {1: 65536}.get(stored := int.from_bytes(head[16:18], "big"), stored) or 1
    if path.stat().st_size % size:  # SQLite would take what the last page lacks for zeros
        return _whole_pages(path, size, held)
    beside = [path.with_name(f"{path.name}{end}") for end in ("-wal", "-journal", "-shm")]
    if any(one.is_symlink() or (one.exists() and not one.is_file()) for one in beside):
        return _connection(
            path, "&immutable=1"
        ), "what lies beside it is no file of SQLite's: read without it"
    if head[18:20] == bytes((_WAL, _WAL)) and not beside[0].exists():
        return _connection(path, "&immutable=1"), ""  # it is idle, and reading would leave files beside it
    try:
        return _connection(path, ""), ""
    except sqlite3.DatabaseError as error:
        code = _code(error)
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            return _connection(
                path, "&immutable=1"
            ), "its last write was cut off: read as it stands, without it"
        if code == sqlite3.SQLITE_CORRUPT and path.stat().st_size // size < int.from_bytes(
            head[28:32], "big"
        ):
            return _whole_pages(path, size, held)
        raise


def _whole_pages(path: Path, size: int, held: ExitStack) -> tuple[sqlite3.Connection, str]:
    """A copy of a file that was cut off, whose header says how many pages it has left."""
    pages = path.stat().st_size // size
    if path.stat().st_size > _COPIED:
        raise sqlite3.DatabaseError(f"cut off, and larger than {_COPIED >> 30} GiB")
    copy = Path(shutil.copyfile(path, Path(held.enter_context(TemporaryDirectory()), "cut.db")))
    with copy.open("r+b") as file:
        file.truncate(pages * size)
        if pages:
            file.seek(28)
            file.write(pages.to_bytes(4, "big"))
    return _connection(copy, "&immutable=1"), "the file is cut off: only its whole pages are read"


def _connection(path: Path, more: str) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?mode=ro{more}"
    connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE)
    try:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.set_progress_handler(stopped(), _STEPS)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _code(error: Exception) -> int:
    """The primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """The names of a table's columns; none where there is no such table (a view is none). Raises sqlite3.Error."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).fetchone()
    return [str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')] if found else []


class Rows:
    """The rows of a table in the order written; after iteration `damaged` and `lost` say what can't be read.

    `lost` counts the row numbers that a damaged page leaves out, `broken` says that the end was not reached.
    """

    def __init__(self, connection: sqlite3.Connection, table: str, names: Sequence[str]) -> None:
        self._connection = connection
        listed = ", ".join(f'"{name}"' for name in names)
        self._query = f'SELECT rowid, {listed} FROM "{table}" WHERE rowid >= ? ORDER BY rowid LIMIT ?'
        self._width = 8 * len(names)  # bytes of a row, at the least
        self.damaged = self.lost = 0
        self.error = ""
        self.broken = False

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        following = -(1 << 63)
        while True:
            count, error = 0, None
            try:  # in chunks: one who is writing can't commit while a query goes on
                for row in self._connection.execute(self._query, (following, _CHUNK)):
                    if row[0] < following:
                        raise sqlite3.DatabaseError("rows out of order")
                    following, count = row[0] + 1, count + 1
                    yield row[1:]
            except (sqlite3.DatabaseError, UnicodeDecodeError) as raised:
                error = raised
            going_on = more(count * self._width, count)
            if (error is None and count < _CHUNK) or not going_on:
                return
            if error is not None:
                found = self._after(error, following)
                if found is None:
                    self.broken = True
                    return
                following = found

    def _after(self, error: Exception, following: int) -> int | None:
        """Where to go on after an error, None where there is no going on."""
        self.damaged += 1
        self.error = self.error or str(error)
        busy = _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        found = None if busy else self._next(following)
        if found is not None:
            self.lost += found - max(following, 1)
        return found

    def _next(self, following: int) -> int | None:
        """The number of the first row after a damaged page; None where none is found."""
        low, step = max(following, 0), 1
        while step < _FARTHEST:
            if (found := self._first(low + step)) is not None:
                break
            low, step = low + step, step * 2
        else:
            return None
        high = low + step
        while high - low > 1:  # from `high` on it can be read, from `low` on it can't
            middle = (low + high) // 2
            nearer = self._first(middle)
            low, high, found = (middle, high, found) if nearer is None else (low, middle, nearer)
        return found

    def _first(self, following: int) -> int | None:
        """The first row from a number on, None where it can't be read."""
        try:
            row = self._connection.execute(self._query, (following, 1)).fetchone()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return None
        return row[0] if row and row[0] >= following else None
