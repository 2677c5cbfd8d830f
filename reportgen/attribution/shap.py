"""Shapley values (Lundberg and Lee 2017): GradientShap by gradients, KernelShap by hiding parts."""

from __future__ import annotations

from itertools import product
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, as_input
from reportgen.attribution.gradients import batches, slopes
from reportgen.attribution.kinds.signal import Clip
from reportgen.attribution.sight import MOST_SOLVED, Sight, Tools
from reportgen.attribution.trust import MISSED, completeness_error, consistency, missed
from reportgen.deadline import ENDED, Late
from reportgen.units import plural

if TYPE_CHECKING:
    import torch

# Points of GradientShap in a round and at most, as the budget allows, and the samples of the data that they start from.
DRAWS, MOST_DRAWS, REFERENCES = 50, 200, 25
ADDED = 0.05  # the additivity error above which a round of points is added
MOST, FEWEST = 20, 4  # coalitions a part of KernelShap at full share, and at least
EXACT = 510  # coalitions that are all tried rather than drawn: those of nine parts
ADDITIVITY = "additivity error"  # of sums that are estimated
SHAP_SUM, SHAP_STABILITY = "additivity error of KernelShap", "consistency of halves"


def gradient_shap(sight: Sight, tools: Tools) -> Attribution:
    """Mean of gradient x (input - reference) at random points between references and the input.

    Expected gradients (Erion et al. 2021), of which captum's GradientShap is the estimate without noise. Each
    reference has as many points, spread over its whole way, and all together are spread evenly, too. The values add
    up to f(x) less the mean score of the references, but for the additivity error in `trust`: where it is above 5 %,
    rounds of points between these are added, up to four times as many where the budget allows.
    """
    values = sight.differentiable()
    starts, said = references(sight, tools)
    high = float(sight.score.numbers(values, 1)[0])
    low = float(sight.score.numbers(starts, tools.forward).mean())
    rng, each = np.random.default_rng(tools.seeds(sight)), max(1, round(DRAWS / len(starts)))
    shifts = (rng.permutation(len(starts)) + rng.random(len(starts))) / len(starts)
    total, points, rounds = np.zeros(sight.shape), each * len(starts), 0
    late = False
    while True:
        try:
            total += _round(sight, tools, starts, places(shifts, each, rounds))
        except Late:
            if not rounds:
                raise
            late = True
            break
        rounds += 1
        mean = total / (rounds * points)
        error = completeness_error(float(mean.sum()), high, low)
        most = MOST_DRAWS * min(1.0, 2 * tools.share)
        if error is None or error <= ADDED or (rounds + 1) * points > most:
            break
    more = f" ({points} missed additivity by over {ADDED * 100:g} %)" if rounds > 1 else ""
    return Attribution(
        method="GradientShap",
        values=mean,
        signed=True,
        settings=f"{rounds * points} points{more}{_until(late)}",
        baseline=said,
        evaluations=rounds * points + len(starts) + 1,
        trust={ADDITIVITY: error, MISSED: missed(mean, high, low)},
        late=late,
    )


def _until(late: bool) -> str:
    return f", until {ENDED}" if late else ""


def places(shifts: np.ndarray, each: int, number: int) -> np.ndarray:
    """`each` places on each way (each, ways), as shares of it.

    A way's places are a stretch of 1 / each apart, `shifts` (ways,) of a stretch from its start. Each round, by its
    `number`, lies between those before: half a stretch on, then a quarter, three quarters (van der Corput).
    """
    on = int(bin(number)[:1:-1], 2) / 2 ** number.bit_length()
    made: np.ndarray = (np.arange(each)[:, None] + (shifts + on) % 1.0) / each
    return made


def _round(sight: Sight, tools: Tools, starts: torch.Tensor, shares: np.ndarray) -> np.ndarray:
    """The sum of gradient x (input - reference) over points at `shares` (n, references) of the ways from `starts`."""
    import torch

    values, total, at = sight.values, np.zeros(sight.shape), 0
    way = torch.from_numpy(shares.reshape(-1, *[1] * (values.ndim - 1))).to(values)
    for size in batches(len(way), tools.gradient):
        chosen = starts[[number % len(starts) for number in range(at, at + size)]]
        some = torch.lerp(chosen, values.expand_as(chosen), way[at : at + size])
        total += sum(sight.fold(row[None]) for row in slopes(sight, some) * (values - chosen))
        at += size
    return total


