"""The git commit that an experiment was run from."""

from __future__ import annotations

import shutil
import subprocess


def commit() -> str:
    """The commit of the working folder, `+changes` where files differ from it; empty where there is none."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return ""
    return f"{head} + uncommitted changes" if _git("status", "--porcelain", "--untracked-files=no") else head


def _git(*words: str) -> str:
    program = shutil.which("git")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
