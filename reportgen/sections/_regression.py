"""Evaluation of a regression."""

from __future__ import annotations

import numpy as np

from reportgen.errors import InputError
from reportgen.experiment import Experiment, Options, Predictions
from reportgen.report import (
    Column,
    Distribution,
    Fact,
    Facts,
    Finding,
    Histogram,
    Row,
    Scatter,
    Section,
    Table,
)
from reportgen.sections._intervals import RESAMPLES, bootstrap
from reportgen.sections.evaluation import sample_of
from reportgen.units import show

MOST_POINTS = 2000


def evaluate(experiment: Experiment, options: Options, predictions: Predictions) -> Section:
    """The section for a regression. Raises InputError where outputs and targets can't be compared."""
    assert predictions.targets is not None
    outputs, targets = predictions.outputs.double().numpy(), predictions.targets.double().numpy()
    finite = (np.isfinite(outputs) & np.isfinite(targets)).all(axis=1)
    if not finite.any():
        raise InputError(f"no sample of {len(finite)} has both a finite output and a finite target")
    where = sample_of(predictions.n, predictions.total, late=predictions.late)
    output, target = outputs[finite], targets[finite]
    options.step("intervals", 0, 1)
    held = int((predictions.marred & finite).sum())
    if held:
        where += f", {held:,} of them with NaN or infinity among the inputs"
    totals = _totals(output, target, where, options.seed)
    blocks = (
        totals,
        _scatter(output, target, where),
        _residuals(output - target, where),
        _worst(output, target, predictions.numbers[finite], options.samples),
    )
    first = totals.facts[0]
    summary = f"Mean absolute error {show(first.value)} ({first.note}) on {where}."
    marred = predictions.marred
    findings = tuple(_findings(output, target, finite, marred, options.seed))
    return Section(name="evaluation", title="Evaluation", summary=summary, blocks=blocks, findings=findings)


def r2(output: np.ndarray, target: np.ndarray) -> float:
    """1 - SS_res / SS_tot over all values; NaN where the targets don't vary."""
    spread = float(((target - target.mean(axis=0)) ** 2).sum())
    return float("nan") if spread == 0 else 1 - float(((output - target) ** 2).sum()) / spread


def _totals(output: np.ndarray, target: np.ndarray, where: str, seed: int) -> Facts:
    def fact(label: str, figure: object) -> Fact:
        low, high = bootstrap(len(target), seed, lambda rows: figure(output[rows], target[rows]))  # type: ignore[operator]
        value = figure(output, target)  # type: ignore[operator]
        note = f"95 % interval {show(_round(low))} to {show(_round(high))}"
        return Fact(label=label, value=_round(value), note=note)

    middle = np.median(target, axis=0)
    baseline = float(np.abs(target - middle).mean())
    facts = (
        fact("Mean absolute error", lambda a, b: float(np.abs(a - b).mean())),
        fact("Root mean squared error", lambda a, b: float(np.sqrt(((a - b) ** 2).mean()))),
        fact("R²", r2),
        Fact(
            label="Baseline error",
            value=_round(baseline),
            note="mean absolute error of always saying the median",
        ),
    )
    caption = (
        f"In the unit of the targets, on {where}. Intervals: {RESAMPLES:,} bootstrap resamples, seed {seed}."
    )
    return Facts(id="totals", title="Metrics", facts=facts, caption=caption)


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _scatter(output: np.ndarray, target: np.ndarray, where: str) -> Scatter:
    every = max(1, -(-target.size // MOST_POINTS))
    x, y, width = target[::every], output[::every], target.shape[1]
    kept = "" if every == 1 else f"; {len(x):,} of them drawn, evenly"
    groups = ("samples",) if width == 1 else tuple(f"value {index}" for index in range(width))
    return Scatter(
        id="predicted-true",
        title="Predicted against true values",
        caption=f"On {where}{kept}.",
        x=[_round(v) for v in x.T.reshape(-1)],
        y=[_round(v) for v in y.T.reshape(-1)],
        member=np.repeat(np.arange(width), len(x)),
        groups=groups,
        x_label="true value",
        y_label="predicted value",
    )


def _residuals(error: np.ndarray, where: str) -> Distribution:
    counts, edges = np.histogram(error.reshape(-1), bins=30)
    histogram = Histogram(name="errors", edges=[_round(v) for v in edges], counts=counts)
    return Distribution(
        id="residuals",
        title="Errors",
        caption=f"Predicted minus true value, 30 bins; {where}.",
        histograms=(histogram,),
        x_label="predicted − true",
        y_label="samples" if error.shape[1] == 1 else "values",
    )


def _worst(output: np.ndarray, target: np.ndarray, number: np.ndarray, most: int) -> Table:
    size = np.abs(output - target).max(axis=1)
    order = np.argsort(-size, kind="stable")[:most]
    rows = tuple(
        Row(cells=(int(number[i]), _values(target[i]), _values(output[i]), _round(float(size[i]))))
        for i in order
    )
    columns = (
        Column(name="Sample", unit="exact"),
        Column(name="True", unit="exact"),
        Column(name="Predicted", unit="exact"),
        Column(name="Error", unit="exact", note="the largest of the sample's values"),
    )
    caption = f"The {len(order)} largest errors of {len(size):,}; sample numbers count from 0."
    return Table(id="mistakes", title="Worst mistakes", columns=columns, rows=rows, caption=caption)


def _values(row: np.ndarray) -> float | str:
    return _round(float(row[0])) if len(row) == 1 else ", ".join(f"{value:.4g}" for value in row[:6])


def _findings(
    output: np.ndarray, target: np.ndarray, finite: np.ndarray, marred: np.ndarray, seed: int
) -> list[Finding]:
    found = []
    if not finite.all():
        both = int((marred & ~finite).sum())
        why = f"; {both:,} of them have NaN or infinity among their inputs" if both else ""
        bad, n = int((~finite).sum()), len(finite)
        said = "samples have an output or a target that is NaN or infinite; they are left out"
        message = f"{bad:,} of {n:,} {said}{why}."
        rule = "an output or target that is not finite"
        found.append(Finding(severity="serious", message=message, rule=rule, evidence="evaluation/totals"))
    low, high = bootstrap(len(target), seed, lambda rows: r2(output[rows], target[rows]))
    if np.isfinite(low) and low <= 0:
        message = f"R² ({show(_round(low))} to {show(_round(high))}) is not above that of saying the mean, 0."
        rule = "lower end of the 95 % bootstrap interval of R² at or below 0"
        found.append(Finding(severity="warning", message=message, rule=rule, evidence="evaluation/totals"))
    return found