def references(sight: Sight, tools: Tools) -> tuple[torch.Tensor, str]:
    """Values (n, ...) that stand for the data, evenly from it, and what they are; else the sight's baseline.

    What has no gradient in the sight, as a table's categories, is as in the sample. The baseline where there is no
    data, or where no other sample fits in this one's place, as with texts.
    """
    import torch

    rows = _rows(sight, tools)
    rows = None if rows is None else rows[torch.isfinite(rows.flatten(1)).all(dim=1)]
    if rows is None or not len(rows):
        return sight.baseline.values, sight.baseline.said
    said, rows = f"{plural(len(rows), 'sample')} of the data", rows.to(sight.values)
    if sight.unknown is None:
        return rows, said
    held = torch.from_numpy(sight.unknown).to(rows.device)
    return torch.where(held, sight.values, rows), f"{said}, the rest as in the sample"


def _rows(sight: Sight, tools: Tools) -> torch.Tensor | None:
    """Up to 25 samples, evenly from the data, as values of the sight (n, ...); None where they can't be these."""
    import torch

    if sight.table is not None:
        known = sight.table.rows
        count = min(len(known), REFERENCES)
        return torch.from_numpy(known[np.arange(count) * len(known) // max(1, count)])
    data, feed = tools.experiment.samples, sight.score.feed
    if data is None or not data.total or not (feed is as_input or isinstance(feed, Clip)):
        return None
    count = min(data.total, REFERENCES)
    found = data.some([number * data.total // count for number in range(count)])
    own = sight.score.inputs.primary
    alike = [
        rows.to(sight.values.device)
        for batch in found
        if (rows := batch.inputs.primary) is not None and own is not None and rows.shape[1:] == own.shape[1:]
    ]
    if not alike:
        return None
    return feed.split(torch.cat(alike)) if isinstance(feed, Clip) else torch.cat(alike)


def kernel_shap(sight: Sight, tools: Tools) -> Attribution:
    """Shapley values of the parts, by the weighted regression of KernelSHAP, additive by construction.

    All coalitions where there are few parts; else drawn with the Shapley kernel's probability, each beside its
    complement (Covert and Lee 2021). Trust: the additivity error, no more than rounding, and where coalitions
    are drawn, the consistency of the two halves of them. Drawn ones may be fewer, four a part, when the time ends.
    """
    count = sight.parted(MOST_SOLVED)
    limit = max(FEWEST * count, round(tools.share * MOST * count))
    masks, weights = coalitions(count, limit, tools.seeds(sight))
    ends = np.stack([np.ones(count, bool), np.zeros(count, bool)])
    exact, wanted = len(masks) == 2**count - 2, len(masks)
    least = None if exact else 2 + FEWEST * count
    scores = sight.hidden(np.concatenate([ends, masks]), tools.forward, least=least)
    high, low = scores[:2]
    run = (len(scores) - 2) // 2 * 2  # whole pairs
    masks, weights, scores = masks[:run], weights[:run], scores[2 : 2 + run]
    made = shapley(masks, weights, scores, high, low)
    trust = {SHAP_SUM: completeness_error(float(made.sum()), high, low)}
    if not exact:
        half = len(masks) // 4 * 2  # whole pairs
        parts = (slice(half), slice(half, None))
        trust[SHAP_STABILITY] = consistency(
            [shapley(masks[p], weights[p], scores[p], high, low) for p in parts]
        )
    return Attribution(
        method="KernelShap",
        values=sight.parts.spread(made),
        signed=True,
        settings=f"{'all ' if exact else ''}{len(masks):,} coalitions of {sight.parts.how}"
        + _until(run < wanted),
        baseline=sight.baseline.said,
        evaluations=len(masks) + 2,
        trust=trust,
        shared=sight.parts.numbers,
        late=run < wanted,
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
