"""LIME on images: lime's own solver, fed from masks that torch lays over the picture in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Score
from reportgen.attribution.trust import stability

if TYPE_CHECKING:
    import torch

RUNS = 2  # runs with seeds of their own: their mean is shown, their agreement is the stability
WANTED = 40  # segments asked of SLIC
FLOOR = 16  # fewer segments tell too little of where; the default of lime finds one on a 32 x 32 picture
R2, STABILITY = "R2", "stability"
KERNEL_WIDTH = 0.25  # lime's own for images


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


def lime_image(
    score: Score,
    values: torch.Tensor,
    baseline: torch.Tensor,
    segments: np.ndarray,
    *,
    said: str,
    how: str,
    perturbations: int,
    seeds: Sequence[Sequence[int]],
    size: int,
) -> Attribution:
    """The weight of each segment in a linear model of the score near the sample (Ribeiro et al. 2016).

    `values` (1, C, H, W) is shown through masks that replace half of the `segments` (H, W), drawn at
    random, by `baseline`: `perturbations` masks for each of `seeds`, `size` at a time. `said` names the
    baseline, `how` the segments. Trust: the mean R2 of the surrogates and the stability between seeds.
    """
    runs, fits = [], []
    for seed in seeds:
        weights, r2 = _one_run(score, values, baseline, segments, perturbations, seed, size)
        runs.append(weights)
        fits.append(r2)
    return Attribution(
        method="LIME",
        values=np.mean(runs, axis=0)[segments],
        signed=True,
        settings=f"{len(runs)} × {perturbations:,} perturbations of {how}",
        baseline=said,
        trust={R2: float(np.mean(fits)), STABILITY: stability(runs)},
    )


def _one_run(
    score: Score,
    values: torch.Tensor,
    baseline: torch.Tensor,
    segments: np.ndarray,
    perturbations: int,
    seed: Sequence[int],
    size: int,
) -> tuple[np.ndarray, float]:
    """Weights (segments,) and R2 of one surrogate."""
    masks = np.random.default_rng(list(seed)).integers(0, 2, (perturbations, int(segments.max()) + 1))
    masks[0] = 1  # lime's solver expects the sample itself first
    return solve(masks, _scores(score, values, baseline, segments, masks, size))


def _scores(
    score: Score,
    values: torch.Tensor,
    baseline: torch.Tensor,
    segments: np.ndarray,
    masks: np.ndarray,
    size: int,
) -> np.ndarray:
    """Scores (n,) of the sample seen through masks (n, segments)."""
    import torch

    where = torch.from_numpy(segments.astype(np.int64)).to(values.device)
    kept = torch.from_numpy(masks.astype(bool)).to(values.device)
    parts = []
    for part in kept.split(size):
        shown = torch.where(part[:, where].unsqueeze(1), values, baseline)
        parts.append(score.numbers(shown, size))
    return np.concatenate(parts)


def solve(masks: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, float]:
    """lime's weighted ridge regression of scores (n,) on masks (n, segments), the sample itself first.

    Weights as lime's image explainer sets them: sqrt(exp(-d^2 / .25^2)), d the cosine distance to the
    sample. Returns the coefficients (segments,) and R2.
    """
    from lime.lime_base import LimeBase

    shares = masks.sum(axis=1) / masks.shape[1]
    distances = 1.0 - np.sqrt(shares)  # of a 0/1 row to the row of ones
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / KERNEL_WIDTH**2)), random_state=0)
    fitted = base.explain_instance_with_data(
        masks.astype(np.float64), scores[:, None], distances, 0, masks.shape[1], feature_selection="none"
    )
    weights = np.zeros(masks.shape[1])
    for feature, weight in fitted[1]:
        weights[feature] = weight
    return weights, float(fitted[2])
