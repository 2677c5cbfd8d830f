"""What was checked is what is loaded: the known entries of an archive, written into an archive of our own."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reportgen.errors import InputError, one_line
from reportgen.units import shorten

LARGEST_TEXT = 1 << 30  # bytes of a graph or a source file
LARGEST = 1 << 40  # bytes of all entries together
GROWTH, SMALL = 100, 1 << 24  # how many times larger than the file its entries may be, small files apart
MOST = 200_000  # entries
_NAME = re.compile(r"[\w.@+~ -]+(/[\w.@+~ -]+)*", re.ASCII)

TRUSTED = "if you know where the file comes from: --trust, or trust=True"
# Kernels of aten that reach a file, the terminal or another stream.
OUTSIDE = frozenset(("from_file", "_print", "record_stream"))

# What becomes of an entry: copied as it is, left out, or replaced by what a check of its text returns.
COPY, DROP = "copy", "drop"
Check = Callable[[bytes], bytes]


def refuse(what: str, hint: str = "") -> InputError:
    """The error for a file that is not loaded: what in it was found."""
    return InputError(f"model: {what}; it was not loaded", hint)


def root_of(path: Path) -> tuple[str, list[str]]:
    """The folder that all entries of an archive lie in ("" for none), and their names. Raises InputError."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"model: {shorten(str(path), 200)!r} can't be read: {one_line(error)}") from error
    _bound(path, infos)
    names = [info.filename for info in infos]
    for name in names:
        if not _NAME.fullmatch(name) or ".." in name.split("/"):
            raise refuse(f"the archive has an entry {shorten(repr(name), 80)}, which is no plain name")
    if len({name.lower() for name in names}) < len(names):
        raise refuse("two entries of the archive have one name")
    roots = {name.split("/", 1)[0] if "/" in name else "" for name in names}
    root = roots.pop() if len(roots) == 1 else ""
    return root, [name[len(root) + 1 :] if root else name for name in names]


def _bound(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    size, unpacked = path.stat().st_size, sum(info.file_size for info in infos)
    if len(infos) > MOST:
        raise refuse(f"the archive has {len(infos):,} entries, more than {MOST:,}")
    if unpacked > LARGEST or unpacked > max(SMALL, GROWTH * size):
        raise refuse(f"{size:,} bytes of archive unpack to {unpacked:,}")


def rewrite(path: Path, target: Path, known: Callable[[str], str | Check | None]) -> None:
    """Write the entries of `path` that `known` names into a new archive `target`.

    `known` takes an entry's name below the archive's root and returns COPY, DROP or a check of its bytes, whose result
    is written; None refuses the whole archive. Raises InputError.
    """
    root, names = root_of(path)
    actions = {name: known(name) for name in names}
    strange = next((name for name, action in actions.items() if action is None), None)
    if strange is not None:
        raise refuse(
            f"the archive has an entry {shorten(repr(strange), 80)}, which no known kind of model has"
        )
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as made:
        for name, action in actions.items():
            whole = f"{root}/{name}" if root else name
            try:
                if callable(action):
                    made.writestr(zipfile.ZipInfo(whole), action(_text(source, whole)))
                elif action == COPY:
                    with (
                        source.open(whole) as old,
                        made.open(zipfile.ZipInfo(whole), "w", force_zip64=True) as new,
                    ):
                        shutil.copyfileobj(old, new, 1 << 20)  # ends at the size that `_bound` has seen
            except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
                raise refuse(
                    f"the entry {shorten(repr(name), 80)} can't be read: {one_line(error)}"
                ) from error


def _text(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > LARGEST_TEXT:
        raise refuse(f"the entry {shorten(repr(name), 80)} is larger than a graph can be")
    return archive.read(name)


def parsed(content: bytes, what: str) -> Any:
    """JSON of an entry. Raises InputError where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refuse(f"the {what} in it is no JSON: {one_line(error)}") from None
