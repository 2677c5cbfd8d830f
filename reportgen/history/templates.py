"""Scalar records read in bulk: records of one layout are parsed at once, by where the bytes lie.

A template is learned from one record that protobuf has parsed. Records of equal length that agree with it
in every byte but those of the wall time, the step (a varint of equal length) and the value parse alike, so
a match is exact and no guess.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_WALL = slice(1, 9)
_STEP_KEY, _WALL_KEY = 0x10, 0x09
_KINDS = (("<f4", struct.Struct("<f")), ("<f8", struct.Struct("<d")))
_PROBES = (1.5, -2.25)
_LONGEST_STEP = 10 - 1  # ten bytes are a negative step: left to protobuf

Scalar = tuple[str, int, float, float]  # tag, step, wall, value
Parse = Callable[[bytes], list[Scalar] | None]


@dataclass(frozen=True, eq=False)
class Template:
    """Where a record of `length` bytes has its step and its value, and what all its other bytes are."""

    tag: str
    length: int
    step: slice
    value: slice
    kind: str
    columns: np.ndarray
    expected: np.ndarray

    def matches(self, payloads: np.ndarray) -> np.ndarray:
        """Which payloads, given column by column as uint8 (length, n), have this layout: bool (n,)."""
        same = np.ones(payloads.shape[1], bool)
        for column, byte in zip(self.columns, self.expected, strict=True):
            same &= payloads[column] == byte
        for column in range(self.step.start, self.step.stop):
            same &= (payloads[column] < 0x80) == (column == self.step.stop - 1)
        return same

    def read(self, payloads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step int64, wall float64 and value float64, each (n,), of payloads that match."""
        step = np.zeros(payloads.shape[1], np.int64)
        for place, column in enumerate(range(self.step.start, self.step.stop)):
            step |= (payloads[column].astype(np.int64) & 0x7F) << (7 * place)
        return step, _floats(payloads[_WALL], "<f8"), _floats(payloads[self.value], self.kind)


def _floats(columns: np.ndarray, kind: str) -> np.ndarray:
    return np.ascontiguousarray(columns.T).view(kind)[:, 0].astype(np.float64)


def learn(payload: bytes, parse: Parse) -> Template | None:
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
                return _template(payload, scalars[0][0], step, value, kind)
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


def _template(payload: bytes, tag: str, step: slice, value: slice, kind: str) -> Template:
    free = np.zeros(len(payload), bool)
    for part in (_WALL, step, value):
        free[part] = True
    columns = np.flatnonzero(~free)[::-1]
    expected = np.frombuffer(payload, np.uint8)[columns]
    return Template(tag, len(payload), step, value, kind, columns, expected)
