"""What kind of layer a module or operation is, and its settings in a few words."""

from __future__ import annotations

import re
from typing import Any

from reportgen.units import shorten


def _words(*words: str) -> str:
    """Short words that other words hold by chance: in capitals, else not followed by a small letter."""
    forms = (rf"{w.upper()}|{w.title()}(?![a-z])|(?<![A-Za-z]){w}(?![a-z])" for w in words)
    return "|".join(forms)


# Tried in order: the first whose pattern is found in the class's name.
_TYPES = (
    ("dropout", r"(?i:dropout|droppath|stochasticdepth)"),
    ("embedding", r"(?i:embed)"),
    ("attention", r"(?i:attention|attn)"),
    ("norm", r"(?i:norm(?!al|ous|ative)|^lrn$)"),
    ("pool", r"(?i:pool)"),
    ("recurrent", _words("lstm", "gru", "rnn")),
    ("conv", r"(?i:conv)(?!er|ex|ey|en)"),
    ("linear", r"(?i:(?<!non)(?<!upsamplingbi)linear|^dense$|^mlp$|^fc$)"),
    ("activation", r"(?i:relu(?!c)|gelu|silu|swish|sigmoid|tanh|softmax|softmin|softplus|softsign|shrink|hardtanh|"
                   r"threshold|activation|^glu$|^act$)|" + _words("elu", "mish")),
    ("shape", r"(?i:flatten|reshape|permute|identity|upsampl|pad(?!am)|shuffle|^fold|unfold|concat|^cat$|^view$)"),
    ("arithmetic", r"(?i:^add|^mul)(?![a-z])|(?i:^multiply|floatfunctional)"),
)  # fmt: skip
_OPERATIONS = (
    ("dropout", r"dropout"),
    ("embedding", r"embedding"),
    ("attention", r"attention"),
    ("norm", r"norm"),
    ("pool", r"pool"),
    ("recurrent", r"lstm|gru|rnn"),
    ("conv", r"conv"),
    ("linear", r"^linear$|^addmm$"),
    ("activation", r"relu|gelu|silu|mish|elu|sigmoid|tanh|softmax|softplus|softsign|hardshrink|glu"),
    ("arithmetic", r"add|sub|mul|div|matmul|^mm|bmm|einsum|pow|sqrt|exp|log|mean|sum|max|min|neg|abs|sin|cos|"
                   r"dot|clamp|where|cum|prod|var|std"),
    ("shape", r"cat|stack|view|reshape|flatten|permute|transpose|index|select|pad|interpolate|upsample|repeat|"
              r"expand|chunk|split|gather|roll|clone|contiguous|copy|shuffle|unfold|fold|assign|slice"),
)  # fmt: skip
_SAME = {
    "radd": "add", "iadd": "add", "rsub": "sub", "isub": "sub", "rmul": "mul", "imul": "mul",
    "truediv": "div", "rtruediv": "div", "itruediv": "div", "rmatmul": "matmul", "imatmul": "matmul",
    "rpow": "pow", "ipow": "pow", "getitem": "index", "setitem": "assign", "concat": "cat",
    "concatenate": "cat", "native_batch_norm_legit_no_training": "batch_norm",
    "native_batch_norm_legit": "batch_norm", "native_batch_norm": "batch_norm", "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm", "native_dropout": "dropout", "multi_head_attention_forward": "attention",
    "scaled_dot_product_attention": "attention",
}  # fmt: skip


def operation_name(name: str) -> str:
    """`add` for `__radd__`, `add_` and `__iadd__`; a kernel's namespace is left out."""
    bare = name.split("::")[-1].split(".")[0].strip("_")
    return _SAME.get(bare, bare) or "operation"


def module_family(kind: str, axes: int = 0) -> str:
    """The family of a class by its name; `axes` of its weight, where it has one.

    The `Conv1D` of `transformers` is a linear layer with its matrix the other way round.
    """
    return "linear" if kind == "Conv1D" and axes == 2 else _first(_TYPES, kind)


def operation_family(name: str) -> str:
    """The family of an operation by its name."""
    return _first(_OPERATIONS, name.lower())


def _first(families: tuple[tuple[str, str], ...], name: str) -> str:
    return next((family for family, pattern in families if re.search(pattern, name[:200])), "other")


def settings(module: Any, kind: str) -> str:
    """Kernel, stride, width, heads: what tells one layer of a class from another."""
    try:
        known = _known(module, kind.removeprefix("Parametrized"))
        # A scripted module says nothing but its class's name.
        return known or ("" if hasattr(module, "original_name") else shorten(module.extra_repr(), 80))
    except Exception:  # noqa: BLE001 - a stranger's extra_repr may raise anything
        return ""


def _known(module: Any, kind: str) -> str:
    if kind.startswith(("Conv", "LazyConv")) and hasattr(module, "kernel_size"):
        return _conv(module, kind)
    if kind in ("Linear", "LazyLinear", "NonDynamicallyQuantizableLinear"):
        return f"{_width(module.in_features, kind)}→{module.out_features}"
    if kind == "Conv1D" and module.weight.ndim == 2:
        return "→".join(map(str, module.weight.shape))
    if "Pool" in kind and hasattr(module, "kernel_size"):
        return f"kernel {_same(module.kernel_size)}, stride {_same(module.stride)}"
    if kind.startswith("Adaptive"):
        return f"to {_same(module.output_size)}"
    if kind == "MultiheadAttention":
        return f"{_many(module.num_heads, 'head')}, width {module.embed_dim}"
    if kind in ("LSTM", "GRU", "RNN"):
        parts = [f"{module.input_size}→{module.hidden_size}", _many(module.num_layers, "layer")]
        return ", ".join([*parts, *(["both directions"] if module.bidirectional else [])])
    if kind in ("Embedding", "EmbeddingBag"):
        return f"{module.num_embeddings}×{module.embedding_dim}"
    if kind.startswith(("BatchNorm", "LazyBatchNorm", "LazyInstanceNorm")):
        return _width(module.num_features, kind)
    if kind in ("LayerNorm", "RMSNorm"):
        return "×".join(map(str, module.normalized_shape))
    if kind == "GroupNorm":
        return f"{_many(module.num_groups, 'group')}, {_many(module.num_channels, 'channel')}"
    if kind.startswith("Dropout"):
        return f"p {module.p:g}"
    return ""


def _width(count: int, kind: str) -> str:
    """A number of channels or features; a lazy layer has none before it ran."""
    return "?" if kind.startswith("Lazy") and not count else str(count)


def _conv(module: Any, kind: str) -> str:
    parts = [f"{_width(module.in_channels, kind)}→{module.out_channels}", _size(module.kernel_size)]
    for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)):
        value = getattr(module, name)
        if isinstance(value, str) or any(
            one != usual for one in (value if isinstance(value, tuple) else (value,))
        ):
            parts.append(f"{name} {_same(value)}")
    return ", ".join(parts)


def _size(value: Any) -> str:
    """`3×3` for a kernel of (3, 3)."""
    if not isinstance(value, tuple | list):
        return str(value)
    return "×".join(map(str, value))


def _same(value: Any) -> str:
    """`2` for (2, 2)."""
    alike = isinstance(value, tuple | list) and len(set(value)) == 1
    return str(value[0]) if alike else _size(value)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
