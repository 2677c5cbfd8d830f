"""Deletion and insertion curves: how the score moves as what a method ranks first is hidden, or shown alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Outcome, Score, Target
from reportgen.attribution.explain import Rows, evenly, passes, until
from reportgen.attribution.sight import Baseline, Sight, Tools
from reportgen.attribution.trust import settled
from reportgen.deadline import NEVER, Deadline, Late
from reportgen.experiment import Experiment, Options

if TYPE_CHECKING:
    import torch

STEPS, ORDERS = 20, 5  # equal steps of the curves, and random orders a sample
COARSE, FEW = 10, 3  # the same where not even one sample can be afforded otherwise
MOST = 8  # samples with curves
SHARE = 0.1  # of the budget of operations that the explanations have
TIME = 0.13  # of the section's, for all samples, where the clock may decide
DELETION, INSERTION = 0, 1
EQUAL = 1e-6  # areas that are nearer than this are equal
NOISE = 1e-4  # of the larger score: sample and baseline that are nearer leave nothing to measure


@dataclass(frozen=True)
class Effort:
    """What the budget allows: curves for so many samples, in so many steps, beside so many random orders."""

    samples: int
    steps: int = STEPS
    orders: int = ORDERS


@dataclass(frozen=True)
class Removal:
    """The curves of some samples, and the areas under them.

    `curves` (samples, baselines, 2, methods, steps + 1) and `random` (samples, baselines, 2, orders, steps + 1)
    are scores over the share of the places hidden (deletion) or shown (insertion), 0 to 1 in equal steps; `areas`
    and `random_areas` have no last axis. NaN where unknown. The scores are probabilities of the target where
    `classes`, else 1 is the sample's score and 0 the baseline's. `directions` (samples, baselines) are 1 where the
    sample's score is above the baseline's and -1 where it is below, so that what lowers it is ranked first; NaN where
    the two are equal to within noise and there is nothing to measure. `baselines` are what the two are called,
    `evaluations` how often the model ran, `numbers` which of the explained samples these are, `wanted` how many
    they would be without a clock, `places` how many pixels or parts each of them has.
    """

    methods: tuple[str, ...]
    baselines: tuple[str, ...]
    classes: bool
    effort: Effort
    numbers: tuple[int, ...]
    wanted: int
    places: tuple[int, ...]
    evaluations: int
    curves: np.ndarray
    random: np.ndarray
    areas: np.ndarray
    random_areas: np.ndarray
    directions: np.ndarray

    @property
    def as_good(self) -> np.ndarray:
        """The share (samples, baselines, 2, methods) of a sample's own random orders that did as well as a method.

        Better is a smaller area for a deletion, a larger one for an insertion; the other way round where the score
        rises as the sample is hidden and is no share. Equal areas count half, so that chance gives 0.5. NaN where
        unknown.
        """
        towards = self.directions if self.classes else np.ones_like(self.directions)
        sign = np.array([-1.0, 1.0])[None, None, :, None, None] * towards[:, :, None, None, None]
        lead = sign * (self.random_areas[..., None, :] - self.areas[..., :, None])
        shares: np.ndarray = ((lead > EQUAL) + 0.5 * (np.abs(lead) <= EQUAL)).mean(axis=-1)
        return np.where(np.isfinite(lead).all(axis=-1), shares, np.nan)


def mean_known(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of what is not NaN, NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def effort(experiment: Experiment, methods: int, wanted: int) -> Effort:
    """What a tenth of the explanations' budget allows: first fewer samples, then a coarser look at one, or none."""
    wanted = min(MOST, wanted)
    allowed = passes(experiment, SHARE)
    samples = allowed / _cost(methods, STEPS, ORDERS)
    if samples >= 1:
        return Effort(int(min(wanted, samples)))
    return Effort(int(allowed >= _cost(methods, COARSE, FEW)), COARSE, FEW)


def _cost(methods: int, steps: int, orders: int) -> int:
    return 2 * (2 * (methods + orders) * (steps - 1) + 2)


