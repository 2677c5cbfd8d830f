"""Follows a training that is still going: reads what is new, makes the report anew and swaps it in whole."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError, one_line
from reportgen.experiment import Experiment, Options
from reportgen.history.following import Cursors
from reportgen.history.model import HistoryError
from reportgen.logs import Log
from reportgen.report import Facts, Report, Section, Table
from reportgen.running import choose, report_on

SECTIONS = ("overview", "training", "environment")
LOOK = 0.5  # seconds between two looks at the files
SHARE = 4  # a report is made anew no sooner than this many times as long as the last one took
_ENDED = "finished"

Say = Callable[[str], None]
Stamp = tuple[tuple[str, int, int], ...]


class Watch:
    """One report of growing logs. `look()` from time to time, and `close()` in the end.

    Where the target holds a report already, its Training section is what is made anew, and the numbers on its
    first screen; else a report of the logs alone is begun.
    """

    def __init__(
        self, logs: Sequence[str | Path], targets: Sequence[Path], *, pattern: str = "", title: str = "",
        every: float = 5.0,
        templates: Path | None = None, command: str = "", redact: bool = False, say: Say = lambda line: None,
    ) -> None:  # fmt: skip
        """`every`: seconds between two writings at the least; `say` is told what happens, a line at a time."""
        self._logs, self._targets, self._templates = _followable(logs), tuple(targets), templates
        self._pattern, self._title, self._every, self._command, self._say = (
            pattern,
            title,
            every,
            command,
            say,
        )
        self._redact = redact
        self._cursors = Cursors()
        self._base = _held(self._targets)
        self._stamp: Stamp | None = None
        self._due = 0.0
        self._told = ""
        self.ended = False

    def look(self) -> bool:
        """Make and write the report where something is new and it is time; whether it was."""
        if time.monotonic() < self._due:
            return False
        stamp = _stamp(self._logs)
        if stamp == self._stamp:
            return False
        began = time.monotonic()
        written = self._write(self._every)
        if written:
            self._stamp = stamp
        self._due = time.monotonic() + max(self._every, SHARE * (time.monotonic() - began))
        return written

    def close(self) -> bool:
        """Write the report a last time; an open page then stops looking for a newer one."""
        return self._write(0.0)

    def _write(self, refresh: float) -> bool:
        try:
            report = self._report(refresh)
        except HistoryError as error:
            self._tell(f"waiting: {error}")
            return False
        whole = True
        for target in self._targets:
            try:
                files.replace(target, report.encode(target, templates=self._templates))
            except Exception as error:  # noqa: BLE001 - a full disk, a broken template: the next time may do
                self._tell(f"{target} was not written: {one_line(error)}")
                whole = False
        if whole:
            self._tell(report.section("training").summary or report.section("training").reason)
        return whole

    def _tell(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self._say(line)

    def _report(self, refresh: float) -> Report:
        for log in self._logs:
            if not Path(log.where).exists():
                raise HistoryError(f"nothing is at {log.where!r} yet")
        experiment = Experiment(
            title=self._title or "Training report",
            logs=self._logs,
            log_pattern=self._pattern,
            command=self._command,
            fetch=self._cursors,
            redact=self._redact,
        )
        made = report_on(experiment, Options(), choose(SECTIONS if self._base is None else ("training",)))
        training = made.section("training")
        self.ended = _all_ended(training)
        report = made if self._base is None else _with_training(self._base, training, made.created)
        return report.model_copy(update={"refresh": refresh})


def watch(watching: Watch) -> bool:
    """Look until every run says that it has finished, or until interrupted; whether the last writing succeeded."""
    with contextlib.suppress(KeyboardInterrupt):
        while not watching.ended:
            watching.look()
            time.sleep(LOOK)
    return watching.close()


def _held(targets: Sequence[Path]) -> Report | None:
    """The report that a target holds, where it is more than logs: one made after watching has more sections."""
    from reportgen.archive import load

    for target in targets:
        if target.is_file():
            try:
                report = load(target)
            except ValueError as error:
                raise InputError(
                    f"--out: {error}", "name a report, which is kept up to date, or a new file"
                ) from None
            names = {section.name for section in report.sections}
            if "training" in names and names - set(SECTIONS):
                return report
    return None


def _with_training(report: Report, training: Section, created: str) -> Report:
    """A report with another Training section, and the numbers of its first screen that come from there."""
    from reportgen.sections.overview import headline

    sections = {one.name: one for one in report.sections} | {"training": training}
    overview = sections.get("overview")
    if overview is not None:
        facts = headline(sections)
        blocks = tuple(
            block.model_copy(update={"facts": facts})
            if isinstance(block, Facts) and block.id == "headline"
            else block
            for block in overview.blocks
        )
        sections["overview"] = overview.model_copy(update={"blocks": blocks})
    return report.model_copy(update={"sections": tuple(sections.values()), "created": created})


def _all_ended(training: Section) -> bool:
    """Whether the log of each run says that it has finished; one that crashed may go on."""
    runs = training.block("runs")
    return isinstance(runs, Table) and all(str(row.cells[1]).startswith(f"{_ENDED}:") for row in runs.rows)


def _followable(logs: Sequence[str | Path]) -> tuple[Log, ...]:
    found = tuple(Log.parse(log) for log in logs)
    for log in found:
        if log.is_address:
            said = f"logs: {log.name!r} is an address, and only files of this machine can be watched"
            raise InputError(said, "reportgen generate --logs reads it as it is now")
    return found


def _stamp(logs: Sequence[Log]) -> Stamp:
    """Names, sizes and times of all files below the logs, without opening one."""
    found = []
    for root in (Path(log.where) for log in logs):
        inside = (
            [root] if root.is_file() else (Path(at, name) for at, _, names in os.walk(root) for name in names)
        )
        for path in inside:
            try:
                seen = path.stat()
            except OSError:
                continue  # gone in between, or a broken link
            found.append((str(path), seen.st_size, seen.st_mtime_ns))
    return tuple(sorted(found))
