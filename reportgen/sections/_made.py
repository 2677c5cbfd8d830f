"""A section as it grows, and what its parts share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reportgen import spread
from reportgen.deadline import NEVER, Deadline
from reportgen.errors import InputError, one_line, type_name
from reportgen.report import Block, Failure, Finding
from reportgen.units import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from reportgen.attribution.base import Attribution
    from reportgen.experiment import Experiment


@dataclass
class Made:
    """The section as it grows: its blocks, findings, what could not be shown, and when it has to end."""

    blocks: list[Block] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    deadline: Deadline = NEVER


def failure(title: str, problem: Exception) -> Failure:
    """What could not be looked at, and why."""
    kind = type_name(problem)
    hint = problem.hint if isinstance(problem, InputError) else ""
    return Failure(title=title, error=kind, message=one_line(problem).removeprefix(f"{kind}: "), hint=hint)


def looked_at(
    experiment: Experiment, count: int, bad: int = 0, what: str = "output", most: int = spread.LIMIT
) -> str:
    """Which samples were looked at: `count`, less the `bad` ones of them whose output (or input) is not finite."""
    of = spread.looked_at(experiment, count, most)
    of = of[0].upper() + of[1:]
    return f"{of}, less {bad:,} whose {what} is not finite" if bad else of


def brief(value: float) -> float:
    """To four significant digits, which hold through a change of the last bit."""
    return float(f"{value:.4g}")


def briefly(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    """Each of them `brief`."""
    return tuple(brief(float(value)) for value in values)


def took(made: Attribution) -> str:
    """The time of an attribution, to end a caption; nothing where `Options.timed` kept the clock out of it."""
    return f", {show(float(f'{made.seconds:.2g}'), 's')}" if made.seconds > 0 else ""
