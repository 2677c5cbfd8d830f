"""The process in which the user's model runs when the command makes a report, and which tells of each section."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reportgen import printed
from reportgen.config import Config
from reportgen.errors import InputError, one_line, working_folder
from reportgen.ledger import message
from reportgen.report import Section
from reportgen.running import Course
from reportgen.telling import Teller

_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def main(channel: socket.socket, request: dict[str, Any]) -> int:
    """Make what is left of the report, and tell of it on `channel`."""
    _settle(channel)
    # Ends on SIGTERM as on Ctrl-C, so that what the model's code has to tidy up is tidied up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        teller = Teller(channel.sendall)
        printed.heard.append(teller.printed)
        _collect(request, teller)
    except KeyboardInterrupt as stop:
        with contextlib.suppress(OSError):
            channel.sendall(message(interrupted=str(stop)))
        return 130
    except BaseException as error:  # noqa: BLE001 - told where it is shown
        channel.sendall(message(error=_told(error)))
        return 1
    channel.sendall(message(ended=True))
    return 0


def _settle(channel: socket.socket) -> None:
    channel.set_inheritable(False)
    faulthandler.enable(channel.fileno())
    # Where it hangs is told when it is asked for, also where Python can't be interrupted.
    faulthandler.register(signal.SIGUSR1, channel.fileno(), all_threads=True)
    if sys.platform == "linux":
        # Whatever ends the command ends this process, too.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    if working_folder() is None:
        os.chdir(
            os.path.abspath(os.sep)
        )  # MKL ends a process where it is loaded in a folder that was deleted


def _collect(request: dict[str, Any], teller: Teller) -> None:
    from reportgen.collecting import made_of
    from reportgen.loading import arguments, importable

    config = Config.model_construct(**request["config"])
    folders = [Path(folder) for folder in request["folders"]]
    made = [Section.model_validate_json(text) for text in request["made"]]
    course = Course(
        tell=teller.tell,
        begun=teller.begun,
        made={section.name: section for section in made},
        lost={name: (said, where) for name, (said, where) in request["lost"].items()},
        stage=teller.stage,
    )
    # The folders stay importable, behind all others, for what a model imports only when it runs.
    with importable(folders, last=True):
        made_of(arguments(config, folders) | {"command": request["command"]}, course)


def _told(error: BaseException) -> dict[str, Any]:
    """What the command says of an error that ended the making of the report."""
    return {
        "line": str(error) if isinstance(error, InputError) else one_line(error),
        "hint": error.hint if isinstance(error, InputError) else "",
        "input": isinstance(error, InputError),
        "trace": _lines(error),
    }


def _lines(error: BaseException) -> Sequence[str]:
    try:
        return "".join(traceback.format_exception(error)).splitlines()
    except Exception:  # noqa: BLE001 - a stranger's error may break its own traceback
        return ["(the traceback can't be shown)"]
