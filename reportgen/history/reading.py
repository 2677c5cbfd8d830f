"""Read all the logs into one history, within a budget: what is left is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from reportgen.history.budget import Budget
from reportgen.history.following import Fetch
from reportgen.history.locate import LogFile, locate
from reportgen.history.looking import anew, look
from reportgen.history.model import History, Source
from reportgen.history.readers import Reader, installed, stdout
from reportgen.history.roots import roots_of
from reportgen.history.runs import ReadLog, runs_of
from reportgen.logs import Log, compiled
from reportgen.units import plural

_MOST_IGNORED = 20  # named of the files that look like logs by their names alone, where nothing else is found
_MOST_FAILED = 200  # named of those that could not be read, and of those that are empty

Progress = Callable[[str, int, int], None]


def read(
    paths: Sequence[Path | str | Log],
    *,
    pattern: str = "",
    fetch: Fetch | None = None,
    progress: Progress | None = None,
    budget: Budget | None = None,
) -> History:
    """Read every log that is among `paths` or in folders among them.

    A path may be an address that fsspec knows; a text may have its kind in front (`stdout=train.log`), which
    skips recognition. `pattern` is a regular expression for printed lines, by its named groups. `fetch` reads a
    file with its reader (`following.Cursors` where logs are read again and again); each anew by default.
    A file that is damaged or not recognised becomes a source with a warning and costs no other. `progress`
    is called with the file's name, how many files are done and how many there are. `budget` is what may be
    looked at. Raises HistoryError where a path does not exist or can't be listed, InputError where the pattern is
    none.
    """
    found, broken = installed()
    budget = budget or Budget()
    if pattern:
        found["stdout"] = stdout.reader(compiled(pattern))
    with ExitStack() as stack:
        roots, sources = roots_of([Log.parse(path) for path in paths], found, stack, budget, progress)
        files, refused = locate(roots, found, budget)
        logs, unread = _read_all(files, found, fetch or anew, budget, progress)
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
    files: Sequence[LogFile],
    readers: Mapping[str, Reader],
    fetch: Fetch,
    budget: Budget,
    progress: Progress | None,
) -> tuple[list[ReadLog], list[Source]]:
    """What could be read, and the files that could not; those that are no logs at all only where nothing is."""
    logs: list[ReadLog] = []
    sources: list[Source] = []
    ignored: list[Source] = []
    empty = 0
    for done, file in enumerate(files):
        if budget.spent:
            rest = plural(len(files) - done, "further file")
            why = f"not looked at: {budget.spent}"
            sources.append(Source(rest, "", "", 0, (why,), files=len(files) - done))
            break
        if file.empty:
            empty += 1
            if empty > _MOST_FAILED:
                continue
        if progress is not None:
            progress(file.shown, done, len(files))
        looked = look(file, readers, fetch, budget)
        if not isinstance(looked, Source):
            logs += looked
        elif file.often_other and not looked.why:
            ignored.append(looked)
        else:
            sources.append(looked)
    if progress is not None and files:
        progress(files[-1].shown, len(files), len(files))
    sources = _counted(sources)
    if empty > _MOST_FAILED:
        sources.append(
            Source(
                plural(empty - _MOST_FAILED, "further file"),
                "",
                "",
                0,
                ("empty",),
                files=empty - _MOST_FAILED,
            )
        )
    if not logs:
        more = len(ignored) - _MOST_IGNORED
        sources += ignored[:_MOST_IGNORED]
        sources += (
            [Source("…", "", "", 0, (f"{more:,} more files are not recognised",), files=more)]
            if more > 0
            else []
        )
    elif ignored:
        names = ", ".join(source.path[-60:] for source in ignored[:5]) + (", …" if len(ignored) > 5 else "")
        note = f"no log by their content, and left out: {names}"
        sources.append(
            Source(plural(len(ignored), "other file"), "", "", 0, notes=(note,), files=len(ignored))
        )
    return logs, sources


def _counted(failed: list[Source]) -> list[Source]:
    """The files that could not be read, the most of them counted where there are very many."""
    left = len(failed) - _MOST_FAILED
    if left <= 0:
        return failed
    last = failed[-1:] if not failed[-1].why and "not looked at" in failed[-1].warnings[0] else []
    rest = Source(plural(left, "further file"), "", "", 0, ("could not be read, or are no logs",), files=left)
    return [*failed[:_MOST_FAILED], rest, *last]
