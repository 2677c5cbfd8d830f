"""W&B's own logs (offline or not): wandb/*run-*/run-*.wandb. The wandb package is not needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reportgen.history.budget import series
from reportgen.history.columns import Column, Thinned
from reportgen.history.framing import Fragments
from reportgen.history.model import Histogram, Points, Reading
from reportgen.history.readers.base import Reader, UnreadableError
from reportgen.history.readers.flat import flat, too_many
from reportgen.history.readers.wandb_media import Media, histogram, images
from reportgen.history.readers.wandb_schema import record_class
from reportgen.history.readers.wandb_values import Path_, expand, number, path_of, put, take, value_of
from reportgen.units import plural

_MAGIC = b":W&B\xe1\xbe\x00"
_MOST_HISTOGRAMS = 100  # of a tag
_MOST_IMAGES = 16
_MOST_TAGS = 64  # of histograms, and of images


def recognise(path: Path, head: bytes) -> str | None:
    """By the first bytes, or by the name where they are damaged."""
    if head.startswith(_MAGIC[:4]):
        return "first bytes are ':W&B'"
    return "named .wandb, first bytes are damaged" if path.suffix == ".wandb" and head else None


def read(path: Path) -> Reading:
    """Every number of every history record, and what else was logged. Raises UnreadableError, OSError."""
    log = _Log()
    with path.open("rb") as file:
        damaged_head = file.read(len(_MAGIC)) != _MAGIC
        file.seek(0)
        fragments = Fragments(file, len(_MAGIC))
        for record in fragments:
            log.add(record)
    notes = (*(("the file's first bytes are damaged",) if damaged_head else ()), *fragments.warnings)
    if not log.count:
        raise UnreadableError(
            f"no whole record in it: expected a W&B log{''.join(f' ({n})' for n in notes[:1])}"
        )
    return log.reading(path, notes, fragments.damaged)


class _Log:
    """What has been read of one file so far."""

    def __init__(self) -> None:
        self.count = 0
        self._record = record_class()
        self._columns: dict[str, Column] = {}
        self._histograms: dict[str, Thinned[Histogram]] = {}
        self._images: dict[str, Thinned[Media]] = {}
        self._media: dict[str, int] = {}
        self._config: dict[str, Any] = {}
        self._summary: dict[str, Any] = {}
        self._rows = self._undecodable = self._odd = 0
        self._id = self._name = self._state = ""
        self._started = math.nan
        self._room = series()

    def add(self, payload: bytes) -> None:
        """Read one record."""
        try:
            record = self._record.FromString(payload)
        except Exception:  # noqa: BLE001 - protobuf's DecodeError differs between its backends
            self._undecodable += 1
            return
        self.count += 1
        kind = record.WhichOneof("record_type")
        if kind == "history":
            self._history(record.history)
        elif kind == "summary":
            self._update(self._summary, record.summary)
        elif kind == "config":
            self._update(self._config, record.config)
        elif kind == "run":
            self._run(record.run)
        elif kind == "exit":
            self._state = "failed" if record.exit.exit_code else "finished"

    def _run(self, run: Any) -> None:
        self._id = run.run_id.decode("utf-8", "replace") or self._id
        self._name = run.display_name.decode("utf-8", "replace") or self._name
        self._started = run.start_time.seconds + run.start_time.nanos / 1e9 or self._started
        self._update(self._config, run.config)

    def _update(self, held: dict[str, Any], updates: Any) -> None:
        for item in updates.update:
            try:
                put(held, path_of(item), value_of(item))
            except ValueError:
                self._odd += 1
        for item in updates.remove:
            take(held, path_of(item))

    def _history(self, history: Any) -> None:
        row: dict[Path_, Any] = {}
        for item in history.item:
            try:
                expand(path_of(item), value_of(item), row)
            except ValueError:
                self._odd += 1
        step = history.step.num if history.HasField("step") else _whole(row.pop(("_step",), None), self._rows)
        wall = number(row.get(("_timestamp",)))
        if wall is None:
            ran = number(row.get(("_runtime",)))
            wall = math.nan if ran is None else self._started + ran
        self._rows += 1
        media: dict[Path_, Media] = {
            path[:-1]: Media(step, wall, {}) for path in row if path[-1] == "_type" and len(path) > 1
        }
        for path, value in row.items():
            if path[0].startswith("_"):
                continue  # W&B's own: step, times and what it logs of itself
            inside = (
                next((path[:n] for n in range(1, len(path)) if path[:n] in media), None) if media else None
            )
            if inside is not None:
                media[inside].data[".".join(path[len(inside) :])] = value
            elif (found := number(value)) is not None:
                tag = ".".join(path)
                if tag not in self._columns and len(self._columns) > self._room:
                    continue
                if tag not in self._columns:
                    self._columns[tag] = Column()
                self._columns[tag].add(step, wall, found)
        for path, thing in media.items():
            self._logged(".".join(path), thing)

    def _logged(self, tag: str, thing: Media) -> None:
        """Take a histogram or an image; what else W&B can log is counted."""
        held = self._histograms if thing.kind == "histogram" else self._images
        full = tag not in held and len(held) >= _MOST_TAGS
        if thing.kind in ("image-file", "images/separated") and not full:
            self._images.setdefault(tag, Thinned(_MOST_IMAGES)).add(thing)
        elif thing.kind == "histogram" and not full and (found := histogram(thing)) is not None:
            self._histograms.setdefault(tag, Thinned(_MOST_HISTOGRAMS)).add(found)
        else:
            self._media[thing.kind] = self._media.get(thing.kind, 0) + 1

    def reading(self, path: Path, notes: Sequence[str], damaged: int) -> Reading:
        """All that was read."""
        settings, left = flat({name: value for name, value in self._config.items() if name != "_wandb"})
        pictures, told = images(path.parent / "files", {tag: held.kept for tag, held in self._images.items()})
        points: dict[str, Points] = {tag: self._columns[tag].points() for tag in sorted(self._columns)}
        row: dict[Path_, Any] = {}
        for key, value in self._summary.items():
            if not key.startswith("_") and not (isinstance(value, dict) and "_type" in value):
                expand((key,), value, row)
        numbers = {".".join(at): number(value) for at, value in row.items()}
        identity = self._id or path.stem.removeprefix("run-")
        name = f"{self._name} ({identity})" if self._name not in ("", identity) else identity
        return Reading(
            points,
            (*notes, *self._left_out(), *told, *too_many(left)),
            damaged + self._undecodable,
            summary={
                tag: value for tag, value in numbers.items() if value is not None and math.isfinite(value)
            },
            settings=settings,
            histograms={tag: held.kept for tag, held in self._histograms.items()},
            images=pictures,
            run=name.replace("/", "∕"),
            state=self._state,
        )

    def _left_out(self) -> list[str]:
        notes = []
        if self._undecodable:
            notes.append(f"left out, as they are no W&B records: {plural(self._undecodable, 'record')}")
        if self._odd:
            notes.append(f"left out, as they are no JSON: {plural(self._odd, 'value')}")
        for what, held in (("histograms", self._histograms), ("images", self._images)):
            left = sum(one.count - len(one.kept) for one in held.values())
            if left:
                notes.append(f"{left:,} {what} left out between others of their tag, for lack of room")
        if self._media:
            kinds = ", ".join(
                f"{count:,} of {kind[:40]!r}" for kind, count in sorted(self._media.items())[:5]
            )
            notes.append(f"logged and not shown: {kinds}")
        return notes


def _whole(value: Any, otherwise: int) -> int:
    """A step, or else the row's number."""
    found = number(value)
    return int(found) if found is not None and abs(found) < 2**63 and found == int(found) else otherwise


def _run_folder(path: Path) -> Path:
    """Where the script ran: its runs are told apart by their names and ids."""
    folder = path.parent.parent
    return folder.parent if folder.name == "wandb" else folder


READER = Reader(
    name="W&B log",
    likely=lambda path: path.suffix == ".wandb",
    recognise=recognise,
    read=read,
    by="magic",
    several=True,
    run_folder=_run_folder,
)
