"""What the embedding layer at a model's entrance knows of tokens, and which of them the data holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.deadline import NEVER, Deadline
from reportgen.features.filters import first_layer
from reportgen.hooks import hidden, watching
from reportgen.spread import affordable, spread

if TYPE_CHECKING:
    from reportgen.experiment import Experiment

MOST = 5000  # commonest tokens among which neighbours are sought


@dataclass(frozen=True)
class Vocabulary:
    """An embedding layer and how often each of its tokens was read.

    `counts` int64 (tokens,), `norms` float64 (tokens,): Euclidean lengths. `common`: the commonest tokens, MOST at
    most, the commonest first; `vectors` float64 (len(common), d): theirs. `padding`: the token that fills up short
    samples, which is not counted, None where neither the tokenizer nor the model names one. `samples` were looked at.
    """

    name: str
    counts: np.ndarray
    norms: np.ndarray
    common: np.ndarray
    vectors: np.ndarray
    padding: int | None
    samples: int


def vocabulary(experiment: Experiment, deadline: Deadline = NEVER) -> Vocabulary | None:
    """The tokens of up to 512 samples, as cost and time allow; None where the first layer that runs is no nn.Embedding.

    Raises InputError. Where an `attention_mask` of the tokens' shape is given, what it hides is not counted.
    """
    import torch
    from torch import nn

    from reportgen.embeddings import token_role

    found = None if hidden(experiment) else first_layer(experiment)
    if found is None or not isinstance(found[1], nn.Embedding):
        return None
    name, layer = found
    counts = np.zeros(len(layer.weight), np.int64)
    samples = 0
    assert experiment.model is not None
    for batch in spread(experiment, affordable(experiment), deadline=deadline):
        mask = batch.inputs.kwargs.get("attention_mask")

        def count(place: str, module: Any, given: Any, output: Any, mask: Any = mask) -> None:
            nonlocal counts
            if place == name:
                shown = given[mask.bool()] if getattr(mask, "shape", None) == given.shape else given
                counts += np.bincount(shown.reshape(-1).cpu().numpy(), minlength=len(counts))

        with torch.no_grad(), watching(experiment.model, (nn.Embedding,), count):
            experiment.call(batch.inputs)
        samples += len(batch.indices)
    padding = token_role(experiment, "pad")
    if padding is None or padding >= len(counts):
        padding = layer.padding_idx
    if padding is not None:
        counts[padding] = 0
    weights = layer.weight.detach()  # after the pass, since a layer with max_norm shortens what it reads
    common = np.argsort(-counts, kind="stable")[: min(MOST, int((counts > 0).sum()))]
    vectors = weights[torch.as_tensor(common, device=weights.device)].double().cpu().numpy()
    norms = weights.norm(dim=1).double().cpu().numpy()
    return Vocabulary(name, counts, norms, common, vectors, padding, samples)


def neighbours(vectors: np.ndarray, row: int, count: int) -> list[tuple[int, float]]:
    """The rows (and cosines) nearest to one row of (n, d) vectors by cosine, itself left out; the nearest first.

    A vector of length zero has no direction: it is no neighbour, and has none.
    """
    lengths = np.linalg.norm(vectors, axis=1)
    if lengths[row] == 0:
        return []
    cosines = vectors @ vectors[row] / np.where(lengths > 0, lengths, np.inf) / lengths[row]
    order = np.argsort(-cosines.round(6), kind="stable")
    return [(int(at), float(cosines[at])) for at in order if at != row and lengths[at] > 0][:count]
