"""One reader a format. To add a format: write a file with a READER, and name it here, in the order tried."""

from __future__ import annotations

from reportgen.history.readers import events, jsonl, tables, trainer_state
from reportgen.history.readers.base import HEAD, Reader, UnreadableError

READERS: tuple[Reader, ...] = (events.READER, trainer_state.READER, jsonl.READER, tables.READER)

__all__ = ["HEAD", "READERS", "Reader", "UnreadableError"]
