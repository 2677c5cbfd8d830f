"""Shapley values (Lundberg and Lee 2017): GradientShap by gradients, KernelShap by hiding parts."""

from __future__ import annotations

from itertools import product
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, as_input
from reportgen.attribution.gradients import batches, slopes
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.trust import completeness_error, stability
from reportgen.units import plural

if TYPE_CHECKING:
    import torch

DRAWS, REFERENCES = 50, 25  # points of GradientShap, and the samples of the data that they start from
MOST, FEWEST = 10, 4  # coalitions a part of KernelShap at full share, and at least
EXACT = 510  # coalitions that are all tried rather than drawn: those of nine parts
ADDITIVITY, SHAP_STABILITY = "additivity error", "stability of KernelShap"


def gradient_shap(sight: Sight, tools: Tools) -> Attribution:
    """Mean of gradient x (input - reference) at random points between references and the input.

    Expected gradients (Erion et al. 2021), of which captum's GradientShap is the estimate without noise. The
    places on the way are spread evenly over it, one in each of as many stretches as there are points. The
    values add up to f(x) less the mean score of the references, but for the additivity error in `trust`.
    """
    import torch

    values = sight.differentiable()
    starts, said = references(sight, tools)
    rng = np.random.default_rng(tools.seeds(sight))
    places = torch.from_numpy((rng.permutation(DRAWS) + rng.random(DRAWS)) / DRAWS).to(values)
    total, at = np.zeros(sight.shape), 0
    for size in batches(DRAWS, tools.gradient):
        chosen = starts[[number % len(starts) for number in range(at, at + size)]]
        way = places[at : at + size].reshape(-1, *[1] * (values.ndim - 1))
        each = slopes(sight, torch.lerp(chosen, values.expand_as(chosen), way)) * (values - chosen)
        total += sum(sight.fold(row[None]) for row in each)
        at += size
    mean: np.ndarray = total / DRAWS
    high = float(sight.score.numbers(values, 1)[0])
    low = float(sight.score.numbers(starts, tools.forward).mean())
    return Attribution(
        method="GradientShap",
        values=mean,
        signed=True,
        settings=f"{DRAWS} points",
        baseline=said,
        evaluations=DRAWS + len(starts) + 1,
        trust={ADDITIVITY: completeness_error(float(mean.sum()), high, low)},
    )


def references(sight: Sight, tools: Tools) -> tuple[torch.Tensor, str]:
    """Values (n, ...) that stand for the data, evenly from it, and what they are; else the sight's baseline."""
    import torch

    data, values = tools.experiment.samples, sight.values
    if data is not None and data.total and sight.score.feed is as_input:
        count = min(data.total, REFERENCES)
        found = data.some([number * data.total // count for number in range(count)])
        alike = [
            rows[torch.isfinite(rows.flatten(1)).all(dim=1)].to(values)
            for batch in found
            if (rows := batch.inputs.primary) is not None and rows.shape[1:] == values.shape[1:]
        ]
        if sum(map(len, alike)):
            rows = torch.cat(alike)
            return rows, f"{plural(len(rows), 'sample')} of the data"
    return sight.baseline.values, sight.baseline.said


def kernel_shap(sight: Sight, tools: Tools) -> Attribution:
    """Shapley values of the parts, by the weighted regression of KernelSHAP, additive by construction.

    All coalitions where there are few parts; else drawn with the Shapley kernel's probability, each beside its
    complement (Covert and Lee 2021). Trust: the additivity error, and where coalitions are
    drawn, the stability between the two halves of them.
    """
    count = sight.parted()
    limit = max(FEWEST * count, round(tools.share * MOST * count))
    masks, weights = coalitions(count, limit, tools.seeds(sight))
    ends = np.stack([np.ones(count, bool), np.zeros(count, bool)])
    scores = sight.hidden(np.concatenate([ends, masks]), tools.forward)
    high, low = scores[:2]
    made = shapley(masks, weights, scores[2:], high, low)
    exact = len(masks) == 2**count - 2
    trust = {ADDITIVITY: completeness_error(float(made.sum()), high, low)}
    if not exact:
        half = len(masks) // 4 * 2  # whole pairs
        parts = (slice(half), slice(half, None))
        trust[SHAP_STABILITY] = stability(
            [shapley(masks[p], weights[p], scores[2:][p], high, low) for p in parts]
        )
    return Attribution(
        method="KernelShap",
        values=sight.parts.spread(made),
        signed=True,
        settings=f"{'all ' if exact else ''}{len(masks):,} coalitions of {sight.parts.how}",
        baseline=sight.baseline.said,
        evaluations=len(masks) + 2,
        trust=trust,
    )


def coalitions(parts: int, count: int, seed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Masks bool (n, parts) between nothing and everything shown, and the weight of each in the regression.

    All of them, with the Shapley kernel as the weight, where they are no more than `count` or 510. Else `count`,
    in pairs of complements, their sizes drawn with the kernel's probability, and equal weights.
    """
    if 2**parts - 2 <= max(count, EXACT):
        every = np.array(list(product((False, True), repeat=parts)), bool).reshape(-1, parts)[1:-1]
        sizes = every.sum(axis=1)
        kernel = [(parts - 1) / (comb(parts, int(k)) * k * (parts - k)) for k in sizes]
        return every, np.array(kernel, np.float64)
    rng = np.random.default_rng(seed)
    sizes = np.arange(1, parts)
    chances = 1 / (sizes * (parts - sizes))
    drawn = rng.choice(sizes, size=count // 2, p=chances / chances.sum())
    ranks = rng.random((len(drawn), parts)).argsort(axis=1).argsort(axis=1)
    masks = ranks < drawn[:, None]
    return np.stack([masks, ~masks], axis=1).reshape(-1, parts), np.ones(2 * len(drawn))


def shapley(
    masks: np.ndarray, weights: np.ndarray, scores: np.ndarray, high: float, low: float
) -> np.ndarray:
    """The parts' values (parts,) that fit the scores (n,) of masks (n, parts) best and sum to high - low."""
    if masks.shape[1] == 1:
        return np.array([high - low])
    # The sum is kept by leaving out the last value, which is what the others leave of it.
    shown = masks.astype(np.float64)
    design = shown[:, :-1] - shown[:, -1:]
    wanted = scores - low - shown[:, -1] * (high - low)
    root = np.sqrt(weights)
    found = np.linalg.lstsq(design * root[:, None], wanted * root, rcond=None)[0]
    return np.append(found, high - low - found.sum())
