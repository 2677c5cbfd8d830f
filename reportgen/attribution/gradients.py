"""Saliency, input x gradient, SmoothGrad and Integrated Gradients, by captum, one sample at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.trust import MISSED, completeness_error, missed
from reportgen.deadline import ENDED, Late

if TYPE_CHECKING:
    import torch

STEPS, MOST_STEPS = 50, 200
PER_STRETCH = 10  # steps on a stretch of the line
# Where stretches end, as shares of the line. Short near the baseline, where every unit is at its kink at once: on
# photographs from their mean colour a first fifth of the line misses 18 % by itself, these five 1 to 4 % in all.
ENDS = (0.0, 1 / 128, 1 / 32, 1 / 8, 1 / 2, 1.0)
COMPLETE = 0.01  # the completeness error above which steps are added where they miss most
COMPLETENESS, DIFFERENCE = "completeness error", "f(x) - f(baseline)"
NOISY, NOISE = 25, 0.15  # samples of SmoothGrad, and their noise as a share of the input's range


def slopes(sight: Sight, points: torch.Tensor) -> torch.Tensor:
    """Gradients of the score at `points` (n, ...), by captum."""
    from captum.attr import Saliency

    # A leaf of our own that wants a gradient: captum warns about others, and sets it on them.
    leaf = points.detach().clone().requires_grad_()
    made: torch.Tensor = Saliency(sight.score).attribute(leaf, abs=False).detach()
    return made


def saliency(sight: Sight, tools: Tools) -> Attribution:
    """The size of the gradient of the score, the largest over the channels (Simonyan et al. 2013); not signed."""
    made = sight.fold(slopes(sight, sight.differentiable()), sizes=True)
    return Attribution("Saliency", made, False, "one gradient", evaluations=1)


def input_gradient(sight: Sight, tools: Tools) -> Attribution:
    """The gradient of the score times the input, summed over channels (Shrikumar et al. 2016)."""
    values = sight.differentiable()
    made = sight.fold(slopes(sight, values) * values)
    return Attribution("Input × gradient", made, True, "one gradient", evaluations=1)


def smooth_grad(sight: Sight, tools: Tools) -> Attribution:
    """The size of the mean gradient over noisy copies of the sample (Smilkov et al. 2017); not signed.

    The noise is normal, its deviation a share of the range of the sample's values.
    """
    import torch

    values = sight.differentiable()
    deviation = NOISE * float(values.max() - values.min())
    generator = tools.generator(sight)
    total = torch.zeros_like(values, dtype=torch.float64 if values.device.type != "mps" else None)
    for size in batches(NOISY, tools.gradient):
        # Drawn one by one, so that the batch does not change what is drawn.
        noise = torch.cat([torch.randn(values.shape, generator=generator) for _ in range(size)])
        noisy = values + deviation * noise.to(values)
        total += slopes(sight, noisy).to(total.dtype).sum(dim=0, keepdim=True)
    made = sight.fold(total / NOISY, sizes=True)
    said = f"{NOISY} samples with noise of {NOISE:.0%} of the range"
    return Attribution("SmoothGrad", made, False, said, evaluations=NOISY)


def batches(count: int, size: int) -> Iterator[int]:
    """`count` in parts of up to `size`."""
    for start in range(0, count, size):
        yield min(size, count - start)


def integrated_gradients(sight: Sight, tools: Tools) -> Attribution:
    """Gradients along the straight line from the baseline to the sample, summed over channels.

    Sundararajan et al. 2017, Gauss-Legendre quadrature on stretches of the line. The sums add up to
    f(x) - f(baseline), but for the error in `trust`: where it is above 1 %, the stretch that misses its own
    difference of scores by most is halved, and again, up to four times the steps where the budget allows.
    """
    import torch

    stretches = _stretches(sight, np.array(ENDS), tools)
    spent, looked, late = STEPS, len(stretches) + 3, False
    ends = torch.cat([sight.values, sight.baseline.values.to(sight.values)])
    high, low = (float(score) for score in sight.score.numbers(ends, min(2, tools.forward)))
    while True:
        made = np.sum([stretch.values for stretch in stretches], axis=0)
        error = completeness_error(float(made.sum()), high, low)
        if (
            error is None
            or error <= COMPLETE
            or spent + 2 * PER_STRETCH > MOST_STEPS * min(1.0, 2 * tools.share)
        ):
            break
        worst = max(stretches, key=lambda stretch: abs(stretch.missed))
        try:
            halves = _stretches(sight, np.linspace(worst.start, worst.end, 3), tools)
        except Late:
            late = True
            break
        stretches.remove(worst)
        stretches += halves
        spent, looked = spent + 2 * PER_STRETCH, looked + 3
    steps = PER_STRETCH * len(stretches)
    return Attribution(
        method="Integrated Gradients",
        values=made,
        signed=True,
        settings=f"{steps} steps"
        + (f" ({STEPS} missed completeness by over 1 %)" if steps > STEPS else "")
        + (f", until {ENDED}" if late else ""),
        baseline=sight.baseline.said,
        evaluations=spent + looked,
        trust={DIFFERENCE: high - low, COMPLETENESS: error, MISSED: missed(made, high, low)},
        late=late,
    )


@dataclass(frozen=True)
class _Stretch:
    """Integrated Gradients between two places on the line, as shares of it, and by how much their sum misses."""

    start: float
    end: float
    values: np.ndarray
    missed: float


def _stretches(sight: Sight, ends: np.ndarray, tools: Tools) -> list[_Stretch]:
    """The stretches between neighbouring `ends`."""
    import torch
    from captum.attr import IntegratedGradients

    origin, values = sight.baseline.values, sight.differentiable()
    points = torch.cat([torch.lerp(origin, values, float(end)) for end in ends])
    scores = sight.score.numbers(points, tools.forward)
    captum, together = IntegratedGradients(sight.score), max(1, tools.gradient // PER_STRETCH)
    found = []
    for first in range(0, len(ends) - 1, together):
        last = min(first + together, len(ends) - 1)
        made = captum.attribute(
            points[first + 1 : last + 1],
            baselines=points[first:last],
            n_steps=PER_STRETCH,
            internal_batch_size=min(tools.gradient, PER_STRETCH * (last - first)),
            method="gausslegendre",
        )
        for at, row in enumerate(made, first):
            folded = sight.fold(row[None])
            missed = float(folded.sum() - (scores[at + 1] - scores[at]))
            found.append(_Stretch(ends[at], ends[at + 1], folded, missed))
    return found
