"""The features of a table as a person knows them: numbers in their own unit, categories by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reportgen import tabular
from reportgen.errors import InputError
from reportgen.tabular import Category
from reportgen.units import show

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

BACKGROUND = 1000  # samples that set a table's means, deviations and categories
APART = 1e-3  # how far a one-hot column may lie from its two values, as a share of their distance


@dataclass(frozen=True)
class Feature:
    """A feature and the model's columns that it stands for.

    A number has `mean` and `std`, the normalization that is undone for display; `whole` where the model takes
    whole numbers. A category's value is the place of its code in `levels` (codes, columns); `names` are theirs.
    """

    name: str
    columns: tuple[int, ...]
    mean: float = 0.0
    std: float = 1.0
    whole: bool = False
    levels: np.ndarray | None = None
    names: tuple[str, ...] = ()

    @property
    def smooth(self) -> bool:
        """Whether a gradient with respect to it means anything."""
        return self.levels is None and not self.whole

    def original(self, values: np.ndarray) -> np.ndarray:
        """Numbers in the unit that they had before they were normalized; a category's stay as they are."""
        return values if self.levels is not None else values * self.std + self.mean

    def said(self, value: float) -> str:
        """A value as a reader knows it."""
        if self.levels is not None:
            return self.names[int(value)]
        return show(float(f"{float(self.original(np.asarray(value))):.4g}"))


@dataclass(frozen=True)
class Table:
    """The features, and `rows` (n, features) of the data, evenly over it; `numbers` are the samples' numbers.

    The rows are finite float64. `plain`: each feature is a column of the one input tensor, as it is.
    """

    features: tuple[Feature, ...]
    rows: np.ndarray
    numbers: np.ndarray
    plain: bool

    @cached_property
    def smooth(self) -> np.ndarray:
        """bool (features,): which features have a gradient."""
        return np.array([feature.smooth for feature in self.features], bool)

    @cached_property
    def categorical(self) -> list[int]:
        """The places of the categories among the features."""
        return [at for at, feature in enumerate(self.features) if feature.levels is not None]

    def values(self, inputs: Inputs) -> torch.Tensor:
        """The features (n, features) of inputs, in the dtype and on the device of the model's."""
        primary = inputs.primary
        assert primary is not None
        if self.plain:
            return primary.detach()
        kinds = [tensor for tensor in inputs.tensors if tensor.is_floating_point()]
        coded = self.coded(tabular.joined(inputs).cpu().numpy())
        import torch

        dtype = kinds[0].dtype if kinds else torch.float32
        return torch.as_tensor(coded, dtype=dtype, device=primary.device)

    def coded(self, raw: np.ndarray) -> np.ndarray:
        """Features (n, features) of the model's columns (n, columns), both float64."""
        made = np.empty((len(raw), len(self.features)))
        for at, feature in enumerate(self.features):
            given = raw[:, list(feature.columns)]
            made[:, at] = given[:, 0] if feature.levels is None else _nearest(given, feature.levels)
        return made

    def feed(self, experiment: Experiment, inputs: Inputs, values: torch.Tensor) -> torch.Tensor:
        """The outputs for features `values` (n, features); gradients flow through numbers. Raises InputError."""
        if self.plain:
            return experiment.scores(inputs.with_primary(values))
        return experiment.scores(tabular.replaced(inputs, self._columns(values)))

    def _columns(self, values: torch.Tensor) -> torch.Tensor:
        import torch

        parts: list[torch.Tensor] = []
        order: list[int] = []
        for at, feature in enumerate(self.features):
            part = values[:, at : at + 1]
            if feature.levels is not None:
                levels = torch.as_tensor(feature.levels, dtype=values.dtype, device=values.device)
                part = levels[part.detach()[:, 0].round().long().clamp(0, len(levels) - 1)]
            elif feature.whole and len(self.rows):
                # A whole number beyond those of the data may be none that the model has a place for.
                part = part.detach().clamp(float(self.rows[:, at].min()), float(self.rows[:, at].max()))
            parts.append(part)
            order += feature.columns
        return torch.cat(parts, dim=1)[:, torch.as_tensor(np.argsort(order), device=values.device)]

    def centre(self, kind: str) -> np.ndarray:
        """The mean or median (features,) of the numbers, and the most frequent of each category."""
        made = self.rows.mean(axis=0) if kind == "mean" else np.median(self.rows, axis=0)
        for at in self.categorical:
            made[at] = np.bincount(self.rows[:, at].astype(int)).argmax()
        return made


