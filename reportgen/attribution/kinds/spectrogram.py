"""Spectrograms (n, F, T) or (n, C, F, T): hidden in bands of frequency and time, by the clip's lowest level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Baseline, Parts, Sight
from reportgen.experiment import Experiment

if TYPE_CHECKING:
    import torch

BANDS, TIMES = 8, 12


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Spectrograms; the baseline is the clip's lowest level, the other one each band's mean over time."""
    made = []
    for subject in subjects:
        values = subject.values
        made.append(
            Sight(
                subject=subject,
                score=Score(experiment, subject.inputs, subject.target),
                values=values,
                folded=0 if values.ndim == 4 else None,
                baseline=Baseline(lowest(values), "the clip's lowest level (silence)"),
                other=Baseline(steady(values), "each band's mean over time"),
                parts=bands(int(values.shape[-2]), int(values.shape[-1])),
            )
        )
    return made


def lowest(values: torch.Tensor) -> torch.Tensor:
    """Like `values` (1, ..., F, T), each channel at its lowest."""
    return values.amin(dim=(-2, -1), keepdim=True).expand_as(values).contiguous()


def steady(values: torch.Tensor) -> torch.Tensor:
    """Like `values` (1, ..., F, T), each band at its mean over time: its colour without its events."""
    mean = values.double().mean(dim=-1, keepdim=True)
    return (
        (mean if values.is_floating_point() else mean.round()).to(values.dtype).expand_as(values).contiguous()
    )


def bands(height: int, width: int) -> Parts:
    """Up to 8 bands of frequency by 12 of time, equal ones."""
    rows, columns = min(BANDS, height), min(TIMES, width)
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    numbers = down[:, None] * columns + across[None, :]
    return Parts(numbers, f"{rows} bands of frequency × {columns} of time")
