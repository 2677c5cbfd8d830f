"""Scalar records read in bulk: records of one layout are parsed at once, by where the bytes lie.

A template is learned from one record that protobuf has parsed. Records of equal length that agree with it
in every byte but those of the wall time, the step (a varint of equal length) and the value parse alike, so
a match is exact and no guess.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.history.crc import Crc32c, masked

_WALL = slice(1, 9)
_STEP_KEY, _WALL_KEY = 0x10, 0x09
_KINDS = (("<f4", struct.Struct("<f")), ("<f8", struct.Struct("<d")))
_PROBES = (1.5, -2.25)
_LONGEST_STEP = 10 - 1  # ten bytes are a negative step: left to protobuf

Scalar = tuple[str, int, float, float]  # tag, step, wall, value
Parse = Callable[[bytes], list[Scalar] | None]


@dataclass(frozen=True, eq=False)
class Template:
    """Where a record of `length` bytes has its step and its value, and what all its other bytes are.

    `mask` and `expected`, uint64 (words,), say which bits of the payload are fixed and to what. The CRC is
    `constant` xor what `tables` say of the bytes at `free`.
    """

    tag: str
    length: int
    step: slice
    value: slice
    kind: str
    mask: np.ndarray
    expected: np.ndarray
    free: tuple[int, ...]
    tables: tuple[np.ndarray, ...]
    constant: np.uint32

    def matches(self, words: np.ndarray, rows: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Which of these rows have this layout, the words compared in this order; all given as int64."""
        for place in order:
            if self.mask[place]:
                same = (words[rows, place] & self.mask[place]) == self.expected[place]
                rows = rows[same]
                if not len(rows):
                    break
        return rows

    def good(self, rows: np.ndarray) -> np.ndarray:
        """Whether the checksum is right of rows that match, uint8 (n, any), the CRC behind the payload: bool (n,)."""
        crc = np.full(len(rows), self.constant, np.uint32)
        for place, table in zip(self.free, self.tables, strict=True):
            crc ^= table[rows[:, place]]
        return masked(crc) == _field(rows, self.length, "<u4")

    def read(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step int64, wall float64 and value float64, each (n,), of rows that match."""
        step = np.zeros(len(rows), np.int64)
        for place, column in enumerate(range(self.step.start, self.step.stop)):
            step |= (rows[:, column].astype(np.int64) & 0x7F) << (7 * place)
        wall = _field(rows, _WALL.start, "<f8").astype(np.float64)
        return step, wall, _field(rows, self.value.start, self.kind).astype(np.float64)


def _field(rows: np.ndarray, place: int, kind: str) -> np.ndarray:
    """The column of numbers that starts at this byte of each row: a view."""
    return np.ndarray((len(rows),), kind, rows, place, (rows.strides[0],))


def telling(templates: Sequence[Template]) -> np.ndarray:
    """The order in which to compare words: first those that tell templates of one length apart."""
    held = np.array([template.expected for template in templates])
    kinds = (held[1:] != held[0]).sum(axis=0) if len(held) > 1 else (templates[0].mask != 0).astype(int)
    return np.argsort(-kinds, kind="stable")


def learn(payload: bytes, parse: Parse, crc: Crc32c) -> Template | None:
    """The template of one record, or None where it holds anything but one scalar in a plain layout.

    `parse` gives the scalars of a payload, None where there is anything else in it.
    """
    scalars = parse(payload)
    if scalars is None or len(scalars) != 1 or len(payload) < 10 or payload[0] != _WALL_KEY:
        return None
    step = _step(payload)
    if step.stop - step.start > _LONGEST_STEP or not _moves(payload, step, scalars[0], parse):
        return None
    for kind, packed in _KINDS:
        for start in range(len(payload) - packed.size, step.stop - 1, -1):
            if _is_value(payload, start, packed, scalars[0], parse):
                value = slice(start, start + packed.size)
                return _template(payload, scalars[0][0], step, value, kind, crc)
    return None


def _step(payload: bytes) -> slice:
    """Where the varint of the step lies; empty where there is none, as zero is not written."""
    if payload[9] != _STEP_KEY:
        return slice(9, 9)
    end = 10
    while end < len(payload) - 1 and payload[end] >= 0x80:
        end += 1
    return slice(10, end + 1)


def _moves(payload: bytes, step: slice, scalar: Scalar, parse: Parse) -> bool:
    """Whether wall time and step are what these bytes say, and no later field overrides them."""
    changed = bytearray(payload)
    changed[_WALL] = struct.pack("<d", _PROBES[0])
    number = scalar[1]
    if step.stop > step.start:
        changed[step.start] ^= 0x01
        number ^= 1
    return parse(bytes(changed)) == [(scalar[0], number, _PROBES[0], scalar[3])]


def _is_value(payload: bytes, start: int, packed: struct.Struct, scalar: Scalar, parse: Parse) -> bool:
    """Whether the bytes at `start` are the value: changing them changes the value alone, to what they say."""
    tag, step, wall, value = scalar
    held = payload[start : start + packed.size]
    if packed.unpack(held)[0] != value:
        return False
    for probe in _PROBES:
        changed = payload[:start] + packed.pack(probe) + payload[start + packed.size :]
        parsed = parse(changed)
        if parsed is None or len(parsed) != 1 or parsed[0][:3] != (tag, step, wall) or parsed[0][3] != probe:
            return False
    return True


def _template(payload: bytes, tag: str, step: slice, value: slice, kind: str, crc: Crc32c) -> Template:
    length = len(payload)
    fixed = np.zeros(-(-length // 8) * 8, np.uint8)
    fixed[:length] = 0xFF
    for part in (_WALL, step, value):
        fixed[part] = 0
    free = np.flatnonzero(fixed[:length] == 0)
    bare = np.frombuffer(payload, np.uint8).copy()
    bare[free] = 0
    fixed[step] = 0x80  # which of its bytes go on is part of the layout
    held = np.zeros(len(fixed), np.uint8)
    held[:length] = np.frombuffer(payload, np.uint8) & fixed[:length]
    words = (fixed.view("<u8"), held.view("<u8"))
    tables = tuple(crc.tables(length, free))
    constant = np.uint32(crc.one(bare.tobytes()))
    return Template(tag, length, step, value, kind, *words, tuple(free.tolist()), tables, constant)
