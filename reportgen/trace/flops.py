"""FLOPs of one kernel: PyTorch's own formulas, and those it lacks. One multiply-add is 2 FLOPs.

Multiply-adds of matrix products, convolutions, attention and recurrence are counted; elementwise work,
normalisation, pooling, interpolation, reductions and copies (`free`) as 0, as `torch.utils.flop_counter` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

from reportgen.trace.free import is_free


def count(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int | None:
    """FLOPs of one kernel on these arguments: 0 where it multiplies and adds nothing, None where unknown."""
    packet = getattr(func, "_overloadpacket", func)  # a higher-order operator has no overloads
    formula = flop_registry.get(packet)
    if packet is func:
        return None if formula is None else int(formula(*args, **kwargs, out_val=out))
    if func.namespace == "aten" and any(_is_sparse(value) for value in args):
        return _sparse_product(packet, args) if packet in _SPARSE_PRODUCTS else 0 if is_free(func) else None
    if formula is not None:
        return int(formula(*args, **kwargs, out_val=out))
    ours = _FORMULAS.get(str(packet).removeprefix("aten."))
    if ours is not None and func.namespace == "aten":
        return ours(*args, **kwargs)
    if _QUANTIZED.fullmatch(func._schema.name):
        return _quantized_linear(args[0], out=out)
    return 0 if is_free(func) else None


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> int:
    """Q·Kᵀ and its product with V: 2·B·H·S·T·(D + E), the whole square, a causal mask or not."""
    *outer, rows, width = query.shape
    return 2 * prod(outer) * rows * key.shape[-2] * (width + value.shape[-1])


def _mkldnn_layer(given: torch.Tensor, w_in: torch.Tensor, w_hidden: torch.Tensor, *_: Any, **__: Any) -> int:
    """One direction of one layer: each of T·B steps multiplies by both weight matrices."""
    return 2 * prod(given.shape[:-1]) * (w_in.numel() + w_hidden.numel())


def _rnn_kernel(given: torch.Tensor, weights: list[torch.Tensor], *_: Any, **__: Any) -> int:
    """All layers and directions at once; the matrices among the weights are multiplied at each of T·B steps."""
    return 2 * prod(given.shape[:-1]) * sum(weight.numel() for weight in weights if weight.ndim == 2)


def _fused_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    width: int,
    heads: int,
    w_qkv: torch.Tensor,
    b_qkv: torch.Tensor,
    w_out: torch.Tensor,
    *_: Any,
    **__: Any,
) -> int:
    """Projections (a third of `w_qkv` each for query, key and value) and attention; (B, S, E) each."""
    batch, rows, columns = query.shape[0], query.shape[1], key.shape[1]
    projected = (w_qkv.numel() // 3) * (rows + 2 * columns) + w_out.numel() * rows
    return 2 * batch * projected + 4 * batch * rows * columns * width


def _fused_encoder(src: torch.Tensor, width: int, heads: int, *rest: Any, **_: Any) -> int:
    """A whole TransformerEncoderLayer; src is (B, S, E)."""
    w_qkv, b_qkv, w_out = rest[0], rest[1], rest[2]
    w_up, w_down = rest[11], rest[13]
    attention = _fused_attention(src, src, src, width, heads, w_qkv, b_qkv, w_out)
    return attention + 2 * prod(src.shape[:-1]) * (w_up.numel() + w_down.numel())


def _matrix_vector(matrix: torch.Tensor, vector: torch.Tensor, *_: Any, **__: Any) -> int:
    return 2 * matrix.numel()


def _added_matrix_vector(_added: torch.Tensor, matrix: torch.Tensor, *_: Any, **__: Any) -> int:
    return 2 * matrix.numel()


def _dot(left: torch.Tensor, right: torch.Tensor, *_: Any, **__: Any) -> int:
    return 2 * left.numel()


def _added_batches(_added: torch.Tensor, left: torch.Tensor, right: torch.Tensor, *_: Any, **__: Any) -> int:
    return 2 * left.numel() * right.shape[-1]


def _grouped_matrices(left: torch.Tensor, right: torch.Tensor, *_: Any, **__: Any) -> int:
    """Rows of `left` (M, K) by the matrices of `right` (groups, K, N), or groups of both by each other."""
    if left.ndim == 2 and right.ndim == 2:  # the contracted axis is what is parted in groups
        return 2 * left.shape[0] * left.shape[1] * right.shape[1]
    return 2 * prod(left.shape) * right.shape[-1]


def _is_sparse(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.layout not in (torch.strided, torch.jagged)


_SPARSE_PRODUCTS = {
    torch.ops.aten.mm: 0, torch.ops.aten.mv: 0, torch.ops.aten.addmm: 1, torch.ops.aten.addmv: 1,
    torch.ops.aten._sparse_addmm: 1,
}  # fmt: skip


def _sparse_product(packet: Any, args: tuple[Any, ...]) -> int | None:
    """A sparse matrix by a dense one: each value that it holds is multiplied by a row; None where none are known."""
    from torch._subclasses.fake_tensor import FakeTensor
    from torch.utils._python_dispatch import _disable_current_modes

    left, right = args[_SPARSE_PRODUCTS[packet] :][:2]
    matrix, other = (left, right) if _is_sparse(left) else (right, left)
    if _is_sparse(other) or not _is_sparse(matrix) or matrix.is_meta or isinstance(matrix, FakeTensor):
        return None
    with _disable_current_modes():  # a fake mode would say that it holds none
        values = matrix._values() if matrix.layout == torch.sparse_coo else matrix.values()
        held = int(values.numel())
    return 2 * held * (1 if other.ndim == 1 else other.shape[1 if matrix is left else 0])


def _trilinear(*tensors: Any, **kwargs: Any) -> int:
    """Products of three tensors, summed over some axes: a multiply-add for each combination of indices.

    What is multiplied and summed is the product of two of them, elementwise, with the third. `nn.Bilinear` is
    B·out·in1·in2 multiply-adds.
    """
    first, second, third, *axes = tensors
    sizes = [list(tensor.shape) for tensor in (first, second, third)]
    for size, added in zip(sizes, axes[:3], strict=True):
        for axis in sorted(added):
            size.insert(axis, 1)
    summed = axes[3] if len(axes) > 3 else kwargs.get("sumdim", ())
    return 2 * prod(map(max, *sizes)) if summed else 0


def _conv_tbc(given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, pad: int = 0) -> int:
    """(T, B, in) by weights (K, in, out): each of (T + 2·pad - K + 1)·B places by all of them."""
    steps = given.shape[0] + 2 * pad - weight.shape[0] + 1
    return 2 * steps * given.shape[1] * weight.numel()


def _added_outer(_added: torch.Tensor, left: torch.Tensor, right: torch.Tensor, *_: Any, **__: Any) -> int:
    return 2 * left.numel() * right.numel()


def _integers(left: torch.Tensor, right: torch.Tensor, *_: Any, **__: Any) -> int:
    """(M, K) by (K, N)."""
    return 2 * left.numel() * right.shape[1]


def _int8_weights(left: torch.Tensor, weight: torch.Tensor, *_: Any, **__: Any) -> int:
    """(M, K) by the weights (N, K)."""
    return 2 * left.shape[0] * weight.numel()


def _bag(
    weight: torch.Tensor,
    indices: torch.Tensor,
    offsets: torch.Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: torch.Tensor | None = None,
    *_: Any,
    **__: Any,
) -> int:
    """Rows that are summed are a reduction; each by a weight of its own, a multiply-add for each of its values."""
    return 0 if per_sample_weights is None else 2 * indices.numel() * weight.shape[1]


def _quantized_linear(given: torch.Tensor, *_: Any, out: Any) -> int:
    """Each value that comes out is a sum over a row of what went in."""
    return 2 * out.numel() * int(given.shape[-1])


_QUANTIZED = re.compile(r"quantized(_decomposed)?::linear(_relu)?(_dynamic)?(_fp16)?")
_FORMULAS: dict[str, Callable[..., int]] = {
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "mkldnn_rnn_layer": _mkldnn_layer,
    "_cudnn_rnn": _rnn_kernel,
    "miopen_rnn": _rnn_kernel,
    "_native_multi_head_attention": _fused_attention,
    "_transformer_encoder_layer_fwd": _fused_encoder,
    "mv": _matrix_vector,
    "addmv": _added_matrix_vector,
    "dot": _dot,
    "vdot": _dot,
    "addbmm": _added_batches,
    "_grouped_mm": _grouped_matrices,
    "_trilinear": _trilinear,
    "conv_tbc": _conv_tbc,
    "addr": _added_outer,
    "_int_mm": _integers,
    "_weight_int8pack_mm": _int8_weights,
    "_embedding_bag": _bag,
    "_embedding_bag_forward_only": _bag,
}
