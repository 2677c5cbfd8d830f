"""Find the files under some paths that may be logs."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reportgen.history.model import HistoryError, Source
from reportgen.history.readers import Reader
from reportgen.history.unpacking import unpacked_name


@dataclass(frozen=True)
class Root:
    """A path to look under. `kind` names its reader, "" where none is named.

    `name` stands for its folder in the report, `full` tells two folders of one name apart. `fetched` says that it
    is a copy made just now.
    """

    path: Path
    name: str
    full: str
    kind: str = ""
    fetched: bool = False


@dataclass(frozen=True)
class LogFile:
    """A file to look at. `label` names the root it was found under, `shown` is the path relative to that.

    `given` says that the user named the file itself; `kind` names its reader, "" where its content decides.
    `fetched` says that it is a copy made just now.
    """

    path: Path
    root: Path
    label: str
    given: bool
    shown: str
    kind: str = ""
    fetched: bool = False

    @property
    def plain(self) -> Path:
        """The path without the suffix of its compression."""
        return self.path.with_name(unpacked_name(self.path.name))

    @property
    def modified(self) -> float:
        """When it was last written, in seconds since 1970; NaN where it is a copy, or gone."""
        if self.fetched:
            return math.nan
        try:
            return self.path.stat().st_mtime
        except OSError:
            return math.nan


Likely = Callable[[Path], bool]


def locate(roots: list[Root], readers: Mapping[str, Reader]) -> tuple[list[LogFile], list[Source]]:
    """The files to look at, each once, in the order of `roots` and then of names; and what can't be looked at.

    Raises HistoryError where a root does not exist or can't be listed.
    """
    for root in roots:
        _check(root.path)
    files: list[LogFile] = []
    refused: list[Source] = []
    seen: set[str] = set()
    for root, label in zip(roots, _labels(roots), strict=True):
        walk = _Walk(likely_by(root.kind, readers))
        given = root.path.is_file()
        folder = root.path.parent if given else root.path
        for path, real in [(root.path, os.path.realpath(root.path))] if given else walk.files(root.path):
            if real not in seen:
                seen.add(real)
                shown = _shown(path, folder, label, len(roots) > 1)
                files.append(LogFile(path, folder, label, given, shown, root.kind, root.fetched))
        for path, why in walk.refused:
            refused.append(Source(_shown(path, folder, label, len(roots) > 1), "", "", 0, (why,)))
    return files, refused


def likely_by(kind: str, readers: Mapping[str, Reader]) -> Likely:
    """Whether a file is worth opening by its name: for the kind named, or for any."""
    chosen = [readers[kind]] if kind else list(readers.values())

    def likely(path: Path) -> bool:
        return any(reader.likely(path) for reader in chosen)

    return likely


def _check(path: Path) -> None:
    try:
        found = path.exists()
        if found and not path.is_file():
            with os.scandir(path):
                pass
    except OSError as error:
        raise HistoryError(f"can't look at the logs in {str(path)!r}: {error.strerror}") from None
    if not found:
        message = f"no log at {str(path)!r}: expected a file or folder that exists"
        raise HistoryError(message, "check logs=... (--logs)")


def _shown(path: Path, root: Path, label: str, several: bool) -> str:
    inside = path.relative_to(root).as_posix()
    return f"{label}/{inside}" if several else inside


def _labels(roots: list[Root]) -> list[str]:
    """A name for each root, without slashes: its own, or all of what was given where two are alike."""
    out = []
    for root in roots:
        alike = any(root.name == other.name and root.full != other.full for other in roots)
        out.append(root.full.strip("/").replace("/", "∕") if alike else root.name or "run")
    return out


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one through a folder that can't be entered
        return False


class _Walk:
    """Files below a folder that are likely by their names; `refused` are paths that it could not follow, and why."""

    def __init__(self, likely: Likely) -> None:
        self._likely = likely
        self.refused: list[tuple[Path, str]] = []

    def files(self, root: Path) -> Iterator[tuple[Path, str]]:
        """Each file and its real path, in the order of names, those of a folder before its folders'.

        Hidden folders are left out. A link to a folder is not followed: one that leads elsewhere is refused
        aloud, since a loop, a disk or a data set may lie behind it.
        """
        top = os.path.realpath(root)
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            real = os.path.realpath(folder)
            inside: list[Path] = []
            for entry in self._entries(folder):
                path = Path(entry.path)
                if _is_folder(entry):
                    if not entry.name.startswith("."):
                        self._down(path, entry, top, inside)
                elif self._likely(path.with_name(unpacked_name(entry.name))) and self._is_file(path, entry):
                    link = entry.is_symlink()
                    yield path, os.path.realpath(path) if link else os.path.join(real, entry.name)
            waiting += reversed(inside)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.refused.append((folder, f"can't be listed: {error.strerror}"))
            return []

    def _down(self, path: Path, entry: os.DirEntry[str], top: str, inside: list[Path]) -> None:
        if not entry.is_symlink():
            inside.append(path)
        elif not os.path.realpath(path).startswith(top + os.sep) and os.path.realpath(path) != top:
            self.refused.append((path, "a link to a folder elsewhere, not followed: give that folder itself"))

    def _is_file(self, path: Path, entry: os.DirEntry[str]) -> bool:
        with contextlib.suppress(OSError):
            if entry.is_file():
                return True
        if entry.is_symlink() and not os.path.exists(path):
            self.refused.append((path, "a link that leads nowhere"))
        return False
