"""TensorBoard event files: scalars as torch, tensorboardX, Lightning, accelerate and Keras write them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.history.crc import Crc32c, masked
from reportgen.history.model import Points, Reading
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.records import Batch, Records, stored_crc
from reportgen.history.schema import SESSION_START, event_class
from reportgen.history.templates import Scalar, Template, learn
from reportgen.units import plural

_MOST_TEMPLATES = 512  # of one length; beyond it protobuf is as quick
_BULK = 8  # records of one length from which on a bulk parse pays
_LONG = 4096  # payloads from here on are pictures and histograms, one by one
_VERSION = b"brain.Event:2"
_HPARAMS = "_hparams_/"
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2", 19: "<f2",
           22: "<u4", 23: "<u8"}  # fmt: skip
_FIELDS = {
    1: "float_val",
    2: "double_val",
    9: "int64_val",
    10: "bool_val",
    22: "uint32_val",
    23: "uint64_val",
}
_SHORT_INTS = (3, 4, 5, 6, 17)
_BFLOAT16, _HALF = 14, 19

Piece = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # record number, step, wall, value


def recognise(path: Path, head: bytes) -> str | None:
    """By the first record: the CRC of its length is right and it names the event format's version."""
    sound = len(head) >= 12 and Crc32c().stored(head[:8]) == struct.unpack("<I", head[8:12])[0]
    named = "tfevents" in path.name
    if sound and _VERSION in head[:64]:
        return f"first record says {_VERSION.decode()}"
    if named and sound:
        return "named tfevents, first record's length CRC is right"
    return "named tfevents, first record is damaged" if named else None


def read(path: Path) -> Reading:
    """Every scalar of an event file; a damaged record costs itself alone. Raises UnreadableError, OSError."""
    with path.open("rb") as file:
        scan = _Scan()
        records = Records(file, scan.crc)
        for batch in records:
            scan.add(batch)
    damaged = records.damaged + len(scan.broken)
    if not scan.count:
        raise UnreadableError(
            "no whole record in it: expected TensorBoard event records" + _why(records.warnings)
        )
    return scan.reading(tuple(records.warnings), damaged)


def _why(warnings: list[str]) -> str:
    return f" ({warnings[0]})" if warnings else " (the file is empty)"


