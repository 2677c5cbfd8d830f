"""SHAP by the `shap` package, where it was asked for: expected gradients, KernelSHAP and permutations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Score
from reportgen.attribution.shap import ADDITIVITY
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.trust import MISSED, completeness_error, missed
from reportgen.units import plural

if TYPE_CHECKING:
    import torch
    from torch import nn

    from reportgen.data import Batch

DRAWN = 200  # gradients
EVALUATIONS = 1000  # combinations of features shown and hidden
ROWS = 50  # of the data, which stand in for what is hidden


def shap_gradient(sight: Sight, tools: Tools) -> Attribution:
    """Gradients between the sample and samples of the data drawn at random (Erion et al. 2021).

    The sums come near to f(x) - the mean of f over these samples; trust: by how much they miss it.
    """
    import torch
    from shap import GradientExplainer

    values = sight.differentiable()
    rows = _background(sight, tools)
    batch = max(1, min(tools.gradient, DRAWN))
    parts = []
    with _numpy_state():
        explainer = GradientExplainer(_module(sight.score), rows, batch_size=batch)
        # In pieces, since all draws are held in memory at once.
        for at, start in enumerate(range(0, DRAWN, batch)):
            count = min(batch, DRAWN - start)
            found = explainer.shap_values(values.clone(), nsamples=count, rseed=_seed(sight, tools, at))
            parts.append(np.asarray(found).reshape(values.shape) * count / DRAWN)
    made = sight.fold(torch.from_numpy(np.sum(parts, axis=0)))
    return _told("SHAP Gradient", made, f"{DRAWN} gradients", DRAWN, sight, rows, tools)


def shap_kernel(sight: Sight, tools: Tools) -> Attribution:
    """Shapley values by weighted least squares over features shown and hidden (Lundberg and Lee 2017)."""
    from shap import KernelExplainer

    rows = _background(sight, tools)
    count = round(EVALUATIONS * tools.share)
    with _numpy_state(_seed(sight, tools)):
        explainer = KernelExplainer(_function(sight, tools), rows.cpu().double().numpy())
        # All features: by default the package keeps the ten largest alone.
        found = explainer.shap_values(_row(sight), nsamples=count, l1_reg=False, silent=True)
    said = f"{count:,} combinations of {sight.parts.how}"
    return _told("SHAP Kernel", np.asarray(found).reshape(-1), said, count * len(rows), sight, rows, tools)


def shap_permutation(sight: Sight, tools: Tools) -> Attribution:
    """Shapley values over random orders of the features, each forwards and backwards (Mitchell et al. 2022)."""
    from shap import PermutationExplainer
    from shap.maskers import Independent

    rows = _background(sight, tools)
    once = 2 * sight.values.shape[1] + 1
    orders = max(1, round(EVALUATIONS * tools.share) // once)
    with _numpy_state():
        masker = Independent(rows.cpu().double().numpy(), max_samples=len(rows))
        explainer = PermutationExplainer(_function(sight, tools), masker, seed=_seed(sight, tools))
        found = explainer(_row(sight), max_evals=orders * once, silent=True)
    evaluations = orders * once * len(rows)
    values = np.asarray(found.values).reshape(-1)
    said = f"{plural(orders, 'random order')} of {sight.parts.how}, forwards and backwards"
    return _told("SHAP Permutation", values, said, evaluations, sight, rows, tools)


def _told(
    name: str, made: np.ndarray, said: str, evaluations: int, sight: Sight, rows: torch.Tensor, tools: Tools
) -> Attribution:
    """With the additivity error: |sum + expected value - output|, relative to |output - expected value|."""
    output = float(sight.score.numbers(sight.values, 1)[0])
    expected = float(sight.score.numbers(rows, tools.forward).mean())
    return Attribution(
        method=name,
        values=made.astype(np.float64),
        signed=True,
        settings=said,
        baseline=f"{plural(len(rows), 'sample')} of the data",
        evaluations=evaluations,
        trust={
            ADDITIVITY: completeness_error(float(made.sum()), output, expected),
            MISSED: missed(made, output, expected),
        },
    )


def _background(sight: Sight, tools: Tools) -> torch.Tensor:
    """Up to 50 samples of the data (n, ...), evenly over it, as the sight's values."""
    import torch

    samples = tools.experiment.samples
    if samples is None:
        raise NotApplicable("no data, whose samples stand in for what is hidden")
    if sight.table is not None:
        rows = sight.table.rows
        if not len(rows):
            raise NotApplicable("every sample looked at holds values that are not finite")
        kept = rows[np.arange(min(ROWS, len(rows))) * len(rows) // min(ROWS, len(rows))]
        return torch.as_tensor(kept, dtype=sight.values.dtype, device=sight.values.device)
    found: Iterator[Batch]
    if samples.total is None:
        found = samples.batches(ROWS, ROWS)
    else:
        count = min(ROWS, samples.total)
        found = samples.some([at * samples.total // count for at in range(count)])
    each = [batch.inputs.primary for batch in found]
    alike = [one for one in each if one is not None and one.shape[1:] == sight.values.shape[1:]]
    if not alike:
        raise NotApplicable("no sample looked at has this one's size")
    return torch.cat(alike).to(sight.values.device, sight.values.dtype)


def _module(score: Score) -> nn.Module:
    """The score as a module that holds none of the model's: the package clears the gradients of what it is given."""
    from torch import nn

    class Scored(nn.Module):
        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return score(values)[:, None]

    return Scored()


def _function(sight: Sight, tools: Tools) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    def scores(moved: np.ndarray) -> np.ndarray:
        given = torch.as_tensor(np.asarray(moved), dtype=sight.values.dtype, device=sight.values.device)
        return sight.score.numbers(given, tools.forward)

    return scores


def _row(sight: Sight) -> np.ndarray:
    row: np.ndarray = sight.values.cpu().double().numpy()
    return row


def _seed(sight: Sight, tools: Tools, run: int = 0) -> int:
    return int(np.random.SeedSequence(tools.seeds(sight, run)).generate_state(1)[0])


@contextlib.contextmanager
def _numpy_state(seed: int | None = None) -> Iterator[None]:
    """NumPy's global generator from `seed` on, which the package draws from, and afterwards where it was."""
    before = np.random.get_state()
    try:
        if seed is not None:
            np.random.seed(seed)
        yield
    finally:
        np.random.set_state(before)
