"""Makes a report in a process of its own, and in another one what is left to do where that ended too early."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from reportgen.errors import Told
from reportgen.ledger import POLL, Ledger, failed, how_ended, lines
from reportgen.progress import Display
from reportgen.report import Report
from reportgen.running import Progress

# Read with nothing but Python's own: the path on which reportgen is found comes with what is asked for.
_START = """
import json, socket, sys
channel = socket.socket(fileno=int(sys.argv[1]))
said = b""
while not said.endswith(b"\\n"):
    said += channel.recv(1 << 16) or sys.exit(1)
request = json.loads(said)
sys.path[:], sys.argv[:] = request["path"], request["argv"]
from reportgen.supervised import main
sys.exit(main(channel, request))
"""
PATIENCE = 2.0  # seconds for it to end when it is told to


def report_in_child(request: Mapping[str, Any], ledger: Ledger, display: Display) -> Report:
    """The report, made in as many processes as it takes, each section in one of them at the most.

    `request`: the configuration, the folders and the command, as `supervised` reads them. Raises InputError, Told, and
    KeyboardInterrupt where the model raised it.
    """
    while True:
        made = [section.model_dump_json() for section in ledger.made.values()]
        with _Child({**request, "made": made, "lost": ledger.lost}) as child:
            how = child.follow(ledger, display)
        if how is None:
            break
        another = _lost(ledger, how, display)
        if not another:
            break
        ledger.restart()
    report = ledger.report()
    if report is None or ledger.left:
        said = f"the process {how or 'had to be ended'} while {ledger.doing}"
        raise Told({"line": said, "hint": "", "input": True, "trace": ledger.details().splitlines()})
    return report


def _lost(ledger: Ledger, how: str, display: Display) -> bool:
    """Note and show what a process cost that ended too early; whether another may make the rest."""
    before = len(ledger.made)
    another = ledger.ended(how)
    for section in list(ledger.made.values())[before:]:
        display(Progress("end", section.name, len(ledger.made), len(ledger.order), result=section))
    if len(ledger.made) == before and another:
        display.say(f"{ledger.lost[ledger.stage][0]}; the rest is made without")
    return another


class _Child:
    """One such process, in a session of its own, so that it ends with all that it started."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        """Start it. Raises OSError."""
        ours, theirs = socket.socketpair()
        words = [sys.executable, *subprocess._args_from_interpreter_flags(), "-P", "-c", _START]  # type: ignore[attr-defined]
        try:
            self._process = subprocess.Popen(
                [*words, str(theirs.fileno())],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel, self._done = ours, False
        self._heard: queue.Queue[tuple[str, bytes]] = queue.Queue(maxsize=1000)
        asked = json.dumps({**request, "path": sys.path, "argv": sys.argv}).encode("ascii") + b"\n"
        with contextlib.suppress(OSError):  # it has ended already, which is told like any end
            ours.sendall(asked)
        for read in (self._read_channel, self._read_printed):
            threading.Thread(target=read, daemon=True).start()

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if not self._done and self._process.poll() is None:
                self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
        finally:
            # What it started may live on where it ended as it should.
            if not self._done or self._process.poll() is None:
                self._signal(signal.SIGKILL)
            self._process.wait()
            self._done = True

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def follow(self, ledger: Ledger, display: Display) -> str | None:
        """Note and show what it does until it has done; None then, else how it ended, "" where that was our doing."""
        while True:
            if ledger.overdue:
                self._end(ledger)
                return ""
            try:
                kind, line = self._heard.get(timeout=POLL)
            except queue.Empty:
                if self._process.poll() is not None:
                    return how_ended(self._process.returncode)
                continue
            if kind == "printed":
                text = line.decode("utf-8", "replace")
                ledger.printed.append(text)
                display.relay(text)
            elif _heard(ledger.take(line), display):
                self._done = True
                for name in ledger.left:  # what it told of them could not be understood
                    ledger.made[name] = failed(name, "ValueError", "what was made of it could not be read")
                return None

    def _end(self, ledger: Ledger) -> None:
        """End it, once it has told where it is."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            with contextlib.suppress(queue.Empty):
                kind, line = self._heard.get(timeout=POLL)
                if kind != "printed" and not line.startswith(b"{"):
                    ledger.take(line)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _read_channel(self) -> None:
        with self._channel:
            for line in lines(self._channel.fileno()):
                self._hear("told", line)

    def _read_printed(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            for line in lines(pipe.fileno(), asks=True):
                self._hear("printed", line.rpartition(b"\r")[2])

    def _hear(self, kind: str, line: bytes) -> None:
        """Keep a line until it is noted; a process that prints faster than that waits."""
        while not self._done:
            with contextlib.suppress(queue.Full):
                self._heard.put((kind, line), timeout=POLL)
                return


def _heard(said: dict[str, Any] | None, display: Display) -> bool:
    """Show what was told; whether the report is done. Raises what ended its making."""
    if said is None:
        return False
    if "event" in said:
        display(Progress(**{key: said[key] for key in Progress.__dataclass_fields__}))
    elif "interrupted" in said:
        raise KeyboardInterrupt(said["interrupted"])
    elif "error" in said:
        raise Told(said["error"])
    return "ended" in said
