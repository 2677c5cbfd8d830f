"""Recognise each log by its content, and read them all into one history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.history.assemble import fold_parts, merge_formats, run_of
from reportgen.history.following import Fetch, Found
from reportgen.history.locate import LogFile, locate
from reportgen.history.model import History, Reading, Run, Source
from reportgen.history.readers import HEAD, NothingLoggedError, Reader, UnreadableError, installed, stdout
from reportgen.history.roots import roots_of
from reportgen.history.unpacking import unpacked
from reportgen.logs import Log, compiled

_GIVEN_HEAD = 1 << 20  # bytes looked at of a file that the user named: a banner may come first
_MOST_IGNORED = 20  # named of the files that look like logs by their names alone, where nothing else is found
# What lies in a run's folder under these names is mostly something else, and no fault.
_OFTEN_OTHER = (".json", ".txt", ".log", ".out", ".pt", ".pth", ".ckpt")

Progress = Callable[[str, int, int], None]


@dataclass
class _Log:
    """A file that was read."""

    file: LogFile
    reader: Reader
    reading: Reading
    source: Source
    run: str


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
    runs = _runs(logs, readers)
    single = len({file.label for file in files}) == 1
    named = {run.name: _short(run.name, single) for run in runs}
    kept = [replace(log.source, run=named.get(log.run, "")) for log in logs]
    order = {file.shown: place for place, file in enumerate(files)}
    sources = sorted([*sources, *kept], key=lambda source: order.get(source.path, -1))
    return History(tuple(replace(run, name=named[run.name]) for run in runs), tuple(sources))


def _short(name: str, single: bool) -> str:
    """A run's name without the root's, where there is but one root."""
    _, slash, rest = name.partition("/")
    return rest if single and slash else name


def _read_all(
    files: Sequence[LogFile], readers: Mapping[str, Reader], fetch: Fetch, progress: Progress | None
) -> tuple[list[_Log], list[Source]]:
    """What could be read, and the files that could not; those that are no logs at all only where nothing is."""
    logs: list[_Log] = []
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
    return logs, sources


def _often_other(file: LogFile) -> bool:
    if file.given or file.plain.name == "trainer_state.json":
        return False
    return file.plain.suffix.lower() in _OFTEN_OTHER


def _look(file: LogFile, readers: Mapping[str, Reader], fetch: Fetch) -> list[_Log] | Source:
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
) -> list[_Log] | Source:
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


def _read(file: LogFile, content: Path, reader: Reader, why: str, fetch: Fetch) -> list[_Log] | Source:
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


def _log(file: LogFile, reader: Reader, why: str, label: str, reading: Reading) -> _Log:
    count = sum(len(points) for points in reading.points.values())
    source = Source(
        file.shown,
        reader.name,
        reading.why or why,
        count,
        reading.warnings,
        damaged=reading.damaged,
        notes=reading.notes,
    )
    return _Log(file, reader, reading, source, f"{label}/{reading.run}" if reading.run else label)


def _failed(file: LogFile, why: str, message: str) -> Source:
    return Source(file.shown, "", why, 0, (message,))


def _runs(logs: list[_Log], readers: Sequence[Reader]) -> list[Run]:
    """The runs: files of a folder together, formats of a folder merged, parts of a run folded into it."""
    _newest(logs)
    _separate(logs)
    runs: dict[str, Run] = {}
    for name, together in _by_run(logs).items():
        mine = [log for log in together if _shows(log.reading)]
        formats = [reader for reader in readers if any(log.reader is reader for log in mine)]
        parts = [run_of(name, [log.reading for log in mine if log.reader is reader]) for reader in formats]
        if not parts:
            continue
        run, left = merge_formats(parts)
        for reader, tags in zip(formats, left, strict=True):
            for log in mine:
                if log.reader is reader and tags:
                    why = f"{log.source.why}; already read from another file of the run: {_some(tags)}"
                    log.source = replace(log.source, why=why)
        if not _only_settings(mine, run):
            runs[name] = run
    return _folded(_with_extras(runs, logs), logs)


def _shows(reading: Reading) -> bool:
    return bool(reading.points or reading.histograms or reading.images or reading.texts)


def _with_extras(runs: dict[str, Run], logs: Sequence[_Log]) -> dict[str, Run]:
    """The runs with what else their files hold; settings in a folder without curves are those of the run about it."""
    for name, together in _by_run(logs).items():
        host = name if name in runs else name.rpartition("/")[0]
        if host not in runs:
            for log in together:
                note = (
                    "hyper-parameters of no run: there is no curve with them" if log.reading.settings else ""
                )
                log.source = _noted(log.source, note)
            continue
        run = runs[host]
        # A file of settings alone first: it holds them as they were given, a log what it could make of them.
        for log in sorted(together, key=lambda log: _shows(log.reading)):
            run = _with(run, log.reading)
        runs[host] = run
    return runs


def _with(run: Run, got: Reading) -> Run:
    known = {name.replace("/", ".") for name in run.settings}
    settings = {name: value for name, value in got.settings.items() if name.replace("/", ".") not in known}
    return replace(
        run,
        settings={**run.settings, **settings},
        histograms={**run.histograms, **got.histograms},
        images={**run.images, **got.images},
        texts={**run.texts, **got.texts},
        state=got.state or run.state,
    )


def _by_run(logs: Sequence[_Log]) -> dict[str, list[_Log]]:
    groups: dict[str, list[_Log]] = {}
    for log in logs:
        groups.setdefault(log.run, []).append(log)
    return groups


def _newest(logs: list[_Log]) -> None:
    """Of files that each hold the whole run so far, keep the newest."""
    for mine in _by_run([log for log in logs if log.reader.snapshots]).values():
        best = max(mine, key=lambda log: (_last(log.reading), log.source.points))
        for log in mine:
            if log is best:
                continue
            same = _prefix(log.reading, best.reading)
            note = "" if same else f"is no earlier state of {best.file.shown}, and is left out"
            why = f"{log.source.why}; an earlier state of {best.file.shown}" if same else log.source.why
            log.source = replace(_noted(log.source, note), points=0, why=why)
            log.reading = Reading({})


def _last(reading: Reading) -> int:
    return max((int(points.step.max()) for points in reading.points.values()), default=-1)


def _prefix(early: Reading, late: Reading) -> bool:
    """Whether all that the one says, the other says too, up to there."""
    for tag, points in early.points.items():
        after = late.points.get(tag)
        if after is None or points.step.tolist() != after.step[: len(points)].tolist():
            return False
        if points.value.tobytes() != after.value[: len(points)].tobytes():
            return False
    return True


def _separate(logs: list[_Log]) -> None:
    """Give several tables of one folder and format a run each, named after the file."""
    tables = [log for log in logs if not (log.reader.several or log.reader.snapshots)]
    groups: dict[tuple[str, str], list[_Log]] = {}
    for log in tables:
        groups.setdefault((log.run, log.reader.name), []).append(log)
    for (name, _), mine in groups.items():
        if len(mine) > 1:
            for log in mine:
                log.run = f"{name}/{log.file.plain.stem}"


def _only_settings(logs: list[_Log], run: Run) -> bool:
    """Whether this is the sub-folder that `add_hparams` writes: no curve, a last value for each metric."""
    return all(log.reading.only_settings for log in logs) and all(len(s) < 2 for s in run.series.values())


def _folded(runs: dict[str, Run], logs: list[_Log]) -> list[Run]:
    grouped = _by_run(logs)
    parts = fold_parts(runs, grouped)
    for name, (whole, tags) in parts.items():
        part = runs.pop(name)
        host = runs.get(whole, Run(whole, {}))
        renamed = {tags[tag]: replace(one, tag=tags[tag]) for tag, one in part.series.items()}
        summary = {**part.summary, **host.summary}
        runs[whole] = replace(host, series={**host.series, **renamed}, summary=summary)
        for log in grouped[name]:
            log.run = whole
    return [runs[name] for name in sorted(runs, key=_natural)]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """The order a reader expects: version_2 before version_10."""
    out, digits = [], ""
    for character in name + "\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            out.append((0, int(digits[:18]), digits))
            digits = ""
        out.append((1, 0, character))
    return out


def _noted(source: Source, note: str) -> Source:
    return replace(source, warnings=(*source.warnings, note)) if note else source


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
