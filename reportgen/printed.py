"""What is printed while a model runs: caught, and shown as text in the report instead of on the terminal."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from reportgen.errors import RAISED

KEPT = 1 << 16  # bytes that are looked at, from the first on
SHOWN = 2000  # characters
# What a terminal obeys: CSI and OSC sequences, and the two-character ones.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\|$)|[ -/]*[0-~])", re.DOTALL)
_OVERWRITTEN = re.compile(rb"[^\r\n]*\r+(?=[^\r\n])")
_busy = threading.Lock()  # the streams are the process's: one capture at a time
_active: list[Capture] = []
heard: list[Callable[[bytes], None]] = []  # told at once of what is caught: it would be lost with the process


class Text:
    """The first of many bytes, and how many lines came after them."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._lines = 0  # newlines among what was not kept
        self._rest = 0  # bytes of it
        self._full = False

    def add(self, data: bytes) -> None:
        """Keep `data`, as far as there is room."""
        for tell in heard:
            tell(data)
        if len(data) > KEPT - len(self._kept) and not self._full:
            # A progress bar draws over itself: what it overwrote is no text.
            self._kept = bytearray(_OVERWRITTEN.sub(b"", bytes(self._kept)))
            self._full = len(data) > KEPT - len(self._kept)
        room = max(0, KEPT - len(self._kept))
        self._kept += data[:room]
        self._lines += data.count(b"\n", room)
        self._rest += max(0, len(data) - room)

    def __bool__(self) -> bool:
        return bool(self._kept.strip())

    def __str__(self) -> str:
        """As a terminal would show it, without its control characters; cut, and then the number of lines more."""
        whole = _OVERWRITTEN.sub(b"", bytes(self._kept).replace(b"\r\n", b"\n")).decode(
            errors="backslashreplace"
        )
        whole = _ESCAPE.sub("", whole)
        clean = "".join(c for c in whole if c in "\n\t" or c.isprintable()).strip("\n").expandtabs()
        shown = clean[:SHOWN]
        if len(clean) > SHOWN and shown.rfind("\n") > SHOWN / 2:
            shown = shown[: shown.rfind("\n")]
        lines = clean[len(shown) :].count("\n") + self._lines
        if lines:
            return f"{shown}\n… {lines:,} more line{'s' if lines > 1 else ''}"
        more = len(clean) - len(shown) + self._rest
        return f"{shown}… {more:,} more characters" if more else shown


class _Raw(io.RawIOBase):
    """A standard stream's bytes. Those of a thread that was there before go where they went.

    So do all bytes when the capture has ended: a package that was imported meanwhile may have kept the stream, as
    handlers of logs do.
    """

    def __init__(self, capture: Capture, before: Any, others: frozenset[int]) -> None:
        self._capture, self._before, self._others, self._saved = capture, before, others, capture._saved

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        content = bytes(data)
        if not self._capture.ended and threading.get_ident() not in self._others:
            self._capture._drain()
            self._capture.text.add(content)
            return len(content)
        number = self._number()
        if number in self._saved:
            os.write(self._saved[number], content)
        elif self._before is not None:
            self._before.write(content.decode(errors="backslashreplace"))
            self._before.flush()
        return len(content)

    def isatty(self) -> bool:
        return bool(self._capture.ended and self._before is not None and self._before.isatty())

    def fileno(self) -> int:
        number = self._number()
        if number in self._saved or (self._capture.ended and number >= 0):
            return number
        raise io.UnsupportedOperation("fileno")

    def _number(self) -> int:
        """The descriptor that the stream wrote to, -1 for one that wrote to none."""
        try:
            return int(self._before.fileno())
        except (AttributeError, OSError, ValueError):
            return -1


