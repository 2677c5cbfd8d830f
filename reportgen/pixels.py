"""Tensors as pixels a person can look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Normalization = tuple[tuple[float, ...], tuple[float, ...]] | None


def to_pixels_alike(
    images: Sequence[torch.Tensor], normalization: Normalization = None
) -> tuple[list[np.ndarray], str]:
    """`to_pixels` of images (1, 1 or 3, H, W) of any sizes, mapped as one batch."""
    import torch

    sizes = [tuple(image.shape[2:]) for image in images]
    row = torch.cat([image.flatten(2)[:, :, None] for image in images], dim=3)
    pixels, how = to_pixels(row, normalization)
    parts = np.split(pixels[0][0], np.cumsum([height * width for height, width in sizes])[:-1])
    return [part.reshape(*size, *part.shape[1:]) for part, size in zip(parts, sizes, strict=True)], how


def to_pixels(images: torch.Tensor, normalization: Normalization = None) -> tuple[list[np.ndarray], str]:
    """uint8 pixels (H, W) or (H, W, 3) of images (n, 1 or 3, H, W), and how the values were mapped.

    With `normalization` (mean, std), value * std + mean is shown. Values in 0..1 or 0..255 are shown as
    they are; others are stretched between the smallest and the largest of the batch.
    """
    values = images.detach().float().cpu().numpy()
    if values.ndim != 4 or values.shape[1] not in (1, 3):
        raise ValueError(f"expected images (n, 1 or 3, H, W), got {values.shape}")
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if normalization is not None:
        mean, std = (np.asarray(part, np.float32).reshape(1, -1, 1, 1) for part in normalization)
        values, how, slack = values * std + mean, "shown with the given normalization undone", 0.5
    else:
        how, slack = "values shown as they are", 0.01
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if high > max(64.0, 1 + slack):
        # Pixels of 0..255, not of 0..1.
        values, low, high = values / 255, low / 255, high / 255
    if low < -slack or high > 1 + slack:
        values = (values - low) / max(high - low, 1e-12)
        how = f"contrast stretched from {low:.3g}..{high:.3g}"
    shown = np.clip(np.rint(values * 255), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    return [image[..., 0] if image.shape[-1] == 1 else image for image in shown], how


def shrink(field: np.ndarray, limit: int = 128) -> np.ndarray:
    """The field (H, W) or (H, W, 3) with neither side longer than `limit`: means of square blocks.

    uint8 stays uint8. A last row or column of blocks that the picture does not fill is left out.
    """
    factor = -(-max(field.shape[:2]) // limit)
    height, width = (max(1, length // factor) for length in field.shape[:2])
    if factor == 1:
        return field
    cut = field[: height * factor, : width * factor]
    rows, columns = min(factor, cut.shape[0]), min(factor, cut.shape[1])
    blocks = cut.reshape(height, rows, width, columns, *field.shape[2:]).mean(axis=(1, 3))
    return np.rint(blocks).astype(np.uint8) if field.dtype == np.uint8 else blocks
