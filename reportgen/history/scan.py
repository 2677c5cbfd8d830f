"""What has been read of one event file so far: its scalars, and what else it holds."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from reportgen.history.bulk import Bulk, Rows
from reportgen.history.crc import Crc32c
from reportgen.history.extras import Extras
from reportgen.history.growing import Growing
from reportgen.history.model import Reading
from reportgen.history.records import Batch
from reportgen.history.schema import SESSION_START, event_class, session_class
from reportgen.history.templates import Scalar, Template
from reportgen.history.tensors import number
from reportgen.units import plural

_HPARAMS = "_hparams_/"


class Scan:
    """Takes batches of records and gives the reading of all of them."""

    def __init__(self, crc: Crc32c) -> None:
        self.count = 0
        self._broken: list[int] = []
        self._event = event_class()
        self._growing = Growing()
        self._extras = Extras(self._event, session_class())
        self._hyperparameters = False
        self._starts: list[tuple[int, int]] = []
        self._undecodable = 0
        self._bulk = Bulk(crc, self._scalars, self._many, self._one)

    def fork(self, crc: Crc32c) -> Scan:
        """A copy that may be added to."""
        other = copy.copy(self)
        other._broken, other._starts = list(self._broken), list(self._starts)
        other._growing, other._extras = self._growing.fork(), self._extras.fork()
        other._bulk = Bulk(crc, other._scalars, other._many, other._one)
        return other

    def add(self, batch: Batch) -> None:
        """Read one batch of records."""
        broken = self._bulk.read(batch)
        self._broken += (batch.offset + batch.start[broken] - 12).tolist()
        self.count += len(batch.start)
        self._growing.settle(np.array([record for record, _ in self._starts], np.int64))

    def _many(self, template: Template, rows: Rows, held: np.ndarray) -> None:
        self._growing.many(template.tag, (rows + self.count, *template.read(held)))

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
            scalar = number(value)
            if scalar is None or value.metadata.plugin_data.plugin_name not in (b"", b"scalars"):
                return None
            tag = value.tag.decode("utf-8", "replace")
            if tag.startswith(_HPARAMS):
                return None
            found.append((tag, event.step, event.wall_time, scalar))
        return found

    def _one(self, row: int, payload: bytes) -> None:
        """Read one record with protobuf."""
        event = self._decode(payload)
        if event is None:
            self._undecodable += 1
            return
        record = self.count + row
        if event.session_log.status == SESSION_START:
            self._starts.append((record, event.step))
        for value in event.summary.value:
            tag = value.tag.decode("utf-8", "replace")
            self._hyperparameters |= tag.startswith(_HPARAMS)
            scalar = number(value)
            if scalar is not None:
                self._growing.one(tag, record, event.step, event.wall_time, scalar)
            if scalar is None or value.HasField("metadata"):
                self._extras.take(tag, value, event, payload)

    def reading(self, warnings: tuple[str, ...], damaged: int) -> Reading:
        """All that was read, each tag in the order written."""
        if self._broken:
            at = ", ".join(f"{offset:,}" for offset in sorted(self._broken)[:3])
            more = ", …" if len(self._broken) > 3 else ""
            verb = "is" if len(self._broken) == 1 else "are"
            what = f"{plural(len(self._broken), 'record')} with a wrong checksum {verb}"
            warnings += (f"{what} left out: at byte {at}{more}",)
        if self._undecodable:
            what = plural(self._undecodable, "record")
            warnings += (f"left out, as they are no TensorBoard events: {what}",)
        reading = Reading(
            self._growing.points(),
            warnings,
            damaged + len(self._broken),
            purges=tuple(step for _, step in sorted(self._starts)),
            only_settings=self._hyperparameters,
        )
        return replace(reading, **self._extras.reading(reading))