def removal(
    experiment: Experiment,
    options: Options,
    tools: Tools,
    sights: Sequence[Sight],
    rows: Rows,
    kind: str,
    deadline: Deadline = NEVER,
) -> Removal | None:
    """The curves of as many samples as the budget and the clock allow, evenly from those explained; None for none.

    Petsiuk et al. 2018. Pictures lose pixels, anything else its parts (a part counts with the sum of its places).
    Raises Late where the time ends before one sample is through.
    """
    methods = tuple(made.method for made in rows[0])
    effort_ = effort(experiment, len(methods), len(rows))
    chosen = evenly(len(rows), effort_.samples)
    seen: list[_Seen] = []
    ours = deadline.part(TIME)
    for at in chosen:
        options.step("Removal curves", len(seen), len(chosen))
        if not ours.allows(len(seen)):
            break
        try:
            sight = until(sights[at], ours if seen else deadline)
            seen.append(_sample(experiment, tools, sight, rows[at], effort_, kind == "image"))
        except Late:
            if not seen:
                raise
            break
    if not seen:
        return None
    options.step("Removal curves", len(seen), len(seen))
    names = [sights[at].subject.target for at in chosen]
    return Removal(
        methods=methods,
        baselines=(sights[0].baseline.said, sights[0].other.said),
        classes=_classes(experiment, names[0]),
        effort=replace(effort_, samples=len(seen)),
        numbers=tuple(chosen[: len(seen)]),
        wanted=len(chosen),
        places=tuple(one.places for one in seen),
        evaluations=sum(one.evaluations for one in seen),
        curves=np.stack([one.curves[:, :, effort_.orders :] for one in seen]),
        random=np.stack([one.curves[:, :, : effort_.orders] for one in seen]),
        areas=np.stack([one.areas[:, :, effort_.orders :] for one in seen]),
        random_areas=np.stack([one.areas[:, :, : effort_.orders] for one in seen]),
        directions=np.stack([one.directions for one in seen]),
    )


@dataclass(frozen=True)
class Chance(Target):
    """The probability of the target's class; with `given` the outputs are probabilities already, not scores."""

    given: bool = False

    def of(self, outputs: torch.Tensor) -> torch.Tensor:
        """Probabilities (n,) of outputs (n,) or (n, values)."""
        flat = outputs.reshape(len(outputs), -1).float()
        if flat.shape[1] == 1:
            positive = (flat if self.given else flat.sigmoid())[:, 0]
            return 1 - positive if self.sign < 0 else positive
        return (flat if self.given else flat.softmax(dim=1))[:, self.column]


def _classes(experiment: Experiment, target: Target) -> bool:
    shaped = len(experiment.output_shape) in (1, 2)
    return experiment.task == "classification" and target.region is None and shaped


@dataclass(frozen=True)
class _Seen:
    """One sample's curves (baselines, 2, orders and methods, STEPS + 1), random orders first, and their areas."""

    curves: np.ndarray
    areas: np.ndarray
    directions: np.ndarray
    places: int
    evaluations: int


def _sample(
    experiment: Experiment, tools: Tools, sight: Sight, row: Sequence[Outcome], work: Effort, places: bool
) -> _Seen:
    import torch

    numbers = np.arange(int(np.prod(sight.shape))).reshape(sight.shape) if places else sight.parts.numbers
    count = int(numbers.max(initial=-1)) + 1
    rng = np.random.default_rng([*tools.seeds(sight), 1])
    ties, *orders = (rng.permutation(count) for _ in range(1 + work.orders))
    target, score = sight.subject.target, sight.score
    classes = _classes(experiment, target)
    if classes:
        chance = Chance(target.name, target.column, target.sign, given=experiment.outputs_are_probabilities)
        score = replace(score, target=chance)
    shape = (2, 2, work.orders + len(row), work.steps + 1)
    curves, areas, directions, evaluations = (
        np.full(shape, np.nan),
        np.full(shape[:3], np.nan),
        np.full(2, np.nan),
        0,
    )
    ends = [sight.baseline, sight.other]
    if torch.equal(ends[0].values, ends[1].values):
        ends = ends[:1]
    with tools.steady(sight):
        for at, end in enumerate(ends):
            found = _Curves(sight, score, end, numbers, tools.forward)
            whole, nothing = found.ends
            evaluations += 2
            if not measurable(whole, nothing):
                continue
            directions[at] = 1.0 if whole > nothing else -1.0
            ranks: list[np.ndarray | None] = [*orders]
            ranks += [
                rank(made, numbers, ties, directions[at]) if isinstance(made, Attribution) else None
                for made in row
            ]
            known = [one for one in ranks if one is not None]
            cuts = np.unique(np.round(np.linspace(0, count, work.steps + 1)).astype(int))
            made, runs = found.of(known, cuts)
            evaluations += runs
            made = made if classes else (made - nothing) / (whole - nothing)
            where = [place for place, one in enumerate(ranks) if one is not None]
            shares, grid = cuts / max(1, count), np.linspace(0, 1, work.steps + 1)
            areas[at][:, where] = area(made, shares)
            curves[at][:, where] = [[np.interp(grid, shares, line) for line in lines] for lines in made]
    return _Seen(curves, areas, directions, count, evaluations)


