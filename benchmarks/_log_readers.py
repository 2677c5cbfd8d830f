"""One reader on one log, in a process of its own. python -m benchmarks._log_readers READER PATH [SCALARS]

Prints seconds of the processor (imports and waiting for other programs are not counted), the peak memory of
the whole process in MiB, and the points found.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import own_peak

Read = Callable[[Path], Any]  # what was read, or the number of points


def ours() -> Read:
    from reportgen.history.readers.events import read

    return read


def folder() -> Read:
    from reportgen import history

    return lambda path: history.read([path]).points


def table() -> Read:
    from reportgen.history.readers.tables import read

    return read


def lines() -> Read:
    from reportgen.history.readers.jsonl import read

    return read


def framing() -> Read:
    """Lengths alone, no payload looked at: the least that a loop in Python must do."""

    def read(path: Path) -> int:
        data, position, count, length = path.read_bytes(), 0, 0, struct.Struct("<Q").unpack_from
        while position < len(data):
            position += length(data, position)[0] + 16
            count += 1
        return count

    return read


def protobuf() -> Read:
    """A message a record, no checksum looked at: the least that a reader without tricks must do."""
    from tensorboardX.proto import event_pb2

    def read(path: Path) -> int:
        found: dict[str, list[tuple[int, float, float]]] = {}
        with path.open("rb") as file:
            while head := file.read(12):
                event = event_pb2.Event.FromString(file.read(struct.unpack_from("<Q", head)[0]))
                file.read(4)
                for value in event.summary.value:
                    tensor = value.WhichOneof("value") == "tensor"
                    number = value.tensor.float_val[0] if tensor else value.simple_value
                    found.setdefault(value.tag, []).append((event.step, event.wall_time, number))
        return sum(map(len, found.values()))

    return read


def accumulator() -> Read:
    """TensorBoard's own, nothing left out; scalars written as tensors are only found among the tensors."""
    from tensorboard.backend.event_processing import event_accumulator

    every = dict.fromkeys(event_accumulator.DEFAULT_SIZE_GUIDANCE, 0)

    def read(path: Path) -> int:
        found = event_accumulator.EventAccumulator(str(path), size_guidance=every)
        found.Reload()
        tags = found.Tags()
        scalars = sum(len(found.Scalars(tag)) for tag in tags["scalars"])
        return scalars + sum(len(found.Tensors(tag)) for tag in tags["tensors"])

    return read


def tbparse() -> Read:
    from tbparse import SummaryReader

    def read(path: Path) -> int:
        found = SummaryReader(str(path), extra_columns={"wall_time"})
        return len(found.scalars) + len(found.tensors)

    return read


def pandas_table() -> Read:
    import pandas

    return lambda path: pandas.read_csv(path).iloc[:, 1:].size


def pandas_lines() -> Read:
    import pandas

    return lambda path: pandas.read_json(path, lines=True).iloc[:, 1:].size


READERS = {
    one.__name__: one
    for one in (
        ours,
        folder,
        table,
        lines,
        framing,
        protobuf,
        accumulator,
        tbparse,
        pandas_table,
        pandas_lines,
    )
}


def _points(found: Any) -> int:
    return found if isinstance(found, int) else sum(map(len, found.points.values()))


def check(reading: Any, scalars: int) -> None:
    """Compare every point with what was written; the session starts where the restart is."""
    import numpy as np

    from benchmarks import _logs

    steps, walls, values = _logs.truth(scalars)
    session = np.cumsum(np.diff(steps, prepend=0) < 0)
    assert len(reading.points) == _logs.TAGS
    assert not reading.warnings
    for tag in range(_logs.TAGS):
        points = reading.points[_logs.name(tag)]
        for got, written in zip(
            (points.step, points.wall, points.session), (steps, walls, session), strict=True
        ):
            assert np.array_equal(got, written)
        assert np.array_equal(points.value, values[tag].astype(float), equal_nan=True)


if __name__ == "__main__":
    read = READERS[sys.argv[1]]()
    begun = time.process_time()
    found = read(Path(sys.argv[2]))
    seconds = time.process_time() - begun
    peak = own_peak() / 2**20
    if len(sys.argv) > 3:
        check(found, int(sys.argv[3]))
    print(seconds, peak, _points(found))
