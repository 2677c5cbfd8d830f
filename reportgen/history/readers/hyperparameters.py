"""Hyper-parameters in YAML beside a log: Lightning's hparams.yaml, Ultralytics' args.yaml, DVCLive's params.yaml."""

from __future__ import annotations

from pathlib import Path

from reportgen.history.model import Reading
from reportgen.history.readers.base import Reader
from reportgen.history.readers.flat import flat, too_many
from reportgen.history.readers.yaml_data import load

_WRITERS = {"hparams.yaml": "Lightning", "args.yaml": "Ultralytics", "params.yaml": "DVCLive"}


def recognise(path: Path, head: bytes) -> str | None:
    """By the name: a text of that name can be nothing else that belongs to a log."""
    writer = _WRITERS.get(path.name)
    return f"named {path.name}, as {writer} does" if writer and b"\0" not in head else None


def read(path: Path) -> Reading:
    """The settings, for the run in the same folder. Raises UnreadableError, OSError."""
    settings, left = flat(load(path))
    return Reading({}, too_many(left), settings=settings)


READER = Reader(
    name="hyper-parameters",
    likely=lambda path: path.name in _WRITERS,
    recognise=recognise,
    read=read,
    by="name",
    several=True,
)
