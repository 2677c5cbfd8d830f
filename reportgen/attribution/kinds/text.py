"""Texts as token ids (n, L): what may change is each token's vector, what is hidden together is a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Baseline, Parts, Sight
from reportgen.embeddings import laid, token_role
from reportgen.experiment import Experiment
from reportgen.hooks import hidden
from reportgen.units import plural
from reportgen.vocabulary import Reading, Vocabulary

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs

MOST = 40  # parts of a text
MEAN_OF = 4096  # vectors that the mean embedding is taken over, at the most
MASK = "attention_mask"


@dataclass(frozen=True)
class Embedded:
    """Runs the model on vectors (n, L, D) in place of what the layer at `path` makes of the ids, and nowhere else."""

    path: str

    def layer(self, experiment: Experiment) -> Any:
        """The nn.Embedding."""
        assert experiment.model is not None
        return experiment.model.get_submodule(self.path)

    def __call__(self, experiment: Experiment, inputs: Inputs, values: torch.Tensor) -> torch.Tensor:
        """The outputs for the vectors. Raises InputError."""
        ids = _ids(inputs).expand(len(values), -1)

        def put(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor) -> Any:
            turned = laid(args[0] if args else next(iter(kwargs.values()), None), ids)
            if turned is None:
                return output
            return (values.transpose(0, 1) if turned else values).to(output.dtype)

        handle = self.layer(experiment).register_forward_hook(put, with_kwargs=True)
        try:
            return experiment.scores(inputs.with_primary(ids))
        finally:
            handle.remove()


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Texts as the vectors of their tokens; as their ids where these can't be replaced by vectors.

    The baseline is the padding token in the place of each token (without one: the unknown or the mask token, or
    zero vectors), the other one the mask or unknown token, or the mean vector. Padding and special tokens stay.
    """
    reason = _why_no_vectors(experiment, subjects)
    made = _of_ids if reason else _of_vectors
    return [made(experiment, subject, reason) for subject in subjects]


def read(experiment: Experiment, inputs: Inputs) -> Reading:
    """The text of a sample (a batch of one) in pieces and words."""
    ids = _ids(inputs)[0].tolist()
    mask, pad = inputs.kwargs.get(MASK), token_role(experiment, "pad")
    if mask is not None and getattr(mask, "shape", None) == _ids(inputs).shape:
        absent = {place for place, kept in enumerate(mask[0].tolist()) if not kept}
    else:
        absent = {place for place, number in enumerate(ids) if number == pad}
    return (experiment.tokenizer or Vocabulary()).read(ids, absent)


def _ids(inputs: Inputs) -> torch.Tensor:
    assert inputs.primary is not None
    return inputs.primary.detach()


def parts(reading: Reading, known: bool) -> Parts:
    """Words as parts; where there are more than 40, stretches of neighbouring words."""
    words, noun = np.asarray(reading.word_of), "word" if known else "token"
    count = len(reading.words)
    if count <= MOST:
        return Parts(words, plural(count, noun))
    size = f"{count // MOST} to {-(-count // MOST)}" if count % MOST else f"{count // MOST}"
    return Parts(np.where(words < 0, -1, words * MOST // count), f"{MOST} stretches of {size} {noun}s")


def _parts(experiment: Experiment, inputs: Inputs) -> Parts:
    return parts(read(experiment, inputs), experiment.tokenizer is not None)


def _of_vectors(experiment: Experiment, subject: Subject, _: str) -> Sight:
    import torch

    assert experiment.embedding is not None
    feed = Embedded(experiment.embedding)
    layer, ids = feed.layer(experiment), _ids(subject.inputs)
    found = _parts(experiment, subject.inputs)
    free = torch.from_numpy(found.numbers >= 0).to(ids.device)
    main = _first(experiment, ("pad", "unk", "mask"))
    other = _first(experiment, ("mask", "unk"), main)
    with torch.no_grad():
        values = layer(ids).detach()

        def end(number: int | None, vector: torch.Tensor, said: str) -> Baseline:
            if number is None:
                return Baseline(torch.where(free[:, None], vector, values), said)
            vectors = layer(torch.where(free, number, ids)).detach()
            return Baseline(vectors, f"{experiment.token_name(number)} in the place of each token")

        step = -(-layer.num_embeddings // MEAN_OF)
        some = torch.arange(0, layer.num_embeddings, step, device=ids.device)
        mean = layer(some[None]).mean(dim=1, keepdim=True)
        baseline = end(main, torch.zeros_like(values), "zero vectors")
        second = end(other, mean, f"the mean vector of {plural(len(some), 'token')}")
    score = Score(experiment, subject.inputs, subject.target, feed)
    return Sight(subject, score, values, 1, baseline, second, found)


def _first(experiment: Experiment, roles: tuple[str, ...], but: int | None = None) -> int | None:
    numbers = (token_role(experiment, role) for role in roles)
    return next((number for number in numbers if number is not None and number != but), None)


def _of_ids(experiment: Experiment, subject: Subject, reason: str) -> Sight:
    import torch

    ids = _ids(subject.inputs)
    found = _parts(experiment, subject.inputs)
    free = torch.from_numpy(found.numbers >= 0).to(ids.device)

    def put(number: int) -> Baseline:
        said = f"{experiment.token_name(number)} in the place of each token"
        return Baseline(torch.where(free, number, ids), said)

    main = _first(experiment, ("pad", "unk", "mask")) or 0
    other = _first(experiment, ("mask", "unk"), main)
    score = Score(experiment, subject.inputs, subject.target)
    second = put(main if other is None else other)
    return Sight(subject, score, ids, None, put(main), second, found, rigid=reason)


def _why_no_vectors(experiment: Experiment, subjects: Sequence[Subject]) -> str:
    """Why the vectors of the tokens can't be put into the model, or nothing; one sample that can tell is tried."""
    import torch

    if experiment.embedding is None:
        return (
            hidden(experiment)
            or "token ids have no gradient, and no nn.Embedding of the model reads them as they are"
        )
    feed = Embedded(experiment.embedding)
    name = experiment.embedding or "the embedding"
    for subject in subjects:
        ids = _ids(subject.inputs)
        places = np.flatnonzero(np.asarray(read(experiment, subject.inputs).word_of) >= 0)
        uniform = ids.clone()
        # One id everywhere: another text, and other counts of each id, but the same padding.
        uniform[:, places] = ids[:, places[:1]]
        if not len(places) or bool((uniform == ids).all()):
            continue
        with torch.no_grad():
            vectors = feed.layer(experiment)(ids)
            plain = experiment.scores(subject.inputs)
            same = feed(experiment, subject.inputs, vectors)
            moved = feed(experiment, subject.inputs.with_primary(uniform), vectors)
        if not _close(same, plain):
            return f"with the vectors of {name} put in their own place the model's output is another"
        if not _close(moved, plain):
            return f"the model uses the token ids elsewhere too, so that the vectors of {name} are not all it sees"
        return ""
    return ""


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    import torch

    scale = float(other.abs().max()) if other.numel() else 0.0
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-3, atol=1e-4 * scale + 1e-12)
