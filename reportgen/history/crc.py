"""CRC-32C (Castagnoli), of one message or of many at once, in NumPy."""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78  # reflected 0x1EDC6F41, RFC 3720
_MASK_DELTA = 0xA282EAD8  # TFRecord stores rotr(crc, 15) + this, so that a CRC of CRCs stays sound
_LANE = 256
_LONG = 65536  # from here on lanes in NumPy beat a loop in Python


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
    """CRC-32C of many messages of equal length at once.

    CRC is affine over GF(2): crc(m) = crc(0^L) xor the XOR over all bytes of a table entry that depends
    only on the byte and on its distance from the end. The tables grow with the longest message seen.
    """

    def __init__(self) -> None:
        self._tables = [_TABLE]
        self._zeros = [0]
        self._python: list[int] = _TABLE.tolist()

    def _advance(self, length: int) -> None:
        while len(self._tables) < length:
            last = self._tables[-1]
            self._tables.append(_TABLE[last & 0xFF] ^ (last >> 8))
        while len(self._zeros) <= length:
            state = self._zeros[-1] ^ 0xFFFFFFFF
            self._zeros.append((int(_TABLE[state & 0xFF]) ^ (state >> 8)) ^ 0xFFFFFFFF)

    def rows(self, columns: np.ndarray) -> np.ndarray:
        """CRCs, uint32 (n,), of n messages given column by column: uint8 (length, n)."""
        length, count = columns.shape
        self._advance(length)
        crc = np.full(count, self._zeros[length], np.uint32)
        for position in range(length):
            crc ^= self._tables[length - 1 - position][columns[position]]
        return crc

    def one(self, message: bytes) -> int:
        """The CRC of one message of any length."""
        if len(message) >= _LONG:
            return self._lanes(message)
        crc = 0xFFFFFFFF
        for byte in message:
            crc = self._python[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF

    def stored(self, message: bytes) -> int:
        """The CRC of one message as TFRecord stores it."""
        return int(masked(np.array([self.one(message)], np.uint32))[0])

    def _lanes(self, message: bytes) -> int:
        data = np.frombuffer(message, np.uint8)
        # Leading zeros leave a register that starts at 0 as it is, so the message may be padded in front.
        lanes = -(-len(data) // _LANE)
        padded = np.zeros(lanes * _LANE, np.uint8)
        padded[len(padded) - len(data) :] = data
        padded[len(padded) - len(data) :][:4] ^= 0xFF
        return int(self._raw(padded.reshape(lanes, _LANE))) ^ 0xFFFFFFFF

    def _raw(self, lanes: np.ndarray) -> np.uint32:
        """The CRC register after all lanes in turn, started at 0: lanes at once, then folded in pairs."""
        state = np.zeros(len(lanes), np.uint32)
        for column in np.ascontiguousarray(lanes.T):
            state = _TABLE[(state ^ column) & 0xFF] ^ (state >> 8)
        shift = _zero_bytes(_LANE)
        while len(state) > 1:
            if len(state) % 2:
                state = np.concatenate([np.zeros(1, np.uint32), state])
            state = _apply(shift, state[0::2]) ^ state[1::2]
            shift = _apply(shift, shift)
        return state[0]


def _zero_bytes(count: int) -> np.ndarray:
    """The effect of `count` zero bytes on a register, as the images of its 32 bits."""
    images = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for _ in range(count):
        images = _TABLE[images & 0xFF] ^ (images >> 8)
    return images


def _apply(images: np.ndarray, state: np.ndarray) -> np.ndarray:
    out = np.zeros_like(state)
    for bit in range(32):
        out ^= np.where((state >> np.uint32(bit)) & 1, images[bit], np.uint32(0))
    return out
