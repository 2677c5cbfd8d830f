"""Writing a file so that whatever interrupts, the old one is whole and no litter stays."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def refusal(path: Path) -> str:
    """What is at `path` that no file may take the place of: `a pipe`, say; "" for a file, and where nothing is.

    Raises OSError where that can't be seen, ValueError for what can't be a path.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link to what does not exist" if path.is_symlink() else ""
    return next((name for is_one, name in _KINDS if is_one(mode)), "")


def replace(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and move it into place.

    The old file keeps its permissions. Raises OSError (full disk, read-only folder, no file but a pipe or a
    device); then the old file is as it was and the part-written one is gone.
    """
    refused = refusal(path)
    if refused:
        raise OSError(errno.EINVAL, f"is {refused}, expected a file", str(path))
    path = path.resolve() if path.is_symlink() else path
    # Named before it is made, so that there is no moment at which an interrupt would leave it behind.
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
