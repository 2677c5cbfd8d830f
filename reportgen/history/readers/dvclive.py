"""DVCLive: a table a metric in dvclive/plots/metrics, whose path is the metric's name."""

from __future__ import annotations

import json
from pathlib import Path

from reportgen.history.model import Reading
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.readers.metric_file import read_points
from reportgen.history.readers.rows import numbers

_LARGEST = 4 << 20  # bytes of the last values
_LONGEST = 4096  # characters of a header
_COLUMNS = {2: ("step", "value"), 3: ("time", "step", "value")}


def likely(path: Path) -> bool:
    """A table below plots/metrics, or the last values beside it."""
    return (path.suffix == ".tsv" and "metrics" in path.parts) or path.name == "metrics.json"


def recognise(path: Path, head: bytes) -> str | None:
    """By where it lies, and the header: step, and the metric by its own name."""
    folder = _folder(path)
    if folder is None:
        return None
    if path.name == "metrics.json":
        fits = head.lstrip().startswith(b"{")
        return "metrics.json beside plots/metrics: last values, no curve" if fits else None
    header = head.decode("utf-8", "replace").partition("\n")[0]
    return "in plots/metrics, header has 'step'" if "step" in header.split("\t") else None


def _folder(path: Path) -> Path | None:
    """DVCLive's folder: the outermost with plots/metrics and metrics.json, else the innermost with plots/metrics."""
    if path.name == "metrics.json":
        return path.parent if (path.parent / "plots" / "metrics").is_dir() else None
    found = [
        above.parent.parent
        for above in path.parents
        if above.name == "metrics" and above.parent.name == "plots"
    ]
    whole = [folder for folder in found if (folder / "metrics.json").is_file()]
    return (whole[-1] if whole else found[0]) if found else None


def read(path: Path) -> Reading:
    """Every value of one metric, by the path below plots/metrics. Raises UnreadableError, OSError."""
    folder = _folder(path)
    if folder is None:
        raise UnreadableError("not in plots/metrics: expected a table that DVCLive wrote")
    if path.name == "metrics.json":
        return Reading({}, summary=_last_values(path))
    with path.open(encoding="utf-8", errors="replace") as file:
        width = file.readline(_LONGEST).count("\t") + 1
    columns = _COLUMNS.get(width)
    points, notes, damaged = read_points(path, "\t", columns, header=True) if columns else (None, (), 0)
    if points is None:
        raise UnreadableError("no points found: expected a header with step and value, and a row a point")
    tag = path.relative_to(folder / "plots" / "metrics").with_suffix("").as_posix()
    return Reading({tag: points}, notes, damaged)


def _last_values(path: Path) -> dict[str, float]:
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(_LARGEST).decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return {}
    return numbers(data) if isinstance(data, dict) else {}


READER = Reader(
    name="DVCLive",
    likely=likely,
    recognise=recognise,
    read=read,
    by="name",
    several=True,
    run_folder=lambda path: _folder(path) or path.parent,
)
