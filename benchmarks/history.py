"""Training logs, time and memory beside what others take: python -m benchmarks.history [scalars]"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import table

TAGS = 20
RUNS = 3
_ENOUGH = 10.0  # seconds, after which a reader is not run again

# This process imports no more than it must: on Linux a child's peak memory is never below its parent's.


@dataclass(frozen=True)
class Took:
    """The median time in seconds of the processor, the peak memory of the process in MiB, and the points found."""

    seconds: float
    peak: float
    points: int


def write(kind: str, path: Path, count: int) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks._logs", kind, str(path), str(count)], check=True)


def took(reader: str, path: Path, *more: str) -> Took:
    """A reader in a process of its own, three times unless that takes long."""
    seconds: list[float] = []
    peaks: list[float] = []
    points = 0
    while len(seconds) < RUNS and sum(seconds) < _ENOUGH:
        words = [sys.executable, "-m", "benchmarks._log_readers", reader, str(path), *more]
        out = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        one, peak, found = out.stdout.split()
        seconds.append(float(one))
        peaks.append(float(peak))
        points = int(found)
    return Took(statistics.median(seconds), max(peaks), points)


def side_by_side(folder: Path, scalars: int) -> None:
    """One file of scalars: 20 tags in two encodings, NaN, Inf, step 0 and a restart."""
    path = folder / "events.out.tfevents.1600000000.host"
    write("events", path, scalars)
    readers = {
        "reportgen, every CRC and point checked": took("ours", path, str(scalars)),
        "framing alone, a loop in Python": took("framing", path),
        "protobuf a record, no CRC": took("protobuf", path),
        "EventAccumulator, everything kept": took("accumulator", path),
        "tbparse": took("tbparse", path),
    }
    mine = next(iter(readers.values())).seconds
    rows = [["reader", "CPU s", "of ours", "MiB", "points"]]
    for name, one in readers.items():
        rows.append(
            [name, f"{one.seconds:.2f}", f"{one.seconds / mine:.1f}", f"{one.peak:.0f}", f"{one.points:,}"]
        )
    print(f"{scalars:,} scalars, {TAGS} tags, {path.stat().st_size / 1e6:.0f} MB")
    print(table(rows), "\n")
    path.unlink()


def growth(folder: Path) -> None:
    """From 10^4 to 10^7 points."""
    rows = [["scalars", "CPU s", "µs a point", "MiB", "bytes a point on top"]]
    first = 0.0
    for scalars in (10_000, 100_000, 1_000_000, 10_000_000):
        path = folder / "events.out.tfevents.1600000000.host"
        write("events", path, scalars)
        one = took("ours", path, str(scalars))
        first = first or one.peak
        on_top = f"{(one.peak - first) * 2**20 / scalars:.0f}" if scalars > 10**5 else ""
        each = f"{one.seconds / scalars * 1e6:.2f}"
        rows.append([f"{scalars:,}", f"{one.seconds:.3f}", each, f"{one.peak:.0f}", on_top])
        path.unlink()
    print(table(rows), "\n")


def others(folder: Path) -> None:
    """Many runs, a file of pictures, and text logs."""
    cases = (
        ("100 runs x 20 tags x 500 steps", "runs", 100, (("reportgen", "folder"),)),
        ("1 GB of pictures and histograms", "pictures", 10**9, (("reportgen", "ours"),)),
        ("CSV, a million rows", "table", 10**6, (("reportgen", "table"), ("pandas", "pandas_table"))),
        ("JSONL, a million rows", "lines", 10**6, (("reportgen", "lines"), ("pandas", "pandas_lines"))),
    )
    rows = [["log", "reader", "CPU s", "MiB", "points"]]
    for title, kind, count, readers in cases:
        path = folder / kind
        write(kind, path, count)
        for name, reader in readers:
            one = took(reader, path)
            rows.append([title, name, f"{one.seconds:.2f}", f"{one.peak:.0f}", f"{one.points:,}"])
        if path.is_file():
            path.unlink()
    print(table(rows))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        side_by_side(Path(folder), int(sys.argv[1]) if len(sys.argv) == 2 else 1_000_000)
        growth(Path(folder))
        others(Path(folder))


if __name__ == "__main__":
    main()
