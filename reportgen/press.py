"""Prints the PDF in a process of its own, which gets ready while the report is being made."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportgen.report import Report


class Press:
    """A context manager about the making of a report: `send` it, do other things, then `receive` the PDF.

    Whatever goes wrong in the other process, `receive` gives None, and the caller prints by itself.
    """

    def __init__(self, templates: str | None) -> None:
        """`templates`: a folder whose files replace ours of the same names."""
        script = Path(__file__).with_name("render") / "_press.py"
        # By its path, with -P: nothing in the working folder is taken for a library.
        words = [sys.executable, "-P", str(script), templates or ""]
        self._printed: bytes | None = None
        self._child: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def __enter__(self) -> Press:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def send(self, report: Report) -> None:
        """Hand over the report; printing starts."""
        if self._child is None or self._child.stdin is None:
            return
        with contextlib.suppress(OSError):
            self._child.stdin.write(report.to_json().encode("utf-8"))
            self._child.stdin.close()

    def receive(self) -> bytes | None:
        """The PDF, once it is printed; None where the other process did not manage."""
        if self._child is None or self._child.stdout is None:
            return None
        if self._printed is None and not self._child.stdout.closed:
            content = self._child.stdout.read()
            if self._child.wait() == 0 and content.startswith(b"%PDF"):
                self._printed = content
            self._child.stdout.close()
        return self._printed
