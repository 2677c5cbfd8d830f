"""The framing of event files: whole records found in bulk, in what has come since the last look."""

from __future__ import annotations

import copy
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from reportgen.history.budget import more
from reportgen.history.crc import Crc32c, masked
from reportgen.history.frames import FOOT, HEAD, Frames, uint32
from reportgen.units import plural

BLOCK = 4 << 20  # bytes read at once: bounds the memory, whatever the file's size
_LENGTH = struct.Struct("<Q")
_LARGEST = 64 << 20  # bytes of a record: a larger one, a film say, is passed over
_SAID = 3  # damaged places that are named


@dataclass(frozen=True, eq=False)
class Batch:
    """Whole records, one after the other: bytes uint8, and of each payload its start and length, int64 (n,).

    `offset` is the position of the first byte in the file.
    """

    data: np.ndarray
    start: np.ndarray
    length: np.ndarray
    offset: int


class Records:
    """The records of one event file that may still grow.

    `new` gives those that have come since it was last called; `ended` what is to be said if no more come. A
    damaged length costs the records up to the next header with a good CRC; payloads are checked only where
    one may have swallowed the records behind it.
    """

    def __init__(self, crc: Crc32c) -> None:
        self._crc = crc
        self._buffer = b""
        self._offset = 0  # of the buffer in the file
        self._lost: int | None = None  # where the damaged record began, while the next one is sought
        self._blank = True  # whether there were only zeros since then
        self._gaps: list[tuple[int, int]] = []
        self._tail: tuple[str, ...] = ()
        self._stopped = False
        self._large = 0
        self.damaged = 0

    def new(self, file: BinaryIO) -> Iterator[Batch]:
        """The records that have come since the last call; one that is not whole yet is waited for."""
        size = os.fstat(file.fileno()).st_size
        self._stopped = False
        file.seek(self._offset + len(self._buffer))
        while block := file.read(max(BLOCK, self._wanted(size))):
            self._buffer += block
            count = 0
            for batch in self._whole(ended=False):
                count += len(batch.start)
                yield batch
            self._pass_over(file, size)
            if not more(len(block), count):
                self._stopped = True
                return

    def _pass_over(self, file: BinaryIO, size: int) -> None:
        """Leave out the record at the start of the buffer where it is too large, and whole."""
        if self._wanted(size) <= _LARGEST or not Frames(
            np.frombuffer(self._buffer, np.uint8), self._crc
        ).sound(0):
            return
        length = int(_LENGTH.unpack_from(self._buffer)[0]) + HEAD + FOOT
        if self._offset + length <= size:
            self._large += 1
            self._offset, self._buffer = self._offset + length, b""
            file.seek(self._offset)

    def ended(self) -> tuple[Records, list[Batch]]:
        """The state if the file ends here, and the records that were held back; this one stays as it is."""
        if self._stopped:
            return self, []
        last = copy.copy(self)
        last._gaps = list(self._gaps)
        held = list(last._whole(ended=True))
        while last._lost is None and last._buffer:
            # A record that is not whole may have lost bytes, and the records behind it are there.
            frames = Frames(np.frombuffer(last._buffer, np.uint8), self._crc)
            if frames.next(1) is None:
                break
            last._lost, last._buffer, last._offset = last._offset, last._buffer[1:], last._offset + 1
            held += last._whole(ended=True)
        last._end()
        return last, held

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not whole."""
        lines = [
            f"the record at byte {lost:,} has a damaged length: bytes {lost:,} to {found:,} left out"
            for lost, found in self._gaps[:_SAID]
        ]
        if more := self._gaps[_SAID:]:
            left = sum(found - lost for lost, found in more)
            lines.append(f"{plural(len(more), 'more damaged length')}: {left:,} bytes left out")
        if self._large:
            large = f"of more than {_LARGEST >> 20} MiB each"
            lines.append(f"{plural(self._large, 'record')} {large} left out")
        return (*lines, *self._tail)

    def _wanted(self, size: int) -> int:
        """Bytes that the record at the start of the buffer still lacks, never beyond the end of the file."""
        if len(self._buffer) < HEAD or self._lost is not None:
            return 0
        length = _LENGTH.unpack_from(self._buffer)[0] + HEAD + FOOT
        wanted = min(length, size - self._offset) - len(self._buffer)
        return wanted if self._offset + length <= size else min(wanted, _LARGEST)

    def _whole(self, *, ended: bool) -> Iterator[Batch]:
        """The whole records in the buffer, which keeps what is behind them."""
        data = np.frombuffer(self._buffer, np.uint8)
        frames, position = Frames(data, self._crc), 0
        while True:
            if self._lost is not None:
                found = frames.next(position)
                if found is None:
                    self._blank &= not data[position:].any()
                    position = max(position, len(data) - HEAD + 1)
                    break
                self._resume(self._offset + found)
                position = found
            starts, position = frames.walk(position)
            if frames.visible(position) and not frames.sound(position):
                starts, position = self._damaged(frames, starts, position)
                yield from _batch(data, starts, self._offset)
                continue
            if not (ended or frames.visible(position)) and len(starts) and not self._good(data, starts[-1]):
                # What is behind it decides whether it has swallowed other records.
                starts, position = starts[:-1], int(starts[-1])
            yield from _batch(data, starts, self._offset)
            break
        self._buffer, self._offset = self._buffer[position:], self._offset + position

    def _damaged(self, frames: Frames, starts: np.ndarray, position: int) -> tuple[np.ndarray, int]:
        """Note the damage at `position`: the header there is bad, or the record before it lacks some bytes."""
        if len(starts) and not self._good(frames.data, starts[-1]):
            inside = frames.next(int(starts[-1]) + 1)
            if inside is not None and inside < position:
                starts, position = starts[:-1], int(starts[-1])
        self._lost, self._blank = self._offset + position, not frames.data[position]
        return starts, position + 1

    def _resume(self, found: int) -> None:
        assert self._lost is not None
        self.damaged += 1
        self._gaps.append((self._lost, found))
        self._lost = None

    def _good(self, data: np.ndarray, start: int) -> bool:
        """Whether the payload of the record that starts there has the CRC behind it."""
        for batch in _batch(data, np.array([start]), 0):
            good = masked(self._crc.ragged(data, batch.start, batch.length)) == stored_crc(batch, slice(None))
            return bool(good[0])
        return False

    def _end(self) -> None:
        """Say what is left over at the end of the file."""
        end = self._offset + len(self._buffer)
        if self._lost is not None:
            self.damaged += 1
            tail = "are only zeros" if self._blank else "is no further record"
            self._tail = (f"from byte {self._lost:,} on there {tail}: {end - self._lost:,} bytes left out",)
        elif self._buffer:
            self._tail = (
                f"the last record, at byte {self._offset:,}, is cut off and left out: still being written?",
            )


def _batch(data: np.ndarray, starts: np.ndarray, offset: int) -> Iterator[Batch]:
    if len(starts):
        yield Batch(data, starts + HEAD, uint32(data, starts).astype(np.int64), offset)


def stored_crc(batch: Batch, rows: np.ndarray | slice) -> np.ndarray:
    """The CRC written behind each of the payloads `rows`, uint32 (n,), masked."""
    return uint32(batch.data, batch.start[rows] + batch.length[rows])
