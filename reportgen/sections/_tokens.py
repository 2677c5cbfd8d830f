"""The embeddings of tokens: where the commonest lie, what lies near them, which the data does not hold."""

from __future__ import annotations

import numpy as np

from reportgen.experiment import Experiment, Options
from reportgen.features.embedding import MOST_GROUPS, pca
from reportgen.features.tokens import Vocabulary, neighbours, vocabulary
from reportgen.report import Column, Distribution, Histogram, Row, Scatter, Table
from reportgen.sections._survey import Made
from reportgen.spread import looked_at
from reportgen.units import plural, shorten, show

DRAWN = 200  # tokens in the plane
LISTED = 10  # tokens with their neighbours
NEAR = 3
BINS = 30
TIME = 0.14  # of the section's for the pass over the data, where the clock may decide


def token_embeddings(experiment: Experiment, options: Options, made: Made) -> None:
    """PCA, neighbours and lengths of the token vectors of a model whose first layer is an nn.Embedding."""
    if experiment.samples is None:
        return
    words = vocabulary(experiment, made.deadline.part(TIME))
    if words is None:
        return
    total, seen = len(words.counts) - (words.padding is not None), int((words.counts > 0).sum())
    of = looked_at(experiment, words.samples)
    padding = (
        f"; padding ({_name(experiment, words.padding)}) is not counted" if words.padding is not None else ""
    )
    about = f"{seen:,} of {plural(total, 'token')} of {words.name} occur in {of}{padding}."
    if seen < 3:
        made.notes.append(f"Token embeddings are not shown: {about}")
        return
    if words.vectors.shape[1] >= 2:
        made.blocks.append(_plane(experiment, words, about))
    made.blocks += [_near(experiment, words, about), _lengths(words, about)]
    never = show(float(f"{1 - seen / total:.3g}"), "share")
    made.said.append(f"{never} of {plural(total, 'token')} never occur in {of}")


def _name(experiment: Experiment, token: int) -> str:
    return shorten(experiment.token_name(token), 30) or f"token {token}"


def _plane(experiment: Experiment, words: Vocabulary, about: str) -> Scatter:
    shown = words.vectors[:DRAWN]
    plane = pca(shown)
    named = len(shown) if len(shown) <= MOST_GROUPS else MOST_GROUPS - 1
    groups = [_name(experiment, int(token)) for token in words.common[:named]]
    if named < len(shown):
        groups.append(f"{len(shown) - named} further tokens")
    shares = [show(float(f"{share:.3g}"), "share") for share in plane.shares]
    x, y = (tuple(float(f"{value:.6g}") for value in column) for column in plane.points.T)
    return Scatter(
        title=f"Token embeddings: {words.name}",
        caption=f"Vectors ({words.vectors.shape[1]:,} numbers) of the {len(shown)} commonest tokens on their first two "
        f"principal axes; the {named} commonest by name. {about} PCA has no random part.",
        x=x,
        y=y,
        member=tuple(min(at, len(groups) - 1) for at in range(len(shown))),
        groups=tuple(groups),
        x_label=f"1st principal axis ({shares[0]} of variance)",
        y_label=f"2nd principal axis ({shares[1]} of variance)",
    )


def _near(experiment: Experiment, words: Vocabulary, about: str) -> Table:
    rows = []
    for at, token in enumerate(words.common[:LISTED]):
        near = neighbours(words.vectors, at, NEAR)
        said = ", ".join(
            f"{_name(experiment, int(words.common[i]))} ({show(round(cosine, 2))})" for i, cosine in near
        )
        cells = (
            _name(experiment, int(token)),
            int(words.counts[token]),
            float(f"{words.norms[token]:.4g}"),
            said or "none: its vector has length 0",
        )
        rows.append(Row(cells=cells))
    columns = (
        Column(name="Token"),
        Column(name="Occurs", unit="exact", note="times in the samples looked at"),
        Column(name="Length", unit="exact", note="of its vector"),
        Column(name="Nearest", note="by cosine, which is given behind each"),
    )
    among = (
        f"the {len(words.common):,} commonest"
        if len(words.common) < (words.counts > 0).sum()
        else "those that occur"
    )
    return Table(
        title=f"Nearest tokens: {words.name}",
        caption=f"The {len(rows)} commonest tokens and the {NEAR} nearest to each among {among}. {about}",
        columns=columns,
        rows=tuple(rows),
    )


def _lengths(words: Vocabulary, about: str) -> Distribution:
    seen, never = words.counts > 0, words.counts == 0
    if words.padding is not None:
        never[words.padding] = False
    edges = np.linspace(0, max(float(words.norms.max()), 1e-12), BINS + 1)
    parts = [("tokens that occur", seen), ("tokens that never occur", never)]
    return Distribution(
        title=f"Lengths of token vectors: {words.name}",
        caption="Euclidean lengths. Without weight decay, the vectors of tokens that training never saw are as they "
        f"began. {about}",
        histograms=tuple(
            Histogram(
                name=name,
                edges=tuple(float(f"{edge:.5g}") for edge in edges),
                counts=np.histogram(words.norms[which], edges)[0],
            )
            for name, which in parts
            if which.any()
        ),
        x_label="length",
        y_label="tokens",
    )
