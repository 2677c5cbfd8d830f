"""CRC-32C (Castagnoli), of one message or of many at once, in NumPy."""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected 0x1EDC6F41, RFC 3720
_MASK_DELTA = 0xA282EAD8  # TFRecord stores rotr(crc, 15) + this, so that a CRC of CRCs stays sound
_LANE = 64
_CACHED = 4096  # lanes that a processor keeps at hand
_LONG = 1024  # from here on lanes in NumPy beat a loop in Python


def _byte_table() -> np.ndarray:
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    return table


_TABLE = _byte_table()
_TABLE.flags.writeable = False


def masked(crc: np.ndarray) -> np.ndarray:
    """The form in which TFRecord stores a CRC: uint32 in, uint32 out."""
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK_DELTA)


class Crc32c:
    """CRC-32C of many messages at once.

    CRC is affine over GF(2): crc(m) = crc(0^L) xor the XOR over all bytes of a table entry that depends
    only on the byte and on its distance from the end. The tables grow with the longest message seen.
    """

    def __init__(self) -> None:
        self._tables = [_TABLE]
        self._zeros = [0]
        self._python: list[int] = _TABLE.tolist()
        self._shifts: list[np.ndarray] = []

    def _advance(self, length: int) -> None:
        while len(self._tables) < length:
            last = self._tables[-1]
            self._tables.append(_TABLE[last & 0xFF] ^ (last >> 8))
        while len(self._zeros) <= length:
            state = self._zeros[-1] ^ 0xFFFFFFFF
            self._zeros.append((int(_TABLE[state & 0xFF]) ^ (state >> 8)) ^ 0xFFFFFFFF)

    def tables(self, length: int, positions: np.ndarray) -> list[np.ndarray]:
        """For each position in a message of this length, what each byte there does to the CRC: uint32 (256,)."""
        self._advance(length)
        return [self._tables[length - 1 - position] for position in positions.tolist()]

    def rows(self, columns: np.ndarray) -> np.ndarray:
        """CRCs, uint32 (n,), of n messages given column by column: uint8 (length, n)."""
        length, count = columns.shape
        self._advance(length)
        crc = np.full(count, self._zeros[length], np.uint32)
        for table, column in zip(self.tables(length, np.arange(length)), columns, strict=True):
            crc ^= table[column]
        return crc

    def lengths(self, length: np.ndarray) -> np.ndarray:
        """CRCs, uint32 (n,), of record lengths below 2^32, given as uint32 (n,) and written in eight bytes."""
        low = self.tables(8, np.arange(4))
        crc = np.full(len(length), self._zeros[8], np.uint32)
        for place, table in enumerate(low):
            crc ^= table[(length >> np.uint32(8 * place)) & np.uint32(0xFF)]
        return crc

    def one(self, message: bytes) -> int:
        """The CRC of one message of any length."""
        if len(message) >= _LONG:
            data = np.frombuffer(message, np.uint8)
            return int(self.ragged(data, np.zeros(1, np.int64), np.array([len(data)]))[0])
        crc = 0xFFFFFFFF
        for byte in message:
            crc = self._python[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF

    def stored(self, message: bytes) -> int:
        """The CRC of one message as TFRecord stores it."""
        return int(masked(np.array([self.one(message)], np.uint32))[0])

    def ragged(self, data: np.ndarray, start: np.ndarray, length: np.ndarray) -> np.ndarray:
        """CRCs, uint32 (n,), of n messages of any lengths within `data`, uint8.

        Each message is cut into lanes, all of one width but for the first; a lane's part in the CRC is its
        own register moved on by the lanes that follow.
        """
        if not len(start):
            return np.zeros(0, np.uint32)
        lanes = np.maximum(-(-length // _LANE), 1)
        first = np.cumsum(lanes) - lanes
        # Leading zeros leave a register that starts at 0 as it is, so messages may be padded in front.
        padded = np.zeros(int(lanes.sum()) * _LANE, np.uint8)
        ends = (first + lanes) * _LANE
        for begin, size, end in zip(start.tolist(), length.tolist(), ends.tolist(), strict=True):
            padded[end - size : end] = data[begin : begin + size]
            padded[end - size : end][:4] ^= 0xFF
        rows = padded.reshape(-1, _LANE)
        state = np.zeros(len(rows), np.uint32)
        tables = self.tables(_LANE, np.arange(_LANE))
        for begin in range(0, len(rows), _CACHED):
            part, out = rows[begin : begin + _CACHED], state[begin : begin + _CACHED]
            for position, table in enumerate(tables):
                out ^= table[part[:, position]]
        behind = np.repeat(first + lanes - 1, lanes) - np.arange(len(rows))
        crc = np.bitwise_xor.reduceat(self._moved(state, behind), first) ^ np.uint32(0xFFFFFFFF)
        for place in np.flatnonzero(length < 4).tolist():  # the start of the register reaches past the end
            begin = int(start[place])
            crc[place] = self.one(data[begin : begin + int(length[place])].tobytes())
        return crc

    def _moved(self, state: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        """Registers after so many lanes of zeros, uint32 (n,)."""
        for bit in range(int(lanes.max()).bit_length()):
            if len(self._shifts) <= bit:
                self._shifts.append(_squared(self._shifts[-1]) if self._shifts else _zero_bytes(_LANE))
            odd = np.flatnonzero((lanes >> bit) & 1)
            state[odd] = _apply(self._shifts[bit], state[odd])
        return state


def _zero_bytes(count: int) -> np.ndarray:
    """The effect of `count` zero bytes on a register, by its four bytes: uint32 (4, 256)."""
    state = np.arange(256, dtype=np.uint32) << (8 * np.arange(4, dtype=np.uint32)[:, None])
    for _ in range(count):
        state = _TABLE[state & 0xFF] ^ (state >> 8)
    return state


def _squared(shift: np.ndarray) -> np.ndarray:
    """The effect of twice as many zero bytes."""
    return _apply(shift, shift.reshape(-1)).reshape(shift.shape)


def _apply(shift: np.ndarray, state: np.ndarray) -> np.ndarray:
    out = shift[0][state & 0xFF]
    for place in range(1, 4):
        out ^= shift[place][(state >> np.uint32(8 * place)) & np.uint32(0xFF)]
    return out
