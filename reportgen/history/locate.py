"""Find the files under some paths that may be logs."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from reportgen.history.model import HistoryError, Source
from reportgen.history.readers import Reader


@dataclass(frozen=True)
class LogFile:
    """A file to look at. `label` names the root it was found under, `shown` is the path relative to that.

    `given` says that the user named the file itself.
    """

    path: Path
    root: Path
    label: str
    given: bool
    shown: str


def locate(paths: list[Path], readers: Collection[Reader]) -> tuple[list[LogFile], list[Source]]:
    """The files to look at, each once, in the order of `paths` and then of names; and folders not listed.

    Raises HistoryError where one of `paths` does not exist or can't be listed.
    """
    for path in paths:
        _check(path)
    files: list[LogFile] = []
    refused: list[Source] = []
    seen = set()
    for path, label in zip(paths, _labels(paths), strict=True):
        errors: list[OSError] = []
        for found in [path] if path.is_file() else _walk(path, readers, errors):
            real = found.resolve()
            if real not in seen:
                seen.add(real)
                root = path if path.is_dir() else path.parent
                shown = _shown(found, root, label, len(paths) > 1)
                files.append(LogFile(found, root, label, found == path, shown))
        for error in errors:
            folder = _shown(Path(error.filename), path, label, len(paths) > 1)
            refused.append(Source(folder, "", "", 0, (f"can't be listed: {error.strerror}",)))
    return files, refused


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


def _labels(paths: list[Path]) -> list[str]:
    """A name for each root, without slashes: its own, or all of what was given where two are alike."""
    folders = [path if path.is_dir() else path.parent for path in paths]
    out = []
    for folder in folders:
        alike = any(folder.name == other.name and folder != other for other in folders)
        out.append(folder.as_posix().strip("/").replace("/", "∕") if alike else folder.name or "run")
    return out


def _walk(root: Path, readers: Collection[Reader], errors: list[OSError]) -> Iterator[Path]:
    """Files below a folder that a reader thinks likely, in the order of names; hidden folders left out."""
    for folder, folders, names in os.walk(root, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if any(reader.likely(path) for reader in readers) and path.is_file():
                yield path
