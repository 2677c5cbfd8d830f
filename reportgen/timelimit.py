"""A time limit on what runs inside, wherever Python runs."""

from __future__ import annotations

import contextlib
import ctypes
import math
import signal
import threading
import time
from collections.abc import Iterator

from reportgen.deadline import ENDED, Deadline, Late

GRACE = 0.05  # of a deadline's seconds: what asks the clock ends by itself until then, and keeps what it has


class OutOfTime(BaseException):
    """The time limit was reached."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in what runs inside once `seconds` have passed; 0 means no limit.

    In the main thread an alarm interrupts system calls too (POSIX). Elsewhere the exception arrives
    between two Python instructions, so a long call into C ends first.
    """
    if seconds <= 0:
        yield
    elif hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _watchdog(seconds):
            yield


@contextlib.contextmanager
def enforced(deadline: Deadline) -> Iterator[None]:
    """Raise Late where what runs inside asks no clock and goes on after the deadline by a twentieth of its seconds."""
    if not deadline.timed or math.isinf(deadline.seconds):
        yield
        return
    left = deadline.left() + GRACE * deadline.seconds
    if left <= 0:
        raise Late(ENDED)
    try:
        with time_limit(left):
            yield
    except OutOfTime:
        raise Late(ENDED) from None


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    armed = True

    def ring(*_: object) -> None:
        if armed:
            raise OutOfTime(f"over {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    start = time.monotonic()
    # Rings again each second: a bare `except:` in a stranger's section can't outlive it.
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        try:
            yield
        finally:
            # From here on no ring may cut short what the caller does next: putting the model back.
            armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            # The caller's own alarm, less the time that passed here.
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - start)), interval)


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    target = ctypes.c_ulong(threading.get_ident())
    lock, over = threading.Lock(), threading.Event()

    def bite() -> None:
        with lock:
            if not over.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(OutOfTime))

    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over.set()
        timer.cancel()
