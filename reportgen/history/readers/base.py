"""What a reader of one format is: how its files are recognised, and how one is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from reportgen.history.model import Reading

HEAD = 65536  # bytes from the start of a file that recognition looks at


class UnreadableError(Exception):
    """A file of a known format that gives no points; the message says what was expected."""


class NothingLoggedError(UnreadableError):
    """A sound file that is simply no log: said of one that the user named, no matter in a folder."""


def parent(path: Path) -> Path:
    """The run of most files: the folder they lie in."""
    return path.parent


class Follower(Protocol):
    """Reads one file again and again while it grows.

    It keeps what it has read, and reads only the bytes that have come since; what is not whole yet is waited
    for. Whether the file is still the same one, and no shorter than before, is the caller's to see to.
    """

    def read(self) -> Reading:
        """Everything in the file so far, as `Reader.read` gives it. Raises UnreadableError, OSError."""


@dataclass(frozen=True)
class Reader:
    """One format.

    `by` is what a file is recognised by; magic bytes are tried first, then names that are checked by the
    content, then headers, then patterns. `likely` says by the name alone whether a file found in a folder is
    worth opening; `recognise` gets the path and the first bytes and says why this is such a file, or None.
    `read` gives what is in a file, several readings where it holds several runs; it raises UnreadableError or
    OSError. `several` files of one folder are parts of one run (they are merged), or a run each; with
    `snapshots` each file holds the whole run so far, so that the newest is used alone. `follow` makes a
    Follower of a file that is only ever appended to; without it the file is read anew.
    """

    name: str
    likely: Callable[[Path], bool]
    recognise: Callable[[Path, bytes], str | None]
    read: Callable[[Path], Reading | Sequence[Reading]]
    by: Literal["magic", "name", "header", "pattern"] = "header"
    several: bool = False
    snapshots: bool = False
    run_folder: Callable[[Path], Path] = parent
    follow: Callable[[Path], Follower] | None = None
