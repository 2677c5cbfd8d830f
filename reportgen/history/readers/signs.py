"""By which names numbers are taken for a training history, where no format says so."""

from __future__ import annotations

from collections.abc import Iterable

from reportgen.history.names import parse
from reportgen.history.readers.lines import STEPS


def is_step(name: str) -> bool:
    """Whether a name is that of steps or epochs."""
    return name.strip().lower() in STEPS


def tells(names: Iterable[str]) -> str:
    """The name that says that these are of a training; "" where none does.

    Beside steps or epochs any known metric does; without them only a loss, or a metric of training or
    validation: an accuracy alone may as well be that of a class or a model.
    """
    names = list(names)
    stepped = any(is_step(name) for name in names)
    for name in names:
        said = parse(name)
        own = said.loss or (said.direction and said.role in ("train", "validation"))
        if own or (stepped and (said.direction or said.kind == "lr") and not is_step(name)):
            return name
    return ""
