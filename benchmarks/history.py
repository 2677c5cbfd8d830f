"""Event files, ours against a plain loop with protobuf: python -m benchmarks.history [scalars]."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from reportgen.history.crc import Crc32c, masked

TAGS = 20


def write(path: Path, scalars: int) -> None:
    """TAGS series, step by step, byte for byte as torch and tensorboardX write them."""
    steps = np.arange(scalars // TAGS)
    values = np.random.default_rng(0).normal(size=(TAGS, len(steps))).astype("<f4")
    with path.open("wb") as file:
        file.write(_framed([b"\x09" + struct.pack("<d", 1.6e9) + b"\x1a\x0dbrain.Event:2"])[0])
        for start in range(0, len(steps), 10_000):
            block = []
            for tag in range(TAGS):
                name = f"layer{'x' * (tag % 4)}/metric{tag:02}"
                block.append(
                    _framed(
                        [_scalar(name, s, values[tag, s]) for s in steps[start : start + 10_000].tolist()]
                    )
                )
            file.write(b"".join(record for row in zip(*block, strict=True) for record in row))


def _framed(payloads: list[bytes]) -> list[bytes]:
    """The payloads as records, their checksums taken in bulk."""
    heads = [struct.pack("<Q", len(payload)) for payload in payloads]
    checks = zip(_checksums(heads), _checksums(payloads), strict=True)
    return [h + one + p + two for h, p, (one, two) in zip(heads, payloads, checks, strict=True)]


def _checksums(messages: list[bytes]) -> list[bytes]:
    lengths = np.array([len(message) for message in messages])
    out = np.zeros(len(messages), "<u4")
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        rows = np.frombuffer(b"".join(messages[place] for place in places), np.uint8).reshape(-1, length)
        out[places] = masked(Crc32c().rows(np.ascontiguousarray(rows.T)))
    return [check.tobytes() for check in out]


def _scalar(tag: str, step: int, value: np.float32) -> bytes:
    inner = b"\x0a" + bytes([len(tag)]) + tag.encode() + b"\x15" + value.tobytes()
    body = b"\x0a" + bytes([len(inner)]) + inner
    wall = b"\x09" + struct.pack("<d", 1.6e9 + step / 100)
    return wall + (b"\x10" + _varint(step) if step else b"") + b"\x2a" + bytes([len(body)]) + body


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def ours(path: Path) -> int:
    from reportgen.history.readers.events import read

    return sum(map(len, read(path).points.values()))


def protobuf(path: Path) -> int:
    """A message a record, no checksum looked at: the least that a reader without tricks must do."""
    from reportgen.history.schema import event_class

    event = event_class()
    found: dict[str, list[tuple[int, float, float]]] = {}
    with path.open("rb") as file:
        while head := file.read(12):
            parsed = event.FromString(file.read(struct.unpack_from("<Q", head)[0]))
            file.read(4)
            for value in parsed.summary.value:
                found.setdefault(value.tag, []).append((parsed.step, parsed.wall_time, value.simple_value))
    return sum(map(len, found.values()))


READERS = {"reportgen (every CRC checked)": ours, "protobuf a record (no CRC)": protobuf}


def main() -> None:
    if len(sys.argv) == 3:
        reader = READERS[sys.argv[1]]
        begun = time.perf_counter()
        count = reader(Path(sys.argv[2]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{sys.argv[1]:<32} {count:>12,} {time.perf_counter() - begun:>8.2f} {peak:>8.0f}")
        return
    scalars = int(sys.argv[1]) if len(sys.argv) == 2 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.out.tfevents.0.host"
        write(path, scalars)
        print(f"{TAGS} tags, {path.stat().st_size / 1e6:.0f} MB; peak memory of the whole process")
        print(f"{'reader':<32} {'scalars':>12} {'s':>8} {'MiB':>8}")
        for name in READERS:
            subprocess.run([sys.executable, "-m", "benchmarks.history", name, str(path)], check=True)


if __name__ == "__main__":
    main()
