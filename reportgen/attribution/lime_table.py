"""LIME on the columns of a table, by lime's own tabular explainer."""

from __future__ import annotations

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable
from reportgen.attribution.lime import OVERLAP, R2, RUNS, SETTLED, STABILITY, alike, ended
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.trust import consistency
from reportgen.deadline import Late
from reportgen.units import plural

PERTURBATIONS = 1000  # a surrogate
ROUNDS = 4  # of a surrogate a run, at most
MOST_FEATURES = 1024  # of the regression, whose work is the square of their number, and more


def lime_table(sight: Sight, tools: Tools) -> Attribution:
    """Each feature's share in a linear model of the score near the sample (Ribeiro et al. 2016).

    The means and deviations of the data set how far the sample is moved: normally, one standard deviation
    about its own values. What is returned is coefficient x (value - mean) / deviation, in the unit of the score:
    what the feature adds over its mean. A category is drawn anew as often as it occurs in the data; its share is
    coefficient x (1 - its frequency), again what it adds over the mean. Surrogates with perturbations of their own are
    fitted until the means of the two runs give the features the same values, or the time ends. Trust: the mean R2 of
    the surrogates and the consistency of the runs' values, whose seeds differ. Raises NotApplicable without data, or
    where no feature varies.
    """
    if tools.experiment.samples is None or sight.table is None:
        raise NotApplicable("no data, whose means and deviations it needs")
    rows = sight.table.rows
    if rows.shape[1] > MOST_FEATURES:
        raise NotApplicable(
            f"{rows.shape[1]:,} features, of which {MOST_FEATURES:,} at most are fitted in the time there is"
        )
    if not len(rows):
        raise NotApplicable("every sample looked at holds values that are not finite, so there is no mean")
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    if not (deviation > 0).any():
        raise NotApplicable(
            f"every feature has one and the same value in {plural(len(rows), 'sample')}: no deviation "
            "says how far to move it"
        )
    row = sight.values[0].cpu().double().numpy()
    moved = np.divide(row - mean, deviation, out=np.zeros_like(row), where=deviation > 0)
    for at in sight.table.categorical:
        moved[at] = 1 - float((rows[:, at] == row[at]).mean())
    count = round(PERTURBATIONS * tools.share)
    runs: list[list[np.ndarray]] = [[] for _ in range(RUNS)]
    fits: list[float] = []
    steady: float | None = None
    late = False
    while len(runs[0]) < ROUNDS and not (steady is not None and steady >= SETTLED):
        try:
            made = [_surrogate(sight, tools, rows, count, len(fits) + run) for run in range(RUNS)]
        except Late:
            if not fits:
                raise
            late = True
            break
        for run, (weights, fit) in zip(runs, made, strict=True):
            run.append(weights)
            fits.append(fit)
        coefficients = [np.mean(run, axis=0) for run in runs]
        steady = consistency([weights * moved for weights in coefficients])
    drawn = ", categories as often as in the data" if sight.table.categorical else ""
    how = ended(steady, late, "as many as there may be")
    return Attribution(
        method="LIME",
        values=np.mean(coefficients, axis=0) * moved,
        signed=True,
        settings=f"{RUNS} × {count * len(runs[0]):,} perturbations{drawn}, {how}",
        baseline=f"the mean of {plural(len(rows), 'sample')}",
        evaluations=len(fits) * count,
        trust={
            R2: float(np.mean(fits)),
            STABILITY: steady,
            OVERLAP: alike(coefficients),
        },
        late=late,
    )


def _surrogate(
    sight: Sight, tools: Tools, rows: np.ndarray, count: int, number: int
) -> tuple[np.ndarray, float]:
    """Coefficients (features,) a standard deviation each, and R2, of one surrogate."""
    import torch
    from lime.lime_tabular import LimeTabularExplainer

    assert sight.table is not None
    categories = sight.table.categorical
    # An explainer that is used twice gives another answer the second time.
    explainer = LimeTabularExplainer(
        rows,
        mode="regression",
        categorical_features=categories,
        discretize_continuous=False,
        sample_around_instance=True,
        feature_selection="none",
        random_state=int(np.random.SeedSequence(tools.seeds(sight, number)).generate_state(1)[0]),
    )
    # A constant column gets a deviation of 1 from its scaler and would be moved where no data is.
    constant = rows.std(axis=0) == 0
    constant[categories] = False
    explainer.scaler.scale_ = np.where(constant, 1e-6, explainer.scaler.scale_)
    values = sight.values

    def predict(moved: np.ndarray) -> np.ndarray:
        given = torch.as_tensor(moved, dtype=values.dtype, device=values.device)
        return sight.score.numbers(given, tools.forward)

    made = explainer.explain_instance(
        values[0].cpu().double().numpy(), predict, num_features=values.shape[1], num_samples=count
    )
    coefficients = np.zeros(values.shape[1])
    for feature, weight in made.local_exp[1]:
        coefficients[feature] = weight
    return coefficients, float(made.score)
