"""A small process that lives on where this one does not, and writes what was made of a report until then."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from reportgen._version import __version__
from reportgen.errors import one_line
from reportgen.ledger import message
from reportgen.report import Provenance, Report
from reportgen.running import Course, Progress, now
from reportgen.telling import Teller

# By its path in the package, with this process's own path: reportgen is found wherever it was found here.
_START = """
import json, sys
said = json.loads(sys.argv[1])
sys.path[:] = said.pop("path")
from reportgen.last_words import main
main(**said)
"""
PATIENCE = 5.0  # seconds for it to end when all is done


class Lifeline:
    """A context manager about the making of a report, which `targets` get where this process ends inside.

    `sections`: the names of what is made, in the order of the page; `limit`: seconds that each may take, 0 for any.
    `title` is the report's where it ends before that is known.
    """

    def __init__(self, targets: Sequence[Path], sections: Sequence[str], limit: float, title: str) -> None:
        self._targets = [path.absolute() for path in targets]
        self._sections, self._limit, self._title = sections, limit, title
        self._child: subprocess.Popen[bytes] | None = None
        self._faults = False

    def __enter__(self) -> Lifeline:
        said = {
            "path": sys.path,
            "targets": [str(path) for path in self._targets],
            "sections": list(self._sections),
            "limit": self._limit,
        }
        words = [sys.executable, "-P", "-c", _START, json.dumps(said)]
        # A session of its own: Ctrl-C and the end of a terminal are for this process.
        with contextlib.suppress(OSError, ValueError):
            self._child = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, bufsize=0
            )
        if self._child is not None and self._child.stdin is not None and not faulthandler.is_enabled():
            faulthandler.enable(self._child.stdin.fileno())
            self._faults = True
        return self

    def __exit__(self, *_: object) -> None:
        self._send(message(ended=True))
        if self._faults:
            faulthandler.disable()
        if self._child is None:
            return
        if self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _send(self, line: bytes) -> None:
        """Never raises: where nobody is there to take it, the report is made all the same."""
        if self._child is not None and self._child.stdin is not None and not self._child.stdin.closed:
            with contextlib.suppress(OSError):
                rest = memoryview(line)
                while rest:
                    rest = rest[self._child.stdin.write(rest) or 0 :]

    def course(self, tell: Callable[[Progress], None]) -> Course:
        """What is told there, and to `tell`."""
        teller = Teller(self._send)

        def both(event: Progress) -> None:
            teller.tell(event)
            tell(event)

        provenance = Provenance(generator=f"reportgen {__version__}")
        teller.begun(Report(title=self._title, created=now(), sections=(), provenance=provenance))
        teller.stage("looking")
        return Course(both, teller.begun, stage=lambda name: teller.stage(name or "looking"))

    def write(self, report: Report) -> None:
        """Write each file, the PDF last. What fails is a warning and costs none of the others."""
        for path in sorted(self._targets, key=lambda path: path.suffix.lower() == ".pdf"):
            try:
                report.save(path)
            except Exception as error:  # noqa: BLE001 - a full disk, no Pango: the report itself is there
                warnings.warn(f"{path.name} was not written: {one_line(error)}", RuntimeWarning, stacklevel=3)
