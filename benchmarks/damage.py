"""Damaged event files: what is kept of what was whole, beside TensorBoard. python -m benchmarks.damage [seconds]"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.measure import table

TESTS = Path(__file__).resolve().parents[1] / "tests" / "history"
_RECORDS = 60


@dataclass
class Tally:
    """What became of all files with one kind of damage."""

    files: int = 0
    tracebacks: int = 0
    kept: int = 0
    wrong: int = 0
    unsaid: int = 0
    theirs: int = 0
    intact: int = 0


def main() -> None:
    sys.path.insert(0, str(TESTS))
    import damage
    import eventfiles

    logging.disable(logging.CRITICAL)  # TensorBoard says each damaged file
    seconds = float(sys.argv[1]) if len(sys.argv) == 2 else 60.0
    points = [(f"tag{'x' * (n % 3)}", n * 40, n / 8) for n in range(_RECORDS)]
    records = [eventfiles.version(), *(eventfiles.scalar(*point) for point in points)]
    kinds = {name: [name] for name in damage.EVENTS}
    kinds["three kinds at once"] = []
    tallies = {name: Tally() for name in kinds}
    random, end = Random(0), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            for name, chain in kinds.items():
                held = damage.pieces(records)
                for one in chain or random.choices(sorted(damage.EVENTS), k=3):
                    held = damage.EVENTS[one](held, random)
                path = eventfiles.write(Path(folder), damage.joined(held))
                expected = Counter(points[number - 1] for number in damage.intact(held) if number)
                hurt = any(data for data, number in held if number is None)
                _judge(tallies[name], path, expected, hurt)
    head = ["damage", "files", "tracebacks", "kept", "wrong points", "unsaid", "kept by EventAccumulator"]
    rows = [head]
    for name, tally in tallies.items():
        ours, theirs = (f"{100 * count / tally.intact:.2f} %" for count in (tally.kept, tally.theirs))
        rows.append(
            [
                name,
                *map(str, (tally.files, tally.tracebacks)),
                ours,
                *map(str, (tally.wrong, tally.unsaid)),
                theirs,
            ]
        )
    print(table(rows))


def _judge(tally: Tally, path: Path, expected: Counter[Any], hurt: bool) -> None:
    from reportgen.history.readers import UnreadableError, events

    tally.files += 1
    tally.intact += expected.total()
    tally.theirs += (_accumulated(path) & expected).total()
    try:
        reading = events.read(path)
    except UnreadableError:
        return
    except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
        tally.tracebacks += 1
        return
    found = Counter(
        (tag, step, value)
        for tag, points in reading.points.items()
        for step, value in zip(points.step.tolist(), points.value.tolist(), strict=True)
    )
    tally.kept += (found & expected).total()
    tally.wrong += (found - expected).total()
    tally.unsaid += hurt and not reading.warnings


def _accumulated(path: Path) -> Counter[Any]:
    """The points that TensorBoard keeps; what it raises costs it the file."""
    from tensorboard.backend.event_processing import event_accumulator

    every = dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 0)
    found = event_accumulator.EventAccumulator(str(path), every, purge_orphaned_data=False)
    try:
        found.Reload()
    except Exception:  # noqa: BLE001 - of any kind
        return Counter()
    return Counter(
        (tag, one.step, one.value) for tag in found.Tags()["scalars"] for one in found.Scalars(tag)
    )


if __name__ == "__main__":
    main()
