"""What attends to what: each head's weights on one sample, and their rollout over the layers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import nn

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

LONGEST = 1024  # tokens a side; the weights of more would fill the memory
AGAIN = "nn.MultiheadAttention, called a second time for its weights"
FUSED = "recomputed from the queries, keys and mask of scaled_dot_product_attention"
GIVEN = "as the model gives them (output_attentions=True)"


@dataclass(frozen=True)
class Attention:
    """The weights of one layer on one sample, float64 (heads, queries, keys); rows sum to 1.

    `itself`: whether the layer attends to what it changes, so that a rollout may pass through it.
    """

    name: str
    weights: np.ndarray
    how: str
    itself: bool


def attention(experiment: Experiment, inputs: Inputs) -> list[Attention]:
    """Every layer's weights on one sample, in the order of the pass; the model computes what it always does.

    Seen are nn.MultiheadAttention, torch's scaled_dot_product_attention, and Hugging Face models that compute
    attention step by step ("eager"). What gives no finite rows that sum to 1, or has more than LONGEST tokens, is
    left out. Raises InputError.
    """
    import torch

    assert experiment.model is not None
    found: list[Attention] = []

    def keep(name: str, weights: Any, how: str, itself: bool) -> None:
        values = _plain(weights)
        if values is not None:
            found.append(Attention(name, values, how, itself))

    with torch.no_grad(), _watching(experiment.model, keep):
        experiment.call(inputs)
    return found or _given(experiment, inputs)


def _plain(weights: Any) -> np.ndarray | None:
    """Weights of one sample as (heads, queries, keys), None for what is none."""
    import torch

    if not isinstance(weights, torch.Tensor) or max(weights.shape[-2:], default=LONGEST + 1) > LONGEST:
        return None
    if weights.ndim == 4 and len(weights) == 1:
        weights = weights[0]
    if weights.ndim != 3:
        return None
    values = weights.detach().double().cpu().numpy()
    return values if np.isfinite(values).all() and np.abs(values.sum(axis=2) - 1).max() < 1e-2 else None


@contextlib.contextmanager
def _watching(model: nn.Module, keep: Callable[[str, Any, str, bool], None]) -> Iterator[None]:
    """Call keep(name, weights, how, whether of itself) for each attention that runs inside, after it has run."""
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    running: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        return lambda module, args: running.append(name)

    def leave(module: Any, args: tuple, kwargs: dict, output: Any) -> None:
        name = running.pop()
        if isinstance(module, nn.MultiheadAttention):
            query, key = (_argument(args, kwargs, at, word) for at, word in enumerate(("query", "key")))
            asked = {**kwargs, "need_weights": True, "average_attn_weights": False}
            # Not through __call__, whose hooks would come back here; what the model gets stays its own.
            _, weights = module.forward(*args[:4], **_without(asked, len(args)))
            keep(name, weights, AGAIN, query is key)

    # While such a mode is on, the layers' fused shortcuts, which hide their attention, are not taken.
    class Mode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            output = func(*args, **(kwargs or {}))
            if func is functional.scaled_dot_product_attention:
                weights = _fused(*args, **(kwargs or {}))
                name = running[-1] if running else ""
                keep(name, weights, FUSED, weights.shape[-1] == weights.shape[-2] and "cross" not in name)
            return output

    with contextlib.ExitStack() as stack, Mode():
        for name, module in model.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                stack.callback(module.register_forward_pre_hook(enter(name)).remove)
                stack.callback(module.register_forward_hook(leave, with_kwargs=True).remove)
        yield


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], at: int, word: str) -> Any:
    return args[at] if len(args) > at else kwargs.get(word)


def _without(kwargs: dict[str, Any], given: int) -> dict[str, Any]:
    """Keyword arguments less those given by place: query, key, value, key_padding_mask."""
    return {
        key: value
        for key, value in kwargs.items()
        if key not in ("query", "key", "value", "key_padding_mask")[:given]
    }


def _fused(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """softmax(q k' * scale + mask), as torch documents scaled_dot_product_attention. (..., queries, keys)."""
    import torch

    query, key = query.detach().double(), key.detach().double()
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~past, -torch.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask.detach()
    return scores.softmax(dim=-1)


def _given(experiment: Experiment, inputs: Inputs) -> list[Attention]:
    """What a Hugging Face model that computes attention step by step gives when asked."""
    import torch

    model = experiment.model
    assert model is not None
    if getattr(getattr(model, "config", None), "_attn_implementation", None) != "eager":
        return []
    asked = replace(inputs, kwargs={**inputs.kwargs, "output_attentions": True})
    with torch.no_grad():
        output = experiment.call(asked)
    found = []
    for field, itself in (("attentions", True), ("encoder_attentions", False), ("decoder_attentions", True)):
        given = getattr(output, field, None)
        for at, weights in enumerate(given if isinstance(given, tuple | list) else ()):
            values = _plain(weights)
            if values is not None:
                found.append(Attention(f"{field} {at}", values, GIVEN, itself))
    return found


def rollout(layers: Sequence[np.ndarray]) -> np.ndarray:
    """How far each place of the input reaches each place of the output, (places, places); rows sum to 1.

    `layers`: weights (heads, places, places), in order. The product over the layers of (A + I) / 2, its rows made
    to sum to 1, A being the mean over the heads (Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers).
    Raises ValueError for layers of different sizes.
    """
    sizes = {layer.shape[1:] for layer in layers}
    if len(sizes) != 1 or len(set(next(iter(sizes)))) != 1:
        raise ValueError(f"expected square layers of one size, got {sorted(sizes)}")
    places = layers[0].shape[1]
    reach = np.eye(places)
    for layer in layers:
        mixed = (layer.mean(axis=0) + np.eye(places)) / 2
        reach = mixed / mixed.sum(axis=1, keepdims=True) @ reach
    return reach


def attends(model: nn.Module) -> bool:
    """Whether a part of the model is called some kind of attention."""
    return any("attention" in type(module).__name__.lower() for module in model.modules())


def grid_of(experiment: Experiment, inputs: Inputs, tokens: int) -> tuple[int, int] | None:
    """Rows and columns of the patches that these tokens stand for, after one for the class or none.

    Read from the first convolution of an image model; None where the numbers don't fit.
    """
    import torch
    from torch import nn

    from reportgen.hooks import watching

    seen: list[tuple[int, int]] = []

    def note(name: str, layer: Any, given: Any, output: Any) -> None:
        if output.ndim == 4:
            seen.append((output.shape[2], output.shape[3]))

    if experiment.modality != "image" or experiment.model is None:
        return None
    with torch.no_grad(), watching(experiment.model, (nn.Conv2d,), note):
        experiment.call(inputs)
    side = int((tokens - 1) ** 0.5)
    fits = [(h, w) for h, w in (*seen, (side, side)) if tokens - h * w in (0, 1) and h * w > 1]
    return fits[0] if fits else None
