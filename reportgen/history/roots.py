"""Where the logs that were given lie: paths as they are, addresses copied to a folder that goes when they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from reportgen.errors import InputError
from reportgen.history.budget import Budget
from reportgen.history.locate import Root, likely_by
from reportgen.history.model import HistoryError, Source
from reportgen.history.readers import Reader
from reportgen.history.remote import fetch
from reportgen.logs import Log, public
from reportgen.redaction import paths

Progress = Callable[[str, int, int], None]


def roots_of(
    logs: Sequence[Log],
    readers: Mapping[str, Reader],
    stack: ExitStack,
    budget: Budget,
    progress: Progress | None,
) -> tuple[list[Root], list[Source]]:
    """A root for each log, and what could not be fetched; what is fetched goes with the `stack`.

    Raises HistoryError for an unknown kind, and for an address that can't be looked at.
    """
    roots: list[Root] = []
    refused: list[Source] = []
    for log in logs:
        if log.kind or log.is_address:
            try:
                log.check(readers)
            except InputError as error:
                raise HistoryError(str(error), error.hint) from None
        path, full = Path(log.where), ""
        if log.is_address:
            scratch = stack.enter_context(TemporaryDirectory(prefix="reportgen-"))
            path, unfetched = fetch(log, Path(scratch), likely_by(log.kind, readers), budget, progress)
            refused += unfetched
            full = public(log.where) if path.is_dir() else public(log.where).rstrip("/").rpartition("/")[0]
        folder = path if path.is_dir() else path.parent
        roots.append(Root(path, folder.name, full or paths(folder.as_posix()), log.kind, log.is_address))
    return roots, refused
