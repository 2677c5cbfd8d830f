"""Tells another process what goes on in this one while a report is made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from reportgen.ledger import message
from reportgen.report import Report
from reportgen.running import Progress

MOST_PRINTED, LONGEST = 1 << 22, 1 << 14  # bytes of what is printed: in all, and at once
EVERY = 0.05  # seconds between two steps that are told


class Teller:
    """What a `Course` is told, as lines that a `Ledger` takes. `send` is given each line."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._method, self._last = "", 0.0
        self._told = 0  # bytes of what was printed

    def tell(self, event: Progress) -> None:
        """Of a section; of steps that follow fast upon each other only some."""
        if event.event == "step":
            now = time.monotonic()
            if event.method == self._method and now - self._last < EVERY:
                return
            self._last = now
        self._method = event.method
        self._send(
            message(
                event=event.event,
                section=event.section,
                number=event.number,
                sections=event.sections,
                method=event.method,
                done=event.done,
                total=event.total,
                result=event.result.model_dump_json() if event.result is not None else None,
            )
        )

    def begun(self, report: Report) -> None:
        """Of the report, once it is known what it is of."""
        self._send(message(begun=report.to_json()))

    def printed(self, content: bytes) -> None:
        """Of what is printed and caught here, which would be lost with this process; not without end."""
        if self._told > MOST_PRINTED:
            return
        self._told += len(content)
        with contextlib.suppress(OSError):
            self._send(message(printed=content[-LONGEST:].decode("utf-8", "replace")))

    def stage(self, name: str) -> None:
        """Of what comes before the sections."""
        self._send(message(stage=name))
