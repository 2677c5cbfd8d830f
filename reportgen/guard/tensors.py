"""The bytes of tensors: copied where they fit, watched by their version counters where not, and put back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from reportgen.errors import RAISED, one_line
from reportgen.process import Steps

# Above this, copying the weights could cost more memory than the machine has.
COPY_LIMIT = 2 << 30
TOO_LARGE = "tensors too large to copy beforehand were written to: load the model again"
_NEVER = -1  # the version of a tensor that counts none


@dataclass
class Held:
    """One tensor as it was. `alias` has its storage; `flat`: `copy` is of the whole of that, not of the tensor."""

    tensor: torch.Tensor
    where: str
    alias: torch.Tensor
    copy: torch.Tensor | None = None
    flat: bool = False
    version: int = _NEVER

    def values(self) -> torch.Tensor:
        """What the copy is of."""
        return _whole(self.alias) if self.flat else self.alias


def hold(steps: Steps, found: dict[int, tuple[torch.Tensor, str]]) -> None:
    """Note the values of these tensors, the smallest first, until COPY_LIMIT is reached."""
    held = [one for tensor, where in found.values() if (one := _held(steps, tensor, where)) is not None]
    held.sort(key=_weight)
    spent = 0
    for one in held:
        spent += _size(one.alias)
        try:
            with _bare(one.tensor):
                if spent <= COPY_LIMIT:
                    one.copy = _copied(one)
                elif not one.tensor.is_inference():
                    one.version = one.tensor._version
        except RAISED as error:
            steps.said.unseen(
                f"{type(one.tensor).__name__} can't be copied: {one_line(error, 120)}", one.where
            )
    steps.add("tensors", lambda: _put_back(steps, held))


def _weight(one: Held) -> int:
    try:
        return _size(one.alias)
    except RAISED:  # told when it is copied
        return 0


def _held(steps: Steps, tensor: torch.Tensor, where: str) -> Held | None:
    try:
        with _bare(tensor):
            return Held(tensor, where, tensor.data)
    except RAISED as error:
        steps.said.unseen(f"{type(tensor).__name__} can't be read: {one_line(error, 120)}", where)
        return None


@contextlib.contextmanager
def _bare(tensor: torch.Tensor) -> Iterator[None]:
    """Without the subclass's own functions, without gradients, and able to write to a tensor of inference mode."""
    with (
        torch._C.DisableTorchFunctionSubclass(),
        torch.no_grad(),
        torch.inference_mode(tensor.is_inference()),
    ):
        yield


def _size(tensor: torch.Tensor) -> int:
    """Bytes that a copy takes: an expanded tensor has fewer than its shape says."""
    whole = tensor.numel() * tensor.element_size() if not tensor.is_nested else 0
    if tensor.layout != torch.strided:
        return whole
    stored = tensor.untyped_storage().nbytes()
    return stored if tensor.is_nested else min(whole, stored)


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    count = tensor.untyped_storage().nbytes() // tensor.element_size()
    return torch.as_strided(tensor, (count,), (1,), 0)


def _copied(one: Held) -> torch.Tensor:
    if one.alias.is_nested and one.alias.layout == torch.strided:
        one.alias = one.alias.values()
    plain = one.alias.layout == torch.strided and not one.alias.is_quantized
    one.flat = plain and one.alias.numel() * one.alias.element_size() > one.alias.untyped_storage().nbytes()
    return one.values().clone()


def _put_back(steps: Steps, held: list[Held]) -> None:
    stopped: BaseException | None = None
    for one in held:
        try:
            with _bare(one.tensor):
                if one.copy is not None:
                    _restore(one, one.copy)
                elif one.version != _NEVER and one.tensor._version != one.version:
                    steps.said.lost(TOO_LARGE, one.where)
        except RAISED as error:
            steps.said.lost(
                f"{type(one.tensor).__name__} can't be put back: {one_line(error, 120)}", one.where
            )
        except BaseException as stop:  # noqa: BLE001 - raised when all are put back
            stopped = stop
    if stopped is not None:
        raise stopped


def _restore(one: Held, copy: torch.Tensor) -> None:
    tensor, alias = one.tensor, one.alias
    if alias.layout != torch.strided:
        if not same(tensor.data, copy):
            _rewrite(tensor, copy)
        return
    if not tensor.is_nested and _moved(tensor, alias):
        tensor.data = alias
    storage = alias.untyped_storage()
    needed = _needed(alias)
    if storage.nbytes() < needed:  # set free, as sharding does
        storage.resize_(needed)
    values = one.values()
    if not same(values, copy):
        values.copy_(copy)
        if not same(values, copy):
            raise RuntimeError("what was written is not what is read")


def _rewrite(tensor: torch.Tensor, copy: torch.Tensor) -> None:
    """Put a sparse tensor's parts back in place where they have their old sizes, else the tensor as a whole."""
    parts = (
        [*zip(_parts(tensor), _parts(copy), strict=True)] if tensor.layout == copy.layout in _PARTS else []
    )
    if parts and all(now.shape == before.shape for now, before in parts):
        for now, before in parts:
            now.copy_(before)
    else:
        tensor.data = copy
    if not same(tensor.data, copy):
        raise RuntimeError("what was written is not what is read")


def _moved(tensor: torch.Tensor, alias: torch.Tensor) -> bool:
    return (
        tensor.layout != alias.layout
        or tensor.dtype != alias.dtype
        or tensor.shape != alias.shape
        or tensor.stride() != alias.stride()
        or tensor.device != alias.device
        or tensor.data_ptr() != alias.data_ptr()
    )


def _needed(tensor: torch.Tensor) -> int:
    """Bytes of storage that a tensor reaches into."""
    if not tensor.numel():
        return 0
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (int(tensor.storage_offset()) + last + 1) * tensor.element_size()


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Equal bit for bit: NaN equals NaN, and 0.0 does not equal -0.0. Raises where that can't be told."""
    if left.layout != right.layout or left.dtype != right.dtype or left.shape != right.shape:
        return False
    if left.layout in _PARTS:
        return all(same(one, other) for one, other in zip(_parts(left), _parts(right), strict=True))
    if left.layout != torch.strided:
        return same(left.to_dense(), right.to_dense())
    if left.is_quantized:
        return same(left.int_repr(), right.int_repr())
    return bool(torch.equal(_bits(left), _bits(right)))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)


_PARTS: dict[Any, tuple[str, ...]] = {
    torch.sparse_coo: ("_indices", "_values"),
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}


def _parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The dense tensors that a sparse one is made of."""
    return [getattr(tensor, name)() for name in _PARTS[tensor.layout]]