def measurable(whole: float, nothing: float) -> bool:
    """Whether the scores of a sample and of its baseline differ by more than noise."""
    if not np.isfinite(whole - nothing):
        return False
    return abs(whole - nothing) > NOISE * max(abs(whole), abs(nothing))


def rank(made: Attribution, numbers: np.ndarray, ties: np.ndarray, direction: float = 1.0) -> np.ndarray:
    """Each part's place (parts,) in the order from what moved the score most away from the baseline's to the least.

    `direction` is 1 where the sample's score is above the baseline's, so that what speaks most for it comes first, and
    -1 where it is below, so that what speaks most against it does.
    `numbers`, of the attribution's shape, say which part each place belongs to, -1 none. What has no sign goes by
    its size, what the method can't say anything of comes last, and between equals `ties` (parts,) decide. A part
    counts with the sum of its places, but with their mean where they only repeat a weight that they share.
    """
    count = len(ties)
    values = direction * made.values if made.signed else np.abs(made.values)
    belongs = numbers >= 0
    sums: np.ndarray = np.bincount(numbers[belongs], values[belongs], minlength=count)
    if made.shared is not None:
        sums = sums / np.maximum(1, np.bincount(numbers[belongs], minlength=count))
    weights = settled(sums)
    if made.unknown is not None:
        blind = np.bincount(numbers[belongs], made.unknown[belongs], minlength=count) > 0
        weights = np.where(blind, -np.inf, weights)
    order = np.lexsort((ties, -weights))
    place = np.empty(count, int)
    place[order] = np.arange(count)
    return place


def area(lines: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The area under lines (..., n) over x (n,), by the trapezoidal rule."""
    found: np.ndarray = ((lines[..., 1:] + lines[..., :-1]) / 2 * np.diff(x)).sum(axis=-1)
    return found


@dataclass(frozen=True)
class _Curves:
    """What runs the model on a sample of which a part is the baseline's."""

    sight: Sight
    score: Score
    end: Baseline
    numbers: np.ndarray
    size: int

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The scores of the whole sample and of the baseline, with what is never hidden."""
        fixed = self.numbers < 0
        whole, nothing = self._run(np.stack([np.ones_like(fixed), fixed])).tolist()
        return whole, nothing

    def of(self, ranks: Sequence[np.ndarray], cuts: np.ndarray) -> tuple[np.ndarray, int]:
        """Scores (2, ranks, cuts) with as many of the first parts hidden, or shown alone, as each cut says.

        And how often the model ran for them: no cut, and all of it, are the same for all.
        """
        scores = np.empty((2, len(ranks), len(cuts)))
        fixed = self.numbers < 0
        whole, nothing = self.ends
        scores[DELETION, :, 0] = scores[INSERTION, :, -1] = whole
        scores[DELETION, :, -1] = scores[INSERTION, :, 0] = nothing
        inner = range(1, len(cuts) - 1)
        wanted = [(way, at, cut) for at in range(len(ranks)) for way in (0, 1) for cut in inner]
        for start in range(0, len(wanted), self.size):
            batch = wanted[start : start + self.size]
            kept = np.stack([self._kept(ranks[at], cuts[cut], way) for way, at, cut in batch])
            scores[tuple(np.array(batch).T)] = self._run(kept | fixed)
        return scores, len(wanted)

    def _kept(self, ranks: np.ndarray, cut: int, way: int) -> np.ndarray:
        shown = ranks >= cut if way == DELETION else ranks < cut
        kept: np.ndarray = np.append(shown, True)[self.numbers]
        return kept

    def _run(self, kept: np.ndarray) -> np.ndarray:
        return self.score.numbers(self.sight.shown(kept, self.end), self.size)
