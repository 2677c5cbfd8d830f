"""Images (n, C, H, W): hidden in segments, by the picture's mean colour or by a blur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.choose import Subject
from reportgen.attribution.sight import Baseline, Parts, Sight
from reportgen.experiment import Experiment
from reportgen.pixels import to_pixels_alike

if TYPE_CHECKING:
    import torch

WANTED = 40  # segments asked of SLIC
FLOOR = 16  # fewer segments tell too little of where; the default of lime finds one on a 32 x 32 picture


def sights(experiment: Experiment, subjects: Sequence[Subject]) -> list[Sight]:
    """Pictures; the baseline is the picture's mean colour, the other one its blur."""
    pixels, _ = pictures(experiment, subjects)
    made = []
    for subject, picture in zip(subjects, pixels, strict=True):
        values = subject.values
        numbers, how = segment(picture)
        made.append(
            Sight(
                subject=subject,
                score=Score(experiment, subject.inputs, subject.target),
                values=values,
                folded=0,
                baseline=Baseline(mean_colour(values), "the picture's mean colour"),
                other=Baseline(blur(values), "the picture blurred"),
                parts=Parts(numbers, how),
            )
        )
    return made


def pictures(experiment: Experiment, subjects: Sequence[Subject]) -> tuple[list[np.ndarray], str]:
    """The subjects as uint8 pixels, (H, W) or (H, W, 3), and how the values were mapped to them."""
    images = [subject.values for subject in subjects]
    channels = images[0].shape[1]
    if channels in (1, 3):
        return to_pixels_alike(images, experiment.normalization)
    grey, how = to_pixels_alike([image.float().mean(dim=1, keepdim=True) for image in images])
    return grey, f"the mean of {channels} channels, {how}"


def mean_colour(values: torch.Tensor) -> torch.Tensor:
    """A picture like `values` (1, C, H, W), each channel at its mean."""
    if values.is_floating_point():
        mean = values.mean(dim=(2, 3), keepdim=True)
    else:
        mean = values.float().mean(dim=(2, 3), keepdim=True).round().to(values.dtype)
    return mean.expand_as(values).contiguous()


def blur(values: torch.Tensor) -> torch.Tensor:
    """`values` (1, C, H, W) under three box filters of a fifth of the shorter side, about a Gaussian.

    A box is a mean along rows and one along columns, each a running sum: its size costs nothing.
    """
    import torch
    from scipy.ndimage import uniform_filter1d

    size = max(3, min(values.shape[2:]) // 5 | 1)
    soft = values.detach().cpu().double().numpy()
    for _ in range(3):
        for axis in (2, 3):
            soft = uniform_filter1d(soft, size, axis, mode="nearest")
    blurred = torch.from_numpy(soft).float().to(values.device)
    return (blurred if values.is_floating_point() else blurred.round()).to(values.dtype)


def segment(pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """Numbers of segments (H, W), from 0 on, of uint8 pixels (H, W) or (H, W, 3), and how they were cut.

    SLIC, or a grid where the picture is small or where SLIC finds fewer than 16 segments.
    """
    height, width = pixels.shape[:2]
    if min(height, width) >= 24:
        found = _slic(pixels)
        count = int(found.max()) + 1
        if count >= FLOOR:
            return found, f"{count} SLIC segments"
    rows, columns = (min(length, 8 if length <= 16 else 7) for length in (height, width))
    down = np.arange(height) * rows // height
    across = np.arange(width) * columns // width
    return down[:, None] * columns + across[None, :], f"a grid of {rows} × {columns} segments"


def _slic(pixels: np.ndarray) -> np.ndarray:
    from skimage.segmentation import slic

    axis = -1 if pixels.ndim == 3 else None
    found = slic(pixels, n_segments=WANTED, compactness=10, sigma=1, start_label=0, channel_axis=axis)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)
