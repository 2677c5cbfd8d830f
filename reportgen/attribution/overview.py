"""What counts over the whole data: Integrated Gradients of up to 1,000 rows of a table, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import NotApplicable
from reportgen.attribution.explain import passes
from reportgen.attribution.gradients import STEPS
from reportgen.attribution.table import Table
from reportgen.attribution.target import Aim
from reportgen.attribution.trust import completeness_error
from reportgen.deadline import NEVER, Deadline
from reportgen.experiment import Experiment
from reportgen.units import plural, show

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs

SHARE = 0.2  # of the budget of operations, for all views of the whole data together
FEWEST = 10  # samples of which a mean is told


@dataclass(frozen=True)
class Answers:
    """What is explained of each of several samples: `sign` * outputs[:, `column`], and the class they are given.

    `outputs` float32 (n, values); the others int64 (n,). `fixed` is the one output that all have in common, -1
    where each sample has its own; `already`: whether the outputs are probabilities.
    """

    outputs: torch.Tensor
    columns: torch.Tensor
    signs: torch.Tensor
    classes: torch.Tensor
    fixed: int
    already: bool

    def of(self, outputs: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The explained numbers (n,) of outputs (n, ...) of the samples `rows` (n,)."""
        at = rows.to(self.columns.device)
        columns, signs = self.columns[at].to(outputs.device), self.signs[at].to(outputs.device)
        return outputs.reshape(len(outputs), -1).gather(1, columns[:, None])[:, 0] * signs

    def probabilities(self, outputs: torch.Tensor) -> torch.Tensor:
        """Class probabilities (n, classes) of other outputs of the same model (n, values)."""
        import torch

        if outputs.shape[1] == 1:
            positive = outputs if self.already else outputs.sigmoid()
            return torch.cat([1 - positive, positive], dim=1)
        return outputs if self.already else outputs.softmax(dim=1)


