"""CRC-32C against its published check value and another implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX.crc32c import _crc32c

from reportgen.history.crc import Crc32c


def test_published_check_values():
    # RFC 3720, B.4, and the catalogue's check value of CRC-32C
    assert Crc32c().one(b"123456789") == 0xE3069283
    assert Crc32c().one(bytes(32)) == 0x8A9136AA
    assert Crc32c().one(b"\xff" * 32) == 0x62A8AB43
    assert Crc32c().one(bytes(range(32))) == 0x46DD794E
    assert Crc32c().one(b"") == 0


@pytest.mark.parametrize("length", [1023, 1024, 1025, 65535, 66000, 131072 + 255])
def test_long_messages_taken_in_lanes_agree_with_tensorboardx(length):
    message = np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8).tobytes()
    assert Crc32c().one(message) == _crc32c(message)


@given(
    st.integers(0, 60).flatmap(lambda n: st.lists(st.binary(min_size=n, max_size=n), min_size=1, max_size=5))
)
def test_many_at_once_agree_with_one_by_one(messages):
    rows = np.frombuffer(b"".join(messages), np.uint8).reshape(len(messages), -1)
    assert Crc32c().rows(rows.T).tolist() == [_crc32c(message) for message in messages]


@given(st.lists(st.binary(max_size=300) | st.integers(0, 3000).map(lambda n: bytes(n // 2) + b"\xa5" * n)))
def test_messages_of_any_lengths_agree_with_one_by_one(messages):
    data = np.frombuffer(b"".join(messages), np.uint8)
    length = np.array([len(message) for message in messages], np.int64)
    start = np.cumsum(length) - length
    assert Crc32c().ragged(data, start, length).tolist() == [_crc32c(message) for message in messages]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1))
def test_record_lengths_agree_with_their_eight_bytes(lengths):
    found = Crc32c().lengths(np.array(lengths, np.uint32))
    assert found.tolist() == [_crc32c(length.to_bytes(8, "little")) for length in lengths]
