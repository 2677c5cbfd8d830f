"""The framing of an event file (TFRecord): length, CRC of the length, payload, CRC of the payload."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from reportgen.history.crc import Crc32c, masked

BLOCK = 8 << 20  # bytes read at once: bounds the memory, whatever the file's size
_HEAD, _FOOT = 12, 4
_LENGTH = struct.Struct("<Q")
_SEEK = 1 << 18  # window positions tried at once when looking for the next record


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
    """The records of one event file; after iteration `warnings` and `damaged` say what was not whole.

    A damaged length costs the records up to the next header with a good CRC; payloads are not checked here.
    """

    def __init__(self, file: BinaryIO, crc: Crc32c) -> None:
        self._file, self._crc = file, crc
        self._size = os.fstat(file.fileno()).st_size
        self.warnings: list[str] = []
        self.damaged = 0

    def __iter__(self) -> Iterator[Batch]:
        buffer, offset = b"", 0
        lost: int | None = None  # where the record with the damaged length began, while the next is sought
        while True:
            block = self._file.read(max(BLOCK, self._wanted(buffer)))
            buffer, ended = buffer + block, not block
            data = np.frombuffer(buffer, np.uint8)
            position = 0
            while True:
                if lost is not None:
                    position, found = self._seek(data, position, offset)
                    if not found:
                        break
                    self.damaged += 1
                    self.warnings.append(
                        f"the record at byte {lost:,} has a damaged length: bytes {lost:,} to "
                        f"{offset + position:,} left out"
                    )
                    lost = None
                starts, position, sound = self._scan(buffer, data, position)
                if len(starts):
                    yield _batch(data, starts, offset)
                if sound:
                    break
                lost, position = offset + position, position + 1
            if ended or offset + position >= self._size:
                self._end(data[position:], offset + position, lost)
                return
            buffer, offset = buffer[position:], offset + position

    def _wanted(self, buffer: bytes) -> int:
        """Bytes that the record at the start of the buffer still lacks, never beyond the end of the file."""
        if len(buffer) < _HEAD:
            return 0
        return min(_LENGTH.unpack_from(buffer)[0] + _HEAD + _FOOT, self._size) - len(buffer)

    def _scan(self, buffer: bytes, data: np.ndarray, position: int) -> tuple[np.ndarray, int, bool]:
        """Starts of the whole records from `position` on, where they end, and whether nothing is wrong there."""
        starts, end, read = [], len(buffer), _LENGTH.unpack_from
        while position + _HEAD <= end:
            after = position + read(buffer, position)[0] + _HEAD + _FOOT
            if after > end:
                break
            starts.append(position)
            position = after
        heads = np.array([*starts, position] if position + _HEAD <= end else starts, np.int64)
        good = self._sound(data, heads)
        if good.all():
            return np.array(starts, np.int64), position, True
        first = int(np.argmin(good))
        return heads[:first], int(heads[first]), False

    def _sound(self, data: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Whether the CRC of the length is right, bool (n,)."""
        if not len(heads):
            return np.ones(0, bool)
        windows = np.lib.stride_tricks.sliding_window_view(data, _HEAD)[heads]
        return masked(self._crc.rows(np.ascontiguousarray(windows[:, :8].T))) == _uint32(windows[:, 8:])

    def _seek(self, data: np.ndarray, position: int, offset: int) -> tuple[int, bool]:
        """The next header with a good CRC, from `position` on."""
        last = len(data) - _HEAD + 1
        while position < last:
            heads = np.arange(position, min(position + _SEEK, last))
            # The upper half of a length is zero: records end within the file.
            upper = np.stack([data[heads + byte] for byte in range(4, 8)]).any(axis=0)
            heads = heads[~upper]
            heads = heads[self._sound(data, heads)]
            for head in heads:
                end = (
                    offset
                    + int(head)
                    + _HEAD
                    + _FOOT
                    + int(_LENGTH.unpack(data[head : head + 8].tobytes())[0])
                )
                if end <= self._size:
                    return int(head), True
            position = min(position + _SEEK, last)
        return max(position, 0), False

    def _end(self, rest: np.ndarray, offset: int, lost: int | None) -> None:
        """Say what is left over at the end of the file."""
        if lost is not None:
            self.damaged += 1
            tail = "are only zeros" if not rest.any() else "is no further record"
            self.warnings.append(f"from byte {lost:,} on there {tail}: {self._size - lost:,} bytes left out")
        elif len(rest):
            self.warnings.append(
                f"the last record, at byte {offset:,}, is cut off and left out: still being written?"
            )


def _batch(data: np.ndarray, starts: np.ndarray, offset: int) -> Batch:
    windows = np.lib.stride_tricks.sliding_window_view(data, 8)[starts]
    length = np.ascontiguousarray(windows).view("<u8")[:, 0].astype(np.int64)
    return Batch(data, starts + _HEAD, length, offset)


def _uint32(columns: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(columns).view("<u4")[:, 0]


def stored_crc(batch: Batch, rows: np.ndarray) -> np.ndarray:
    """The CRC written behind each of the payloads `rows`, uint32 (n,), masked."""
    ends = batch.start[rows] + batch.length[rows]
    return _uint32(np.lib.stride_tricks.sliding_window_view(batch.data, _FOOT)[ends])
