"""What runs hold beside their curves: results logged with the hyper-parameters, values that stand for a whole run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reportgen.history.model import Run
from reportgen.history.names import parse


def result_names(runs: Sequence[Run]) -> list[str]:
    """The names of all results, in the order logged; no upkeep, and nothing that the run has a curve of."""
    return list(
        dict.fromkeys(
            name
            for run in runs
            for name in run.summary
            if name not in run.series and parse(name).kind == "metric"
        )
    )


def result(run: Run, name: str) -> float | None:
    """The finite value of a result; None where the run has none."""
    value = run.summary.get(name, math.nan)
    return value if math.isfinite(value) and name not in run.series else None


def leading_result(runs: Sequence[Run], least: int) -> str | None:
    """The result that at least so many runs are best judged by: that most hold, accuracy before what should be high.

    None where there is none whose better direction is known.
    """
    ranked = []
    for place, name in enumerate(result_names(runs)):
        count = sum(result(run, name) is not None for run in runs)
        said = parse(name)
        if count >= least and said.direction:
            accuracy = said.key.rpartition("/")[2] == "accuracy"
            ranked.append(((-count, not accuracy, said.direction != "max", place), name))
    return min(ranked)[1] if ranked else None
