"""Where samples lie in the layer before the last: its first two principal components."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.hooks import running_order, watching
from reportgen.units import show

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

MOST_GROUPS = 10  # colours that can be told apart


@dataclass(frozen=True)
class Plane:
    """Samples (n, 2) on the first two principal axes, and the share of the variance that each axis holds."""

    points: np.ndarray
    shares: tuple[float, float]


def pca(features: np.ndarray) -> Plane:
    """Principal components of (n, d) features, by singular value decomposition of the centred features.

    The sign, which the decomposition leaves open, is set so that each axis's largest loading is positive.
    Raises ValueError for fewer than three samples or two dimensions, or values that are not finite.
    """
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or values.shape[0] < 3 or values.shape[1] < 2:
        raise ValueError(f"expected at least 3 samples of 2 dimensions, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("the features hold values that are not finite")
    centred = values - values.mean(axis=0)
    left, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    total = float((sizes**2).sum())
    largest = np.abs(axes[:2]).round(9).argmax(axis=1)
    signs = np.where(axes[[0, 1], largest] < 0, -1.0, 1.0)
    points = left[:, :2] * sizes[:2] * signs
    shares = [float(size**2) / total if total > 0 else 0.0 for size in sizes[:2]]
    return Plane(points, (shares[0], shares[1]))


@dataclass
class Penultimate:
    """Gathers what goes into the last nn.Linear (or, without one, the last convolution) that runs.

    More than one vector a sample (tokens, pixels) is averaged to one.
    """

    name: str
    kind: str
    parts: list[np.ndarray]

    @classmethod
    def of(cls, experiment: Experiment, inputs: Inputs) -> Penultimate | None:
        """For this model; None where it has neither layer. Raises InputError."""
        from torch import nn

        for kinds in ((nn.Linear,), (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            ran = running_order(experiment, inputs, kinds)
            if ran:
                return cls(ran[-1][0], type(ran[-1][1]).__name__, [])
        return None

    @contextlib.contextmanager
    def gather(self, experiment: Experiment) -> Iterator[None]:
        """Add the features of the one forward pass that runs inside to `parts`, unless it raises."""
        from torch import nn

        given: list[torch.Tensor] = []

        def keep(name: str, module: Any, value: Any, output: Any) -> None:
            if name == self.name:
                given[:] = [value]

        assert experiment.model is not None
        with watching(experiment.model, (nn.Module,), keep):
            yield
        self.parts += [self._flat(value) for value in given]

    def _flat(self, given: torch.Tensor) -> np.ndarray:
        values = given.detach().cpu().double()
        if values.ndim > 2:
            places = range(1, values.ndim - 1) if self.kind == "Linear" else range(2, values.ndim)
            values = values.mean(dim=tuple(places))
        return values.numpy()

    @property
    def features(self) -> np.ndarray:
        """What was gathered, (n, d)."""
        return np.concatenate(self.parts)


def quartiles(values: np.ndarray) -> tuple[list[int], list[str]]:
    """Group of each value (n,) and the groups' names: the quarters of the values, by size."""
    edges = [float(edge) for edge in np.quantile(values, [0.25, 0.5, 0.75])]
    a, b, c = (show(float(f"{edge:.3g}")) for edge in edges)
    member = np.searchsorted(edges, values, side="left").tolist()
    return member, [f"up to {a}", f"over {a} to {b}", f"over {b} to {c}", f"over {c}"]


def commonest(labels: Sequence[int], name: Callable[[int], str]) -> tuple[list[int], list[str]]:
    """Group of each label and the groups' names, ten at most: the commonest classes, then the others together.

    Labels below zero are no class: the last group, called `name(-1)`.
    """
    given = np.asarray(labels)
    numbers, counts = np.unique(given[given >= 0], return_counts=True)
    room = MOST_GROUPS - int((given < 0).any())
    if len(numbers) <= room:
        kept = numbers.tolist()
    else:
        kept = sorted(numbers[np.argsort(-counts, kind="stable")][: room - 1].tolist())
    place = {label: i for i, label in enumerate(kept)}
    names = [name(label) for label in kept]
    if len(kept) < len(numbers):
        names.append(f"{len(numbers) - len(kept):,} other classes")
    if (given < 0).any():
        names.append(name(-1))
    last = len(names) - 1
    return [last if label < 0 else place.get(int(label), len(kept)) for label in labels], names
