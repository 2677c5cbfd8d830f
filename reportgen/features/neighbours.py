"""How samples lie to each other before the last layer: a plane by t-SNE, neighbours of one class, units by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 30  # samples below which t-SNE says nothing that PCA doesn't
MOST = 1000
PERPLEXITY = 30.0
STEPS = 500  # of the optimisation: twice as many change little for so few samples
AXES = 50  # principal axes that t-SNE starts from, of more dimensions
NEAREST = 10
DIGITS = 4  # of a standard deviation: what is finer may be another machine's rounding


def tsne(features: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """A plane (n, 2) by t-SNE (van der Maaten and Hinton 2008) of features (n, d), and its perplexity.

    Of more than 50 dimensions the first 50 principal axes are taken. It starts from the first two, so that the
    seed decides little. Raises ValueError for fewer than 30 or more than 1,000 samples, values that are not
    finite, or samples that are all the same.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    values = _checked(features, FEWEST, MOST)
    perplexity = min(PERPLEXITY, (len(values) - 1) // 3)
    # One thread: the order in which several add up is not the same each time, and on a busy machine they wait.
    with threadpool_limits(1):
        if values.shape[1] > AXES:
            values = PCA(min(AXES, len(values)), svd_solver="full").fit_transform(values)
        made = TSNE(2, perplexity=perplexity, init="pca", max_iter=STEPS, random_state=seed, n_jobs=1)
        return made.fit_transform(values).astype(np.float64), float(perplexity)


def _checked(features: np.ndarray, fewest: int, most: int) -> np.ndarray:
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or not fewest <= len(values) <= most:
        raise ValueError(f"expected {fewest} to {most:,} samples, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the features hold values that are not finite")
    spread = values.std()
    if not spread or not np.ptp(values, axis=0).any():
        raise ValueError("the samples are all the same")
    return np.round((values - values.mean(axis=0)) / spread, DIGITS)


def trust(features: np.ndarray, plane: np.ndarray) -> float:
    """Trustworthiness (Venna and Kaski 2001) of a plane (n, 2): 1 where no sample is near another in it alone.

    Raises ValueError for fewer than 21 samples, of which 10 neighbours are too many.
    """
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(features, plane, n_neighbors=NEAREST))


@dataclass(frozen=True)
class Agreement:
    """How many of the nearest samples have the same group, on average, and how many of any samples."""

    share: float
    chance: float
    samples: int
    neighbours: int


def agreement(features: np.ndarray, groups: Sequence[int]) -> Agreement | None:
    """Over the 10 nearest of each sample (Euclidean, features (n, d)); groups below zero are no group.

    None for fewer than 12 samples with a group, or for a single group.
    """
    member = np.asarray(groups)
    values, member = np.asarray(features, np.float64)[member >= 0], member[member >= 0]
    if len(values) < NEAREST + 2 or len(np.unique(member)) < 2:
        return None
    spread = float(values.std()) or 1.0
    scaled = (values - values.mean(axis=0)) / spread
    squares = (scaled**2).sum(axis=1)
    apart = np.round(squares[:, None] + squares[None] - 2 * scaled @ scaled.T, DIGITS)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :NEAREST]
    same = member[nearest] == member[:, None]
    others = (member[:, None] == member[None]).sum(axis=1) - 1
    return Agreement(float(same.mean()), float((others / (len(member) - 1)).mean()), len(member), NEAREST)


def telling(features: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """The F ratio of one-way analysis of variance of each unit (d,): variance between classes over that within.

    Infinite where only the classes differ, 0 for a unit that never changes. Raises ValueError unless two classes
    are there, and more samples than classes.
    """
    values, member = np.asarray(features, np.float64), np.asarray(labels)
    classes = np.unique(member)
    if len(classes) < 2 or len(member) <= len(classes):
        raise ValueError(
            f"expected 2 classes or more and more samples than those, got {len(classes)} classes"
        )
    centre = values.mean(axis=0)
    between, within = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for label in classes:
        part = values[member == label]
        mean = part.mean(axis=0)
        between += len(part) * (mean - centre) ** 2
        within += ((part - mean) ** 2).sum(axis=0)
    between, within = between / (len(classes) - 1), within / (len(member) - len(classes))
    moves = between > 1e-12 * (centre**2 + values.var(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(moves, between / within, 0.0)
