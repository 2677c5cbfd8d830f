"""What is said when something given to reportgen can't be used."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reportgen import redaction

_LONGEST = 20_000  # characters of a message that are looked at
# What a stranger's code may raise that is not the user's wish to stop: `sys.exit` in a forward pass ends no report.
RAISED = (Exception, SystemExit, GeneratorExit)


class InputError(ValueError):
    """Bad input, in one line: what was given and what was expected; `hint` says how to mend it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Told(Exception):  # noqa: N818 - it is what was told of an error in the other process
    """The report can't be made. `line` says why, `hint` what to do; `trace`: where, line by line."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        """`said["input"]`: whether what was given is at fault."""
        super().__init__(said["line"])
        self.line, self.hint, self.input = str(said["line"]), str(said["hint"]), bool(said["input"])
        self.trace: Sequence[str] = said["trace"]


def one_line(error: BaseException, limit: int = 300) -> str:
    """`Type: message` of any exception on one line, even where its own message can't be made. Never raises."""
    try:
        # The plain methods: what a stranger's __str__ returns may have others.
        text = " ".join(str.split(str.__str__(str(error))[: 100 * limit]))
    except RAISED:  # a stranger's __str__ may raise anything
        text = "(its message can't be shown)"
    text = redaction.text(text[:_LONGEST])
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    name = type_name(error)
    return f"{name}: {text}" if text else name


def type_name(thing: object) -> str:
    """The name of its class, which a metaclass can't hide."""
    return str(type.__dict__["__name__"].__get__(type(thing)))


def working_folder() -> Path | None:
    """Where relative paths begin; None where that folder was deleted or can't be reached."""
    try:
        return Path.cwd()
    except OSError:
        return None


def only_on_meta(error: str) -> bool:
    """Whether an error says what meta tensors can't do: take a type that other devices' kernels take, give a value."""
    return bool(re.search(r"meta tensor|Expected inputs of \w+ type|not implemented for", error))
