"""What a training program printed: lines of known programs, or of any by the user's own pattern."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

from reportgen.history.budget import more
from reportgen.history.model import Reading
from reportgen.history.readers.base import NothingLoggedError, Reader, UnreadableError
from reportgen.history.readers.headed import HEADED, Headed
from reportgen.history.readers.lines import WALL_RANGE
from reportgen.history.readers.patterns import ANY, PATTERNS, Pattern, Row, row_of
from reportgen.history.readers.printed import Table
from reportgen.timelimit import OutOfTime, time_limit
from reportgen.units import plural

LONGEST = 4096  # characters of a line: patterns are tried on no longer one
_TRIED = 100_000  # lines that all patterns are tried on
_ENOUGH = 1000  # lines of a pattern, after which no other is tried
_LEAST = 2  # lines of one pattern in a file that is recognised by them
_PATIENCE = 20.0  # seconds for the user's pattern, and as many again for each 64 MiB
_SUFFIXES = (".log", ".txt", ".out")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)|[@-Z\\-_])")
_BACKSPACES = re.compile("\x08+")
_HINTS = re.compile(rb"(?i)epoch|step|iter|loss|\bit[:=]|^\s{0,9}\[\d{1,15}[\]/]", re.MULTILINE)
_PROMISING = re.compile(
    r"epoch|step|iter|loss|train|test|%\||\bit[:=]|\bbatch|\[\s{0,9}\d{1,15}[\]/]|^\s{0,9}Accuracy: ",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3}){1,6}(?:\.\d*)?")

Parse = Callable[[str], Row | None]


@dataclass
class _Lines:
    """The lines of a file, progress bars taken apart; `number`, `long` and `ended` say how far it has come."""

    path: Path
    counted: bool = True
    number: int = 0
    long: int = 0
    ended: bool = True

    def __iter__(self) -> Iterator[str]:
        with self.path.open("rb") as probe:
            wide = probe.read(2) in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if wide else "utf-8-sig"
        with self.path.open("r", encoding=encoding, errors="replace", newline="") as file:
            while text := file.readline(LONGEST + 1):
                if not self._go_on(text):
                    self.ended = True  # as far as it was read
                    return
                self.ended = text.endswith(("\n", "\r"))
                if text.endswith("\n") or not self.ended:
                    self.number += 1
                if len(text) > LONGEST and not self.ended:
                    self.long += 1
                    while text and not self.ended:
                        text = file.readline(LONGEST)
                        if not self._go_on(text):
                            return
                        self.ended = text.endswith(("\n", "\r")) or not text
                    continue
                for part in _BACKSPACES.split(text):
                    plain = _ESCAPES.sub("", part).strip("\r\n")
                    if plain.strip():
                        yield plain

    def _go_on(self, text: str) -> bool:
        return more(len(text), 1) if self.counted else more()


@dataclass
class _Tally:
    """How many lines match each pattern."""

    lines: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    headed: Headed = field(default_factory=Headed)

    def add(self, line: str) -> None:
        self.lines += 1
        if self.headed(line) is not None:
            self.counts[HEADED.name] = self.counts.get(HEADED.name, 0) + 1
            return
        if _PROMISING.search(line) is None:
            return
        for pattern in PATTERNS:
            if row_of(pattern, line) is not None:
                self.counts[pattern.name] = self.counts.get(pattern.name, 0) + 1

    def chosen(self) -> Pattern | None:
        """The pattern that the most lines match; a known program's before the one for any, where half as many do."""
        known = [pattern for pattern in (*PATTERNS, HEADED) if pattern.name in self.counts]
        return max(known, key=self._rank, default=None)

    def _rank(self, pattern: Pattern) -> float:
        return self.counts[pattern.name] * (0.5 if pattern.name == ANY else 1.0)


def recognise(path: Path, head: bytes) -> str | None:
    """By its lines: at least two of them are those of one known program."""
    if _is_binary(head) or _HINTS.search(head.replace(b"\0", b"")) is None:
        return None
    tally = _Tally()
    for line in _of_head(head):
        tally.add(line)
        if max(tally.counts.values(), default=0) >= _ENOUGH:
            break
    pattern = tally.chosen()
    if pattern is None or tally.counts[pattern.name] < _LEAST:
        return None
    return (
        f"pattern {pattern.name!r} matches {tally.counts[pattern.name]:,} of its first {tally.lines:,} lines"
    )


def _is_binary(head: bytes) -> bool:
    return b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))


def _of_head(head: bytes) -> Iterator[str]:
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    for line in head.decode("utf-16" if wide else "utf-8-sig", "replace").splitlines():
        for part in _BACKSPACES.split(line):
            plain = _ESCAPES.sub("", part)
            if plain.strip() and len(plain) <= LONGEST:
                yield plain