def shortfalls(sums: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Completeness errors (n,) of attributions that sum to `sums` (n,); NaN where both ends are equal.

    `ends` (2, n) are the scores of the samples and of their baselines.
    """
    made = [
        completeness_error(float(total), *map(float, pair)) for total, pair in zip(sums, ends.T, strict=True)
    ]
    return np.array([np.nan if error is None else error for error in made])


def complete(errors: np.ndarray) -> str:
    """What these completeness errors come to, as a clause of a caption."""
    known = errors[np.isfinite(errors)]
    if not len(known):
        return "completeness can't be told, since the scores are the baselines'"
    # Below a hundredth of a per cent rounding decides.
    shares = [max(1e-4, float(np.quantile(known, q))) for q in (0.5, 0.9)]
    middle, high = (
        "below 0.01 %" if share <= 1e-4 else show(float(f"{share:.2g}"), "share") for share in shares
    )
    return f"completeness error {middle} in the median, {high} at the 90 % quantile"


def answers(experiment: Experiment, outputs: torch.Tensor) -> Answers:
    """What is explained of samples with these outputs (n, values): the output that was named, or of two classes the
    second, or of each sample the class it is given or its largest output.
    """
    import torch

    from reportgen.predictions import probabilities_of

    asked, width = Aim.of(experiment).column, outputs.shape[1]
    classification = experiment.task == "classification"
    already = classification and experiment.outputs_are_probabilities
    classes = probabilities_of(outputs, already).argmax(dim=1) if classification else outputs.argmax(dim=1)
    fixed = asked if asked is not None else -1
    if fixed < 0 and (width == 1 or (classification and width == 2)):
        fixed = 1 if classification else 0
    columns = classes if fixed < 0 else torch.full_like(classes, fixed)
    signs = torch.ones_like(columns)
    if width == 1:
        signs = torch.where(columns == 0, -1, 1) if classification else signs
        columns = torch.zeros_like(columns)
    return Answers(outputs, columns, signs, classes, fixed, already)


@dataclass(frozen=True)
class View:
    """Attributions (n, features) of rows (n, features) of a table, float64, and what was explained of each.

    `numbers` are the samples' numbers in the data; `steps` and `baseline` say how it was made, `errors` (n,) by which
    share the attributions of each miss the difference of the scores, NaN where there is none.
    """

    table: Table
    numbers: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    answers: Answers
    steps: int
    baseline: str
    errors: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """The mean of |attribution| of each feature, NaN where it has none."""
        return np.where(self.table.smooth, np.abs(self.values).mean(axis=0), np.nan)

    def order(self, most: int) -> list[int]:
        """The features of the largest mean |attribution|, largest first."""
        known = np.flatnonzero(self.table.smooth)
        sizes = np.abs(self.values[:, known]).mean(axis=0)
        scale = max(float(sizes.max(initial=0.0)), 1e-300)
        # To a millionth of the largest, so that the last bits do not decide.
        return [int(at) for at in known[np.argsort(-np.round(sizes / scale, 6), kind="stable")][:most]]


def view(experiment: Experiment, table: Table, size: int, deadline: Deadline = NEVER) -> View:
    """Integrated Gradients from the mean row to as many rows as the budget allows, `size` at a time.

    Categories stay as they are in the sample. Raises NotApplicable where no feature has a gradient or the model
    costs too much, Late where the time ends, InputError where the model can't be run.
    """
    import torch

    if not table.smooth.any():
        raise NotApplicable("every feature is a category or a whole number, which has no gradient")
    wanted = int(min(len(table.rows), passes(experiment, SHARE) / 2 / (3 * STEPS)))
    if wanted < FEWEST:
        raise NotApplicable(
            f"the data or the model's cost allows {plural(wanted, 'sample')}, fewer than {FEWEST}"
        )
    chosen = np.arange(wanted) * len(table.rows) // wanted
    numbers = table.numbers[chosen]
    batches, outputs = [], []
    for start in range(0, wanted, size):
        deadline.check()
        inputs = experiment.batch(numbers[start : start + size].tolist()).inputs
        with torch.no_grad():
            found = experiment.scores(inputs).detach().float().cpu()
        batches.append(inputs)
        outputs.append(found.reshape(inputs.size, -1))
    told = answers(experiment, torch.cat(outputs))
    parts = [
        _integrated(experiment, table, inputs, told, at * size, size, deadline)
        for at, inputs in enumerate(batches)
    ]
    made, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    kept = np.isfinite(made).all(axis=1)
    if int(kept.sum()) < FEWEST:
        raise NotApplicable("the attributions hold values that are not finite")
    rows = torch.from_numpy(np.flatnonzero(kept))
    some = Answers(
        told.outputs[rows], told.columns[rows], told.signs[rows], told.classes[rows], told.fixed, told.already
    )
    return View(
        table, numbers[kept], table.rows[chosen][kept], made[kept], some, STEPS,
        f"the mean of {len(table.rows):,} samples" + ("" if table.smooth.all() else ", the rest as in the sample"),
        errors[kept],
    )  # fmt: skip


def _integrated(
    experiment: Experiment,
    table: Table,
    inputs: Inputs,
    told: Answers,
    start: int,
    size: int,
    deadline: Deadline,
) -> tuple[np.ndarray, np.ndarray]:
    """Attributions (n, features), and by how much they fall short (n,), of a batch that starts at `start` of `told`."""
    import torch
    from captum.attr import IntegratedGradients

    values = table.values(inputs)
    if not values.is_floating_point():
        raise NotApplicable("the input holds whole numbers, which have no gradient")
    places = torch.arange(inputs.size, device=values.device)
    centre = torch.as_tensor(table.centre("mean"), dtype=values.dtype, device=values.device)
    free = torch.as_tensor(table.smooth, device=values.device)

    def score(moved: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        deadline.check()
        outputs = table.feed(experiment, inputs.take(rows.tolist()), moved)
        return told.of(outputs, rows + start)

    origin = torch.where(free, centre, values)
    made = IntegratedGradients(score).attribute(
        values,
        baselines=origin,
        additional_forward_args=(places,),
        n_steps=STEPS,
        internal_batch_size=max(size, inputs.size),
        method="gausslegendre",
    )
    found: np.ndarray = made.detach().cpu().double().numpy()
    with torch.no_grad():
        ends = torch.stack([score(point, places) for point in (values, origin)]).cpu().double().numpy()
    return found, shortfalls(found.sum(axis=1), ends)
