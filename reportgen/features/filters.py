"""The weights of the first layer as pictures, or as a matrix where it reads a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.errors import InputError
from reportgen.experiment import UnreadableOutputError
from reportgen.features.choice import holds_weights
from reportgen.hooks import hidden, running_order
from reportgen.report import Block, Heatmap, Images, Map, Picture, Raster
from reportgen.units import plural, show

if TYPE_CHECKING:
    import torch

    from reportgen.experiment import Experiment

MOST = 64  # filters shown
LARGEST_MATRIX = (64, 40)  # units and features that a drawn matrix can name


def first_layer(experiment: Experiment) -> tuple[str, Any] | None:
    """The first layer with weights that runs, by name; the first one registered where nothing runs."""
    from torch import nn

    assert experiment.model is not None
    if runs(experiment):
        assert experiment.example is not None
        called = running_order(experiment, experiment.example, (nn.Module,))
        return next(((name, module) for name, module in called if _weighs(module)), None)
    registered = ((n, m) for n, m in experiment.model.named_modules() if _weighs(m) and not _lazy(m))
    return next(registered, None)


def runs(experiment: Experiment) -> bool:
    """Whether a forward pass tells which layer is the first, whatever it returns."""
    readable = experiment.forward_problem is None or isinstance(
        experiment.forward_problem, UnreadableOutputError
    )
    return experiment.example is not None and readable


def _weighs(module: Any) -> bool:
    """Whether a layer reads its input by weights: those of a recurrent one and of quantized ones too."""
    packed = type(module).__module__.startswith("torch.ao.nn.") and callable(getattr(module, "weight", None))
    return packed or holds_weights(module)


def _lazy(module: Any) -> bool:
    from torch.nn.parameter import is_lazy

    return any(is_lazy(tensor) for tensor in module._parameters.values() if tensor is not None)


def _drawable(layer: Any) -> tuple[str, torch.Tensor] | None:
    """The weights that read the input, as what they are called in the layer; None where they are no picture."""
    from torch import nn

    weights: Any = layer
    if isinstance(layer, nn.RNNBase):
        return "weight_ih_l0", weights.weight_ih_l0
    if isinstance(layer, nn.RNNCellBase):
        return "weight_ih", weights.weight_ih
    kinds = (nn.Conv1d, nn.Conv2d, nn.Linear)
    return ("", weights.weight) if isinstance(layer, kinds) else None


def filters(experiment: Experiment) -> tuple[Block | None, str]:
    """The first layer's weights, or None and why they are not shown. Raises InputError for NaN weights."""
    from torch import nn

    from reportgen.dense import dense

    # Of a model with a scripted part the first layer that is seen may not be the first that runs.
    found = None if hidden(experiment) else first_layer(experiment)
    if found is None:
        return None, hidden(experiment) or "no layer with weights that could be drawn was found"
    name, layer = found
    kind = f"{type(layer).__name__} {name}".strip()
    drawn = _drawable(layer)
    if drawn is None:
        return None, f"the first layer is {kind}, whose weights are no picture"
    part, tensor = drawn
    if tensor.is_meta:
        return None, f"the weights of the first layer, {kind}, hold no values (meta device)"
    name = ".".join(one for one in (name, part) if one)
    weights = dense(tensor).cpu().double().numpy()
    bad = int((~np.isfinite(weights)).sum())
    if bad:
        raise InputError(
            f"{bad:,} of {weights.size:,} weights of the first layer, {name}, are not finite",
            "load a checkpoint from before training diverged",
        )
    if isinstance(layer, nn.Conv2d):
        return _noted(experiment, _pictures(name, weights)), ""
    flat = weights if weights.ndim == 2 else weights.reshape(len(weights), -1)
    if flat.shape[0] > LARGEST_MATRIX[0] or flat.shape[1] > LARGEST_MATRIX[1]:
        return (
            None,
            f"the first layer's weights, {name}, are {flat.shape[0]} × {flat.shape[1]}, too many to draw",
        )
    return _noted(experiment, _matrix(experiment, name, weights, flat)), ""


def _noted(experiment: Experiment, block: Images | Heatmap) -> Block:
    if runs(experiment):
        return block
    said = "No forward pass ran, so this is the first layer in the order of registration."
    return block.model_copy(update={"caption": f"{block.caption} {said}"})


def _pictures(name: str, weights: np.ndarray) -> Images:
    """Filters (out, in, h, w): colours where they read three channels, signed maps otherwise."""
    count, channels, height, width = weights.shape
    shown = weights[:MOST]
    size = f"{height} × {width}"
    if channels == 3:
        pictures = tuple(_colours(f"filter {i}", one) for i, one in enumerate(shown))
        how = "red, green and blue weights, each filter stretched from its smallest to its largest"
    else:
        fields = shown.mean(axis=1)
        limit = float(f"{np.abs(fields).max():.6g}")
        pictures = tuple(
            Picture(
                caption=f"filter {i}",
                alt=f"filter {i}, weights {show(float(f'{one.min():.3g}'))} to {show(float(f'{one.max():.3g}'))}",
                map=Map.from_array(one, signed=True, limit=limit),
            )
            for i, one in enumerate(fields)
        )
        over = "" if channels == 1 else f", the mean over {channels} input channels"
        how = f"weights{over}, one scale for all, ±{show(float(f'{limit:.3g}'))}"
    return Images(
        title=f"First-layer filters: {name}" if name else "First-layer filters",
        caption=f"{len(shown)} of {plural(count, 'filter')} of {name or 'the layer'}, {size} pixels; {how}.",
        pictures=pictures,
        columns=16 if count > 16 else max(1, min(8, count)),
    )


def _colours(caption: str, weights: np.ndarray) -> Picture:
    low, high = float(weights.min()), float(weights.max())
    pixels = np.rint((weights - low) / max(high - low, 1e-12) * 255).astype(np.uint8).transpose(1, 2, 0)
    alt = f"{caption}, weights {show(float(f'{low:.3g}'))} to {show(float(f'{high:.3g}'))}"
    return Picture(caption=caption, alt=alt, raster=Raster.from_array(np.ascontiguousarray(pixels)))


def _matrix(experiment: Experiment, name: str, weights: np.ndarray, flat: np.ndarray) -> Heatmap:
    table = weights.ndim == 2 and experiment.modality == "table"
    labels = tuple(experiment.feature_name(i) if table else str(i) for i in range(flat.shape[1]))
    what = "input feature" if table else ("input" if weights.ndim == 2 else "channel and tap")
    return Heatmap(
        title=f"First-layer weights: {name}" if name else "First-layer weights",
        caption=f"All {flat.size:,} weights of {name or 'the layer'}, {plural(len(flat), 'unit')}; no unit of measure.",
        row_labels=tuple(f"{i}" for i in range(len(flat))),
        column_labels=labels,
        values=tuple(tuple(float(f"{value:.4g}") for value in row) for row in flat),
        row_title="unit",
        column_title=what,
        scale="diverging",
    )
