"""What W&B logs beside numbers: histograms, and images that lie in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reportgen.history.model import Histogram, Logged
from reportgen.history.readers.beside import is_plain
from reportgen.history.readers.wandb_values import number

_LARGEST = 4 << 20  # bytes of an image
_MOST_BYTES = 32 << 20  # of all images of a run
_MOST_AT_ONCE = 8  # images of one step and tag
_MOST_BINS = 4096
_SIGNS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True)
class Media:
    """An object with a `_type`, as it was logged at one step."""

    step: int
    wall: float
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        """What W&B calls it."""
        return str(self.data.get("_type"))

    @property
    def files(self) -> list[str]:
        """The paths of its images, relative to the run's files."""
        names = self.data.get("filenames") if self.kind == "images/separated" else [self.data.get("path")]
        return [name for name in names or () if isinstance(name, str)] if isinstance(names, list) else []


def histogram(thing: Media) -> Histogram | None:
    """The histogram, by its edges or by equal bins; None where its numbers don't fit each other."""
    counts, edges = _numbers(thing.data.get("values")), _numbers(thing.data.get("bins"))
    if edges is None:
        low, size, count = (number(thing.data.get(f"packedBins.{part}")) for part in ("min", "size", "count"))
        if low is None or size is None or count is None or not 0 < count <= _MOST_BINS:
            return None
        edges = low + size * np.arange(int(count) + 1)
    if counts is None or len(edges) != len(counts) + 1 or not (np.diff(edges) >= 0).all():
        return None
    return Histogram(thing.step, thing.wall, edges, counts)


def _numbers(values: Any) -> np.ndarray | None:
    if not isinstance(values, list) or not 0 < len(values) <= _MOST_BINS + 1:
        return None
    found = [number(value) for value in values]
    return None if None in found else np.array(found, np.float64)


def images(
    folder: Path, logged: Mapping[str, Sequence[Media]]
) -> tuple[dict[str, list[Logged]], tuple[str, ...]]:
    """The images that lie in the run's folder, by tag; and a warning that counts the others."""
    out: dict[str, list[Logged]] = {}
    left = room = 0
    for tag, things in logged.items():
        for thing in things:
            left += len(thing.files[_MOST_AT_ONCE:])
            for name in thing.files[:_MOST_AT_ONCE]:
                content = _content(folder, name, _MOST_BYTES - room)
                if content is None:
                    left += 1
                    continue
                room += len(content)
                out.setdefault(tag, []).append(Logged(thing.step, thing.wall, content))
    why = "not in the run's folder, no PNG or JPEG, or too large"
    return out, (f"{left:,} images left out: {why}",) if left else ()


def _content(folder: Path, name: str, room: int) -> bytes | None:
    """The bytes of an image, None where the path leads out of the folder or to something else."""
    try:
        path = folder / name
        if not is_plain(path, folder) or not is_plain(path, folder.parent):
            return None
        with path.open("rb") as file:
            content = file.read(min(_LARGEST, room) + 1)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return None
    return content if content.startswith(_SIGNS) and len(content) <= min(_LARGEST, room) else None
