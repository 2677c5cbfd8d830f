"""TensorBoard event files, as torch, tensorboardX, Lightning, accelerate and Keras write them."""

from __future__ import annotations

import struct
from pathlib import Path

from reportgen.history.crc import Crc32c
from reportgen.history.model import Reading
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.records import Records
from reportgen.history.scan import Scan

_VERSION = b"brain.Event:2"


def recognise(path: Path, head: bytes) -> str | None:
    """By the first record: the CRC of its length is right and it names the event format's version."""
    sound = len(head) >= 12 and Crc32c().stored(head[:8]) == struct.unpack("<I", head[8:12])[0]
    named = "tfevents" in path.name
    if sound and _VERSION in head[:64]:
        return f"first record says {_VERSION.decode()}"
    if named and sound:
        return "named tfevents, first record's length CRC is right"
    return "named tfevents, first record is damaged" if named else None


class Following:
    """An event file that may still grow: each look reads only the bytes that have come since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._crc = Crc32c()
        self._records, self._scan = Records(self._crc), Scan(self._crc)

    def read(self) -> Reading:
        """All that is in the file so far. Raises UnreadableError, OSError."""
        with self._path.open("rb") as file:
            for batch in self._records.new(file):
                self._scan.add(batch)
        # What a last record means shows only when more has come: it is judged on copies.
        records, held = self._records.ended()
        scan = self._scan.fork(self._crc) if held else self._scan
        for batch in held:
            scan.add(batch)
        if not scan.count:
            why = f" ({records.warnings[0]})" if records.warnings else " (the file is empty)"
            raise UnreadableError(f"no whole record in it: expected TensorBoard event records{why}")
        return scan.reading(records.warnings, records.damaged)


def read(path: Path) -> Reading:
    """All that an event file holds; a damaged record costs itself alone. Raises UnreadableError, OSError."""
    return Following(path).read()


READER = Reader(
    name="TensorBoard events",
    likely=lambda path: "tfevents" in path.name,
    recognise=recognise,
    read=read,
    by="magic",
    several=True,
    follow=Following,
)
