"""What is said when something given to reportgen can't be used."""

from __future__ import annotations

import re

from reportgen import redaction

_LONGEST = 20_000  # characters of a message that are looked at
# What a stranger's code may raise that is not the user's wish to stop: `sys.exit` in a forward pass ends no report.
RAISED = (Exception, SystemExit, GeneratorExit)


class InputError(ValueError):
    """Bad input, in one line: what was given and what was expected; `hint` says how to mend it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def one_line(error: BaseException, limit: int = 300) -> str:
    """`Type: message` of any exception on one line, even where its own message can't be made."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a stranger's __str__ may raise anything
        text = "(its message can't be shown)"
    text = redaction.text(text[:_LONGEST])
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def only_on_meta(error: str) -> bool:
    """Whether an error says what meta tensors can't do: take a type that other devices' kernels take, give a value."""
    return bool(re.search(r"meta tensor|Expected inputs of \w+ type|not implemented for", error))
