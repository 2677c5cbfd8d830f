"""Recognise each log by its content, and read them all into one history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from reportgen.history.following import Fetch, Found
from reportgen.history.locate import LogFile, locate
from reportgen.history.model import History, Reading, Source
from reportgen.history.readers import HEAD, NothingLoggedError, Reader, UnreadableError, installed, stdout
from reportgen.history.roots import roots_of
from reportgen.history.runs import ReadLog, runs_of
from reportgen.history.unpacking import unpacked
from reportgen.logs import Log, compiled
from reportgen.units import plural

_GIVEN_HEAD = 1 << 20  # bytes looked at of a file that the user named: a banner may come first
_MOST_IGNORED = 20  # named of the files that look like logs by their names alone, where nothing else is found
# What lies in a run's folder under these names is mostly something else, and no fault.
_OFTEN_OTHER = (".json", ".txt", ".log", ".out", ".pt", ".pth", ".ckpt")

Progress = Callable[[str, int, int], None]


def read(
    paths: Sequence[Path | str | Log],
    *,
    pattern: str = "",
    fetch: Fetch | None = None,
    progress: Progress | None = None,
) -> History:
    """Read every log that is among `paths` or in folders among them.

    A path may be an address that fsspec knows; a text may have its kind in front (`stdout=train.log`), which
    skips recognition. `pattern` is a regular expression for printed lines, by its named groups. `fetch` reads a
    file with its reader (`following.Cursors` where logs are read again and again); each anew by default.
    A file that is damaged or not recognised becomes a source with a warning and costs no other. `progress`
    is called with the file's name, how many files are done and how many there are. Raises HistoryError
    where a path does not exist or can't be listed, InputError where the pattern is none.
    """
    found, broken = installed()
    if pattern:
        found["stdout"] = stdout.reader(compiled(pattern))
    with ExitStack() as stack:
        roots, sources = roots_of([Log.parse(path) for path in paths], found, stack, progress)
        files, refused = locate(roots, found)
        logs, unread = _read_all(files, found, fetch or _anew, progress)
    sources += [*refused, *unread, *(Source("readers", "", "", 0, (line,)) for line in broken)]
    told = any("the pattern given" in line for source in unread for line in source.warnings)
    if pattern and not told and all(log.reader is not found["stdout"] for log in logs):
        sources.append(Source("log_pattern", "", "", 0, ("the pattern given matches no line of any file",)))
    readers = tuple(found.values())
    runs = runs_of(logs, readers)
    single = len({file.label for file in files}) == 1
    named = {run.name: _short(run.name, single) for run in runs}
    kept = [replace(log.source, run=named.get(log.run, "")) for log in logs]
    order = {file.shown: place for place, file in enumerate(files)}
    # Refused folders first, then the files in order, and last what was left out.
    sources = sorted(
        [*sources, *kept], key=lambda source: order.get(source.path, len(files) if source.notes else -1)
    )
    return History(tuple(replace(run, name=named[run.name]) for run in runs), tuple(sources))


def _short(name: str, single: bool) -> str:
    """A run's name without the root's, where there is but one root."""
    _, slash, rest = name.partition("/")
    return rest if single and slash else name


def _read_all(
    files: Sequence[LogFile], readers: Mapping[str, Reader], fetch: Fetch, progress: Progress | None
) -> tuple[list[ReadLog], list[Source]]:
    """What could be read, and the files that could not; those that are no logs at all only where nothing is."""
    logs: list[ReadLog] = []
    sources: list[Source] = []
    ignored: list[Source] = []
    for done, file in enumerate(files):
        if progress is not None:
            progress(file.shown, done, len(files))
        looked = _look(file, readers, fetch)
        if not isinstance(looked, Source):
            logs += looked
        elif _often_other(file) and not looked.why:
            ignored.append(looked)
        else:
            sources.append(looked)
    if progress is not None and files:
        progress(files[-1].shown, len(files), len(files))
    if not logs:
        more = len(ignored) - _MOST_IGNORED
        sources += ignored[:_MOST_IGNORED]
        sources += [Source("…", "", "", 0, (f"{more:,} more files are not recognised",))] if more > 0 else []
    elif ignored:
        names = ", ".join(source.path[-60:] for source in ignored[:5]) + (", …" if len(ignored) > 5 else "")
        note = f"no log by their content, and left out: {names}"
        sources.append(Source(plural(len(ignored), "other file"), "", "", 0, notes=(note,)))
    return logs, sources


def _often_other(file: LogFile) -> bool:
    if file.given or file.plain.name == "trainer_state.json":
        return False
    return file.plain.suffix.lower() in _OFTEN_OTHER


def _look(file: LogFile, readers: Mapping[str, Reader], fetch: Fetch) -> list[ReadLog] | Source:
    """Recognise and read one file."""
    try:
        with unpacked(file.path) as (content, notes):
            # What was unpacked lies at another place each time.
            looked = _recognised(file, content, readers, fetch if content == file.path else _anew)
    except (OSError, UnreadableError) as error:
        return _failed(file, "", f"can't be read: {getattr(error, 'strerror', None) or error}")
    if isinstance(looked, Source):
        return replace(looked, warnings=(*looked.warnings, *notes))
    for log in looked:
        log.source = replace(log.source, warnings=(*log.source.warnings, *notes))
    return looked


def _recognised(
    file: LogFile, content: Path, readers: Mapping[str, Reader], fetch: Fetch
) -> list[ReadLog] | Source:
    """Read what lies at `content` with the reader that the user named, or the first that knows it."""
    if file.kind and file.given:
        return _read(file, content, readers[file.kind], f"given as {file.kind}", fetch)
    with content.open("rb") as handle:
        head = handle.read(_GIVEN_HEAD if file.given else HEAD)
    chosen = [readers[file.kind]] if file.kind else list(readers.values())
    for reader in chosen:
        why = reader.recognise(content, head)
        if why is not None:
            return _read(file, content, reader, why, fetch)
    what, known = "empty" if not head else "not recognised", ", ".join(reader.name for reader in chosen)
    return _failed(file, "", f"{what}: expected one of {known}")


def _anew(reader: Reader, path: Path) -> Found:
    return reader.read(path)


def _read(file: LogFile, content: Path, reader: Reader, why: str, fetch: Fetch) -> list[ReadLog] | Source:
    try:
        found = fetch(reader, content)
    except NothingLoggedError as error:
        return _failed(file, "", str(error))
    except UnreadableError as error:
        return _failed(file, why, str(error))
    folder = reader.run_folder(file.plain)
    try:
        inside = folder.relative_to(file.root).as_posix()
    except ValueError:  # the run's folder lies above the checkpoint that was given
        inside = "."
    label = file.label if inside == "." else f"{file.label}/{inside}"
    return [_log(file, reader, why, label, one) for one in ([found] if isinstance(found, Reading) else found)]


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


def _failed(file: LogFile, why: str, message: str) -> Source:
    return Source(file.shown, "", why, 0, (message,))
