"""Attention on one or two samples: each head's weights, and their rollout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.experiment import Experiment, Options
from reportgen.features.attention import Attention, attends, attention, grid_of, rollout
from reportgen.hooks import hidden
from reportgen.pixels import shrink, to_pixels
from reportgen.report import Heatmap, Images, Map, Picture, Raster
from reportgen.sections._pictures import as_raster
from reportgen.sections._samples import two
from reportgen.sections._survey import Made
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from reportgen.data import Inputs

HEADS = 8  # shown a layer
NAMED = 4  # heads of the last layer that get a heat map with the tokens' names
TOKENS = 40  # shown of a sample
MIXES = "how information mixes, not why the model decided"


def attention_maps(experiment: Experiment, options: Options, made: Made) -> None:
    """Each head's weights on two samples, and the rollout; over the picture where tokens are its patches."""
    assert experiment.model is not None
    seen: list[Attention] = []
    for at, (label, inputs) in enumerate(two(experiment)):
        seen = attention(experiment, inputs)
        if not seen:
            break
        grid = grid_of(experiment, inputs, seen[-1].weights.shape[2])
        if grid is not None:
            made.blocks.append(_patches(experiment, label, inputs, seen, grid))
            continue
        places = _places(experiment, inputs, seen[-1].weights.shape[2])
        made.blocks.append(_heads(label, seen, places))
        if at == 0:
            made.blocks += _named(label, seen[-1], places)
        made.blocks += _rolled(label, seen, places)
    if seen:
        heads = " or ".join(str(count) for count in sorted({len(layer.weights) for layer in seen}))
        made.said.append(f"{plural(len(seen), 'attention layer')} of {heads} heads")
    elif attends(experiment.model):
        why = hidden(experiment) or "it is computed inside a fused call, or on parts of a sample"
        made.notes.append(f"Attention maps are not available: {why}.")


@dataclass(frozen=True)
class Places:
    """The places of a sample that are shown: their `numbers`, their `names`, and what a caption says of them."""

    numbers: np.ndarray
    names: tuple[str, ...]
    said: str

    def of(self, weights: np.ndarray) -> np.ndarray:
        """Weights (..., queries, keys) of these places alone."""
        rows, columns = (self.numbers[self.numbers < size] for size in weights.shape[-2:])
        return weights[..., rows[:, None], columns]


def _places(experiment: Experiment, inputs: Inputs, size: int) -> Places:
    """Of `size` places TOKENS at most and none of padding, on whichever side that is."""
    primary, mask = inputs.primary, inputs.kwargs.get("attention_mask")
    real, padded = np.arange(size), False
    if mask is not None and getattr(mask, "shape", ())[-1:] == (size,):
        real = np.flatnonzero(mask.reshape(-1, size)[0].bool().cpu().numpy())
        real, padded = (real, len(real) < size) if len(real) else (np.arange(1), True)
    kept = real[:TOKENS]
    if primary is not None and not primary.is_floating_point() and tuple(primary.shape) == (1, size):
        names = tuple(shorten(experiment.token_name(int(token)), 24) for token in primary[0, kept])
    else:
        names = tuple(str(place) for place in kept)
    which = f"The first {len(kept)} of" if len(kept) < len(real) else "All"
    return Places(kept, names, f"{which} {len(real):,} places{' that are no padding' if padded else ''}.")


