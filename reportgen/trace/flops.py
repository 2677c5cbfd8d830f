"""FLOPs of one kernel: PyTorch's own formulas, and those it lacks. One multiply-add is 2 FLOPs.

Multiply-adds of matrix products, convolutions, attention and recurrence are counted; elementwise work,
normalisation, pooling, reductions and copies are counted as 0, as `torch.utils.flop_counter` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

# Kernels without multiply-adds that make no view and lack PyTorch's tag "pointwise".
_FREE = re.compile(
    r"""^(.*norm.*|.*pool.*|.*softmax.*|.*dropout.*|.*embedding.*|upsample.*|.*interpolate.*
    |cat|stack|split.*|unsafe_.*|unbind.*|clone|copy|to_copy|lift.*|detach.*|alias.*|contiguous|resize.*|set
    |empty.*|zeros.*|ones.*|full.*|new_.*|arange.*|linspace.*|eye.*|scalar_tensor|tril.*|triu.*|fill.*|zero
    |rand.*|bernoulli.*|normal.*|uniform.*|multinomial|exponential.*
    |index.*|gather|scatter.*|select.*|slice.*|masked_.*|where|take.*|nonzero.*|roll|flip|repeat.*|tile
    |constant_pad.*|reflection_pad.*|replication_pad.*|pixel_(un)?shuffle|channel_shuffle|im2col|col2im
    |topk|sort|argsort|unique.*|bincount|histc|cum.*|logcumsumexp|one_hot|searchsorted|bucketize
    |sum|nansum|mean|prod|max|min|amax|amin|aminmax|argmax|argmin|any|all|var.*|std.*|median|local_scalar_dense|equal|is_.*|item
    |reshape.*|view.*|expand.*|permute.*|transpose.*|squeeze.*|unsqueeze.*|as_strided.*|glu|prelu.*|hardswish.*|floor_divide|rrelu.*|logsumexp
    |fused_moving_avg.*|dequantize.*|quantize_per.*|fake_quantize.*|thnn_fused_(lstm|gru)_cell|assert.*|sym_.*
    |local_response.*|meshgrid|diagonal.*|diag.*|complex|view_as_.*|constant.*|pack_padded.*|pad_packed.*
    |stft_center|gumbel.*|cudnn_rnn_flatten_weight|use_cudnn.*|functional_assert.*|make_dep_token)$""",
    re.VERBOSE,
)


def count(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int | None:
    """FLOPs of one kernel on these arguments: 0 where it multiplies and adds nothing, None where unknown."""
    packet = func._overloadpacket
    formula = flop_registry.get(packet)
    if formula is not None:
        return int(formula(*args, **kwargs, out_val=out))
    ours = _FORMULAS.get(str(packet).removeprefix("aten."))
    if ours is not None and func.namespace == "aten":
        return ours(*args, **kwargs)
    if _QUANTIZED.fullmatch(func._schema.name):
        return _quantized_linear(args[0], out=out)
    return 0 if _is_free(func) else None


def _is_free(func: Any) -> bool:
    if func.namespace == "prim":
        return True
    if func.namespace not in ("aten", "prims"):
        return False
    name = func._schema.name.split("::")[-1].strip("_")
    return bool(func.is_view or torch.Tag.pointwise in func.tags or _FREE.match(name))


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
}
