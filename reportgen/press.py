"""Prints the PDF in a process of its own, which gets ready while the report is being made."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from reportgen.bounded import GIB, Limits, end, start, watched

if TYPE_CHECKING:
    from reportgen.report import Report

SECONDS, MEMORY = 300.0, 4 * GIB  # a report's own PDF takes a hundredth of the one and a tenth of the other


class Press:
    """A context manager about the making of a report: `send` it, do other things, then `receive` the PDF.

    Whatever goes wrong in the other process, `receive` gives None, and the caller prints by itself; but where it
    takes too much, no other process could do better.
    """

    def __init__(self, templates: str | None) -> None:
        """`templates`: a folder whose files replace ours of the same names."""
        script = Path(__file__).with_name("render") / "_press.py"
        self._printed: bytes | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._sent: float | None = None
        with contextlib.suppress(OSError):
            self._child = start(
                script, [templates or ""], stdin=subprocess.PIPE, stdout=self._out, stderr=subprocess.DEVNULL
            )

    def __enter__(self) -> Press:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            end(self._child)
            if self._child.stdin is not None:
                with contextlib.suppress(OSError):
                    self._child.stdin.close()
        self._out.close()

    def send(self, report: Report) -> None:
        """Hand over the report; printing starts."""
        if self._child is None or self._child.stdin is None:
            return
        self._sent = time.monotonic()
        with contextlib.suppress(OSError):
            self._child.stdin.write(report.to_json().encode("utf-8"))
            self._child.stdin.close()

    def receive(self) -> bytes | None:
        """The PDF, once it is printed; None where the other process did not manage. Raises TooMuchError."""
        if self._printed is None and self._child is not None and self._sent is not None:
            spent = time.monotonic() - self._sent
            code = watched(self._child, Limits("printing it", SECONDS, MEMORY, spent))
            self._out.seek(0)
            content = self._out.read()
            if code == 0 and content.startswith(b"%PDF"):
                self._printed = content
        return self._printed
