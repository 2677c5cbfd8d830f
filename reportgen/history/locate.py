"""Find the files under some paths that may be logs."""

from __future__ import annotations

import contextlib
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from reportgen.errors import RAISED
from reportgen.history.budget import Budget
from reportgen.history.model import HistoryError, Source
from reportgen.history.readers import Reader
from reportgen.history.unpacking import unpacked_name
from reportgen.units import plural

# What lies in a run's folder under these names is mostly something else, and no fault.
_OFTEN_OTHER = (".json", ".txt", ".log", ".out", ".pt", ".pth", ".ckpt")
_MOST_REFUSED = 200  # links and folders that are told one by one


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
    def often_other(self) -> bool:
        """Whether a file of such a name is mostly no log."""
        if self.given or self.plain.name == "trainer_state.json":
            return False
        return self.plain.suffix.lower() in _OFTEN_OTHER

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        try:
            return self.path.stat().st_size == 0
        except OSError:
            return False

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


def locate(
    roots: list[Root], readers: Mapping[str, Reader], budget: Budget
) -> tuple[list[LogFile], list[Source]]:
    """The files to look at, each once, in the order of `roots` and then of names; and what can't be looked at.

    Raises HistoryError where a root does not exist or can't be listed.
    """
    for root in roots:
        _check(root.path)
    files: list[LogFile] = []
    refused: list[Source] = []
    seen: set[str] = set()
    for root, label in zip(roots, _labels(roots), strict=True):
        walk = _Walk(likely_by(root.kind, readers), budget)
        given = root.path.is_file()
        folder = root.path.parent if given else root.path
        for path, real in [(root.path, os.path.realpath(root.path))] if given else walk.files(root.path):
            if real not in seen:
                seen.add(real)
                shown = _shown(path, folder, label, len(roots) > 1)
                files.append(LogFile(path, folder, label, given, shown, root.kind, root.fetched))
        for path, why in walk.refused[:_MOST_REFUSED]:
            refused.append(Source(_shown(path, folder, label, len(roots) > 1), "", "", 0, (why,)))
        if len(walk.refused) > _MOST_REFUSED:
            rest = plural(len(walk.refused) - _MOST_REFUSED, "more link or folder").replace(
                "folders", "folder"
            )
            refused.append(Source(rest, "", "", 0, ("not followed, or not to be listed",)))
        if walk.left:
            what = f"more names in it than are listed: {plural(walk.left, 'folder')} not, or not wholly, looked through"
            refused.append(Source(label, "", "", 0, (f"{what}: give those that hold logs",)))
    kept = _first(files, budget.files)
    if len(kept) < len(files):
        rest = f"{plural(len(files) - len(kept), 'more file')}"
        why = f"not looked at: {len(kept):,} files are, those that are named as logs first; give narrower folders"
        refused.append(Source(rest, "", "", 0, (why,), files=len(files) - len(kept)))
    return kept, refused


def _first(files: list[LogFile], most: int) -> list[LogFile]:
    """So many of the files: those named as logs first, of each kind of name some from every folder."""
    if len(files) <= most:
        return files
    count: Counter[tuple[Path, bool]] = Counter()
    ranks = []
    for place, file in enumerate(files):
        other = file.often_other
        ranks.append((not file.given, other, count[file.path.parent, other], place))
        count[file.path.parent, other] += 1
    return [files[place] for place in sorted(rank[-1] for rank in sorted(ranks)[:most])]


def likely_by(kind: str, readers: Mapping[str, Reader]) -> Likely:
    """Whether a file is worth opening by its name: for the kind named, or for any."""
    chosen = [readers[kind]] if kind else list(readers.values())
    return lambda path: any(_is_likely(reader, path) for reader in chosen)


def _is_likely(reader: Reader, path: Path) -> bool:
    try:
        return bool(reader.likely(path))
    except RAISED:  # a stranger's reader that can't tell costs none of the others
        return False


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
    out: list[str] = []
    taken: dict[str, Path] = {}
    for root in roots:
        alike = any(root.name == other.name and root.path != other.path for other in roots)
        label = root.full.strip("/").replace("/", "∕") if alike else root.name or "run"
        folder = root.path.parent if root.path.is_file() else root.path
        if taken.setdefault(label, folder) != folder:  # what is shown of two paths may be the same
            label = f"{label} ({len(out) + 1})"
            taken[label] = folder
        out.append(label)
    return out


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or one through a folder that can't be entered
        return False


def within(path: Path, top: str) -> bool:
    """Whether a path, its links followed, lies in the folder `top`, whose own are followed already."""
    return os.path.realpath(path).startswith(top.rstrip(os.sep) + os.sep)


class _Walk:
    """Files below a folder that are likely by their names; `refused` are paths that it could not follow, and why.

    `left` counts the folders that were not looked through, where there were too many names.
    """

    def __init__(self, likely: Likely, budget: Budget) -> None:
        self._likely, self._budget = likely, budget
        self.refused: list[tuple[Path, str]] = []
        self.left = 0

    def files(self, root: Path) -> Iterator[tuple[Path, str]]:
        """Each file and its real path, in the order of names, those of a folder before its folders'.

        Hidden folders are left out. A link to a folder is not followed: one that leads elsewhere is refused
        aloud, since a loop, a disk or a data set may lie behind it. So is one to a file outside of the root.
        """
        top = os.path.realpath(root)
        waiting = [(root, top)]
        while waiting:
            folder, real = waiting.pop()
            if self._budget.names <= 0:
                self.left += 1
                continue
            inside: list[tuple[Path, str]] = []
            for entry in self._entries(folder):
                path = Path(entry.path)
                if _is_folder(entry):
                    if not entry.name.startswith("."):
                        self._down(path, entry, top, real, inside)
                elif self._likely(path.with_name(unpacked_name(entry.name))) and self._is_file(
                    path, entry, top
                ):
                    link = entry.is_symlink()
                    yield path, os.path.realpath(path) if link else os.path.join(real, entry.name)
            waiting += reversed(inside)

    def _entries(self, folder: Path) -> Sequence[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                found = list(islice(entries, self._budget.names))
        except OSError as error:
            self.refused.append((folder, f"can't be listed: {error.strerror}"))
            return []
        self._budget.names -= max(len(found), 1)
        if self._budget.names <= 0:
            self.left += 1
        return sorted(found, key=lambda entry: entry.name)

    def _down(
        self, path: Path, entry: os.DirEntry[str], top: str, real: str, inside: list[tuple[Path, str]]
    ) -> None:
        if not entry.is_symlink():
            inside.append((path, os.path.join(real, entry.name)))
        elif not within(path, top) and os.path.realpath(path) != top:
            self.refused.append((path, "a link to a folder elsewhere, not followed: give that folder itself"))

    def _is_file(self, path: Path, entry: os.DirEntry[str], top: str) -> bool:
        with contextlib.suppress(OSError):
            if entry.is_file():
                if not entry.is_symlink() or within(path, top):
                    return True
                self.refused.append((path, "a link to a file elsewhere, not followed: give that file itself"))
                return False
        if entry.is_symlink() and not os.path.exists(path):
            self.refused.append((path, "a link that leads nowhere"))
        return False
