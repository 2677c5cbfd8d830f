"""Writes a saved report in another format, in a process of its own that is ended when it takes too much."""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from reportgen import files
from reportgen.bounded import GIB, Limits, TooMuchError, end, start, watched
from reportgen.errors import InputError

__all__ = ["RenderingError", "SavedReport", "TooMuchError", "encoded"]

# Of all formats of one command: a stranger's file may ask for any amount of both.
SECONDS, MEMORY = 55.0, 2 * GIB


class RenderingError(ValueError):
    """The format could not be written; the message says in one line why."""


@dataclass(frozen=True)
class SavedReport:
    """A report in a file, which is read and drawn in another process alone; the time for it runs from now."""

    source: Path
    begun: float = field(default_factory=time.monotonic)

    def save(self, path: Path, *, templates: str | None = None) -> Path:
        """Write it in the format of the path's suffix. Raises as `encoded` does, and OSError."""
        spent = time.monotonic() - self.begun
        files.replace(path, encoded(self.source, path, templates, spent=spent))
        return path


def encoded(source: Path, target: Path, templates: str | None, *, spent: float = 0.0) -> bytes:
    """What the report saved at `source` is in the format of `target`.

    Raises InputError where there is no report in it, TooMuchError where writing it takes more than 55 s, of which
    some are `spent`, or 2 GiB, RenderingError where it can't be written.
    """
    script = Path(__file__).with_name("_encode.py")
    limits = Limits("drawing it", SECONDS, MEMORY, spent)
    with tempfile.TemporaryDirectory(prefix="reportgen-") as folder:
        out, said = Path(folder) / "out", Path(folder) / "said"
        words = [str(source), target.name, templates or "", str(out)]
        with said.open("wb") as errors:
            child = start(script, words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
            try:
                code = watched(child, limits)
            finally:
                end(child)
        if code == 0:
            return out.read_bytes()
        lines = said.read_text("utf-8", "replace").strip().splitlines() or [f"it ended with exit code {code}"]
        if code == 2:
            raise InputError(f"report: {lines[-1]}")
        raise RenderingError(lines[-1])