class Capture:
    """A context manager: what Python or C writes to the standard streams inside is kept in `text`.

    Python's streams are replaced, and the descriptors 1 and 2 lead into a file meanwhile, as far as they are open.
    Where another capture is on already, that one catches. Other threads' prints go on as they went.
    """

    def __init__(self) -> None:
        self.text = Text()
        self.ended = False
        self._mine = False
        self._file: Any = None
        self._saved: dict[int, int] = {}
        self._streams: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._handlers: list[tuple[Any, str]] = []
        self._format: Any = None

    def __enter__(self) -> Capture:
        self._mine = _busy.acquire(blocking=False)
        if not self._mine:
            return self
        try:
            self._begin()
        except BaseException as error:
            if self._before:
                self._off()
            self._end()
            self._mine = False
            if not isinstance(error, RAISED):
                raise
        return self

    def _begin(self) -> None:
        # Without a folder for the file, or room in it, Python's prints are caught all the same.
        with contextlib.suppress(OSError):
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed in _end
            for number in {1, 2} - {self._file.fileno()}:
                with contextlib.suppress(OSError):  # closed
                    self._saved[number] = os.dup(number)
        me = threading.get_ident()
        others = frozenset(thread.ident for thread in threading.enumerate() if thread.ident) - {me}
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            raw = _Raw(self, stream, others)
            self._streams[name] = io.TextIOWrapper(
                raw,
                encoding="utf-8",
                errors="backslashreplace",
                newline="",
                write_through=True,
            )
            self._handlers += [(handler, name) for handler in _handlers(stream)]
        self._on()
        _active.append(self)

    def __exit__(self, *_: object) -> None:
        if not self._mine:
            return
        try:
            _active.remove(self)
            self._off()
        finally:
            self._end()

    def _end(self) -> None:
        for number in self._saved.values():
            os.close(number)
        self._saved.clear()
        self.ended = True
        if self._file is not None:
            self._file.close()
        _busy.release()

    def _on(self) -> None:
        _flush()
        self._before = {name: getattr(sys, name) for name in self._streams}
        for name, stream in self._streams.items():
            setattr(sys, name, stream)
        for handler, name in self._handlers:
            handler.stream = self._streams[name]
        self._format, warnings.formatwarning = warnings.formatwarning, _warning
        for number in self._saved:
            os.dup2(self._file.fileno(), number)

    def _off(self) -> None:
        _flush()
        for number, saved in self._saved.items():
            with contextlib.suppress(OSError):
                os.dup2(saved, number)
        for name, stream in self._before.items():
            setattr(sys, name, stream)
        for handler, name in self._handlers:
            handler.stream = self._before[name]
        warnings.formatwarning = self._format
        self._drain()

    def _drain(self) -> None:
        """Take over what came through the descriptors, before what Python prints next."""
        if self._file is None or self._file.closed:
            return
        _flush_c()
        with contextlib.suppress(OSError):
            if not os.fstat(self._file.fileno()).st_size:
                return
            self._file.seek(0)
            while data := self._file.read(1 << 20):
                self.text.add(data)
            self._file.seek(0)
            self._file.truncate()


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """What is printed inside is meant for the user: it goes where it would without a capture."""
    capture = _active[-1] if _active else None
    if capture is None:
        yield
        return
    capture._off()
    try:
        yield
    finally:
        capture._on()


def _warning(message: object, category: type, filename: str, lineno: int, line: str | None = None) -> str:
    """A warning without the path of the file that it is from, which says where someone's home is."""
    return f"{category.__name__}: {message}\n"


def _handlers(stream: object) -> list[Any]:
    """The handlers of every logger that write to this very stream."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    found = [handler for logger in loggers for handler in getattr(logger, "handlers", ())]
    return [one for one in found if stream is not None and _origin(getattr(one, "stream", None)) is stream]


def _origin(stream: Any) -> Any:
    """The stream that one of an earlier capture stood for."""
    while isinstance(raw := getattr(stream, "buffer", None), _Raw):
        stream = raw._before
    return stream


def _flush() -> None:
    """Let what Python's and C's own buffers hold go where it was meant to."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):  # closed, or none
            stream.flush()  # type: ignore[union-attr]
    _flush_c()


def _flush_c() -> None:
    with contextlib.suppress(Exception):  # no C library by that name
        (ctypes.CDLL(None) if os.name == "posix" else ctypes.cdll.msvcrt).fflush(None)
