"""Logged histograms: some of each tag kept, evenly over the run, and decoded from either encoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from reportgen.history.model import Histogram
from reportgen.history.tensors import floats

_MOST = 64  # of a tag
_BUDGET = 24 << 20  # bytes of all tags together


class Evenly:
    """Records kept at equal distances, by tag: each time there are too many, every second one goes."""

    def __init__(self) -> None:
        self._most = _MOST
        self._kept: dict[str, list[bytes]] = {}
        self._stride: dict[str, int] = {}
        self._count: dict[str, int] = {}
        self._last: dict[str, bytes] = {}
        self._bytes = 0

    def add(self, tag: str, payload: bytes) -> None:
        """Keep a record, or let it go."""
        count = self._count.get(tag, 0)
        self._count[tag] = count + 1
        self._last[tag] = payload
        if count % self._stride.setdefault(tag, 1):
            return
        self._kept.setdefault(tag, []).append(payload)
        self._bytes += len(payload)
        if len(self._kept[tag]) > self._most:
            self._thin(tag)
        while self._bytes > _BUDGET and self._most > 1:
            self._most //= 2
            for name in self._kept:
                while len(self._kept[name]) > self._most:
                    self._thin(name)

    def _thin(self, tag: str) -> None:
        held = self._kept[tag]
        self._bytes -= sum(map(len, held[1::2]))
        self._kept[tag] = held[::2]
        self._stride[tag] *= 2

    def kept(self) -> dict[str, list[bytes]]:
        """What is kept, by tag, in the order written, the last one always among it."""
        out = {}
        for tag, held in self._kept.items():
            newer = (self._count[tag] - 1) % self._stride[tag]
            out[tag] = [*held, self._last[tag]] if newer else list(held)
        return out

    def note(self) -> str:
        """How many were left out; nothing where all are kept."""
        seen = sum(self._count.values())
        left = seen - sum(map(len, self.kept().values()))
        return (
            f"{left:,} of {seen:,} histograms are left out: those kept lie evenly over the run"
            if left
            else ""
        )


def histogram(event: Any, tag: str) -> Histogram | None:
    """The histogram of a tag in a record that has one; None where its numbers don't fit together."""
    for value in event.summary.value:
        kind = value.WhichOneof("value")
        if value.tag.decode("utf-8", "replace") == tag and kind in ("histo", "tensor"):
            read = _limits(value.histo) if kind == "histo" else _triples(value.tensor)
            if read is None or not (np.isfinite(read[0]).all() and (np.diff(read[0]) >= 0).all()):
                return None
            return Histogram(event.step, event.wall_time, *read)
    return None


def _limits(histo: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Buckets by their upper limits. The outer ones may be the largest numbers there are: the extremes stand in."""
    limits, counts = np.array(histo.bucket_limit, np.float64), np.array(histo.bucket, np.float64)
    if len(limits) != len(counts) or not len(limits):
        return None
    if counts[0] == 0 and len(limits) > 1:  # torch's first bucket only says where the next one begins
        edges, counts = limits, counts[1:]
    else:
        edges = np.concatenate([[min(histo.min, limits[0])], limits])
    inner = edges[1:-1]
    edges[-1] = max(min(edges[-1], histo.max), *inner[-1:], edges[0]) if edges[-1] > 1e300 else edges[-1]
    edges[0] = min(max(edges[0], histo.min), *inner[:1], edges[-1]) if edges[0] < -1e300 else edges[0]
    return edges, counts


def _triples(tensor: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of (left edge, right edge, count), as TensorFlow 2 writes them."""
    rows = floats(tensor)
    if rows is None or rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
        return None
    if not np.allclose(rows[1:, 0], rows[:-1, 1]):
        return None
    return np.concatenate([rows[:1, 0], rows[:, 1]]), rows[:, 2]
