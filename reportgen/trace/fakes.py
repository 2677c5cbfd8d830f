"""Fake tensors made directly: stand-ins for real ones, and the results of a kernel whose shape is plain.

A fake mode would find both by itself, by ways that take most of a trace's time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


def fake_mode() -> Any:
    """A mode under which shapes are computed and no values."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode(allow_non_fake_inputs=True)


class Fakes:
    """Makes the fake tensors of one mode; for a real one always the same."""

    def __init__(self, mode: Any) -> None:
        self._mode = mode
        self._known: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """The stand-in of a real tensor; a fake one is returned as it is."""
        if self._mode.is_our_fake(tensor):
            return tensor
        if id(tensor) not in self._known:
            self._known[id(tensor)] = (tensor, self._stand_in(tensor))
        return self._known[id(tensor)][1]

    def _stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        if (
            type(tensor) not in (torch.Tensor, nn.Parameter)
            or tensor.layout != torch.strided
            or tensor.is_quantized
        ):
            return self._mode.from_tensor(tensor)
        return self._empty(tensor.shape, tensor.stride(), tensor.dtype, tensor.device)

    def _empty(
        self, shape: Sequence[int], stride: Sequence[int], dtype: torch.dtype, device: torch.device
    ) -> torch.Tensor:
        from torch._subclasses.fake_tensor import FakeTensor

        with torch._C._DisableTorchDispatch():
            meta = torch.empty_strided(tuple(shape), tuple(stride), dtype=dtype, device="meta")
            made: torch.Tensor = FakeTensor(self._mode, meta, device)
        return made

    def result(self, func: Any, args: tuple[Any, ...]) -> Any:
        """What a kernel returns on these fake arguments where that is plain, None elsewhere.

        Batch norm by its running statistics: the input's shape, dtype and layout, and two tensors that hold
        nothing. In PyTorch it is a decomposition of a dozen operations.
        """
        if func is not torch.ops.aten._native_batch_norm_legit_no_training.default or not _dense(args[0]):
            return None
        given = args[0]
        saved = [self._empty((0,), (1,), given.dtype, given.device) for _ in range(2)]
        return (self._empty(given.shape, given.stride(), given.dtype, given.device), *saved)


def _dense(tensor: torch.Tensor) -> bool:
    """Whether a result of the same shape is laid out in memory as this tensor is."""
    return tensor.is_contiguous() or (
        tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    )
