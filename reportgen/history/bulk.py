"""Records of one length read together: their scalars by templates, the rest one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reportgen.history.crc import Crc32c, masked
from reportgen.history.records import Batch, stored_crc
from reportgen.history.templates import Parse, Template, learn, telling

_MOST_TEMPLATES = 512  # of one length; beyond it protobuf is as quick
_BULK = 8  # records of one length from which on a bulk parse pays
_LONG = 1024  # payloads from here on are no scalars
_ROUND = 64  # records whose checksums are looked at before one of them is learned from

Rows = np.ndarray  # numbers of records within a batch, int64 (n,)


class Bulk:
    """Tells good records from broken ones, and scalars in known layouts from all others.

    `scalars` gives the scalars of a payload or None where there is anything else, `many` takes points in
    bulk, `one` takes the number and payload of any other good record, in the order written.
    """

    def __init__(
        self,
        crc: Crc32c,
        scalars: Parse,
        many: Callable[[Template, Rows, np.ndarray], None],
        one: Callable[[int, bytes], None],
    ) -> None:
        self._crc, self._scalars, self._many, self._one = crc, scalars, many, one
        self._templates: dict[int, list[Template]] = {}
        self._order: dict[int, np.ndarray] = {}
        self._others: list[int] = []

    def read(self, batch: Batch) -> np.ndarray:
        """Read one batch; the numbers of the records with a wrong checksum come back."""
        short = np.minimum(batch.length, 0xFFFF).astype(np.uint16)  # numbers that small are sorted by radix
        order = np.argsort(short, kind="stable")
        lengths, first = np.unique(short[order], return_index=True)
        singles, broken = [], []
        for length, rows in zip(lengths.tolist(), np.split(order, first[1:]), strict=True):
            width = -(-(length + 4) // 8) * 8
            if not 10 <= length < _LONG or len(rows) < _BULK:
                singles.append(rows)
                continue
            # The last records of a batch may lack the bytes behind them that fill the last word.
            inside = batch.start[rows] + width <= len(batch.data)
            singles.append(rows[~inside])
            broken.append(self._alike(batch, rows[inside], length, width))
        rows = np.sort(np.concatenate(singles))
        good = self._good(batch, rows)
        for row in sorted([*self._others, *rows[good].tolist()]):
            self._one(row, _payload(batch, row))
        self._others = []
        return np.concatenate([*broken, rows[~good]])

    def _good(self, batch: Batch, rows: Rows) -> np.ndarray:
        crc = self._crc.ragged(batch.data, batch.start[rows], batch.length[rows])
        return masked(crc) == stored_crc(batch, rows)

    def _alike(self, batch: Batch, rows: Rows, length: int, width: int) -> np.ndarray:
        """Read records of one length; those with a wrong checksum come back."""
        every = np.ndarray((len(batch.data) - width + 1,), f"V{width}", batch.data, strides=(1,))
        words = every[batch.start[rows]].view("<u8").reshape(len(rows), -1)
        templates = self._templates.setdefault(length, [])
        todo = np.arange(len(rows))
        broken: list[np.ndarray] = []
        for template in templates:
            todo = self._take(template, words, rows, todo, broken)
        while len(todo):
            head, todo = todo[:_ROUND], todo[_ROUND:]
            good = self._good(batch, rows[head])
            broken.append(rows[head[~good]])
            head = head[good]
            while len(head):
                learned = None
                if len(templates) < _MOST_TEMPLATES:
                    learned = learn(_payload(batch, int(rows[head[0]])), self._scalars, self._crc)
                if learned is None:
                    self._others.append(int(rows[head[0]]))
                    head = head[1:]
                    continue
                templates.append(learned)
                self._order[length] = telling(templates)
                head = self._take(learned, words, rows, head, broken)
                todo = self._take(learned, words, rows, todo, broken)
        return np.concatenate(broken) if broken else np.zeros(0, np.int64)

    def _take(
        self, template: Template, words: np.ndarray, rows: Rows, todo: np.ndarray, broken: list[np.ndarray]
    ) -> np.ndarray:
        """Read the records among `todo` that match; the others come back."""
        match = template.matches(words, todo, self._order[template.length])
        if not len(match):
            return todo
        held = words[match].view(np.uint8)
        good = template.good(held)
        left = np.setdiff1d(todo, match, assume_unique=True)
        if not good.all():
            broken.append(rows[match[~good]])
            match, held = match[good], held[good]
        self._many(template, rows[match], held)
        return left


def _payload(batch: Batch, row: int) -> bytes:
    start = int(batch.start[row])
    return batch.data[start : start + int(batch.length[row])].tobytes()
