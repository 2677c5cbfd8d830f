"""Large logs for the benchmarks, and what was written in them. python -m benchmarks._logs KIND PATH COUNT"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tensorboardX.proto import event_pb2

from reportgen.history.crc import Crc32c, masked

TAGS = 20
_MARK = 1.5  # a value whose bytes are looked for in a record
_BLOCK = 5_000  # steps written at once
CRC = Crc32c()


def truth(scalars: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps int64 (n,), wall times float64 (n,) and values float32 (TAGS, n): NaN, Inf, and a restart at 60 %."""
    count = scalars // TAGS
    first = count * 6 // 10
    steps = np.concatenate([np.arange(first), np.arange(count - first) + count // 2])
    values = np.random.default_rng(0).normal(size=(TAGS, count)).astype("<f4")
    values[:, 500::997], values[:, 600::1009], values[:, 700::1013] = np.nan, np.inf, -np.inf
    return steps, 1.6e9 + np.arange(count) / 100, values


def name(tag: int) -> str:
    """The name of a tag: four lengths."""
    return f"layer{'x' * (tag % 4)}/metric{tag:02}"


def events(path: Path, scalars: int) -> None:
    """TAGS series, step by step; odd tags are tensors as TensorFlow 2 writes them, the others simple values."""
    steps, walls, values = truth(scalars)
    restart = int(np.argmax(np.diff(steps, prepend=0) < 0))
    with path.open("wb") as file:
        file.write(framed(event_pb2.Event(wall_time=1.6e9, file_version="brain.Event:2").SerializeToString()))
        for part in _alike(steps, restart):
            if part.start == restart > 0:
                start = event_pb2.Event(wall_time=1.6e9, step=int(steps[restart]))
                start.session_log.status = event_pb2.SessionLog.START
                file.write(framed(start.SerializeToString()))
            rows = [_records(tag, steps[part], walls[part], values[tag, part]) for tag in range(TAGS)]
            file.write(np.concatenate(rows, axis=1).tobytes())


def _alike(steps: np.ndarray, restart: int) -> Iterator[slice]:
    """Stretches whose steps have varints of one length, no longer than a block."""
    size = (steps > 0).astype(int) + sum((steps >> (7 * place) > 0).astype(int) for place in range(1, 9))
    breaks = np.flatnonzero(np.diff(size, prepend=-1) != 0).tolist()
    edges = sorted({*breaks, restart, *range(0, len(steps), _BLOCK), len(steps)})
    for start, stop in pairwise(edges):
        yield slice(start, stop)


def _records(tag: int, steps: np.ndarray, walls: np.ndarray, values: np.ndarray) -> np.ndarray:
    """One record a row, uint8 (n, length); the places of step and value are found in a record of protobuf's."""
    made = event_pb2.Event(wall_time=1.0, step=int(steps[0]))
    value = made.summary.value.add(tag=name(tag))
    if tag % 2:
        value.tensor.dtype = 1
        value.tensor.tensor_shape.SetInParent()
        value.tensor.float_val.append(_MARK)
        if steps[0] == 0:
            value.metadata.plugin_data.plugin_name = "scalars"
    else:
        value.simple_value = _MARK
    payload = made.SerializeToString()
    rows = np.tile(np.frombuffer(payload, np.uint8), (len(steps), 1))
    rows[:, 1:9] = walls.astype("<f8").view(np.uint8).reshape(-1, 8)
    place = 0
    while steps[0] >> (7 * place):
        more = 0x80 if steps[0] >> (7 * (place + 1)) else 0
        rows[:, 10 + place] = (steps >> (7 * place)) & 0x7F | more
        place += 1
    at = payload.index(struct.pack("<f", _MARK))
    rows[:, at : at + 4] = values.astype("<f4").view(np.uint8).reshape(-1, 4)
    check = masked(CRC.rows(np.ascontiguousarray(rows.T))).astype("<u4").view(np.uint8).reshape(-1, 4)
    head = np.frombuffer(_head(len(payload)), np.uint8)
    return np.concatenate([np.tile(head, (len(rows), 1)), rows, check], axis=1)


def _head(length: int) -> bytes:
    size = struct.pack("<Q", length)
    return size + struct.pack("<I", CRC.stored(size))


def framed(payload: bytes) -> bytes:
    """A payload as a record."""
    return _head(len(payload)) + payload + struct.pack("<I", CRC.stored(payload))


def runs(folder: Path, count: int) -> None:
    """So many runs of TAGS tags and 500 steps."""
    for number in range(count):
        (folder / f"run{number:03}").mkdir(parents=True)
        events(folder / f"run{number:03}" / "events.out.tfevents.1600000000.host", 500 * TAGS)


def pictures(path: Path, size: int) -> None:
    """So many bytes: by a half pictures of 100 kB, by a half histograms, and 20,000 scalars before them."""
    events(path, 1000 * TAGS)
    random = np.random.default_rng(0)
    with path.open("ab") as file:
        step = 0
        while file.tell() < size:
            _picture(file, random, step)
            for number in range(40):
                _histogram(file, random, step, number)
            step += 1


def _picture(file: BinaryIO, random: np.random.Generator, step: int) -> None:
    made = event_pb2.Event(wall_time=1.6e9, step=step)
    content = b"\x89PNG\r\n\x1a\n" + random.bytes(100_000)
    made.summary.value.add(tag=f"picture{step % 4}").image.encoded_image_string = content
    file.write(framed(made.SerializeToString()))


def _histogram(file: BinaryIO, random: np.random.Generator, step: int, number: int) -> None:
    made = event_pb2.Event(wall_time=1.6e9, step=step)
    histo = made.summary.value.add(tag=f"weights{number}").histo
    histo.bucket_limit.extend(np.sort(random.normal(size=150)))
    histo.bucket.extend(random.random(150))
    file.write(framed(made.SerializeToString()))


def table(path: Path, rows: int) -> None:
    """A CSV of a step, an epoch and three metrics."""
    values = np.random.default_rng(0).normal(size=(rows, 3)).tolist()
    with path.open("w", encoding="utf-8") as file:
        file.write("step,epoch,loss,accuracy,lr\n")
        file.writelines(f"{n},{n // 1000},{a!r},{b!r},{c!r}\n" for n, (a, b, c) in enumerate(values))


def lines(path: Path, rows: int) -> None:
    """The same as one JSON object a line."""
    values = np.random.default_rng(0).normal(size=(rows, 3)).tolist()
    with path.open("w", encoding="utf-8") as file:
        for n, (a, b, c) in enumerate(values):
            row = {"step": n, "epoch": n // 1000, "loss": a, "accuracy": b, "lr": c}
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    kind, path, count = sys.argv[1:]
    writers = {"events": events, "runs": runs, "pictures": pictures, "table": table, "lines": lines}
    writers[kind](Path(path), int(count))