class _Scan:
    """What has been read of one file so far."""

    def __init__(self) -> None:
        self.crc = Crc32c()
        self.count = 0
        self.broken: list[int] = []
        self._event = event_class()
        self._templates: dict[int, list[Template]] = {}
        self._pieces: dict[str, list[Piece]] = {}
        self._singles: dict[str, list[tuple[int, int, float, float]]] = {}
        self._hyperparameters = False
        self._starts: list[tuple[int, int]] = []
        self._undecodable = 0

    def add(self, batch: Batch) -> None:
        """Read one batch of records: those of equal length together."""
        order = np.argsort(batch.length, kind="stable")
        lengths, first = np.unique(batch.length[order], return_index=True)
        for length, rows in zip(lengths, np.split(order, first[1:]), strict=True):
            if length >= _LONG or len(rows) < _BULK:
                for row in np.sort(rows):
                    self._one(batch, int(row))
            else:
                self._many(batch, rows, int(length))
        self.count += len(batch.start)
        self._flush_singles()

    def _one(self, batch: Batch, row: int) -> None:
        start, length = int(batch.start[row]), int(batch.length[row])
        payload = batch.data[start : start + length].tobytes()
        if self.crc.stored(payload) != int(stored_crc(batch, np.array([row]))[0]):
            self.broken.append(batch.offset + start - 12)
        else:
            self._parse(payload, self.count + row)

    def _many(self, batch: Batch, rows: np.ndarray, length: int) -> None:
        windows = np.lib.stride_tricks.sliding_window_view(batch.data, length) if length else None
        if windows is None:
            return
        payloads = np.ascontiguousarray(windows[batch.start[rows]].T)
        good = masked(self.crc.rows(payloads)) == stored_crc(batch, rows)
        self.broken += (batch.offset + batch.start[rows[~good]] - 12).tolist()
        todo = good
        templates = self._templates.setdefault(length, [])
        for template in templates:
            self._take(template, payloads, rows, todo)
        for place in np.flatnonzero(todo):
            if not todo[place]:
                continue
            payload = payloads[:, place].tobytes()
            learned = learn(payload, self._scalars) if len(templates) < _MOST_TEMPLATES else None
            if learned is not None:
                templates.append(learned)
                self._take(learned, payloads, rows, todo)
            else:
                todo[place] = False
                self._parse(payload, self.count + int(rows[place]))

    def _take(self, template: Template, payloads: np.ndarray, rows: np.ndarray, todo: np.ndarray) -> None:
        """Read the rows that match, and strike them off."""
        match = template.matches(payloads) & todo
        if match.any():
            pieces = self._pieces.setdefault(template.tag, [])
            pieces.append((rows[match] + self.count, *template.read(payloads[:, match])))
            todo &= ~match

    def _decode(self, payload: bytes) -> Any:
        try:
            return self._event.FromString(payload)
        except Exception:  # noqa: BLE001 - protobuf's DecodeError differs between its backends
            return None

    def _scalars(self, payload: bytes) -> list[Scalar] | None:
        """The scalars of a payload, or None where there is anything else in it (learning must be sure)."""
        event = self._decode(payload)
        if event is None or event.WhichOneof("what") != "summary":
            return None
        found = []
        for value in event.summary.value:
            number = _number(value)
            if number is None or value.HasField("metadata"):
                return None
            found.append((value.tag.decode("utf-8", "replace"), event.step, event.wall_time, number))
        return found

    def _parse(self, payload: bytes, record: int) -> None:
        """Read one record with protobuf."""
        event = self._decode(payload)
        if event is None:
            self._undecodable += 1
            return
        if event.session_log.status == SESSION_START:
            self._starts.append((record, event.step))
        for value in event.summary.value:
            tag = value.tag.decode("utf-8", "replace")
            self._hyperparameters |= tag.startswith(_HPARAMS)
            number = _number(value)
            if number is not None:
                self._singles.setdefault(tag, []).append((record, event.step, event.wall_time, number))

    def _flush_singles(self) -> None:
        for tag, points in self._singles.items():
            record, step, wall, value = zip(*points, strict=True)
            piece = (np.array(record, np.int64), np.array(step, np.int64), np.array(wall), np.array(value))
            self._pieces.setdefault(tag, []).append(piece)
        self._singles = {}

    def reading(self, warnings: tuple[str, ...], damaged: int) -> Reading:
        """All that was read, each tag in the order written."""
        if self.broken:
            at = ", ".join(f"{offset:,}" for offset in sorted(self.broken)[:3])
            more = ", …" if len(self.broken) > 3 else ""
            one = len(self.broken) == 1
            what = (
                "1 record with a wrong checksum is"
                if one
                else f"{len(self.broken):,} records with a wrong checksum are"
            )
            warnings += (f"{what} left out: at byte {at}{more}",)
        if self._undecodable:
            warnings += (
                f"left out, as they are no TensorBoard events: {plural(self._undecodable, 'record')}",
            )
        starts = np.array([record for record, _ in self._starts], np.int64)
        points = {}
        firsts = {}
        for tag in list(self._pieces):
            pieces = self._pieces.pop(tag)
            record, step, wall, value = (
                np.concatenate([piece[part] for piece in pieces]) for part in range(4)
            )
            order = np.argsort(record, kind="stable")
            session = np.searchsorted(starts, record[order]).astype(np.int32)
            points[tag] = Points(step[order], wall[order], value[order], session)
            firsts[tag] = int(record[order[0]])
        kept = {tag: points[tag] for tag in sorted(points, key=lambda tag: (firsts[tag], tag))}
        purges = tuple(step for _, step in self._starts)
        return Reading(kept, warnings, damaged, "step", purges, only_settings=self._hyperparameters)


def _number(value: Any) -> float | None:
    """The scalar of a summary value: `simple_value`, or a tensor of no dimension."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return value.simple_value
    return _tensor(value.tensor) if kind == "tensor" else None


def _tensor(tensor: Any) -> float | None:
    if tensor.tensor_shape.dim or tensor.tensor_shape.unknown_rank:
        return None
    if tensor.tensor_content:
        return _content(tensor.dtype, tensor.tensor_content)
    if tensor.dtype in (_HALF, _BFLOAT16):
        return (
            _content(tensor.dtype, struct.pack("<H", tensor.half_val[0] & 0xFFFF))
            if tensor.half_val
            else None
        )
    name = "int_val" if tensor.dtype in _SHORT_INTS else _FIELDS.get(tensor.dtype)
    held: Any = getattr(tensor, name) if name else ()
    return float(held[0]) if len(held) == 1 else None


def _content(dtype: int, content: bytes) -> float | None:
    if dtype == _BFLOAT16 and len(content) == 2:
        return struct.unpack("<f", b"\0\0" + content)[0]
    kind = _DTYPES.get(dtype)
    if kind is None or len(content) != np.dtype(kind).itemsize:
        return None
    return float(np.frombuffer(content, kind)[0])


READER = Reader(
    name="TensorBoard events",
    likely=lambda path: "tfevents" in path.name,
    recognise=recognise,
    read=read,
    by="magic",
    several=True,
)
