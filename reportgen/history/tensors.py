"""The scalar in a summary value, in either encoding: `simple_value`, or a tensor of no dimension."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?", 17: "<u2", 19: "<f2",
           22: "<u4", 23: "<u8"}  # fmt: skip
_FIELDS = {
    1: "float_val",
    2: "double_val",
    9: "int64_val",
    10: "bool_val",
    22: "uint32_val",
    23: "uint64_val",
}
_SHORT_INTS = (3, 4, 5, 6, 17)
_BFLOAT16, _HALF = 14, 19
STRING = 7


def number(value: Any) -> float | None:
    """The scalar of a summary value, or None where it holds something else."""
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return value.simple_value
    return _tensor(value.tensor) if kind == "tensor" else None


def shape(tensor: Any) -> tuple[int, ...]:
    """The sizes of a tensor's dimensions."""
    return tuple(dim.size for dim in tensor.tensor_shape.dim)


def floats(tensor: Any) -> np.ndarray | None:
    """All numbers of a tensor of floats, float64 in its shape; None where they don't fill it."""
    if tensor.dtype not in (1, 2):
        return None
    held = (
        np.frombuffer(tensor.tensor_content[: len(tensor.tensor_content) // 8 * 8], _DTYPES[tensor.dtype])
        if tensor.tensor_content
        else np.array(getattr(tensor, _FIELDS[tensor.dtype]))
    )
    sizes = shape(tensor)
    if min(sizes, default=0) < 0 or held.size != np.prod(sizes, dtype=object):
        return None
    return held.astype(np.float64).reshape(sizes)


def _tensor(tensor: Any) -> float | None:
    if tensor.tensor_shape.dim or tensor.tensor_shape.unknown_rank:
        return None
    if tensor.tensor_content:
        return _content(tensor.dtype, tensor.tensor_content)
    if tensor.dtype in (_HALF, _BFLOAT16):
        return (
            _content(tensor.dtype, struct.pack("<H", tensor.half_val[0] & 0xFFFF))
            if tensor.half_val
            else None
        )
    name = "int_val" if tensor.dtype in _SHORT_INTS else _FIELDS.get(tensor.dtype)
    held: Any = getattr(tensor, name) if name else ()
    return float(held[0]) if len(held) == 1 else None


def _content(dtype: int, content: bytes) -> float | None:
    if dtype == _BFLOAT16 and len(content) == 2:
        return struct.unpack("<f", b"\0\0" + content)[0]
    kind = _DTYPES.get(dtype)
    if kind is None or len(content) != np.dtype(kind).itemsize:
        return None
    return float(np.frombuffer(content, kind)[0])
