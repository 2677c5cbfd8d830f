"""Recognise each log by its content, and read them all into one history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.history.assemble import fold_parts, merge_formats, run_of
from reportgen.history.locate import LogFile, locate
from reportgen.history.model import History, Reading, Run, Source
from reportgen.history.readers import HEAD, Reader, UnreadableError, installed

Progress = Callable[[str, int, int], None]


@dataclass
class _Log:
    """A file that was read."""

    file: LogFile
    reader: Reader
    reading: Reading
    source: Source
    run: str


def read(paths: Sequence[Path | str], *, progress: Progress | None = None) -> History:
    """Read every log that is among `paths` or in folders among them.

    A file that is damaged or not recognised becomes a source with a warning and costs no other. `progress`
    is called with the file's name, how many files are done and how many there are. Raises HistoryError
    where a path does not exist or can't be listed.
    """
    found, broken = installed()
    readers = tuple(found.values())
    files, sources = locate([Path(path) for path in paths], readers)
    sources += [Source("readers", "", "", 0, (line,)) for line in broken]
    logs: list[_Log] = []
    for done, file in enumerate(files):
        if progress is not None:
            progress(file.shown, done, len(files))
        looked = _look(file, readers)
        if isinstance(looked, Source):
            sources.append(looked)
        else:
            logs += looked
    if progress is not None and files:
        progress(files[-1].shown, len(files), len(files))
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


def _look(file: LogFile, readers: Sequence[Reader]) -> list[_Log] | Source:
    """Recognise and read one file; nothing for a JSON file in a folder that is no log at all."""
    try:
        with file.path.open("rb") as handle:
            head = handle.read(HEAD)
        for reader in readers:
            why = reader.recognise(file.path, head) if file.given or reader.likely(file.path) else None
            if why is not None:
                return _read(file, reader, why)
    except OSError as error:
        return _failed(file, "", f"can't be read: {error.strerror or error}")
    if not file.given and file.path.suffix.lower() == ".json" and file.path.name != "trainer_state.json":
        return []
    what, known = "empty" if not head else "not recognised", ", ".join(reader.name for reader in readers)
    return _failed(file, "", f"{what}: expected one of {known}")


def _read(file: LogFile, reader: Reader, why: str) -> list[_Log] | Source:
    try:
        found = reader.read(file.path)
    except UnreadableError as error:
        return _failed(file, why, str(error))
    folder = reader.run_folder(file.path)
    try:
        inside = folder.relative_to(file.root).as_posix()
    except ValueError:  # the run's folder lies above the checkpoint that was given
        inside = "."
    label = file.label if inside == "." else f"{file.label}/{inside}"
    return [_log(file, reader, why, label, one) for one in ([found] if isinstance(found, Reading) else found)]


def _log(file: LogFile, reader: Reader, why: str, label: str, reading: Reading) -> _Log:
    count = sum(len(points) for points in reading.points.values())
    source = Source(file.shown, reader.name, why, count, reading.warnings, damaged=reading.damaged)
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
        for log in together:
            got = log.reading
            run = replace(
                run,
                settings={**run.settings, **got.settings},
                histograms={**run.histograms, **got.histograms},
                images={**run.images, **got.images},
                texts={**run.texts, **got.texts},
                state=got.state or run.state,
            )
        runs[host] = run
    return runs


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
    """Give several tables of one folder a run each, named after the file."""
    tables = [log for log in logs if not (log.reader.several or log.reader.snapshots)]
    for name, mine in _by_run(tables).items():
        if len(mine) > 1:
            for log in mine:
                log.run = f"{name}/{log.file.path.stem}"


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
