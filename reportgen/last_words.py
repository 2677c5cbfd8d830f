"""The process behind `Lifeline`: listens to another one, and writes its report where that one no longer can."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from reportgen import files
from reportgen.errors import one_line
from reportgen.ledger import ENDED, OUT_OF_TIME, POLL, Ledger, failed, lines
from reportgen.report import Section

SILENT = "without a word: by os._exit, or killed, as where the memory runs out"


def main(targets: Sequence[str], sections: Sequence[str], limit: float) -> None:
    """Listen on stdin until all is done, or until whoever talks there has ended."""
    paths = sorted(map(Path, targets), key=lambda path: path.suffix.lower() == ".pdf")
    heard: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_listen, args=(heard,), daemon=True).start()
    ledger, told, talker = Ledger(sections, limit), "", os.getppid()
    while True:
        if ledger.overdue and told != ledger.doing:
            told = ledger.doing
            _write(_late(ledger), paths, f"{ledger.doing}, and does not come back")
        try:
            line = heard.get(timeout=POLL)
        except queue.Empty:
            # What it started may hold its end of the pipe open.
            line = None if os.getppid() != talker else b""
        if line is None:
            break
        said = ledger.take(line) if line else None
        if said is not None and "ended" in said:
            return
    _write(_ended(ledger), paths, f"the process ended while {ledger.doing}")


def _listen(heard: queue.Queue[bytes | None]) -> None:
    for line in lines(sys.stdin.fileno()):
        heard.put(line)
    heard.put(None)


def _ended(ledger: Ledger) -> Ledger:
    """With what did not come to be for want of a process: the section that ran, and those after it."""
    fault = next((line for line in ledger.trace if line.startswith("Fatal Python error: ")), "")
    said = f"the process ended while {ledger.doing}, {fault.partition(': ')[2].lower() if fault else SILENT}"
    error = ENDED
    if ledger.overdue:
        error, said = OUT_OF_TIME, f"did not end within {ledger.limit:g} s; then {said}"
    return _filled(ledger, failed(ledger.running or ledger.left[0], error, said, "", ledger.details()), said)


def _late(ledger: Ledger) -> Ledger:
    """The same where a section has not come back, and may never."""
    said = f"did not end within {ledger.limit:g} s and can't be interrupted; its process still runs"
    hint = "end the process by hand"
    return _filled(
        ledger, failed(ledger.running or ledger.left[0], OUT_OF_TIME, said, hint), f"{ledger.doing}: {said}"
    )


def _filled(ledger: Ledger, broken: Section, why: str) -> Ledger:
    made = {**ledger.made, broken.name: broken}
    for name in ledger.order:
        if name not in made:
            title = name.replace("-", " ").capitalize()
            made[name] = Section(name=name, title=title, status="skipped", reason=f"it was not made: {why}")
    return Ledger(ledger.order, ledger.limit, ledger.begun, made)


def _write(ledger: Ledger, paths: Sequence[Path], why: str) -> None:
    report = ledger.report()
    if report is None:
        return
    for path in paths:
        try:
            files.replace(path, report.encode(path))
            print(f"reportgen: {why}; what was made so far is in {path.name}", file=sys.stderr)
        except Exception as error:  # noqa: BLE001 - a full disk, no Pango: the others may do
            print(f"reportgen: {path.name} was not written: {one_line(error)}", file=sys.stderr)
