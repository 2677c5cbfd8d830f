"""What of the process a model can change, and how it is put back: Python's settings and NumPy's."""

from __future__ import annotations

import builtins
import contextlib
import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from reportgen.aftermath import Aftermath
from reportgen.errors import RAISED, one_line

Undo = Callable[[], object]
_depth = threading.local()


class Steps:
    """What undoes changes, each step alone: one that fails is said in `said` and costs the others nothing."""

    def __init__(self, said: Aftermath) -> None:
        self.said = said
        self._undo: list[tuple[str, Undo]] = []

    def add(self, what: str, undo: Undo) -> None:
        """Do this, too, when things are put back; the last that was added comes first."""
        self._undo.append((what, undo))

    def keep(self, what: str, get: Callable[[], Any], put: Callable[[Any], object]) -> None:
        """Put back what `get` gives now with `put`, where it gives something else then."""
        try:
            before = get()
        except RAISED as error:
            self.said.unseen(f"{what}: {one_line(error, 120)}")
            return

        def undo() -> None:
            if get() == before:
                return
            put(before)
            if get() != before:
                self.said.lost(f"{what}: it stayed as it had been set")

        self.add(what, undo)

    def put_back(self) -> None:
        """Undo all. What ends a program (Ctrl-C) is raised when the others are done."""
        stopped: BaseException | None = None
        while self._undo:
            what, undo = self._undo.pop()
            try:
                undo()
            except RAISED as error:
                self.said.lost(f"{what}: {one_line(error, 120)}")
            except BaseException as stop:  # noqa: BLE001 - raised below
                stopped = stop
        if stopped is not None:
            raise stopped


@contextlib.contextmanager
def kept(said: Aftermath) -> Iterator[None]:
    """The process's settings are put back after what runs inside.

    `os.environ` and `sys.path` are at the end of the outermost of several alone: what a package that was imported on
    the way set there once, it needs until then.
    """
    steps = Steps(said)
    outermost = not getattr(_depth, "inside", False)
    if outermost:
        _lasting(steps)
    watch(steps)
    _depth.inside = True
    try:
        yield
    finally:
        _depth.inside = not outermost
        steps.put_back()


def watch(steps: Steps) -> None:
    """Note the settings as they are."""
    frequent(steps)
    _interpreter(steps)
    _system(steps)
    _loggers(steps)
    _numbers(steps)
    generators(steps)
    if "matplotlib" in sys.modules:
        _matplotlib(steps)
    if "torch" in sys.modules:
        from reportgen import torchstate

        torchstate.watch(steps)


