"""LIME on the columns of a table, by lime's own tabular explainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Score
from reportgen.attribution.lime_image import R2, STABILITY
from reportgen.attribution.trust import stability
from reportgen.units import plural

if TYPE_CHECKING:
    import torch


def lime_table(
    score: Score,
    values: torch.Tensor,
    background: np.ndarray,
    *,
    perturbations: int,
    seeds: Sequence[Sequence[int]],
    size: int,
) -> Attribution:
    """Each feature's share in a linear model of the score near the sample (Ribeiro et al. 2016).

    `values` is the sample (1, features), `background` (n, features) the data whose means and deviations
    set how far the sample is moved: normally, one standard deviation about its own values. What is
    returned is coefficient x (value - mean) / deviation, in the unit of the score: what the feature adds
    over its mean. Trust: the mean R2 of the surrogates and the stability of the coefficients between seeds.
    Raises NotApplicable where no feature varies in the background.
    """
    mean, deviation = background.mean(axis=0), background.std(axis=0)
    if not (deviation > 0).any():
        raise NotApplicable(
            f"every feature has one and the same value in {plural(len(background), 'sample')}: no deviation "
            "says how far to move it"
        )
    runs = [_one_run(score, values, background, perturbations, seed, size) for seed in seeds]
    coefficients = [run[0] for run in runs]
    row = values[0].cpu().double().numpy()
    moved = np.divide(row - mean, deviation, out=np.zeros_like(row), where=deviation > 0)
    return Attribution(
        method="LIME",
        values=np.mean(coefficients, axis=0) * moved,
        signed=True,
        settings=f"{len(runs)} × {perturbations:,} perturbations",
        baseline=f"the mean of {plural(len(background), 'sample')}",
        trust={R2: float(np.mean([run[1] for run in runs])), STABILITY: stability(coefficients)},
    )


def _one_run(
    score: Score,
    values: torch.Tensor,
    background: np.ndarray,
    perturbations: int,
    seed: Sequence[int],
    size: int,
) -> tuple[np.ndarray, float]:
    """Coefficients (features,) a standard deviation each, and R2, of one surrogate."""
    import torch
    from lime.lime_tabular import LimeTabularExplainer

    # An explainer that is used twice gives another answer the second time.
    explainer = LimeTabularExplainer(
        background,
        mode="regression",
        discretize_continuous=False,
        sample_around_instance=True,
        feature_selection="none",
        random_state=int(np.random.SeedSequence(list(seed)).generate_state(1)[0]),
    )
    # A constant column gets a deviation of 1 from its scaler and would be moved where no data is.
    explainer.scaler.scale_ = np.where(background.std(axis=0) > 0, explainer.scaler.scale_, 1e-6)

    def predict(rows: np.ndarray) -> np.ndarray:
        return score.numbers(torch.as_tensor(rows, dtype=values.dtype, device=values.device), size)

    made = explainer.explain_instance(
        values[0].cpu().double().numpy(), predict, num_features=values.shape[1], num_samples=perturbations
    )
    coefficients = np.zeros(values.shape[1])
    for feature, weight in made.local_exp[1]:
        coefficients[feature] = weight
    return coefficients, float(made.score)
