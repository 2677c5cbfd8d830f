"""Infidelity: how much of what happens to the score, as parts are hidden at random, a signed map does not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Outcome
from reportgen.attribution.checks import Checked, reasons
from reportgen.attribution.explain import Rows, evenly, passes, until
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.trust import equal
from reportgen.deadline import NEVER, Deadline, Late
from reportgen.experiment import Experiment, Options

MASKS = 64  # a sample
MOST = 8  # samples
SHARE = 0.1  # of the budget of operations that the explanations have
TIME = 0.13  # of the section's, for all samples, where the clock may decide
UNSIGNED = "it has no sign, so it makes no claim of where the score falls"


def infidelity(
    experiment: Experiment,
    options: Options,
    tools: Tools,
    sights: Sequence[Sight],
    rows: Rows,
    deadline: Deadline = NEVER,
) -> Checked:
    """Of up to eight samples, as many as the budget and the clock allow, evenly from those explained.

    Raises NotApplicable with the reason where no value is known, Late where the time ends before one sample is
    through.
    """
    count = int(min(MOST, len(rows), passes(experiment, SHARE) / (MASKS + 1)))
    if not count:
        raise NotApplicable("the model's cost leaves no room for it")
    chosen, ours = evenly(len(rows), count), deadline.part(TIME)
    lines: list[list[float | str]] = []
    evaluations = 0
    for at in chosen:
        options.step("Infidelity", len(lines), count)
        if not ours.allows(len(lines)):
            break
        falls = Falls(until(sights[at], ours if lines else deadline), tools, {})
        try:
            lines.append([_of(made, falls) for made in rows[at]])
        except Late:
            if not lines:
                raise
            break
        evaluations += falls.evaluations
    options.step("Infidelity", len(lines), len(lines))
    methods = tuple(made.method for made in rows[0])
    values, why = reasons(methods, lines)
    return Checked(methods, tuple(chosen[: len(lines)]), count, values, evaluations, why).known()


@dataclass(frozen=True)
class Falls:
    """By how much a sample's score falls as parts of it are hidden, each with a probability of one half.

    `found` holds what was drawn already, for all methods that can tell the same parts.
    """

    sight: Sight
    tools: Tools
    found: dict[bytes, tuple[np.ndarray, np.ndarray]]

    @property
    def evaluations(self) -> int:
        """How often the model ran."""
        return len(self.found) * (MASKS + 1)

    def of(self, blind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which parts are hidden, bool (masks, parts), and f(x) - f(x with them hidden), float64 (masks,).

        The parts that are `blind`, bool (parts,), stay. Raises NotApplicable where nothing can be told from it.
        """
        key = blind.tobytes()
        if key not in self.found:
            rng = np.random.default_rng([*self.tools.seeds(self.sight), 5])
            hidden = (rng.random((MASKS, self.sight.parted())) < 0.5) & ~blind
            shown = np.concatenate([np.ones((1, len(blind)), bool), ~hidden])
            with self.tools.steady(self.sight):
                scores = self.sight.hidden(shown, self.tools.forward)
            self.found[key] = hidden, scores
        hidden, scores = self.found[key]
        if not np.isfinite(scores).all():
            raise NotApplicable("a score is not finite once parts are hidden")
        if all(equal(scores[0], score) for score in scores[1:]):
            raise NotApplicable("the score stays the same whatever is hidden")
        return hidden, scores[0] - scores[1:]


def _of(made: Outcome, falls: Falls) -> float | str:
    """The infidelity of one map, or why there is none. Raises Late."""
    if not isinstance(made, Attribution):
        return made.reason
    if not made.signed:
        return UNSIGNED
    try:
        if falls.sight.parted() - blind_parts(made, falls.sight).sum() < 2:
            return "fewer than two parts can be hidden, so there is nothing to tell apart"
        hidden, fell = falls.of(blind_parts(made, falls.sight))
    except NotApplicable as reason:
        return str(reason)
    return share_untold(hidden @ part_sums(made, falls.sight), fell)


def share_untold(told: np.ndarray, fell: np.ndarray) -> float:
    """mean((beta told - fell)^2) / mean(fell^2) with the best beta from 0 on, sum(told fell) / sum(told^2); 0 to 1.

    `told` (n,) are the map's sums over what is hidden, `fell` (n,) the score's falls, not all zero. Yeh et al. 2019,
    the scale as in the authors' own code, but for one below 0: with it a map turned upside down would be as good as
    the map. 1 where the map tells nothing.
    """
    square = float(told @ told)
    beta = max(0.0, float(told @ fell)) / square if square > 0 else 0.0
    return float(np.mean((beta * told - fell) ** 2) / np.mean(fell**2))


def part_sums(made: Attribution, sight: Sight) -> np.ndarray:
    """What the map gives to each part (parts,): the sum over its places, a weight that several places share once."""
    values, numbers = made.values, sight.parts.numbers
    if made.shared is not None:
        belongs = made.shared >= 0
        sizes = np.bincount(made.shared[belongs])
        values = np.where(belongs, values / sizes[made.shared], 0.0)
    inside = numbers >= 0
    return np.bincount(numbers[inside], values[inside], minlength=sight.parted())


def blind_parts(made: Attribution, sight: Sight) -> np.ndarray:
    """The parts, bool (parts,), of which the method can say nothing."""
    numbers = sight.parts.numbers
    unknown = np.zeros(numbers.shape, bool) if made.unknown is None else made.unknown
    inside = numbers >= 0
    return np.bincount(numbers[inside], unknown[inside], minlength=sight.parted()) > 0
