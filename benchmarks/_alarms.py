"""What a simulated finding is, and how one is looked for in a report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from reportgen import collect


@dataclass(frozen=True)
class Rule:
    """A finding, with runs of which it is known whether it holds.

    `sound` and `fault` take a seed and say whether the finding was made: on a run without the fault, and on one that
    has it (None where the fault can't be made).
    """

    name: str
    truth: str
    sound: Callable[[int], bool]
    fault: Callable[[int], bool] | None


def whole(random: torch.Generator, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both among them."""
    return int(torch.randint(low, high + 1, (), generator=random))


def found(section: str, wording: str, seed: int, model: Any, **given: Any) -> bool:
    """Whether a finding with these words in its message stands in the section of a report of its own.

    The overview looks at what Evaluation predicted.
    """
    sections = ["overview", "evaluation"] if section == "overview" else [section]
    report = collect(model, sections=sections, seed=seed, **given)
    return any(wording in finding.message for finding in report.section(section).findings)
