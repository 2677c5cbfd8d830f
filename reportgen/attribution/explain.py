"""Runs the methods that suit the input on the same samples, within what the model's cost allows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from reportgen.attribution.base import Attribution, Outcome, attempt
from reportgen.attribution.methods import Method
from reportgen.attribution.sight import Sight, Tools
from reportgen.experiment import Experiment, Options

# What two cores do in about a hundred seconds. A count, not a clock: the same model gets the same work anywhere.
BUDGET = {"cpu": 6e12, "cuda": 3e14, "mps": 6e13}
PARTS = 40  # of a sample, as far as the plan goes
LEAST = 0.2  # share of the perturbations below which samples are cut instead

Rows = list[tuple[Outcome, ...]]


@dataclass(frozen=True)
class Plan:
    """How many samples are explained, with which share of the perturbations that there would be."""

    samples: int
    share: float


def plan(experiment: Experiment, methods: Sequence[Method], wanted: int) -> Plan:
    """The most that the budget of operations allows, but one sample at least: first fewer perturbations."""
    each = experiment.operations
    budget = BUDGET.get(experiment.device.split(":")[0], BUDGET["cpu"])
    if each == 0:
        return Plan(wanted, 1.0)
    # A backward pass costs about two forward ones.
    fixed = sum(3 * method.backward for method in methods)
    sampled = sum(method.forward + method.parted * PARTS for method in methods)
    passes = budget / each
    share = min(1.0, (passes / wanted - fixed) / max(1, sampled))
    if share >= LEAST:
        return Plan(wanted, share)
    return Plan(max(1, min(wanted, int(passes / (fixed + LEAST * sampled)))), LEAST)


def explain(
    experiment: Experiment, options: Options, sights: Sequence[Sight], methods: Sequence[Method], share: float
) -> Rows:
    """One row a sight, the outcome of each method in it."""
    size = experiment.batch_size
    if experiment.modality == "table":
        size = max(size, 256)
    tools = Tools(experiment, size, size, options.seed, share)
    columns: list[list[Outcome]] = []
    for method in methods:
        column: list[Outcome] = []
        for at, sight in enumerate(sights):
            options.step(method.name, at, len(sights))
            column.append(_timed(method, sight, tools))
        options.step(method.name, len(sights), len(sights))
        columns.append(column)
    return list(zip(*columns, strict=True))


def _timed(method: Method, sight: Sight, tools: Tools) -> Outcome:
    start = time.perf_counter()
    seen = sight.smooth if method.backward and sight.smooth is not None else sight
    made = attempt(method.name, partial(method.make, seen, tools))
    if isinstance(made, Attribution):
        return replace(made, seconds=time.perf_counter() - start, unknown=seen.unknown)
    return made
