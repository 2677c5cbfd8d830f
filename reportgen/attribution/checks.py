"""The looks at explanations that run only where they are asked for by name, and what each of them gives."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.attribution.base import NotApplicable
from reportgen.errors import InputError
from reportgen.values import slug

INFIDELITY, SENSITIVITY = CHECKS = ("infidelity", "max-sensitivity")


def check(names: Any) -> tuple[str, ...]:
    """The names of checks as they are asked for, each once. Raises InputError for one that there is not."""
    if (
        isinstance(names, str)
        or not hasattr(names, "__iter__")
        or not (found := [str(name) for name in names])
    ):
        raise InputError(f"checks: got {names!r}, expected a list of names, as in {list(CHECKS)}")
    for name in found:
        if slug(name) not in CHECKS:
            near = difflib.get_close_matches(slug(name), CHECKS, n=1)
            meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(CHECKS)}"
            raise InputError(f"checks: got {name!r}, {meant}")
    return tuple(dict.fromkeys(slug(name) for name in found))


@dataclass(frozen=True)
class Checked:
    """What a check says of each method: `values` (samples, methods), NaN where unknown.

    `why` holds the first reason of each method that has an unknown value. `numbers` are which of the explained
    samples these are, `wanted` how many they would be without a clock, `lost` whether the time ended before all
    methods were through. `evaluations`: how often the model ran.
    """

    methods: tuple[str, ...]
    numbers: tuple[int, ...]
    wanted: int
    values: np.ndarray
    evaluations: int
    why: dict[str, str]
    lost: bool = False

    def known(self) -> Checked:
        """The same. Raises NotApplicable with the first reason where nothing is known."""
        if not np.isfinite(self.values).any():
            raise NotApplicable(next(iter(self.why.values())))
        return self


def reasons(
    methods: Sequence[str], lines: Sequence[Sequence[float | str]]
) -> tuple[np.ndarray, dict[str, str]]:
    """Values (samples, methods), NaN for each that is a reason instead, and the first reason of each method."""
    why: dict[str, str] = {}
    for line in lines:
        for method, value in zip(methods, line, strict=True):
            if isinstance(value, str):
                why.setdefault(method, value)
    values = [[np.nan if isinstance(value, str) else value for value in line] for line in lines]
    return np.array(values, float).reshape(len(lines), len(methods)), why
