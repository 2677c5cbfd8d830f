"""Where records may start in some bytes: each place whose twelve bytes are a length with its CRC."""

from __future__ import annotations

import numpy as np

from reportgen.history.crc import Crc32c, masked

HEAD, FOOT = 12, 4  # bytes before and behind a payload


def uint32(data: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The little-endian uint32 at each place of some bytes, (n,)."""
    return _every(data)[places]


def _every(data: np.ndarray) -> np.ndarray:
    """The little-endian uint32 at every place: a view, uint32 (n - 3,)."""
    return np.ndarray((len(data) - 3,), "<u4", data, strides=(1,)) if len(data) > 3 else np.zeros(0, "<u4")


class Frames:
    """The headers in some bytes, uint8 (n,), and which of them follow upon each other.

    A length that begins with four bytes of zeros in its upper half is below 4 GiB, as all lengths that
    protobuf allows are; a header that is not of this kind counts as damaged.
    """

    def __init__(self, data: np.ndarray, crc: Crc32c) -> None:
        self.data = data
        zero = _every(data) == 0
        count = max(len(data) - HEAD + 1, 0)
        # Twelve zeros are no header; they come in great numbers where a disk was full.
        likely = zero[4 : 4 + count] & ~(zero[:count] & zero[8 : 8 + count])
        places = np.flatnonzero(likely)
        length = uint32(data, places)
        good = masked(crc.lengths(length)) == uint32(data, places + 8)
        self._starts = places[good]
        self._ends = self._starts + length[good].astype(np.int64) + (HEAD + FOOT)
        last = np.ones(len(self._starts), bool)
        last[:-1] = self._ends[:-1] != self._starts[1:]
        self._stops = np.flatnonzero(last)

    def visible(self, position: int) -> bool:
        """Whether all twelve bytes of a header are there."""
        return position + HEAD <= len(self.data)

    def sound(self, position: int) -> bool:
        """Whether a header is at this place."""
        return self.next(position) == position

    def next(self, position: int) -> int | None:
        """The first header at or behind this place."""
        at = int(np.searchsorted(self._starts, position))
        return int(self._starts[at]) if at < len(self._starts) else None

    def walk(self, position: int) -> tuple[np.ndarray, int]:
        """Starts of the whole records that follow upon each other from here, and where the last one ends."""
        parts = []
        while True:
            at = int(np.searchsorted(self._starts, position))
            if at >= len(self._starts) or self._starts[at] != position:
                break
            stop = int(self._stops[np.searchsorted(self._stops, at)])
            cut = int(self._ends[stop]) > len(self.data)
            parts.append(self._starts[at : stop + (not cut)])
            if cut:
                position = int(self._starts[stop])
                break
            position = int(self._ends[stop])
        return np.concatenate(parts) if parts else np.zeros(0, np.int64), position
