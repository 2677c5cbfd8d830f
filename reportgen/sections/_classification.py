"""Evaluation of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from reportgen.errors import InputError
from reportgen.experiment import Experiment, Options, Predictions
from reportgen.report import (
    Bars,
    Column,
    Distribution,
    Fact,
    Facts,
    Finding,
    Heatmap,
    Histogram,
    Row,
    Section,
    Severity,
    Table,
)
from reportgen.sections._intervals import RESAMPLES, bootstrap, wilson
from reportgen.sections._mistakes import mistakes
from reportgen.sections.evaluation import sample_of
from reportgen.units import show

MOST_CLASSES = 40  # a larger matrix can't be read
Scores = dict[str, np.ndarray]


def evaluate(experiment: Experiment, options: Options, predictions: Predictions) -> Section:
    """The section for a classifier. Raises InputError where no output is finite."""
    assert predictions.targets is not None
    assert predictions.probabilities is not None
    targets = predictions.targets.numpy()
    probabilities = predictions.probabilities.double().numpy()
    finite = np.isfinite(predictions.outputs.numpy()).all(axis=1)
    if not finite.any():
        raise InputError(
            f"the outputs are NaN or infinite for all {len(finite)} samples, so nothing can be said of them",
            "look for NaN in the weights and in the data",
        )
    # A sample without a finite output has no prediction: it counts as wrong, and as no class.
    predicted = np.where(finite, np.nan_to_num(probabilities).argmax(axis=1), -1)
    count = probabilities.shape[1]
    matrix = confusion(targets, predicted, count)
    where = sample_of(predictions.n, predictions.total)
    options.step("intervals", 0, 1)
    totals = _totals(targets, predicted, probabilities, finite, matrix, where, options.seed)
    blocks: list[Any] = [totals]
    if count <= MOST_CLASSES:
        blocks.append(_heatmap(experiment, matrix, where))
    blocks += [_per_class(experiment, matrix, where), _recalls(experiment, matrix)]
    blocks.append(_confidence(probabilities, predicted, targets, finite, where))
    options.step("mistakes", 0, 1)
    blocks += mistakes(experiment, options, targets, predicted, probabilities)
    right = int((predicted == targets).sum())
    low, high = wilson(right, len(targets))
    summary = (
        f"Accuracy {show(right / len(targets), 'share')} "
        f"(95 % interval {show(low, 'share')} to {show(high, 'share')}) on {where}."
    )
    findings = _findings(experiment, matrix, predicted, targets, finite)
    return Section(
        name="evaluation", title="Evaluation", summary=summary, blocks=tuple(blocks), findings=tuple(findings)
    )


def confusion(targets: np.ndarray, predicted: np.ndarray, count: int) -> np.ndarray:
    """int64 (count, count): rows are true classes, columns predicted ones; -1 predictions are left out."""
    kept = predicted >= 0
    flat = targets[kept] * count + predicted[kept]
    return np.bincount(flat, minlength=count * count).reshape(count, count)


def per_class(matrix: np.ndarray) -> Scores:
    """Precision, recall and F1 of each class, NaN where there is nothing to divide by."""
    hits = matrix.diagonal().astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = hits / matrix.sum(axis=0)
        recall = hits / matrix.sum(axis=1)
        f1 = 2 * hits / (matrix.sum(axis=0) + matrix.sum(axis=1))
    return {"precision": precision, "recall": recall, "f1": f1}


def macro_f1(targets: np.ndarray, predicted: np.ndarray, count: int) -> float:
    """The mean F1 of the classes that are in the targets or the predictions."""
    f1 = per_class(confusion(targets, predicted, count))["f1"]
    return float(np.nanmean(f1)) if np.isfinite(f1).any() else float("nan")


def _totals(
    targets: np.ndarray,
    predicted: np.ndarray,
    probabilities: np.ndarray,
    finite: np.ndarray,
    matrix: np.ndarray,
    where: str,
    seed: int,
) -> Facts:
    n, count = len(targets), matrix.shape[0]
    right = int((predicted == targets).sum())
    facts = [_share("Accuracy", right, n, "Wilson")]
    if count > 10:
        top = np.argsort(-np.nan_to_num(probabilities), axis=1, kind="stable")[:, :5]
        facts.append(
            _share("Top-5 accuracy", int(((top == targets[:, None]).any(axis=1) & finite).sum()), n, "Wilson")
        )
    low, high = bootstrap(n, seed, lambda rows: macro_f1(targets[rows], predicted[rows], count))
    f1 = macro_f1(targets, predicted, count)
    facts.append(Fact(label="Macro F1", value=_round(f1), note=_between(low, high)))
    losses = -np.log(np.clip(probabilities[np.arange(n), targets], 1e-12, 1))[finite]
    low, high = bootstrap(len(losses), seed, lambda rows: float(losses[rows].mean()))
    facts.append(
        Fact(label="Log loss", value=_round(float(losses.mean())), unit="nats", note=_between(low, high))
    )
    common = np.bincount(targets, minlength=count)
    always = f"of always saying the most common class, {common.max():,} of {n:,}"
    facts.append(Fact(label="Baseline accuracy", value=_round(common.max() / n), unit="share", note=always))
    caption = (
        f"On {where}. Intervals: 95 %; accuracy by Wilson's score, the others by {RESAMPLES:,} bootstrap "
    )
    return Facts(
        id="totals", title="Metrics", facts=tuple(facts), caption=f"{caption}resamples, seed {seed}."
    )


def _share(label: str, right: int, n: int, method: str) -> Fact:
    low, high = wilson(right, n)
    note = f"{right:,} of {n:,}; 95 % interval {show(low, 'share')} to {show(high, 'share')} ({method})"
    return Fact(label=label, value=_round(right / n), unit="share", note=note)


def _between(low: float, high: float) -> str:
    return f"95 % interval {show(_round(low))} to {show(_round(high))} (bootstrap)"


def _round(value: float) -> float:
    """Six significant digits, which is more than any sample supports."""
    return float(f"{value:.6g}")


def _heatmap(experiment: Experiment, matrix: np.ndarray, where: str) -> Heatmap:
    names = tuple(experiment.class_name(index) for index in range(len(matrix)))
    return Heatmap(
        id="confusion",
        title="Confusion matrix",
        caption=f"Samples by true (row) and predicted (column) class; {where}.",
        row_labels=names,
        column_labels=names,
        values=tuple(tuple(float(v) for v in row) for row in matrix),
        row_title="true class",
        column_title="predicted class",
        unit="samples",
    )


def _per_class(experiment: Experiment, matrix: np.ndarray, where: str) -> Table:
    scores = per_class(matrix)
    rows = []
    for index, support in enumerate(matrix.sum(axis=1).tolist()):
        figures = [_cell(scores[name][index]) for name in ("precision", "recall", "f1")]
        low, high = wilson(int(matrix[index, index]), support)
        interval = f"{show(low, 'share')} to {show(high, 'share')}" if support else "no samples"
        rows.append(
            Row(cells=(experiment.class_name(index), support, figures[0], figures[1], interval, figures[2]))
        )
    columns = (
        Column(name="Class"),
        Column(name="Samples", unit="exact"),
        Column(name="Precision", unit="share"),
        Column(name="Recall", unit="share"),
        Column(name="95 % interval of recall"),
        Column(name="F1", unit="exact"),
    )
    caption = f"On {where}; intervals by Wilson's score. Unknown: no sample of the class, or none predicted."
    return Table(id="per-class", title="Per class", columns=columns, rows=tuple(rows), caption=caption)


def _cell(value: float) -> float | None:
    return _round(float(value)) if np.isfinite(value) else None


def _recalls(experiment: Experiment, matrix: np.ndarray) -> Bars:
    support = matrix.sum(axis=1)
    recall = np.nan_to_num(per_class(matrix)["recall"])
    order = np.argsort(recall, kind="stable")
    order = order[support[order] > 0][:20]
    ends = [wilson(int(matrix[i, i]), int(support[i])) for i in order]
    return Bars(
        id="recall",
        title="Recall by class, lowest first",
        caption="With 95 % intervals (Wilson)" + (", the 20 lowest." if (support > 0).sum() > 20 else "."),
        labels=tuple(experiment.class_name(int(i)) for i in order),
        values=tuple(_round(float(recall[i])) for i in order),
        low=tuple(_round(low) for low, _ in ends),
        high=tuple(_round(high) for _, high in ends),
        unit="share",
        x_label="recall",
    )


def _confidence(
    probabilities: np.ndarray, predicted: np.ndarray, targets: np.ndarray, finite: np.ndarray, where: str
) -> Distribution:
    top = np.nan_to_num(probabilities).max(axis=1)
    edges = np.linspace(0, 1, 21)
    right = predicted == targets
    parts = (("right", right & finite), ("wrong", ~right & finite))
    return Distribution(
        id="confidence",
        title="Confidence of right and wrong predictions",
        caption=f"Probability of the predicted class, in bins of .05; {where}.",
        histograms=tuple(
            Histogram(name=name, edges=edges, counts=np.histogram(top[rows], edges)[0])
            for name, rows in parts
        ),
        x_label="probability of the predicted class",
    )


def _findings(
    experiment: Experiment, matrix: np.ndarray, predicted: np.ndarray, targets: np.ndarray, finite: np.ndarray
) -> list[Finding]:
    found, n = [], len(targets)

    def add(severity: Severity, message: str, rule: str, evidence: str) -> None:
        found.append(
            Finding(severity=severity, message=message, rule=rule, evidence=f"evaluation/{evidence}")
        )

    if not finite.all():
        bad = int((~finite).sum())
        add("serious", f"The outputs are NaN or infinite for {bad:,} of {n:,} samples, which count as wrong.",
            "an output that is not finite", "totals")  # fmt: skip
    low, high = wilson(int((predicted == targets).sum()), n)
    common = np.bincount(targets, minlength=len(matrix))
    baseline = common.max() / n
    if (common > 0).sum() > 1 and low <= baseline:
        name = experiment.class_name(int(common.argmax()))
        add("serious" if high <= baseline else "warning",
            f"Accuracy ({show(low, 'share')} to {show(high, 'share')}) is not above always saying "
            f"{name!r} ({show(baseline, 'share')}).",
            "lower end of the 95 % interval at or below the share of the most common class", "totals")  # fmt: skip
    never = [i for i in range(len(matrix)) if matrix[i].sum() > 0 and matrix[:, i].sum() == 0]
    if never:
        names = ", ".join(experiment.class_name(i) for i in never[:5])
        more = f" and {len(never) - 5} more" if len(never) > 5 else ""
        add("warning", f"{len(never)} of {len(matrix)} classes are never predicted though they occur: {names}{more}.",
            "a class with samples and no prediction", "per-class")  # fmt: skip
    missing = int((common == 0).sum())
    if missing:
        add("info", f"{missing} of {len(matrix)} classes have no sample in the data, so nothing is known of them.",
            "a class without samples", "per-class")  # fmt: skip
    return found
