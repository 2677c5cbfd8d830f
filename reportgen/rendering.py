"""Writes a saved report in another format, in a process of its own that is ended when it takes too much."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError

SECONDS, MEMORY = 55.0, 2 << 30  # of one format: a stranger's file may ask for any amount of both
LOOK = 0.1  # seconds between two looks


class TooMuchError(ValueError):
    """Drawing the report took more time or memory than any report needs."""


class RenderingError(ValueError):
    """The format could not be written; the message says in one line why."""


@dataclass(frozen=True)
class SavedReport:
    """A report in a file, which is read and drawn in another process alone."""

    source: Path

    def save(self, path: Path, *, templates: str | None = None) -> Path:
        """Write it in the format of the path's suffix. Raises as `encoded` does, and OSError."""
        files.replace(path, encoded(self.source, path, templates))
        return path


def encoded(source: Path, target: Path, templates: str | None) -> bytes:
    """What the report saved at `source` is in the format of `target`.

    Raises InputError where there is no report in it, TooMuchError where writing it takes more than 55 s or 2 GiB,
    RenderingError where it can't be written.
    """
    script = Path(__file__).with_name("_encode.py")
    with tempfile.TemporaryDirectory(prefix="reportgen-") as folder:
        out, said = Path(folder) / "out", Path(folder) / "said"
        # By its path, with -P: nothing in the working folder is taken for a library.
        words = [sys.executable, "-P", str(script), str(source), target.name, templates or "", str(out)]
        with said.open("wb") as errors:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            try:
                code = _watched(child)
            finally:
                child.kill()
                child.wait()
        if code == 0:
            return out.read_bytes()
        lines = said.read_text("utf-8", "replace").strip().splitlines() or [f"it ended with exit code {code}"]
        if code == 2:
            raise InputError(f"report: {lines[-1]}")
        raise RenderingError(lines[-1])


def _watched(child: subprocess.Popen[bytes]) -> int:
    """The exit code. Raises TooMuchError."""
    start = time.monotonic()
    while True:
        try:
            return child.wait(timeout=LOOK)
        except subprocess.TimeoutExpired:
            if time.monotonic() - start > SECONDS:
                raise TooMuchError(
                    f"drawing it takes more than {SECONDS:.0f} s, more than any report needs"
                ) from None
            if _resident(child.pid) > MEMORY:
                raise TooMuchError(
                    "drawing it takes more than 2 GiB of memory, more than any report needs"
                ) from None


def _resident(process: int) -> int:
    """Bytes of memory that a process holds, where the system says so; else 0."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0
