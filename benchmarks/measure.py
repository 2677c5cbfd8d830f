"""A command as a whole process: seconds and peak memory, as the operating system counts them."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS, in KiB elsewhere


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds and peak resident bytes of one run."""

    seconds: float
    peak: int


def run(words: Sequence[str], **environment: str) -> Cost:
    """One run of a command; its output goes to nowhere. Raises where it fails."""
    start = time.perf_counter()
    child = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **environment}
    )
    assert child.stderr is not None
    errors = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.stderr.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {child.returncode}:\n{errors[-2000:]}")
    return Cost(seconds, usage.ru_maxrss * PEAK_UNIT)


def own_peak() -> int:
    """Peak resident bytes of this process.

    Where Linux keeps it, from the process's own memory: there `ru_maxrss` of a child begins at its parent's size.
    """
    kept = Path("/proc/self/status")
    lines = kept.read_text().splitlines() if kept.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT


def median(words: Sequence[str], runs: int) -> Cost:
    """The median of several runs, after one that is not counted."""
    run(words)
    costs = [run(words) for _ in range(runs)]
    return Cost(statistics.median(c.seconds for c in costs), max(c.peak for c in costs))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the first row as the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
