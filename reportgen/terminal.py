"""What goes to the terminal: no character that a terminal obeys, no secret, no more than a screen."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from reportgen import redaction
from reportgen.units import shorten

LINE = 200  # characters of a line
MESSAGE = 1000  # of a message of one line
_LINES = 12  # of a message
_TRACED = 40  # lines of a traceback: the last ones
_LOOKED_AT = 20_000  # characters of a stranger's text
_UNSEEN = "\u115f\u1160\u3164\uffa0\u2800"  # letters without a sign, which Python calls printable
_MARKS = 3  # accents on one letter: more climb over the lines above


def plain(text: str, limit: int = LINE) -> str:
    """A stranger's text on one line of at most `limit` characters, with what a terminal obeys written out.

    That is control characters, those that turn the direction of writing, and those that can't be seen.
    """
    line = shorten(redaction.secrets(shorten(str(text)[:_LOOKED_AT], 4 * limit)), limit)
    made: list[str] = []
    marks = 0
    for letter in line:
        marks = marks + 1 if _is_mark(letter) else 0
        seen = letter.isprintable() and letter not in _UNSEEN and marks <= _MARKS
        made.append(letter if seen else letter.encode("unicode_escape", "surrogatepass").decode())
    return shorten("".join(made), limit)


def _is_mark(letter: str) -> bool:
    if letter < "\u0300":
        return False
    from unicodedata import category

    return category(letter) in ("Mn", "Me")


def lines(text: str, most: int = _LINES, limit: int = MESSAGE) -> list[str]:
    """A text of several lines, each made plain: so many at most, and together no more than `limit` characters."""
    found = [line for line in str(text)[: 10 * _LOOKED_AT].splitlines() if line.strip()] or [""]
    made: list[str] = []
    for line in found[:most]:
        made.append(plain(line, max(limit - sum(map(len, made)), 40)))
        if sum(map(len, made)) >= limit:
            break
    if len(made) < len(found):
        made.append(f"… and {len(found) - len(made):,} more lines")
    return made


def say(text: str, stream: TextIO | None = None, *, before: str = "", limit: int = MESSAGE) -> None:
    """Print a text, `before` in front of each line, on stderr or another stream."""
    for line in lines(text, limit=limit):
        put(f"{before}{line}", sys.stderr if stream is None else stream)


def put(text: str, stream: TextIO) -> None:
    """Print a line. Where nobody reads it any more, or the disk is full, there is no more of it, and no error."""
    try:
        print(text, file=stream, flush=True)
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def trace(error: BaseException) -> None:
    """Print the end of an error's traceback, its indents kept."""
    whole = "".join(traceback.format_exception(error))[-_LOOKED_AT:].splitlines()
    for line in whole[-_TRACED:]:
        indent = min(len(line) - len(line.lstrip(" ")), 8)
        put(" " * indent + plain(line), sys.stderr)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let what others print of themselves through here too: warnings, log records, errors that nobody caught."""
    show, unraisable, threads = warnings.showwarning, sys.unraisablehook, threading.excepthook
    last = logging.lastResort
    before = last.formatter if last is not None else None
    warnings.showwarning = _warned
    sys.unraisablehook = lambda given: say(
        f"{type(given.exc_value).__name__}: {_said(given.exc_value)}", before="ignored: "
    )
    threading.excepthook = lambda given: say(
        f"{given.exc_type.__name__}: {_said(given.exc_value)}", before="a thread: "
    )
    if last is not None:
        last.setFormatter(_Plain())
    try:
        yield
    finally:
        warnings.showwarning, sys.unraisablehook, threading.excepthook = show, unraisable, threads
        if last is not None:
            last.setFormatter(before)


def _warned(message: Any, category: Any, *where: Any, **more: Any) -> None:
    say(f"{getattr(category, '__name__', 'Warning')}: {_said(message)}", before="warning: ")


def _said(error: Any) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a stranger's __str__ may raise anything
        return "(its message can't be shown)"


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One plain line."""
        try:
            return plain(record.getMessage(), MESSAGE)
        except Exception:  # noqa: BLE001 - a message that does not fit its arguments
            return plain(_said(record.msg), MESSAGE)
