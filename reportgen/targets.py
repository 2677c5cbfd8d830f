"""Targets: read from whatever stands beside the inputs, and what numbers say: classes, shares of classes, values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import torch

from reportgen.errors import InputError
from reportgen.units import plural, shorten

WANTED = "give one class number or one value a sample, or rows of equally many"
NEAR = 1e-3  # how far a row of shares may be from a sum of 1


class UnreadError(InputError):
    """Targets that are there and can't be read: what they are, and what to give instead."""


def read(value: Any, names: Sequence[str] = ()) -> torch.Tensor | None:
    """The targets of a batch as a tensor (a copy), None where it has none. Texts are classes by their `names`.

    Raises UnreadError for what is no number, and where some samples have a target and others none.
    """
    if value is None:
        return None
    if isinstance(value, torch.Tensor):
        return _real(value).detach().clone()
    if isinstance(value, Mapping):
        raise UnreadError(f"the targets are {_dicts([value])}", WANTED)
    if isinstance(value, str | bytes | Number) or not hasattr(value, "__len__"):
        return read([value], names)
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            wide = array.astype(np.float64) if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array
            return torch.from_numpy(np.array(wide.astype(wide.dtype.newbyteorder("="))))
        value = list(array)
    return _listed(list(value), names) if len(value) else None


def _real(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_complex():
        raise UnreadError("the targets are complex numbers", WANTED)
    return tensor


def _listed(items: list[Any], names: Sequence[str]) -> torch.Tensor | None:
    texts = any(isinstance(item, str) for item in items)
    none = sum(item is None or (texts and isinstance(item, float) and item != item) for item in items)
    if none == len(items):
        return None
    if none:
        hint = "give -1 as the class number of a sample that has no label, or leave it out of the data"
        raise UnreadError(f"the targets are None for {none:,} of {plural(len(items), 'sample')}", hint)
    if all(isinstance(item, str) for item in items):
        return _classes(items, names)
    if all(isinstance(item, Mapping) for item in items):
        raise UnreadError(f"the targets are {_dicts(items)}", WANTED)
    kinds = list(dict.fromkeys(type(item).__name__ for item in items))
    try:
        parts = [
            item if isinstance(item, torch.Tensor) else torch.as_tensor(np.asarray(item)) for item in items
        ]
    except (TypeError, ValueError, RuntimeError):
        raise UnreadError(f"the targets are of the kind {', '.join(kinds[:3])}, no numbers", WANTED) from None
    sizes = list(dict.fromkeys(tuple(part.shape) for part in parts))
    if len(sizes) > 1:
        shown = " and ".join(map(str, sizes[:2]))
        raise UnreadError(f"the targets are of different sizes, {shown}, expected equal sizes", WANTED)
    return torch.stack([_real(part) for part in parts]).detach()


def _classes(texts: Sequence[str], names: Sequence[str]) -> torch.Tensor:
    unknown = [text for text in dict.fromkeys(texts) if text not in names]
    if unknown:
        shown = ", ".join(repr(shorten(text, 30)) for text in unknown[:3]) + (
            ", …" if len(unknown) > 3 else ""
        )
        said = f"the targets are texts ({shown})" + (", which are none of class_names" if names else "")
        hint = "give class_names with these texts in the order of the model's outputs, or class numbers"
        raise UnreadError(said, hint)
    return torch.tensor([list(names).index(text) for text in texts])


def _dicts(items: Sequence[Mapping[Any, Any]]) -> str:
    keys = list(dict.fromkeys(str(key) for item in items for key in item))
    return f"dicts of {shorten(', '.join(keys[:6]), 80)}" if keys else "empty dicts"


def joined(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """The targets of batches of one as one tensor, None where none has any. Raises UnreadError as `read` does."""
    return _listed([None if part is None else part.reshape(part.shape[1:]) for part in parts], ())


@dataclass(frozen=True)
class Shares:
    """Rows (n, classes) that say how much of each class a sample is, float32.

    `classes`: int64 (n,), the first of the largest, -1 for a row without a label. `soft`: whether any row is more
    than a single 1.
    """

    rows: torch.Tensor
    classes: torch.Tensor
    soft: bool


def shares(targets: torch.Tensor, classes: int) -> Shares | None:
    """What targets (n, ...) say where each row is a share of each class: not negative, with the sum 1.

    A row with NaN, or of negative numbers alone, is no label. None where the rows are anything else.
    """
    rows = targets.reshape(len(targets), -1).float() if targets.ndim > 1 else targets.float()[:, None]
    if rows.shape[1] != classes or classes < 2 or not len(rows):
        return None
    empty = rows.isnan().any(dim=1) | (rows < 0).all(dim=1)
    held = rows[~empty]
    if not len(held) or not bool((held >= 0).all()) or not bool(((held.sum(dim=1) - 1).abs() <= NEAR).all()):
        return None
    numbers = torch.where(
        empty, torch.full_like(empty, -1, dtype=torch.int64), rows.nan_to_num().argmax(dim=1)
    )
    return Shares(rows, numbers, soft=not bool(((held == 0) | (held == 1)).all()))
