"""The Hugging Face Trainer's trainer_state.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reportgen.history.budget import more
from reportgen.history.model import Reading
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.readers.lines import Columns
from reportgen.history.readers.rows import numbers

_LARGEST = 64 << 20
_SUMMARY = "train_runtime"  # only the closing row has it: averages over the whole run, no point of a curve


def recognise(path: Path, head: bytes) -> str | None:
    """By its content: a JSON object with `log_history`."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    if b'"log_history"' in head:
        return "JSON object with 'log_history'"
    if path.name == "trainer_state.json":
        return "named trainer_state.json"
    return None


def _load(path: Path) -> tuple[list[Any], dict[str, Any]]:
    if path.stat().st_size > _LARGEST:
        raise UnreadableError(f"larger than {_LARGEST >> 20} MiB: expected a trainer state")
    try:
        state = json.loads(path.read_bytes().decode("utf-8-sig", "replace"))
    except RecursionError:
        raise UnreadableError("nested too deeply: expected a JSON object with a list 'log_history'") from None
    except ValueError as error:
        raise UnreadableError(
            f"no whole JSON ({error}): expected an object with a list 'log_history'"
        ) from None
    rows = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(rows, list):
        raise UnreadableError("no list 'log_history' in it: expected one object a logged step")
    return rows, state


def _state(state: dict[str, Any], summary: dict[str, float]) -> str:
    """How training ended, as far as the file tells: checkpoints are written on the way, too."""
    done, planned = state.get("global_step"), state.get("max_steps")
    if summary:
        return "finished"
    if not isinstance(done, int) or not isinstance(planned, int) or planned <= 0:
        return ""
    return "finished" if done >= planned else "stopped"


def read(path: Path) -> Reading:
    """Every number of `log_history` but its closing summary. Raises UnreadableError, OSError."""
    rows, state = _load(path)
    columns = Columns(["step", "epoch"])
    summary: dict[str, float] = {}
    damaged = 0
    for row in rows:
        if not more(records=1):
            break
        if not isinstance(row, dict):
            damaged += 1
        elif _SUMMARY in row:
            summary = numbers(row)
        else:
            columns.row(numbers(row))
    points, axis, warnings = columns.points()
    if not points:
        raise UnreadableError("'log_history' holds no numbers with a step")
    if damaged:
        warnings += (f"{damaged:,} entries of 'log_history' are no objects and are left out",)
    return Reading(points, warnings, damaged, axis, summary=summary, state=_state(state, summary))


def _run_folder(path: Path) -> Path:
    """Checkpoints lie in folders of their own below the run's."""
    return path.parent.parent if path.parent.name.startswith("checkpoint-") else path.parent


READER = Reader(
    name="Hugging Face trainer state",
    likely=lambda path: path.name == "trainer_state.json",
    recognise=recognise,
    read=read,
    by="name",
    snapshots=True,
    run_folder=_run_folder,
)