def table_of(experiment: Experiment, more: Sequence[Inputs] = ()) -> Table:
    """The table of an experiment's data; its categories' codes are those of its data and of `more`.

    Raises InputError for declared categories that the data does not hold.
    """
    example = experiment.require_forward()
    raw, numbers = _read(experiment)
    extra = [tabular.joined(inputs).cpu().numpy() for inputs in (*more, example)]
    every = np.concatenate([raw, *extra]) if raw.size else np.concatenate(extra)
    every = every[np.isfinite(every).all(axis=1)]
    features = _features(experiment, example, every)
    plain = not experiment.categorical and len(tabular.places(example)) == 1
    table = Table(tuple(features), np.zeros((0, len(features))), numbers, plain)
    if not len(raw):
        return table
    kept = np.isfinite(raw).all(axis=1)
    return Table(table.features, table.coded(raw[kept]), numbers[kept], plain)


def _read(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Up to 1,000 rows (n, columns), evenly from the data where it has a length, and their numbers."""
    samples = experiment.samples
    if samples is None:
        return np.zeros((0, 0)), np.zeros(0, int)
    if samples.total is None:
        batches = list(samples.batches(BACKGROUND, 256))
    else:
        count = min(samples.total, BACKGROUND)
        batches = list(samples.some([i * samples.total // count for i in range(count)]))
    rows = np.concatenate([tabular.joined(batch.inputs).cpu().numpy() for batch in batches])
    return rows, np.concatenate([np.array(batch.indices, int) for batch in batches])


def _features(experiment: Experiment, example: Inputs, every: np.ndarray) -> list[Feature]:
    """In the order of the columns; a one-hot group where its first column is."""
    mean, std = _normalization(experiment, tabular.width(example))
    whole = np.concatenate(
        [
            np.full(tensor.reshape(len(tensor), -1).shape[1], not tensor.is_floating_point())
            for tensor in (example.tensors[at] for at in tabular.places(example))
        ]
    )
    groups = {category.columns[0]: category for category in experiment.categorical}
    inside = {column for category in experiment.categorical for column in category.columns}
    features = []
    for column in range(len(whole)):
        if column in groups:
            features.append(_category(groups[column], every, mean, std))
        elif column not in inside:
            name = experiment.feature_name(column)
            features.append(Feature(name, (column,), mean[column], std[column], bool(whole[column])))
    return features


def _normalization(experiment: Experiment, count: int) -> tuple[list[float], list[float]]:
    """A mean and a deviation for each column; columns beyond those given were left as they are."""
    if experiment.normalization is None:
        return [0.0] * count, [1.0] * count
    mean, std = (list(part) for part in experiment.normalization)
    if len(mean) == 1:
        mean, std = mean * count, std * count
    more = count - len(mean)
    return mean + [0.0] * more, std + [1.0] * more


def _category(category: Category, every: np.ndarray, mean: list[float], std: list[float]) -> Feature:
    given = every[:, list(category.columns)]
    if len(category.columns) > 1:
        levels, names = _one_hot(category, given)
    else:
        levels = np.unique(given, axis=0)
        column = category.columns[0]
        names = _names(category, levels[:, 0] * std[column] + mean[column])
    return Feature(category.name, category.columns, levels=levels, names=names)


def _one_hot(category: Category, given: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The rows that one-hot columns can be, and their names: each column high alone, or none where that occurs."""
    low, high = given.min(axis=0), given.max(axis=0)
    levels = np.where(np.eye(len(low), dtype=bool), high, low)
    names = category.names
    codes = _nearest(given, levels)
    odd = np.abs(given - levels[codes]).max(axis=1) > APART * max(float((high - low).max()), 1e-12)
    if bool((np.abs(given[odd] - low) <= APART * np.maximum(high - low, 1e-12)).all()) and odd.any():
        return np.vstack([levels, low]), (*names, "none of them")
    if odd.any():
        row = ", ".join(f"{value:.4g}" for value in given[odd][0])
        raise InputError(
            f"categorical: the columns of {category.name!r} are no one-hot group: a sample holds {row}",
            "each sample has to have one of the columns high and the others low",
        )
    return levels, names


def _names(category: Category, values: np.ndarray) -> tuple[str, ...]:
    """Names of the codes `values`, in their original unit, by their whole number where names were given."""
    if not category.names:
        return tuple(show(float(f"{value:.4g}")) for value in values)
    numbers = np.round(values).astype(int)
    if np.abs(values - numbers).max() > APART or numbers.min() < 0 or numbers.max() >= len(category.names):
        seen = ", ".join(f"{value:.4g}" for value in values[:5]) + (", …" if len(values) > 5 else "")
        raise InputError(
            f"categorical: {category.name!r} holds {seen}, expected whole numbers from 0 to "
            f"{len(category.names) - 1} for its {len(category.names)} names"
        )
    return tuple(category.names[number] for number in numbers)


def _nearest(given: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The place (n,) in `levels` (codes, columns) that is nearest to each row (n, columns)."""
    places = np.empty(len(given), int)
    for start in range(0, len(given), 256):  # bounded, however many codes there are
        part = given[start : start + 256, None, :]
        places[start : start + 256] = np.abs(part - levels[None]).sum(axis=2).argmin(axis=1)
    return places
