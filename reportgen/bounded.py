"""A process of our own that is ended, with all that it started, when it takes too much time or memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
LOOK = 0.1  # seconds between two looks


class TooMuchError(ValueError):
    """The work took more time or memory than any report needs."""


@dataclass(frozen=True)
class Limits:
    """The seconds and bytes that a process and all it started may take; `what` they do, in words.

    Of the seconds, `spent` are gone already.
    """

    what: str
    seconds: float
    memory: int
    spent: float = 0.0


def start(script: Path, words: Sequence[str], **streams: object) -> subprocess.Popen[bytes]:
    """Start a script of ours in a group of its own. Raises OSError.

    By its path, with -P: nothing in the working folder is taken for a library. It finds this package where we did.
    """
    places = [os.environ.get("PYTHONPATH", ""), str(Path(__file__).resolve().parents[1])]
    return subprocess.Popen(
        [sys.executable, "-P", str(script), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, places))},
        start_new_session=os.name == "posix",
        **streams,  # type: ignore[call-overload]
    )


def end(child: subprocess.Popen[bytes]) -> None:
    """End the process, where it still runs, and all that it started."""
    if child.poll() is None and os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    child.kill()
    child.wait()


def watched(child: subprocess.Popen[bytes], limits: Limits) -> int:
    """The exit code. Raises TooMuchError; the process is then still there, to be ended."""
    begun = time.monotonic()
    while True:
        try:
            return child.wait(timeout=LOOK)
        except subprocess.TimeoutExpired:
            pass
        if time.monotonic() - begun > limits.seconds - limits.spent:
            raise TooMuchError(_too_much(limits, f"{limits.seconds:.0f} s"))
        if resident(child.pid) > limits.memory:
            raise TooMuchError(_too_much(limits, f"{limits.memory / GIB:.2g} GiB of memory"))


def _too_much(limits: Limits, amount: str) -> str:
    return f"{limits.what} takes more than {amount}, more than any report needs"


def resident(process: int) -> int:
    """Bytes of memory that a process and all it started hold, where the system says so; else 0."""
    held, rest = 0, [process]
    while rest:
        place = Path("/proc") / str(rest.pop())
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
            held += int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for thread in (place / "task").iterdir():
                rest += map(int, (thread / "children").read_text().split())
    return held


def limit_memory(most: int) -> None:
    """Let no allocation of this process take it beyond `most` bytes, where the system can: a MemoryError is told."""
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