def _spread(layers: list[Attention]) -> list[Attention]:
    """The first, the middle and the last layer."""
    return [layers[at] for at in sorted({0, (len(layers) - 1) // 2, len(layers) - 1})]


def _how(layers: list[Attention]) -> str:
    return "; ".join(dict.fromkeys(layer.how for layer in layers))


def _map(field: np.ndarray, caption: str, alt: str, raster: Raster | None = None) -> Picture:
    limit = float(f"{field.max():.6g}")
    shown = Map.from_array(field, signed=False, limit=limit)
    return Picture(caption=f"{caption}, 0 to {_number(limit)}", alt=alt, raster=raster, map=shown)


def _number(value: float) -> str:
    return show(float(f"{value:.3g}"))


def _filled(pictures: list[Picture], across: int) -> list[Picture]:
    return [*pictures, *[Picture(missing="no further head")] * (across - len(pictures))]


def _heads(label: str, layers: list[Attention], places: Places) -> Images:
    shown = _spread(layers)
    across = min(HEADS, max(len(layer.weights) for layer in shown))
    pictures: list[Picture] = []
    for layer in shown:
        fields = places.of(layer.weights[:across])
        drawn = [_map(shrink(one), f"head {at}", f"{layer.name}, head {at}") for at, one in enumerate(fields)]
        pictures += _filled(drawn, across)
    counts = "; ".join(
        f"{x.name}: {min(across, len(x.weights))} of {plural(len(x.weights), 'head')}" for x in shown
    )
    return Images(
        title=f"Attention heads, {label}",
        caption=f"A row of a map is a place that reads, a column a place that is read; a row sums to 1. {counts}, of "
        f"{plural(len(layers), 'attention layer')}; {_how(shown)}. {places.said}",
        pictures=tuple(pictures),
        columns=across,
        row_titles=tuple(layer.name for layer in shown),
    )


def _matrix(title: str, caption: str, field: np.ndarray, places: Places, rows: str, columns: str) -> Heatmap:
    shown = places.of(field)
    names = places.names[: len(shown)]
    return Heatmap(
        title=title,
        caption=caption,
        row_labels=names,
        column_labels=names,
        values=tuple(tuple(round(float(value), 3) for value in row) for row in shown),
        row_title=rows,
        column_title=columns,
    )


def _named(label: str, layer: Attention, places: Places) -> list[Heatmap]:
    """The last layer's first heads, with the tokens' names."""
    if layer.weights.shape[1] != layer.weights.shape[2]:
        return []
    caption = f"Attention weights of {layer.name} on {label}: {layer.how}. {places.said}"
    return [
        _matrix(f"{layer.name}, head {at}, {label}", caption, one, places, "reads", "is read")
        for at, one in enumerate(layer.weights[:NAMED])
    ]


def _rolled(label: str, layers: list[Attention], places: Places) -> list[Heatmap]:
    own = [layer.weights for layer in layers if layer.itself]
    if len({weights.shape[1:] for weights in own}) != 1:
        return []
    caption = (
        f"{_rollout_of(len(own))} A row is a place of the output, a column a place of the input; on {label}."
        f" {places.said} It says {MIXES}."
    )
    return [
        _matrix(f"Attention rollout, {label}", caption, rollout(own), places, "output place", "input place")
    ]


def _rollout_of(layers: int) -> str:
    return (
        f"The product over {plural(layers, 'layer')} of (A + I) / 2 with rows that sum to 1, A the mean over the heads "
        "(Abnar & Zuidema 2020)."
    )


def _patches(
    experiment: Experiment, label: str, inputs: Inputs, layers: list[Attention], grid: tuple[int, int]
) -> Images:
    """What each head takes from the patches, over the picture; last the rollout."""
    patches = grid[0] * grid[1]
    first = layers[-1].weights.shape[2] - patches  # 1 where there is a token for the class
    shown = _spread([layer for layer in layers if layer.weights.shape[1:] == layers[-1].weights.shape[1:]])
    across = max(2, min(HEADS, max(len(layer.weights) for layer in shown)))
    raster = _raster(experiment, inputs)

    def over(weights: np.ndarray, caption: str, alt: str) -> Picture:
        row = weights[0] if first else weights.mean(axis=0)
        return _map(row[first:].reshape(grid), caption, alt, raster)

    pictures: list[Picture] = []
    for layer in shown:
        drawn = [
            over(one, f"head {at}", f"{layer.name}, head {at}")
            for at, one in enumerate(layer.weights[:across])
        ]
        pictures += _filled(drawn, across)
    own = [layer.weights for layer in layers if layer.itself]
    titles = [layer.name for layer in shown]
    said = ""
    if len({weights.shape[1:] for weights in own}) == 1:
        # The picture alone beside its rollout, so that both can be seen.
        plain = Picture(
            caption=label, alt=label, raster=raster, missing="" if raster else "no picture of 1 or 3 channels"
        )
        pictures += [over(rollout(own), "rollout", f"attention rollout, {label}"), plain]
        titles.append("rollout")
        said = f" Rollout: {_rollout_of(len(own))[0].lower()}{_rollout_of(len(own))[1:]} It says {MIXES}."
    who = "the class token reads" if first else "all places read, on the mean,"
    return Images(
        title=f"Attention over the picture, {label}",
        caption=f"What {who} from each of {grid[0]} × {grid[1]} patches, by head; {_how(shown)}. Every map has its own "
        f"scale.{said}",
        pictures=tuple(pictures),
        columns=across,
        row_titles=tuple(titles),
    )


def _raster(experiment: Experiment, inputs: Inputs) -> Raster | None:
    primary = inputs.primary
    if primary is None or primary.ndim != 4 or primary.shape[1] not in (1, 3):
        return None
    pixels, _ = to_pixels(primary, experiment.normalization)
    return as_raster(shrink(pixels[0]))
