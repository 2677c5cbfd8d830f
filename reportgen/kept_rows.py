"""Which rows of a long table stay: the shallow ones, and of one level its first and its last."""

from __future__ import annotations

from collections.abc import Sequence

SAID = "the outermost stay, and of one level the first and the last"


def kept_rows(levels: Sequence[int], limit: int) -> list[int]:
    """The numbers of at most `limit` rows of a tree whose depths are `levels`, in order.

    All rows of a level stay before any of the next; of the level that does not fit, the first half and the last, so
    that neither a model's stem nor its head is lost.

    >>> kept_rows([0, 1, 2, 2, 1, 2], 4)
    [0, 1, 2, 4]
    >>> kept_rows([0, 1, 1, 1, 1, 1], 4)
    [0, 1, 2, 5]
    """
    if len(levels) <= limit:
        return list(range(len(levels)))
    by_level: dict[int, list[int]] = {}
    for at, level in enumerate(levels):
        by_level.setdefault(level, []).append(at)
    kept: list[int] = []
    for level in sorted(by_level):
        room, rows = limit - len(kept), by_level[level]
        if len(rows) > room:
            return sorted([*kept, *rows[: room - room // 2], *rows[len(rows) - room // 2 :]])
        kept += rows
    return sorted(kept)


def depth(name: str) -> int:
    """How deep in a model, or in a log, the layer or the series of this name lies."""
    return name.count(".") + name.count("/")
