"""The files that a report is to be written to, looked at before any work is done."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError, working_folder


def check(paths: Iterable[str | Path], key: str, apart_from: Iterable[str | Path] = ()) -> list[Path]:
    """The files to write, as paths; `key` is what they were given for, `apart_from` what is to be read.

    Raises InputError where one can't be meant, PermissionError where its folder is read-only.
    """
    known = sorted(f".{point.name}" for point in entry_points(group="reportgen.formats"))
    read = {_place(Path(path)): str(path) for path in apart_from}
    taken: dict[object, str] = {}
    targets = [Path(path) for path in paths]
    for path in targets:
        got = f"{key}: got {str(path)!r}"
        if path.suffix.lower() not in known:
            raise InputError(f"{got}, expected a file that ends in {', '.join(known)}")
        _check_place(path, got)
        place = _place(path)
        if place in read:
            raise InputError(f"{got}, which is read, as {read[place]!r}", "name another file to write")
        if place in taken:
            raise InputError(f"{got}, which is the same file as {taken[place]!r}", "name each file once")
        taken[place] = str(path)
    return targets


def _check_place(path: Path, got: str) -> None:
    """Raises InputError where no file can be there, PermissionError where none may."""
    if "\0" in str(path):  # of which each Python says something else
        raise InputError(f"{got}, which can't be a file: there is a zero byte in its name")
    try:
        refused = files.refusal(path)
        if refused:
            raise InputError(f"{got}, which is {refused}, expected a file")
        nowhere = not path.is_absolute() and working_folder() is None
        if nowhere or not path.parent.is_dir():
            said = f"{got}, expected a file in a folder that exists"
            raise InputError(said, f"make the folder first: {str(path.parent)!r}")
        really = path.resolve().parent if path.is_symlink() else path.parent
        writable = os.access(really, os.W_OK)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        # A name that is too long, a loop of links, a folder that may not be looked into.
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{got}, which can't be a file: {why}") from None
    if not writable:
        raise PermissionError(errno.EACCES, "the folder can't be written to", str(path))


def _place(path: Path) -> object:
    """What is the same for two names of one file."""
    try:
        seen = path.stat()
        return seen.st_dev, seen.st_ino
    except (OSError, ValueError):  # not there yet
        pass
    try:
        folder = path.parent.stat()
        return folder.st_dev, folder.st_ino, path.name
    except (OSError, ValueError):
        return str(path)
