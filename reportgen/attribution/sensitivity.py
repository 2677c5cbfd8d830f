"""Max-sensitivity: how far a map moves, at most, as the sample moves a little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Outcome
from reportgen.attribution.checks import Checked, reasons
from reportgen.attribution.explain import PARTS, Rows, evenly, passes, run, until
from reportgen.attribution.methods import Method
from reportgen.attribution.sight import Sight, Tools
from reportgen.deadline import ENDED, NEVER, Deadline, Late
from reportgen.experiment import Experiment, Options

if TYPE_CHECKING:
    import torch

DRAWS, RADIUS = 10, 0.02  # how often a sample moves, and how far: a share of the range
MOST = 2  # samples
SHARE = 0.3  # of the budget of operations that the explanations have
TIME = 0.27  # of the section's, for all samples, where the clock may decide
COSTLY = "the model's cost leaves no room for it"


def sensitivity(
    experiment: Experiment,
    options: Options,
    tools: Tools,
    sights: Sequence[Sight],
    rows: Rows,
    methods: Sequence[Method],
    deadline: Deadline = NEVER,
) -> Checked:
    """Of up to two samples, evenly from those explained, by the methods that the budget allows, the cheapest first.

    Raises NotApplicable with the reason where no value is known, Late where the time ends before one is.
    """
    order, count = afforded(experiment, methods, tools, min(MOST, len(rows)))
    if not count:
        raise NotApplicable(COSTLY)
    chosen, ours = evenly(len(rows), count), deadline.part(TIME)
    jobs = [(at, place) for at in chosen for place in order]
    found: dict[tuple[int, int], float | str] = {}
    evaluations = 0
    for at, place in jobs:
        options.step("Max-sensitivity", len(found), len(jobs))
        if place == order[0] and not ours.allows(len(found) // len(order)):
            break
        seen = until(sights[at], ours if found else deadline)
        try:
            found[at, place], spent = _of(rows[at][place], methods[place], seen, tools)
        except Late:
            if not found:
                raise
            break
        evaluations += spent
    options.step("Max-sensitivity", len(jobs), len(jobs))
    done = list(dict.fromkeys(at for at, _ in found))
    other = [ENDED if place in order else COSTLY for place in range(len(methods))]
    lines = [[found.get((at, place), other[place]) for place in range(len(methods))] for at in done]
    names = tuple(made.method for made in rows[0])
    values, why = reasons(names, lines)
    lost = len(found) < len(done) * len(order)
    return Checked(names, tuple(done), count, values, evaluations, why, lost).known()


def afforded(
    experiment: Experiment, methods: Sequence[Method], tools: Tools, wanted: int
) -> tuple[list[int], int]:
    """The places of the methods that one sample leaves room for, the cheapest first, and how many samples."""
    costs = [DRAWS * (3 * one.backward + tools.share * (one.forward + one.parted * PARTS)) for one in methods]
    left = allowed = passes(experiment, SHARE)
    chosen = []
    for place in sorted(range(len(methods)), key=lambda place: costs[place]):
        if costs[place] <= left:
            chosen.append(place)
            left -= costs[place]
    each = sum(costs[place] for place in chosen)
    return chosen, int(min(wanted, allowed / max(1, each))) if chosen else 0


def _of(made: Outcome, method: Method, sight: Sight, tools: Tools) -> tuple[float | str, int]:
    """The max-sensitivity of a method on one sample, or why there is none, and evaluations. Raises Late."""
    if not isinstance(made, Attribution):
        return made.reason, 0
    norm = float(np.linalg.norm(made.values))
    if norm == 0:
        return "the map is zero all over", 0
    largest, evaluations = 0.0, 0
    try:
        reach = radius(sight)
    except NotApplicable as reason:
        return str(reason), 0
    for delta in deltas(sight, tools, reach):
        other = run(method, moved(sight, delta), tools)
        if sight.score.deadline is not None:
            sight.score.deadline.check()
        if not isinstance(other, Attribution):
            return f"of the moved sample: {other.reason}", evaluations
        evaluations += other.evaluations
        largest = max(largest, float(np.linalg.norm(other.values - made.values)) / norm)
    return largest, evaluations


def radius(sight: Sight) -> torch.Tensor:
    """How far each value may move, like the sight's values: 2 % of the range of the sample's, of a table the feature's.

    Features of a table have units of their own, so the range is that of each in the data. What has no gradient
    there, a category or a whole number, stays. Raises NotApplicable where nothing can move a little.
    """
    import torch

    values = sight.values
    if sight.rigid or not values.is_floating_point():
        kind = str(values.dtype).removeprefix("torch.")
        raise NotApplicable(f"the values are {kind}, of which none can move a little")
    if sight.table is not None:
        if not len(sight.table.rows):
            raise NotApplicable("no data, whose ranges say how far each feature may move")
        spans = np.ptp(sight.table.rows, axis=0)
        if sight.smooth is not None and sight.smooth.unknown is not None:
            spans = np.where(sight.smooth.unknown, 0.0, spans)
        reach = RADIUS * torch.as_tensor(spans)[None].to(values)
    else:
        reach = (RADIUS * (values.max() - values.min())).expand_as(values)
    if not bool(torch.isfinite(reach).all()) or not bool((reach > 0).any()):
        raise NotApplicable("there is no range of values that says how far they may move")
    return reach


def deltas(sight: Sight, tools: Tools, reach: torch.Tensor) -> Iterator[torch.Tensor]:
    """Ten moves like the sight's values, each uniform between minus `reach` and `reach`."""
    import torch

    generator = tools.generator(sight, 6)
    for _ in range(DRAWS):
        yield (2 * torch.rand(reach.shape, generator=generator) - 1).to(reach) * reach


def moved(sight: Sight, delta: torch.Tensor) -> Sight:
    """The sight with other values; baselines and parts are held, and so is what its `smooth` holds."""
    smooth = None if sight.smooth is None else moved(sight.smooth, delta)
    return replace(sight, values=sight.values + delta, smooth=smooth)
