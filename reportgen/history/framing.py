"""The framing of a W&B log (LevelDB's log format): blocks of 32 KiB, records in fragments, each with a CRC."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from reportgen.history.budget import more
from reportgen.units import plural

BLOCK = 32768
_HEAD = struct.Struct("<IHB")  # CRC-32 of type and payload (W&B takes zlib's, unmasked), length, type
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_LARGEST = 32 << 20  # bytes of a record: more is no log's
_SOUGHT = 1000  # damaged blocks in which sound fragments are sought; those after it are left out whole


class Fragments:
    """The records of a log; after iteration `damaged` and `warnings` say what was not whole.

    A damaged fragment costs the record it belongs to: the next sound one in its block is sought. `skip` is
    the length of the file's own header, which counts as a part of the first block.
    """

    def __init__(self, file: BinaryIO, skip: int) -> None:
        self._file, self._skip = file, skip
        self._parts: list[bytes] = []
        self._size = 0
        self._places: list[int] = []
        self._cut: int | None = None
        self._began = self._sought = 0
        self._broken = self._zeros = False

    @property
    def damaged(self) -> int:
        """Places where something is damaged."""
        return len(self._places)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out, a line each."""
        notes = []
        if self._places:
            first = ", ".join(f"{place:,}" for place in self._places[:3])
            more = ", …" if len(self._places) > 3 else ""
            notes.append(f"{plural(len(self._places), 'damaged place')} left out: at byte {first}{more}")
        if self._cut is not None:
            notes.append(
                f"the last record, at byte {self._cut:,}, is cut off and left out: still being written?"
            )
        return tuple(notes)

    def __iter__(self) -> Iterator[bytes]:
        offset = 0
        while block := self._file.read(BLOCK):
            count = 0
            for position, kind, payload in self._fragments(block, offset):
                record = self._join(kind, payload, offset + position)
                if record is not None:
                    count += 1
                    yield record
            if not more(len(block), count):
                return
            offset += len(block)
        if self._parts and self._cut is None:
            self._cut = self._began

    def _fragments(self, block: bytes, offset: int) -> Iterator[tuple[int, int, bytes]]:
        """Position, type and payload of the sound fragments of one block."""
        position = self._skip if offset == 0 else 0
        while position + _HEAD.size <= len(block):
            end = _sound(block, position)
            if end:
                self._zeros = False
                yield position, block[position + 6], block[position + _HEAD.size : end]
                position = end
            elif not any(block[position:]):  # made ready and never written
                if not self._zeros:
                    self._lost(offset + position)
                self._zeros = True
                return
            elif (found := self._seek(block, position)) or len(block) == BLOCK:
                self._lost(offset + position)
                position = found or BLOCK
            else:
                self._end(block, position, offset)
                return
        if len(block) < BLOCK and position < len(block):
            self._cut = offset + position

    def _seek(self, block: bytes, position: int) -> int:
        """Where the next sound fragment of the block begins, 0 where there is none."""
        length = _HEAD.unpack_from(block, position)[1]
        after = position + _HEAD.size + length
        if _sound(block, after):
            return after
        self._sought += 1
        if self._sought > _SOUGHT:
            return 0
        places = range(position + 1, len(block) - _HEAD.size + 1)
        return next((place for place in places if _sound(block, place)), 0)

    def _end(self, block: bytes, position: int, offset: int) -> None:
        """The file ends in this: a fragment cut off, or a damaged one."""
        length, kind = _HEAD.unpack_from(block, position)[1:]
        if position + _HEAD.size + length > len(block) and _FULL <= kind <= _LAST:
            self._cut = offset + position
        else:
            self._lost(offset + position)

    def _lost(self, place: int) -> None:
        self._places.append(place)
        self._parts, self._size, self._broken = [], 0, True

    def _join(self, kind: int, payload: bytes, place: int) -> bytes | None:
        """The whole record, once its last fragment has come."""
        if kind in (_FULL, _FIRST):
            if self._parts:  # the one before was never finished: its writer was killed and another went on
                self._lost(self._began)
            self._began, self._broken = place, False
        elif not self._parts:  # the rest of a record whose beginning is lost
            if not self._broken:
                self._lost(place)
            return None
        self._parts.append(payload)
        self._size += len(payload)
        if self._size > _LARGEST:
            self._lost(self._began)
            return None
        if kind in (_FULL, _LAST):
            record = b"".join(self._parts)
            self._parts, self._size = [], 0
            return record
        return None


def _sound(block: bytes, position: int) -> int:
    """The end of the fragment at `position`, 0 where there is none whose CRC is right."""
    if position + _HEAD.size > len(block):
        return 0
    crc, length, kind = _HEAD.unpack_from(block, position)
    end = int(position + _HEAD.size + length)
    if not _FULL <= kind <= _LAST or end > len(block):
        return 0
    return end if zlib.crc32(block[position + 6 : end]) == crc else 0
