"""Files that belong to one that is read, beside it or below: only files, and none that a link leads out to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from reportgen.history.budget import more


def is_plain(path: Path, home: Path) -> bool:
    """Whether there is a file (no pipe, no device) that lies in the folder `home`, links followed."""
    try:
        real = os.path.realpath(path)
        return real.startswith(os.path.realpath(home).rstrip(os.sep) + os.sep) and os.path.isfile(real)
    except (OSError, ValueError):
        return False


def files_below(folder: Path, home: Path) -> Iterator[Path]:
    """The files below a folder, in the order of names, as the budget allows; links to folders are not followed."""
    if not os.path.realpath(folder).startswith(os.path.realpath(home).rstrip(os.sep) + os.sep):
        return
    for inside, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not more(records=1):
                return
            if is_plain(path := Path(inside, name), home):
                yield path
