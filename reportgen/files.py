"""Writing a file so that whatever interrupts, the old one is whole and no litter stays."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write `content` beside `path` and move it into place.

    The old file keeps its permissions. Raises OSError (full disk, read-only folder); then the old
    file is as it was and the part-written one is gone.
    """
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
