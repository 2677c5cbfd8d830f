"""NaN and infinity among the inputs: in which samples, in which columns or channels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen import tabular
from reportgen.units import plural, shorten

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

NAMED = 6  # columns or channels named


@dataclass
class Gaps:
    """What was found so far. `marred`, a flag a sample: NaN in any input, or infinity in what is explained.

    `nan` and `infinite` count samples, `places` the samples of each column or channel. Infinity in other tensors,
    such as masks, is at home there.
    """

    of: str = ""
    marred: list[bool] = field(default_factory=list)
    nan: int = 0
    infinite: int = 0
    places: dict[int, int] = field(default_factory=dict)

    def add(self, experiment: Experiment, inputs: Inputs, count: int) -> None:
        """Look at a batch of `count` samples."""
        import torch

        empty = np.zeros(count, bool)
        nan, infinite = empty.copy(), empty.copy()
        primary = inputs.primary
        for tensor in inputs.tensors if primary is None else [primary, *inputs.tensors]:
            rows = _rows(tensor, count)
            if rows is not None:
                nan |= rows.isnan().any(dim=1).cpu().numpy()
                if tensor is primary:
                    infinite |= rows.isinf().any(dim=1).cpu().numpy()
        self.marred += (nan | infinite).tolist()
        self.nan, self.infinite = self.nan + int(nan.sum()), self.infinite + int((infinite & ~nan).sum())
        if not (nan | infinite).any():
            return
        parts = _parts(experiment, inputs, count)
        if parts is None:
            return
        self.of, values = parts
        held = (~torch.isfinite(values)).reshape(*values.shape[:2], -1).any(dim=2).sum(dim=0)
        for place in held.nonzero()[:, 0].tolist():
            self.places[place] = self.places.get(place, 0) + int(held[place])

    @property
    def count(self) -> int:
        """How many samples have any."""
        return sum(self.marred)

    @property
    def what(self) -> str:
        """`NaN`, `infinity` or both."""
        return "NaN or infinity" if self.nan and self.infinite else "infinity" if self.infinite else "NaN"

    def said(self, experiment: Experiment) -> str:
        """`age in 3 samples, bmi in 1 sample`: the columns or channels, of most first; empty where none is known."""
        most = sorted(self.places.items(), key=lambda pair: (-pair[1], pair[0]))
        named = [
            f"{self._name(experiment, place)} in {plural(held, 'sample')}" for place, held in most[:NAMED]
        ]
        more = f" and {plural(len(most) - NAMED, f'further {self.of}')}" if len(most) > NAMED else ""
        return ", ".join(named) + more

    def _name(self, experiment: Experiment, place: int) -> str:
        return shorten(experiment.feature_name(place), 40) if self.of == "column" else f"{self.of} {place}"


def look(experiment: Experiment, batches: Iterable[tuple[Inputs, int]]) -> Gaps:
    """What is found in these batches and their numbers of samples."""
    found = Gaps()
    for inputs, count in batches:
        found.add(experiment, inputs, count)
    return found


def _rows(tensor: torch.Tensor, count: int) -> torch.Tensor | None:
    """(count, numbers) of a tensor of floating point with a row a sample, all of it of a single sample; else None."""
    if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.is_meta or not tensor.numel():
        return None
    if tensor.ndim and len(tensor) == count:
        return tensor.detach().reshape(count, -1)
    return tensor.detach().reshape(1, -1) if count == 1 else None


def _parts(experiment: Experiment, inputs: Inputs, count: int) -> tuple[str, torch.Tensor] | None:
    """What the second axis of the values (count, parts, ...) is, where that is known."""
    primary = inputs.primary
    if primary is None or len(primary) != count:
        return None
    if experiment.modality == "table" and primary.ndim == 2:
        return "column", tabular.joined(inputs)
    several = primary.ndim > 2 and primary.shape[1] > 1
    return (
        ("channel", primary)
        if experiment.modality in ("image", "signal", "spectrogram") and several
        else None
    )
