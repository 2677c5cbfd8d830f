"""Activations that sit at their limits: sigmoid, tanh and their piecewise linear kin, whatever they are written as."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.features.functions import FunctionWatch, Place, over_the_rest

if TYPE_CHECKING:
    import torch

NEAR = 0.02  # of a limit of 1, or of the cap
MOSTLY = 0.95  # of a unit's values
_LIMITS = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu6": (-math.inf, 6.0),
    "hardswish": (0.0, math.inf),
}


def called(func: Any) -> str:
    """A function's name, the same for all the ways to write it."""
    name = func.__name__.rstrip("_")
    return "sigmoid" if name == "special_expit" else name


def limits(func: Any, args: Any, kwargs: Any) -> tuple[float, float]:
    """The limits of one call's output that count: a ReLU's zero is not one, for it is looked at as silence."""
    name = called(func)
    if name != "hardtanh":
        return _LIMITS[name]
    given = dict(zip(("input", "min_val", "max_val"), args, strict=False)) | kwargs
    return float(given.get("min_val", -1.0)), float(given.get("max_val", 1.0))


@dataclass
class Saturated:
    """What one activation put out: for each unit, how many of its `values` values lay at a limit.

    `function` is its name; `after` the layer that ran before it.
    """

    after: str
    function: str
    noun: str
    at_limit: np.ndarray
    values: int = 0

    @property
    def units(self) -> list[int]:
        """The units that lie at a limit on more than 95 % of their values."""
        return np.flatnonzero(self.at_limit > MOSTLY * self.values).tolist() if self.values else []

    @property
    def share(self) -> float:
        """The share of all values that lie at a limit."""
        return float(self.at_limit.sum()) / max(1, self.values * len(self.at_limit))


class SaturationWatch(FunctionWatch):
    """Counts how many outputs of sigmoid, tanh, ReLU6 and the like lie at a limit; `found` is by the layer before.

    What runs after the last layer that is watched makes the model's output, which is meant to be decided, and is
    not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Saturated] = {}
        self._now: list[tuple[str, Saturated]] = []

    def functions(self) -> Collection[Any]:
        """Every way to write them."""
        import torch
        from torch.nn import functional

        names = ("sigmoid", "sigmoid_", "tanh", "tanh_")
        inner = ("sigmoid", "tanh", "hardsigmoid", "hardtanh", "hardtanh_", "hardswish", "relu6")
        found = {getattr(functional, name) for name in inner}
        found |= {getattr(torch, name) for name in names} | {getattr(torch.Tensor, name) for name in names}
        return found | {torch.special.expit}

    def begun(self) -> None:
        """Forget what an unfinished pass has left."""
        self._now = []

    def called(self, func: Any, args: Any, kwargs: Any, output: torch.Tensor, place: Place) -> None:
        """Count the values at a limit."""
        name = called(func)
        low, high = limits(func, args, kwargs)
        if name == "hardtanh" and low == 0:
            name, low = f"ReLU{high:g}", -math.inf
        at = output >= high - NEAR * abs(high) if math.isfinite(high) else output == low
        if math.isfinite(low) and math.isfinite(high):
            at = at | (output <= low + NEAR * max(abs(low), abs(high)))
        counts = over_the_rest(at, place.axis)
        values = output.numel() // max(1, len(counts))
        key = f"{place.after or 'the input'} ({name}{'' if place.again == 1 else f' {place.again}'})"
        self._now.append((key, Saturated(place.after or "the input", name, place.noun, counts, values)))

    def ended(self) -> None:
        """Add what the pass has shown, less what made the output."""
        for key, one in self._now:
            if one.after == self._last[0]:
                continue
            known = self.found.setdefault(
                key, Saturated(one.after, one.function, one.noun, np.zeros_like(one.at_limit))
            )
            if len(one.at_limit) == len(known.at_limit):
                known.at_limit = known.at_limit + one.at_limit
                known.values += one.values
