"""Logs that lie elsewhere: what is likely a log under an address is copied, once and up to a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from reportgen.errors import one_line
from reportgen.history.budget import Budget
from reportgen.history.model import HistoryError, Source
from reportgen.history.unpacking import unpacked_name
from reportgen.logs import DRIVERS, Log, public
from reportgen.units import plural, show

LARGEST = 1 << 30  # bytes of one file
ALTOGETHER = 4 << 30  # bytes of all files under one address
_CHUNK = 1 << 20

Progress = Callable[[str, int, int], None]


@dataclass
class _Store:
    """A file system that fsspec opened, and how much may still be copied from it."""

    files: Any
    left: int

    def copy(self, name: str, target: Path) -> None:
        """Copy one file. Raises UnfitError where it is too large, and whatever the driver raises."""
        room = min(LARGEST, self.left)
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.files.open(name, "rb") as source, target.open("wb") as out:
            while chunk := source.read(min(_CHUNK, room + 1)):
                room -= len(chunk)
                if room < 0:
                    raise UnfitError
                self.left -= len(chunk)
                out.write(chunk)


class UnfitError(Exception):
    """A file that is larger than what may be copied."""


def fetch(
    log: Log,
    folder: Path,
    likely: Callable[[Path], bool],
    budget: Budget,
    progress: Progress | None = None,
) -> tuple[Path, list[Source]]:
    """Copy what is likely a log under an address into `folder`; where it lies, and what was not copied.

    A folder's files are copied with their place in it; of an address that is one file, that file. Nothing
    else is asked for: links on a page are not followed. Raises HistoryError where the address can't be
    looked at.
    """
    try:
        files, path = _opened(log)
        single = log.on_the_web or (not _is_local(files) and files.isfile(path))
        found = [path] if single or _is_local(files) else _listed(files, path)
    except Exception as error:  # each driver has exceptions of its own
        raise _unreachable(log, error) from error
    if _is_local(files):
        return Path(path), []
    above = PurePosixPath(path).parent.name if single else ""
    local = folder / _safe(above) / _safe(log.name) if single else folder / _safe(log.name)
    store, refused = _Store(files, ALTOGETHER), []
    names = [local.name] if single else [_inside(name, path) for name in found]
    wanted = [(n, i) for n, i in zip(found, names, strict=True) if single or _is_wanted(i, likely)]
    for done, (name, inside) in enumerate(wanted):
        if done >= budget.files or budget.spent:
            why = budget.spent or f"more than {budget.files:,} files that may be logs"
            refused.append(
                Source(
                    plural(len(wanted) - done, "further file"),
                    "",
                    "",
                    0,
                    (f"not fetched: {why}",),
                    files=len(wanted) - done,
                )
            )
            break
        if progress is not None:
            progress(f"fetching {inside}", done, len(wanted))
        target = local if single else local / inside
        problem = _copied(store, name, target)
        if problem and single:
            raise HistoryError(f"logs: {public(log.where)!r} {problem}", _hint(log))
        if problem:
            refused.append(Source(inside, "", "", 0, (problem,)))
    if not single:
        local.mkdir(exist_ok=True)
    return local, refused


def _opened(log: Log) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    files, path = url_to_fs(log.where)
    return files, str(path)


def _is_local(files: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(files, LocalFileSystem)


def _listed(files: Any, path: str) -> list[str]:
    if not files.exists(path):
        raise FileNotFoundError("there is nothing at this address")
    return sorted(str(name) for name in files.find(path))


def _inside(name: str, path: str) -> str:
    return name.strip("/").removeprefix(path.strip("/")).strip("/")


def _is_wanted(inside: str, likely: Callable[[Path], bool]) -> bool:
    """Whether a file is likely a log, by a name that stays within its folder; hidden ones are not."""
    parts = PurePosixPath(inside).parts
    if not parts or "\0" in inside or any(part.startswith(".") for part in parts[:-1]) or ".." in parts:
        return False
    return likely(Path(*parts[:-1], unpacked_name(parts[-1])))


def _copied(store: _Store, name: str, target: Path) -> str:
    """Copy one file; why it could not be, else nothing."""
    try:
        store.copy(name, target)
    except UnfitError:
        limit = LARGEST if store.left >= LARGEST else ALTOGETHER
        what = "it" if limit == LARGEST else "all that was fetched from this address"
        problem = f"was not fetched: {what} is larger than {show(limit, 'bytes')}"
    except Exception as error:  # noqa: BLE001 - each driver has exceptions of its own
        problem = f"can't be fetched: {public(one_line(error))}"
    else:
        return ""
    target.unlink(missing_ok=True)
    return problem


def _safe(name: str) -> str:
    cleaned = name.replace("\0", "").replace("/", "_").strip(". ")[:200]
    return cleaned or "logs"


def _unreachable(log: Log, error: Exception) -> HistoryError:
    said = f"logs: {public(log.where)!r} can't be looked at: {public(one_line(error))}"
    return HistoryError(said, _hint(log))


def _hint(log: Log) -> str:
    driver = DRIVERS.get(log.where.partition("://")[0].rpartition("::")[2], "")
    setup = f", and that {driver} is set up to read it" if driver else ""
    return f"check the address{setup}"
