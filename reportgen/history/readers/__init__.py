"""One reader a format, found through the entry point group `reportgen.readers`, ours like a stranger's."""

from __future__ import annotations

from importlib.metadata import entry_points

from reportgen.errors import RAISED, one_line
from reportgen.history.readers.base import HEAD, Follower, NothingLoggedError, Reader, UnreadableError

GROUP = "reportgen.readers"
_ORDER = ("magic", "name", "header", "pattern")


def installed() -> tuple[dict[str, Reader], list[str]]:
    """Each reader by the name of its entry point, in the order tried; and a line for each that can't be loaded."""
    found: dict[str, Reader] = {}
    broken: list[str] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            reader = point.load()
        except RAISED as error:  # a stranger's broken reader costs none of the others
            broken.append(f"the reader {point.name!r} can't be loaded: {one_line(error)}")
            continue
        if isinstance(reader, Reader) and reader.by in _ORDER:
            found[point.name] = reader
        elif isinstance(reader, Reader):
            broken.append(
                f"the reader {point.name!r} goes by {reader.by!r}, expected one of {', '.join(_ORDER)}"
            )
        else:
            broken.append(f"the reader {point.name!r} is a {type(reader).__name__}, expected a Reader")
    return dict(sorted(found.items(), key=lambda item: _ORDER.index(item[1].by))), broken


__all__ = ["GROUP", "HEAD", "Follower", "NothingLoggedError", "Reader", "UnreadableError", "installed"]
