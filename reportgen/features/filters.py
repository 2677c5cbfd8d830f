"""The weights of the first layer as pictures, or as a matrix where it reads a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.errors import InputError
from reportgen.hooks import hidden, running_order
from reportgen.report import Block, Heatmap, Images, Map, Picture, Raster
from reportgen.units import plural, show

if TYPE_CHECKING:
    from reportgen.experiment import Experiment

MOST = 64  # filters shown
LARGEST_MATRIX = (64, 40)  # units and features that a drawn matrix can name


def first_layer(experiment: Experiment) -> tuple[str, Any] | None:
    """The first layer with weights that runs, by name; the first one registered where nothing runs."""
    from torch import nn
    from torch.nn.parameter import is_lazy

    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.Embedding)
    assert experiment.model is not None
    if experiment.example is not None and experiment.forward_problem is None:
        return next(iter(running_order(experiment, experiment.example, kinds)), None)
    registered = ((n, m) for n, m in experiment.model.named_modules() if isinstance(m, kinds))
    return next(((n, m) for n, m in registered if not is_lazy(m.weight)), None)


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
    if isinstance(layer, nn.Embedding | nn.Conv3d):
        return None, f"the first layer is {kind}, whose weights are no picture"
    if layer.weight.is_meta:
        return None, f"the weights of the first layer, {kind}, hold no values (meta device)"
    weights = dense(layer.weight).cpu().double().numpy()
    bad = int((~np.isfinite(weights)).sum())
    if bad:
        raise InputError(
            f"{bad:,} of {weights.size:,} weights of the first layer, {name}, are not finite",
            "load a checkpoint from before training diverged",
        )
    if isinstance(layer, nn.Conv2d):
        return _pictures(name, weights), ""
    flat = weights if weights.ndim == 2 else weights.reshape(len(weights), -1)
    if flat.shape[0] > LARGEST_MATRIX[0] or flat.shape[1] > LARGEST_MATRIX[1]:
        return (
            None,
            f"the first layer's weights, {name}, are {flat.shape[0]} × {flat.shape[1]}, too many to draw",
        )
    return _matrix(experiment, name, weights, flat), ""


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
