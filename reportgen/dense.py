"""The values of a tensor of any class and layout, as an ordinary dense tensor."""

from __future__ import annotations

import torch
from torch import nn


def dense(tensor: torch.Tensor) -> torch.Tensor:
    """Detached and dequantized where it is quantized, by torch or by a class of its own as torchao's.

    Raises what the class raises, TypeError where there are no values to be had.
    """
    if type(tensor) in (torch.Tensor, nn.Parameter):
        found = tensor.detach()
    else:
        with torch.no_grad():
            found = tensor.dequantize() if callable(getattr(tensor, "dequantize", None)) else tensor.detach()
    if found.is_nested:
        found = found.values()
    if found.is_quantized:
        found = found.dequantize()
    if found.layout != torch.strided:
        found = found.to_dense()
    if type(found) not in (torch.Tensor, nn.Parameter):
        with torch._C.DisableTorchFunctionSubclass():
            if type(found).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
                raise TypeError(f"the values of {type(tensor).__name__} can't be read")
            found = found.as_subclass(torch.Tensor)
    return found


def parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The ordinary tensors that a tensor consists of, itself where it is one. Raises TypeError for an opaque one."""
    if type(tensor) in (torch.Tensor, nn.Parameter) or not hasattr(tensor, "__tensor_flatten__"):
        return [dense(tensor)]
    inner = [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]]
    return [one for part in inner for one in parts(part)]


def sizes(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape; of a nested tensor, whose rows differ in it, the number of rows alone."""
    return (tensor.size(0),) if tensor.is_nested else tuple(int(size) for size in tensor.shape)
