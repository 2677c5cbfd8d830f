"""Compressed logs: what gzip holds as a plain file, as far as it can be decompressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from reportgen.history.budget import Budget
from reportgen.units import show

MAGIC = b"\x1f\x8b\x08"
LARGEST = 1 << 30  # bytes that a file may take decompressed
_MEMBERS = 100_000  # parts of a file: each costs its time, however little is in it
_CHUNK = 1 << 16
_SUFFIXES = (".gz", ".gzip")
_GZIP = 16 + zlib.MAX_WBITS


def unpacked_name(name: str) -> str:
    """A file's name without the suffix of its compression."""
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


@contextmanager
def unpacked(path: Path, budget: Budget) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Where the plain content of a file lies, and what was not whole of it; a file that is plain lies where it is.

    What is decompressed keeps its name and that of its folder, by which readers know it, and is taken from the
    budget. Raises OSError.
    """
    with path.open("rb") as file:
        packed = file.read(len(MAGIC)) == MAGIC
    if not packed:
        yield path, ()
        return
    with TemporaryDirectory(prefix="reportgen-") as folder:
        target = Path(folder, path.parent.name or "run", unpacked_name(path.name))
        target.parent.mkdir()
        notes = unpack(path, target, budget.unpacked)
        budget.unpacked = max(0, budget.unpacked - target.stat().st_size)
        yield target, notes


@dataclass
class _Stream:
    """What is being decompressed: where it goes, how much of it there is, and what was said of it."""

    out: BinaryIO
    limit: int
    said: str = "larger than"
    written: int = 0
    warning: str = ""

    def write(self, data: bytes) -> None:
        room = self.limit - self.written
        if len(data) > room:
            self.warning = f"{self.said} {show(self.limit, 'bytes')} when decompressed: the rest is left out"
            data = data[:room]
        self.out.write(data)
        self.written += len(data)


def unpack(path: Path, target: Path, left: int = LARGEST) -> tuple[str, ...]:
    """Decompress at most `left` bytes of a gzip file into `target`; say what was not whole of it.

    Files of several members, as appending makes them, are read to the end. What comes before damage is
    kept. Raises OSError.
    """
    with path.open("rb") as file, target.open("wb") as out:
        said = "larger than" if left >= LARGEST else "larger than what is left to decompress of all logs,"
        stream = _Stream(out, min(LARGEST, left), said)
        _members(file, stream)
    return (stream.warning,) if stream.warning else ()


def _members(file: BinaryIO, stream: _Stream) -> None:
    waiting = file.read(_CHUNK)
    first, count = True, 0
    while waiting and not stream.warning:
        if not first and not waiting.strip(b"\0"):  # padding, as tapes and some disks leave it
            waiting = file.read(_CHUNK)
            continue
        if not first:
            waiting = waiting.lstrip(b"\0")
            waiting += file.read(len(MAGIC)) if len(waiting) < len(MAGIC) else b""
            if not waiting.startswith(MAGIC):
                stream.warning = "behind the end of its gzip there is something else, which is left out"
                return
        first, count = False, count + 1
        if count > _MEMBERS:
            stream.warning = f"of more than {_MEMBERS:,} parts: what lies behind these is left out"
            return
        waiting = _member(file, waiting, stream)


def _member(file: BinaryIO, waiting: bytes, stream: _Stream) -> bytes:
    """Decompress one member that begins with `waiting`; what was read behind its end."""
    decoder = zlib.decompressobj(_GZIP)
    while waiting and not stream.warning:
        before = decoder.copy()
        try:
            stream.write(decoder.decompress(waiting, _CHUNK * 16))
            while decoder.unconsumed_tail and not stream.warning:
                before, waiting = decoder.copy(), decoder.unconsumed_tail
                stream.write(decoder.decompress(waiting, _CHUNK * 16))
        except zlib.error as error:
            _salvage(before, waiting, stream)
            if "data check" in str(error) or "length check" in str(error):
                said = (
                    "the gzip's checksum is wrong: it was read to its end, but any number in it may be wrong"
                )
            else:
                at = file.tell() - len(waiting)
                said = f"the gzip is damaged behind byte {at:,}: what could be decompressed is kept, "
                said += "the last of it may be wrong"
            stream.warning = stream.warning or said
            return b""
        if decoder.eof:
            return decoder.unused_data or file.read(_CHUNK)
        waiting = file.read(_CHUNK)
    if not stream.warning:
        stream.write(decoder.flush())
        stream.warning = "the gzip is cut off: what there is of it is kept, unchecked; still being written?"
    return b""


def _salvage(decoder: zlib._Decompress, waiting: bytes, stream: _Stream) -> None:
    """Decompress byte by byte up to the damage."""
    for place in range(len(waiting)):
        try:
            stream.write(decoder.decompress(waiting[place : place + 1]))
        except zlib.error:
            return
