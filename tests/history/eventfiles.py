"""Event files as their writers make them, byte by byte, with tensorboardX's bundled schema and its CRC."""

import struct
from pathlib import Path

from tensorboardX.crc32c import _crc32c
from tensorboardX.proto import event_pb2


def masked(data: bytes) -> int:
    crc = _crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    head = struct.pack("<Q", len(payload))
    return head + struct.pack("<I", masked(head)) + payload + struct.pack("<I", masked(payload))


def event(**fields) -> event_pb2.Event:
    return event_pb2.Event(**fields)


def version(wall: float = 1.6e9) -> bytes:
    return frame(event(wall_time=wall, file_version="brain.Event:2").SerializeToString())


def scalar(tag: str, step: int, value: float, wall: float | None = None) -> bytes:
    made = event(wall_time=1.6e9 + step if wall is None else wall, step=step)
    made.summary.value.add(tag=tag, simple_value=value)
    return frame(made.SerializeToString())


def tensor(tag: str, step: int, *, first: bool = False, **fields) -> bytes:
    """A scalar as TensorFlow 2 writes it; the plugin's name comes with a tag's first event alone."""
    made = event(wall_time=1.6e9 + step, step=step)
    value = made.summary.value.add(tag=tag)
    value.tensor.tensor_shape.SetInParent()
    for name, given in fields.items():
        if isinstance(given, list):
            getattr(value.tensor, name).extend(given)
        else:
            setattr(value.tensor, name, given)
    if first:
        value.metadata.plugin_data.plugin_name = "scalars"
    return frame(made.SerializeToString())


def start(step: int) -> bytes:
    """What SummaryWriter(purge_step=...) writes first."""
    made = event(wall_time=1.6e9, step=step)
    made.session_log.status = event_pb2.SessionLog.START
    return frame(made.SerializeToString())


def write(folder: Path, *records: bytes, name: str = "events.out.tfevents.1600000000.host") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(records))
    return path