def frequent(steps: Steps) -> None:
    """Note those settings without which our own code could not go on after a forward pass."""
    _folder(steps)
    steps.keep("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit)
    steps.keep("the warning filters", lambda: list(warnings.filters), _filters)
    if (np := sys.modules.get("numpy")) is not None:
        steps.keep("NumPy's error state", np.geterr, lambda before: np.seterr(**before))


def _folder(steps: Steps) -> None:
    with contextlib.suppress(OSError):  # a working folder that is gone is no place to come back to
        here = os.getcwd()
        steps.add("the working folder", lambda: _go_back(here))


def _lasting(steps: Steps) -> None:
    environ, path = os.environ, sys.path
    steps.keep("os.environ", lambda: dict(environ), lambda before: _same_entries(environ, before))
    steps.keep("sys.path", lambda: list(path), lambda before: path.__setitem__(slice(None), before))
    _names(steps, os, "environ")
    _names(steps, sys, "path")


def _same_entries(current: Any, before: dict[Any, Any]) -> None:
    for name in [name for name in current if name not in before]:
        del current[name]
    for name, value in before.items():
        if current.get(name) != value:
            current[name] = value


def _names(steps: Steps, module: Any, *names: str) -> None:
    """Which object a module holds under these names, as far as it has them."""
    for name in names:
        if hasattr(module, name):
            value = getattr(module, name)
            steps.add(f"{module.__name__}.{name}", partial(setattr, module, name, value))


def _interpreter(steps: Steps) -> None:
    argv = sys.argv
    steps.keep("sys.argv", lambda: list(argv), lambda before: argv.__setitem__(slice(None), before))
    _names(steps, sys, "argv", "stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    _names(steps, sys, "excepthook", "displayhook", "unraisablehook", "breakpointhook", "dont_write_bytecode")
    _names(steps, threading, "excepthook")
    _names(steps, warnings, "showwarning", "formatwarning")
    _names(steps, builtins, "print", "open", "input", "__import__")
    steps.keep("the switch interval", sys.getswitchinterval, sys.setswitchinterval)
    steps.keep("the longest number in digits", sys.get_int_max_str_digits, sys.set_int_max_str_digits)
    steps.keep("the trace function", sys.gettrace, sys.settrace)
    steps.keep("the profile function", sys.getprofile, sys.setprofile)
    steps.keep("the garbage collector", gc.isenabled, lambda on: gc.enable() if on else gc.disable())
    steps.keep("its thresholds", gc.get_threshold, lambda before: gc.set_threshold(*before))
    if "decimal" in sys.modules:
        import decimal

        context = decimal.getcontext()
        steps.add("the decimal context", partial(_decimal, context, context.copy()))


def _decimal(context: Any, before: Any) -> None:
    import decimal

    if decimal.getcontext() is not context or repr(context) != repr(before):
        decimal.setcontext(before)


def _filters(before: list[Any]) -> None:
    warnings.simplefilter("default", append=True)  # lets go of what was remembered of the filters so far
    warnings.filters[:] = before  # type: ignore[index]


def _system(steps: Steps) -> None:
    steps.keep("the umask", _umask, os.umask)
    steps.keep("the locale", lambda: locale.setlocale(locale.LC_ALL), _locale)
    if threading.current_thread() is threading.main_thread():
        for number in signal.valid_signals():
            before = signal.getsignal(number)
            if before is not None:  # None: it was not Python that set it
                steps.add(f"signal {number}", partial(_signal, number, before))
    if hasattr(time, "tzset"):
        zone = os.environ.get("TZ")
        steps.add("the time zone", lambda: _zone(zone))
    if hasattr(os, "sched_getaffinity"):
        steps.keep(
            "the processor's cores",
            lambda: os.sched_getaffinity(0),
            lambda cores: os.sched_setaffinity(0, cores),
        )
    if "resource" in sys.modules:
        import resource

        for name in (
            "RLIMIT_AS",
            "RLIMIT_CORE",
            "RLIMIT_CPU",
            "RLIMIT_FSIZE",
            "RLIMIT_NOFILE",
            "RLIMIT_STACK",
        ):
            limit = getattr(resource, name)
            steps.keep(
                name,
                partial(resource.getrlimit, limit),
                partial(resource.setrlimit, limit),
            )
    if "socket" in sys.modules:
        import socket

        steps.keep("the time-out of sockets", socket.getdefaulttimeout, socket.setdefaulttimeout)


def _go_back(here: str) -> None:
    try:
        same = os.getcwd() == here
    except OSError:
        same = False
    if not same:
        os.chdir(here)


def _umask() -> int:
    current = os.umask(0o077)  # there is no other way to read it
    os.umask(current)
    return current


def _locale(before: str) -> None:
    locale.setlocale(locale.LC_ALL, before)


def _signal(number: int, before: Any) -> None:
    if signal.getsignal(number) is not before:
        signal.signal(number, before)


def _zone(before: str | None) -> None:
    if os.environ.get("TZ") == before:
        return
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def _loggers(steps: Steps) -> None:
    steps.keep("logging.disable", lambda: logging.root.manager.disable, logging.disable)
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    before = [(one, _of_logger(one)) for one in loggers if isinstance(one, logging.Logger)]

    def undo() -> None:
        for logger, (level, propagate, disabled, handlers, filters) in before:
            if logger.level != level:
                logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled
            logger.handlers[:], logger.filters[:] = handlers, filters

    steps.add("the loggers", undo)


def _of_logger(logger: logging.Logger) -> tuple[int, bool, bool, list[Any], list[Any]]:
    return logger.level, logger.propagate, logger.disabled, list(logger.handlers), list(logger.filters)


def _matplotlib(steps: Steps) -> None:
    import matplotlib

    parameters = matplotlib.rcParams.copy()

    def undo() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in parameters:
                if matplotlib.rcParams.get(name) != parameters[name]:
                    matplotlib.rcParams[name] = parameters[name]

    steps.add("matplotlib's settings", undo)


def _numbers(steps: Steps) -> None:
    np = sys.modules.get("numpy")
    if np is None:
        return
    steps.keep("NumPy's error handler", np.geterrcall, np.seterrcall)
    steps.keep("NumPy's print options", np.get_printoptions, lambda before: np.set_printoptions(**before))


def generators(steps: Steps) -> None:
    """Note Python's and NumPy's random generators."""
    steps.keep("Python's generator", random.getstate, random.setstate)
    if (np := sys.modules.get("numpy")) is not None:
        state = np.random.get_state()
        steps.add("NumPy's generator", lambda: np.random.set_state(state))
