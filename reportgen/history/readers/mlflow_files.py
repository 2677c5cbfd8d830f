"""MLflow's file store: mlruns/<experiment>/<run>, each run found by its meta.yaml. MLflow is not needed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from reportgen.history.model import Points, Reading, Setting
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.readers.beside import files_below, is_plain
from reportgen.history.readers.flat import flat, too_many, typed
from reportgen.history.readers.metric_file import read_points
from reportgen.history.readers.mlflow import DELETED, STATES, run_name
from reportgen.history.readers.yaml_data import load
from reportgen.units import plural

_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}  # as the store numbers them
_COLUMNS = ("time", "value", "step")
_RUN = re.compile(rb"^run_(id|uuid):", re.MULTILINE)
_EXPERIMENT = re.compile(rb"^experiment_id:", re.MULTILINE)
_OTHERS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".jsonlines", ".log", ".txt", ".out")
_MOST_PARAMS = 2000
_PARAM = 8192  # bytes of a parameter that are read


def likely(path: Path) -> bool:
    """A run's meta.yaml, an experiment's where something was thrown away, or a metric named like another log."""
    if path.name == "meta.yaml":
        folder = path.parent
        return (folder / "metrics").is_dir() or (folder / "params").is_dir() or _thrown(path) > 0
    return path.suffix in _OTHERS and "metrics" in path.parts and _owner(path) is not None


def recognise(path: Path, head: bytes) -> str | None:
    """By the keys of meta.yaml."""
    if path.name != "meta.yaml":
        return None if _owner(path) is None else "a metric of the run whose meta.yaml lies above"
    if _RUN.search(head):
        return "meta.yaml has 'run_id'"
    return "meta.yaml of an experiment: no run" if _EXPERIMENT.search(head) else None


def _thrown(path: Path) -> int:
    """How many experiments lie in the .trash of the store that an experiment's meta.yaml is in."""
    trash = path.parent.parent / ".trash"
    return len(_folders(trash)) if trash.is_dir() else 0


def _owner(path: Path) -> Path | None:
    """The meta.yaml of the run that a file in metrics belongs to."""
    for above in path.parents:
        if above.name == "metrics" and (above.parent / "meta.yaml").is_file():
            return above.parent / "meta.yaml"
    return None


def read(path: Path) -> Reading:
    """Every point of every metric of a run. Raises UnreadableError, OSError."""
    if path.name != "meta.yaml":
        return Reading({})  # read with its run
    meta = load(path, exponents=False)
    if "run_id" not in meta and "run_uuid" not in meta:
        return Reading({}, _thrown_away(path))
    identity = str(meta.get("run_id") or meta.get("run_uuid"))
    if meta.get("lifecycle_stage") == "deleted":
        return Reading({}, (DELETED.format(plural(1, "run")),), run=identity)
    points, notes, damaged = _metrics(path.parent / "metrics")
    settings, more = _params(path.parent / "params")
    return Reading(
        points,
        (*notes, *more),
        damaged,
        settings=settings,
        run=run_name(_experiment(path), str(meta.get("run_name") or _tag(path) or ""), identity),
        state=STATES.get(_STATUS.get(_number(meta.get("status")), ""), ""),
    )


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _thrown_away(path: Path) -> tuple[str, ...]:
    """What lies in the store's .trash, said by the first of its experiments."""
    count = _thrown(path)
    first = min(_folders(path.parent.parent), default="")
    return (DELETED.format(plural(count, "experiment")),) if count and path.parent.name == first else ()


def _folders(path: Path) -> list[str]:
    names = [name for name in os.listdir(path) if not name.startswith(".")]
    return [name for name in names if (path / name / "meta.yaml").is_file()]


def _experiment(path: Path) -> str:
    """The experiment's name, or its folder's where that has no meta.yaml."""
    folder = path.parent.parent
    try:
        if not is_plain(folder / "meta.yaml", folder.parent):
            return folder.name
        return str(load(folder / "meta.yaml", exponents=False).get("name") or folder.name)
    except (UnreadableError, OSError):
        return folder.name


def _tag(path: Path) -> str:
    """The run's name as older versions keep it."""
    tag = path.parent / "tags" / "mlflow.runName"
    try:
        return _text(tag) if is_plain(tag, path.parent) else ""
    except OSError:
        return ""


def _metrics(folder: Path) -> tuple[dict[str, Points], list[str], int]:
    points: dict[str, Points] = {}
    notes: list[str] = []
    damaged = 0
    for path in files_below(folder, folder.parent):
        tag = path.relative_to(folder).as_posix()
        try:
            found, said, lost = read_points(path, " ", _COLUMNS, least=2)
        except (UnreadableError, OSError) as error:
            found, said, lost = None, (str(error.strerror if isinstance(error, OSError) else error),), 0
        if found is not None:
            points[tag] = found
        notes += [f"{tag[:60]!r}: {note}" for note in said]
        damaged += lost
    return points, notes, damaged


def _params(folder: Path) -> tuple[dict[str, Setting], tuple[str, ...]]:
    held: dict[str, Setting] = {}
    unread = 0
    for path in files_below(folder, folder.parent):
        if len(held) >= _MOST_PARAMS:
            break
        try:
            held[path.relative_to(folder).as_posix()] = typed(_text(path))
        except OSError:
            unread += 1
    settings, left = flat(held)
    return settings, ((f"{plural(unread, 'parameter')} can't be read",) if unread else ()) + too_many(left)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_PARAM).decode("utf-8", "replace")


def _run_folder(path: Path) -> Path:
    """Where the store lies: its runs are told apart by their names and ids."""
    if path.name != "meta.yaml":
        path = _owner(path) or path
    store = path.parents[2] if len(path.parents) > 2 else path.parent
    return store.parent if store.name == "mlruns" else store


READER = Reader(
    name="MLflow files",
    likely=likely,
    recognise=recognise,
    read=read,
    by="name",
    several=True,
    run_folder=_run_folder,
)