def read(path: Path) -> Reading:
    """Every number on the lines of the program that most lines are of. Raises UnreadableError, OSError."""
    tally = _Tally()
    for line in islice(_Lines(path, counted=False), _TRIED):
        tally.add(line)
        if max(tally.counts.values(), default=0) >= _ENOUGH:
            break
    pattern = tally.chosen()
    if pattern is None:
        raise NothingLoggedError(
            f"none of its {plural(tally.lines, 'line')} looks like a known program's: expected lines as "
            "'step 10: loss 0.5', or a pattern of yours (log_pattern=..., --log-pattern)"
        )
    others = {name: count for name, count in tally.counts.items() if name != pattern.name}
    also = max(others, key=lambda name: others[name], default="")
    why = f"; {also!r} matched {others[also]:,} of the first {tally.lines:,}" if also else ""
    parse = Headed() if pattern is HEADED else partial(row_of, pattern)
    return _read(path, f"pattern {pattern.name!r}", parse, pattern, why)


def reader(pattern: re.Pattern[str]) -> Reader:
    """The same reader with the user's pattern in place of those known."""

    slow: list[UnreadableError] = []  # once it took too long, it is tried on no other file

    def parse(line: str) -> Row | None:
        return _by_groups(pattern, line)

    def known(path: Path, head: bytes) -> str | None:
        if _is_binary(head):
            return None
        with _patience(len(head), slow):
            count = sum(parse(line) is not None for line in _of_head(head))
        return f"the pattern given matches {plural(count, 'line')} at its start" if count else None

    def read_by(path: Path) -> Reading:
        with _patience(path.stat().st_size, slow):
            return _read(path, "the pattern given", parse, Pattern("", pattern))

    return replace(READER, name="lines of the pattern given", recognise=known, read=read_by)


@contextlib.contextmanager
def _patience(size: int, slow: list[UnreadableError]) -> Iterator[None]:
    """End a pattern whose repeats within repeats would take for ever. Raises UnreadableError, at once the next time."""
    if slow:
        raise slow[0]
    seconds = _PATIENCE * (1 + (size >> 26))
    try:
        with time_limit(seconds):
            yield
    except OutOfTime:
        said = f"the pattern given took more than {seconds:g} s: expected one without repeats in repeats, as (a+)+"
        slow.append(UnreadableError(said))
        raise slow[0] from None


def _by_groups(pattern: re.Pattern[str], line: str) -> Row | None:
    """What the user's named groups hold."""
    found = pattern.search(line)
    if found is None:
        return None
    metrics: dict[str, float] = {}
    bad: list[tuple[str, str]] = []
    places: dict[str, int | None] = {"step": None, "epoch": None}
    wall = None
    for name, text in found.groupdict().items():
        if text is None or not text.strip():
            continue
        value = _clock(text) if name == "time" else None
        value = _number(text) if value is None else value
        if value is None:
            bad.append((name, text.strip()))
        elif name in places and math.isfinite(value) and value == int(value):
            places[name] = int(value)
        elif name == "time" and WALL_RANGE[0] < value < WALL_RANGE[1]:
            wall = value
        else:
            metrics[name] = value
    return (
        Row(metrics, places["step"], places["epoch"], wall=wall, bad=tuple(bad)) if metrics or bad else None
    )


def _number(text: str) -> float | None:
    plain = text.strip()
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        return None if "_" in plain else float(plain)
    except ValueError:
        return None


def _clock(line: str) -> float | None:
    """The first date and time in a line, in seconds since 1970; a zone is not looked for."""
    found = _CLOCK.search(line)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return whole + float(f"0.{found[7] or 0}")


def _read(path: Path, sign: str, parse: Parse, pattern: Pattern, also: str = "") -> Reading:
    lines, total, matched, last = _Lines(path), 0, 0, False
    table, recap, repeated = Table(pattern), False, 0
    for line in lines:
        total += 1
        row = parse(line)
        last = row is not None
        if row is not None and recap:
            recap, repeated = False, repeated + 1
            table.recap(row)
        elif row is not None:
            matched += 1
            table.add(row, _clock(line))
        elif pattern.context is not None and (epoch := pattern.context.search(line)) is not None:
            table.begin(int(epoch["epoch"]))
        else:
            recap = recap or (pattern.recap is not None and pattern.recap.search(line) is not None)
    points, axis, warnings = table.points()
    if not points:
        raise UnreadableError(f"{sign} gives no number in {plural(total, 'line')}")
    notes = list(warnings)
    if lines.long:
        notes.append(f"{plural(lines.long, 'line')} of more than {LONGEST:,} characters left out")
    if last and not lines.ended and not pattern.bar:
        notes.append(
            f"line {lines.number:,} has no line end, its last number may be cut off: still being written?"
        )
    why = f"{sign} matches {matched:,} of {plural(total, 'line')}{also}{table.counted()}"
    if repeated:
        why += f"; {plural(repeated, 'line')} behind 'best iteration is' among the values of the whole run"
    return Reading(points, tuple(notes), lines.long, axis, summary=table.summary, why=why)


READER = Reader(
    name="printed lines",
    likely=lambda path: path.suffix.lower() in _SUFFIXES,
    recognise=recognise,
    read=read,
    by="pattern",
)
