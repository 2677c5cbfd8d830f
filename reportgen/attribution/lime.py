"""LIME: lime's own solver, fed from masks that torch lays over the input in batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.attribution.base import Attribution
from reportgen.attribution.sight import MOST_SOLVED, Sight, Tools
from reportgen.attribution.trust import consistency, overlap, stability
from reportgen.deadline import ENDED

RUNS = 2  # runs with seeds of their own: their mean is shown, their agreement is the stability
ROUND, MOST = 5, 20  # perturbations a part and run: in a round, and at most
FEWEST = 200  # perturbations in a run at least: of fewer, the ridge takes more than a twentieth away
COSTLY = (
    0.25  # share of the perturbations that the budget leaves, below which a run may have fewer in proportion
)
LEAST = 50  # perturbations a run without which there is no answer when the time ends
SETTLED = 0.99  # the consistency at which further rounds would change little
FLAT = 1e-6  # of the largest score: less of a difference is rounding, and the weights of it are none
R2, STABILITY, OVERLAP = "R2", "consistency", "overlap of the top"
KERNEL_WIDTH = 0.25  # lime's own for images


def lime(sight: Sight, tools: Tools) -> Attribution:
    """The weight of each part in a linear model of the score near the sample (Ribeiro et al. 2016).

    The sample is shown through masks that replace half of its parts, drawn at random, by the baseline, in rounds
    until the runs give the parts the same weights, or the budget or the time ends. Trust: the mean R2 of the surrogates
    and the consistency of the weights between runs with seeds of their own.
    """
    parts = sight.parted(MOST_SOLVED)
    fewest = round(FEWEST * min(1.0, tools.share / COSTLY))
    step = max(fewest, ROUND * parts)
    most = max(fewest, round(tools.share * MOST * parts))
    masks = np.stack([draw(most, parts, tools.seeds(sight, run)) for run in range(RUNS)], axis=1)
    scores = np.zeros((0, RUNS))
    done, steady, late = 0, None, False
    while done < most and not late and not (steady is not None and steady >= SETTLED):
        end = min(most, done + step)
        # The runs in turn, so that both have as many when the time ends.
        wanted = masks[done:end].reshape(-1, parts)
        new = sight.hidden(wanted, tools.forward, least=RUNS * max(0, LEAST - done))
        late = len(new) < len(wanted)
        scores = np.concatenate([scores, new[: len(new) // RUNS * RUNS].reshape(-1, RUNS)])
        done = len(scores)
        fitted = [solve(masks[:done, run], scores[:, run]) for run in range(RUNS)]
        steady = None if flat(scores) else consistency([weights for weights, _ in fitted])
    return Attribution(
        method="LIME",
        values=sight.parts.spread(np.mean([weights for weights, _ in fitted], axis=0)),
        signed=True,
        settings=f"{RUNS} × {done:,} perturbations of {sight.parts.how}, "
        + ended(steady, late, "the budget"),
        baseline=sight.baseline.said,
        evaluations=RUNS * done,
        trust={
            R2: float(np.mean([fit for _, fit in fitted])),
            STABILITY: steady,
            OVERLAP: alike([weights for weights, _ in fitted]),
        },
        shared=sight.parts.numbers,
        late=late,
    )


def flat(scores: np.ndarray) -> bool:
    """Whether the scores differ by no more than rounding."""
    return float(np.ptp(scores)) <= FLAT * float(np.abs(scores).max())


def ended(steady: float | None, late: bool, budget: str) -> str:
    """Why there were no more perturbations: `budget` says what else bounds them."""
    if steady is not None and steady >= SETTLED:
        return "until the values settled"
    return f"until {ENDED}, before the values settled" if late else f"{budget}, before the values settled"


def alike(runs: Sequence[np.ndarray]) -> float | None:
    """Mean overlap of the parts with the largest weights between runs that differ in their seed alone."""
    return stability([np.abs(weights) for weights in runs], overlap)


def draw(count: int, parts: int, seed: list[int]) -> np.ndarray:
    """Masks (count, parts) of zeros and ones; the first is all ones, the sample itself, as lime's solver expects."""
    masks = np.random.default_rng(seed).integers(0, 2, (count, parts))
    masks[0] = 1
    return masks


def solve(masks: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, float]:
    """lime's weighted ridge regression of scores (n,) on masks (n, parts), the sample itself first.

    Weights as lime's image explainer sets them: sqrt(exp(-d^2 / .25^2)), d the cosine distance to the
    sample. Returns the coefficients (parts,) and R2.
    """
    from lime.lime_base import LimeBase

    shares = masks.sum(axis=1) / masks.shape[1]
    distances = 1.0 - np.sqrt(shares)  # of a 0/1 row to the row of ones
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / KERNEL_WIDTH**2)), random_state=0)
    fitted = base.explain_instance_with_data(
        masks.astype(np.float64), scores[:, None], distances, 0, masks.shape[1], feature_selection="none"
    )
    weights = np.zeros(masks.shape[1])
    for feature, weight in fitted[1]:
        weights[feature] = weight
    return weights, float(fitted[2])
