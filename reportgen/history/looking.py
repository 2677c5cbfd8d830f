"""Recognise and read one file. Whatever its reader raises, or gives instead of a Reading, costs this file alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reportgen import redaction
from reportgen.errors import RAISED, one_line
from reportgen.history.budget import Budget, Share, series
from reportgen.history.following import Fetch, Found
from reportgen.history.locate import LogFile
from reportgen.history.model import Points, Reading, Source
from reportgen.history.readers import HEAD, NothingLoggedError, Reader, UnreadableError
from reportgen.history.runs import ReadLog
from reportgen.history.unpacking import unpacked
from reportgen.timelimit import OutOfTime, time_limit
from reportgen.units import shorten, show

_GIVEN_HEAD = 1 << 20  # bytes looked at of a file that the user named: a banner may come first
_KINDS = (("step", np.int64), ("wall", np.float64), ("value", np.float64), ("session", np.int32))


def anew(reader: Reader, path: Path) -> Found:
    """Read a file with its reader, from its start."""
    return reader.read(path)


def look(
    file: LogFile, readers: Mapping[str, Reader], fetch: Fetch, budget: Budget
) -> list[ReadLog] | Source:
    """The logs in a file, or why there are none."""
    notes: tuple[str, ...] = ()
    size = 0
    with budget.share() as share:
        try:
            with unpacked(file.path, budget) as (content, notes):
                size = content.stat().st_size
                with _limited(share):
                    # What was unpacked lies at another place each time.
                    looked = _recognised(file, content, readers, fetch if content == file.path else anew)
        except _TooSlowError as error:
            looked = failed(file, "", str(error))
        except (OSError, UnreadableError) as error:
            looked = failed(file, "", f"can't be read: {getattr(error, 'strerror', None) or error}")
    if share.why and not isinstance(looked, Source):
        told = f"{show(min(share.taken, size), 'bytes')} of {show(size, 'bytes')}, {share.seen:,} lines or records"
        notes = (*notes, f"not read to its end, only {told}: {share.why}; the rest is left out")
    if isinstance(looked, Source):
        return replace(looked, warnings=(*looked.warnings, *notes))
    for log in looked:
        budget.series -= len(log.reading.points)
        log.source = replace(log.source, warnings=(*log.source.warnings, *notes))
    return looked


class _TooSlowError(Exception):
    """A reader did not end, though it was told to."""


@contextmanager
def _limited(share: Share) -> Any:
    """End what runs inside where it goes on long behind its share of the time."""
    seconds = share.patience
    try:
        with time_limit(seconds):
            yield
    except OutOfTime as over:
        if not seconds:  # the section's own end
            raise
        raise _TooSlowError(f"its reader did not end within {seconds:.3g} s, and was stopped") from over


def _recognised(
    file: LogFile, content: Path, readers: Mapping[str, Reader], fetch: Fetch
) -> list[ReadLog] | Source:
    """Read what lies at `content` with the reader that the user named, or the first that knows it."""
    if file.kind and file.given:
        return _read(file, content, readers[file.kind], f"given as {file.kind}", fetch)
    with content.open("rb") as handle:
        head = handle.read(_GIVEN_HEAD if file.given else HEAD)
    chosen = [readers[file.kind]] if file.kind else list(readers.values())
    broken: list[str] = []
    for reader in chosen:
        try:
            why = reader.recognise(content, head)
        except (UnreadableError, OSError):
            raise
        except RAISED as error:  # a stranger's reader costs none of the others
            broken.append(f"the reader {_name(reader)} raised when it was to recognise it: {one_line(error)}")
            continue
        if why is not None:
            looked = _read(file, content, reader, str(why), fetch)
            return (
                replace(looked, warnings=(*looked.warnings, *broken))
                if isinstance(looked, Source)
                else looked
            )
    what, known = "empty" if not head else "not recognised", ", ".join(_name(reader) for reader in chosen)
    return failed(file, "", f"{what}: expected one of {known}", *broken)


def _name(reader: Reader) -> str:
    return shorten(str(reader.name), 60)


def _read(file: LogFile, content: Path, reader: Reader, why: str, fetch: Fetch) -> list[ReadLog] | Source:
    try:
        found = _checked(fetch(reader, content))
        label = _label(file, reader)
    except NothingLoggedError as error:
        return failed(file, "", str(error))
    except UnreadableError as error:
        return failed(file, why, str(error))
    except OSError:
        raise
    except MemoryError:
        return failed(file, why, "can't be read: there is not memory enough for it")
    except RAISED as error:
        return failed(file, why, f"its reader ({_name(reader)}) raised {one_line(error)}")
    return [_log(file, reader, why, label, one) for one in found]


def _label(file: LogFile, reader: Reader) -> str:
    folder = reader.run_folder(file.plain)
    try:
        inside = folder.relative_to(file.root).as_posix()
    except ValueError:  # the run's folder lies above the checkpoint that was given
        inside = "."
    return file.label if inside == "." else f"{file.label}/{inside}"


def _checked(found: Any) -> list[Reading]:
    """What a reader gave, each series as arrays of one length, without secrets. Raises UnreadableError."""
    readings = [found] if isinstance(found, Reading) else found
    if not isinstance(readings, Sequence) or not all(isinstance(one, Reading) for one in readings):
        raise UnreadableError(f"its reader gave {type(found).__name__}, expected a Reading or several")
    room = series()
    return [
        _within(
            _discreet(replace(one, points={str(tag): _points(tag, p) for tag, p in one.points.items()})), room
        )
        for one in readings
    ]


def _discreet(reading: Reading) -> Reading:
    """Hyper-parameters, texts and what is said of a file without secrets, and with shortened paths."""
    texts = {
        tag: tuple(
            replace(one, content=redaction.text(one.content)) if isinstance(one.content, str) else one
            for one in logged
        )
        for tag, logged in reading.texts.items()
    }
    return replace(
        reading,
        settings={name: redaction.value(str(name), given) for name, given in reading.settings.items()},
        texts=texts,
        warnings=tuple(redaction.text(str(line)) for line in reading.warnings),
        notes=tuple(redaction.text(str(line)) for line in reading.notes),
        why=redaction.text(reading.why),
        run=redaction.shapes(reading.run),
    )


def _within(reading: Reading, room: int) -> Reading:
    """A reading with no more series than a file may hold."""
    if len(reading.points) <= room:
        return reading
    kept = dict(list(reading.points.items())[:room])
    left = f"further series left out: more than {room:,} in one file"
    return replace(reading, points=kept, warnings=(*reading.warnings, left))


def _points(tag: Any, points: Any) -> Points:
    try:
        step, wall, value, session = (
            np.asarray(getattr(points, name), kind).reshape(-1) for name, kind in _KINDS
        )
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise UnreadableError(f"its reader gave no points for {str(tag)[:60]!r}: {one_line(error)}") from None
    if not len(step) == len(wall) == len(value) == len(session):
        raise UnreadableError(f"its reader gave columns of different lengths for {str(tag)[:60]!r}")
    return Points(step, wall, value, session)


def _log(file: LogFile, reader: Reader, why: str, label: str, reading: Reading) -> ReadLog:
    count = sum(len(points) for points in reading.points.values())
    source = Source(
        file.shown,
        reader.name,
        reading.why or why,
        count,
        reading.warnings,
        damaged=reading.damaged,
        notes=reading.notes,
        modified=file.modified,
    )
    return ReadLog(file, reader, reading, source, f"{label}/{reading.run}" if reading.run else label)


def failed(file: LogFile, why: str, *messages: str) -> Source:
    """A file that could not be read, and why."""
    return Source(file.shown, "", why, 0, messages)
