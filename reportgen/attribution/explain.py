"""Runs the methods that suit the input on the same samples, within what the model's cost and the clock allow."""

from __future__ import annotations

import contextlib
import copy
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reportgen.attribution.base import Attribution, Missing, Outcome, attempt
from reportgen.attribution.methods import Method
from reportgen.attribution.pace import measure
from reportgen.attribution.sight import Sight, Tools
from reportgen.deadline import NEVER, Deadline, Late
from reportgen.experiment import Experiment, Options
from reportgen.timelimit import enforced

# What two cores do in about a minute and a half. A count, not a clock: the same model gets the same work anywhere.
BUDGET = {"cpu": 4e12, "cuda": 2e14, "mps": 4e13}
PARTS = 40  # of a sample, as far as the plan goes
SOME = 4  # samples, of which there are fewer only where a fifth of the perturbations is too much
LEAST = 0.2
TIME = 0.72  # of the section's, where the clock may decide: views of all data and the trust need the rest

Rows = list[tuple[Outcome, ...]]


@dataclass(frozen=True)
class Plan:
    """How many samples are explained, with which share of the perturbations that there would be."""

    samples: int
    share: float


def passes(experiment: Experiment, share: float = 1.0) -> float:
    """How many forward passes of one sample this share of the budget of operations allows."""
    return share * experiment.passes(BUDGET)


def evenly(total: int, count: int) -> list[int]:
    """`count` of the places 0 to `total` - 1, evenly from them."""
    return [at * total // count for at in range(count)]


def plan(experiment: Experiment, methods: Sequence[Method], wanted: int) -> Plan:
    """The most that the budget of operations allows: first fewer samples, but four; then fewer perturbations.

    Where a fifth of these is still too much, fewer samples again, but one.
    """
    allowed = passes(experiment)
    # A backward pass costs about two forward ones.
    fixed = sum(3 * method.backward for method in methods)
    sampled = sum(method.forward + method.parted * PARTS for method in methods)
    samples = int(min(wanted, max(SOME, allowed / max(1, fixed + sampled))))
    share = min(1.0, (allowed / samples - fixed) / max(1, sampled))
    if share >= LEAST:
        return Plan(samples, share)
    return Plan(max(1, min(samples, int(allowed / (fixed + LEAST * sampled)))), LEAST)


@dataclass(frozen=True)
class Ready:
    """The sights at the pace that suits the model, the tools for it, and what was seen of the model meanwhile."""

    sights: list[Sight]
    tools: Tools
    notes: tuple[str, ...]


@contextlib.contextmanager
def calm() -> Iterator[None]:
    """One thread for the algebra of small matrices: a second gains nothing, and waits long on a busy machine.

    What the methods import is imported first, so that none of them is charged for it.
    """
    import scipy.linalg  # noqa: F401 - a library of its own, that the limit is for as well
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def prepare(
    experiment: Experiment,
    options: Options,
    sights: Sequence[Sight],
    share: float,
    deadline: Deadline = NEVER,
) -> Ready:
    """Finds the pace, once for the run. Raises InputError where the model can't be run.

    What was made in inference mode has no gradient: then a copy of the model is explained, and of the values.
    """
    experiment = _normal(experiment)
    own = [on(sight, experiment) for sight in sights]
    pace = measure(max(own, key=lambda sight: sight.values.numel()), timed=options.timed, deadline=deadline)
    paced = [_paced(sight, pace.channels_last) for sight in own]
    tools = Tools(experiment, pace.forward, pace.gradient, options.seed, share, options.layers)
    return Ready(paced, tools, pace.notes)


# What autograd says where nothing leads from the score back to the input.
_CUT_OFF = re.compile(r"does not require grad|appears to not have been used in the graph")
NO_GRADIENT = "no gradient leads from the score to the input"


def on(sight: Sight, experiment: Experiment) -> Sight:
    """The sight on this experiment, and with values that can have a gradient."""
    values = sight.values.clone() if sight.values.is_inference() else sight.values
    smooth = None if sight.smooth is None else on(sight.smooth, experiment)
    return replace(sight, values=values, score=replace(sight.score, experiment=experiment), smooth=smooth)


def until(sight: Sight, deadline: Deadline | None) -> Sight:
    """The sight whose score is Late after the deadline."""
    smooth = None if sight.smooth is None else until(sight.smooth, deadline)
    return replace(sight, score=replace(sight.score, deadline=deadline), smooth=smooth)


def _paced(sight: Sight, channels_last: tuple[bool, bool]) -> Sight:
    smooth = None if sight.smooth is None else _paced(sight.smooth, channels_last)
    return replace(sight, score=replace(sight.score, channels_last=channels_last), smooth=smooth)


def _normal(experiment: Experiment) -> Experiment:
    """The experiment, with a copy of the model where its tensors were made in inference mode."""
    model = experiment.model
    if model is None or not any(tensor.is_inference() for tensor in (*model.parameters(), *model.buffers())):
        return experiment
    return replace(experiment, model=copy.deepcopy(model))


def explain(options: Options, ready: Ready, methods: Sequence[Method], deadline: Deadline = NEVER) -> Rows:
    """A row a sight, the outcome of each method in it: all methods of a sample, the cheapest first, then the next.

    Fewer rows than sights where the time ended first, but one at least, with one method at least.
    """
    ours, total = deadline.part(TIME), len(ready.sights) * len(methods)
    rows: Rows = []
    for sight in ready.sights:
        if not ours.allows(len(rows)):
            break
        row: dict[int, Outcome] = {}
        order = sorted(range(len(methods)), key=lambda at: _cost(methods[at]))
        for place, at in enumerate(order):
            method = methods[at]
            options.step(method.name, len(rows) * len(methods) + len(row), total)
            # One method at least is made, however long it takes.
            some = bool(rows) or any(isinstance(made, Attribution) for made in row.values())
            limit = _fair(ours, [methods[later] for later in order[place:]]) if some else None
            try:
                with enforced(deadline if some else NEVER):
                    row[at] = _timed(method, until(sight, limit), ready.tools, options)
            except Late as reason:
                row[at] = Missing(method.name, str(reason))
        rows.append(tuple(row[at] for at in range(len(methods))))
    options.step("", total, total)
    return rows


def _fair(deadline: Deadline, methods: Sequence[Method]) -> Deadline:
    """When the first of these has to end: one that keeps what it has leaves the others their part of the time."""
    first = methods[0]
    if first.parted <= 1:
        return deadline
    return deadline.within(deadline.left() * _cost(first) / sum(map(_cost, methods)))


def _cost(method: Method) -> int:
    """Forward passes that a method takes at most, as far as the plan goes."""
    return 3 * method.backward + method.forward + method.parted * PARTS


def _timed(method: Method, sight: Sight, tools: Tools, options: Options) -> Outcome:
    start = time.perf_counter()
    made = run(method, sight, tools)
    if isinstance(made, Attribution) and options.timed:
        return replace(made, seconds=time.perf_counter() - start)
    return made


def run(method: Method, sight: Sight, tools: Tools) -> Outcome:
    """What a method gives for a sight: one that takes gradients, for what of it has some."""
    seen = sight.smooth if method.backward and sight.smooth is not None else sight
    with tools.steady(sight):
        made = attempt(method.name, partial(method.make, seen, tools))
    if isinstance(made, Missing) and method.backward and _CUT_OFF.search(made.reason):
        return Missing(method.name, NO_GRADIENT)
    return replace(made, unknown=seen.unknown) if isinstance(made, Attribution) else made
