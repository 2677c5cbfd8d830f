"""Evaluation of a classifier."""

from __future__ import annotations

from dataclasses import dataclass
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
MOST_ROWS = 200  # of the table of classes


def evaluate(experiment: Experiment, options: Options, predictions: Predictions) -> Section:
    """The section for a classifier. Raises InputError where no output is finite or no sample has a label."""
    assert predictions.targets is not None
    assert predictions.probabilities is not None
    labelled = predictions.targets.numpy() >= 0
    if not labelled.any():
        raise InputError(f"no sample of {len(labelled)} has a label: every target is negative")
    targets = predictions.targets.numpy()[labelled]
    probabilities = predictions.probabilities.double().numpy()[labelled]
    finite = np.isfinite(predictions.outputs.numpy()[labelled]).all(axis=1)
    if not finite.any():
        raise InputError(
            f"the outputs are NaN or infinite for all {len(finite)} samples, so nothing can be said of them",
            "look for NaN in the weights and in the data",
        )
    # A sample without a finite output has no prediction: it counts as wrong, and as no class.
    predicted = np.where(finite, np.nan_to_num(probabilities).argmax(axis=1), -1)
    soft = None if predictions.soft is None else predictions.soft.double().numpy()[labelled]
    marred = predictions.marred[labelled]
    seen = Seen(targets, predicted, probabilities, finite, probabilities.shape[1], soft, marred)
    where = sample_of(predictions.n, predictions.total, late=predictions.late)
    if not labelled.all():
        where = f"{len(targets):,} with a label of {where}"
    options.step("intervals", 0, 1)
    blocks: list[Any] = [_totals(seen, where, options.seed)]
    if seen.count <= MOST_CLASSES:
        blocks.append(_heatmap(experiment, seen, where))
    blocks += [
        _per_class(experiment, seen, where),
        _recalls(experiment, seen, where),
        _confidence(seen, where),
    ]
    options.step("mistakes", 0, 1)
    everything = np.full(len(labelled), -1)
    everything[labelled] = predicted
    whole = predictions.probabilities.double().numpy()
    blocks += mistakes(
        experiment, options, predictions.numbers, predictions.targets.numpy(), everything, whole
    )
    low, high = wilson(seen.right, len(targets))
    summary = (
        f"Accuracy {show(seen.right / len(targets), 'share')} "
        f"(95 % interval {show(low, 'share')} to {show(high, 'share')}) on {where}."
    )
    findings = tuple(_findings(experiment, seen))
    return Section(
        name="evaluation", title="Evaluation", summary=summary, blocks=tuple(blocks), findings=findings
    )


@dataclass(frozen=True)
class Seen:
    """What was predicted of `n` samples: int64 (n,) targets and predictions (-1: none), and (n, count) shares.

    `marred`: NaN or infinity among the inputs. `soft` (n, count), where the targets are shares of classes: `targets`
    are the largest of each row.
    """

    targets: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    finite: np.ndarray
    count: int
    soft: np.ndarray | None = None
    marred: np.ndarray | None = None

    @property
    def why(self) -> str:
        """How many of the samples without a prediction have NaN among their inputs."""
        both = 0 if self.marred is None else int((self.marred & ~self.finite).sum())
        return f"; {both:,} of them have NaN or infinity among their inputs" if both else ""

    @property
    def right(self) -> int:
        """How many predictions are right."""
        return int((self.predicted == self.targets).sum())


def confusion(targets: np.ndarray, predicted: np.ndarray, count: int) -> np.ndarray:
    """int64 (count, count): rows are true classes, columns predicted ones; -1 predictions are left out."""
    kept = predicted >= 0
    flat = targets[kept] * count + predicted[kept]
    return np.bincount(flat, minlength=count * count).reshape(count, count)


@dataclass(frozen=True)
class Scores:
    """Of each class (count,): samples, predictions, hits; precision, recall and F1, NaN where undefined."""

    samples: np.ndarray
    predictions: np.ndarray
    hits: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def per_class(targets: np.ndarray, predicted: np.ndarray, count: int) -> Scores:
    """Precision = hits / predictions, recall = hits / samples, F1 = 2 hits / (samples + predictions)."""
    samples = np.bincount(targets, minlength=count)
    said = np.bincount(predicted[predicted >= 0], minlength=count)
    hits = np.bincount(targets[predicted == targets], minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Scores(samples, said, hits, hits / said, hits / samples, 2 * hits / (samples + said))


def macro_f1(targets: np.ndarray, predicted: np.ndarray, count: int) -> float:
    """The mean F1 of the classes that are in the targets or the predictions."""
    return float(np.nanmean(per_class(targets, predicted, count).f1))


def _totals(seen: Seen, where: str, seed: int) -> Facts:
    targets, predicted, n = seen.targets, seen.predicted, len(seen.targets)
    facts = [_share("Accuracy", seen.right, n, "Wilson")]
    if seen.count > 10:
        top = np.argsort(-np.nan_to_num(seen.probabilities), axis=1, kind="stable")[:, :5]
        within = (top == targets[:, None]).any(axis=1) & seen.finite
        facts.append(_share("Top-5 accuracy", int(within.sum()), n, "Wilson"))
    low, high = bootstrap(n, seed, lambda rows: macro_f1(targets[rows], predicted[rows], seen.count))
    f1 = macro_f1(targets, predicted, seen.count)
    facts.append(Fact(label="Macro F1", value=_round(f1), note=_between(low, high)))
    losses = _losses(seen)[seen.finite]
    low, high = bootstrap(len(losses), seed, lambda rows: float(losses[rows].mean()))
    some = "" if seen.finite.all() else f"; of {len(losses):,} with finite outputs"
    loss = _round(float(losses.mean()))
    facts.append(Fact(label="Log loss", value=loss, unit="nats", note=_between(low, high) + some))
    if seen.soft is not None:
        own = -np.sum(seen.soft * np.log(np.clip(seen.soft, 1e-12, 1)), axis=1)[seen.finite]
        note = "mean over the samples, the least that the log loss can be"
        facts.append(
            Fact(label="Entropy of the targets", value=_round(float(own.mean())), unit="nats", note=note)
        )
    common = np.bincount(targets, minlength=seen.count)
    always = f"of always saying the most common class, {common.max():,} of {n:,}"
    share = _round(common.max() / n)
    facts.append(Fact(label="Baseline accuracy", value=share, unit="share", note=always))
    caption = (
        f"On {where}.{_shares(seen)}{_marred(seen)} Intervals: 95 %; accuracy by Wilson's score, the others by "
        f"{RESAMPLES:,} bootstrap resamples, seed {seed}."
    )
    return Facts(id="totals", title="Metrics", facts=tuple(facts), caption=caption)


def _marred(seen: Seen) -> str:
    """What was done with samples that have NaN among their inputs and a prediction all the same."""
    held = 0 if seen.marred is None else int((seen.marred & seen.finite).sum())
    return (
        f" {held:,} of them have NaN or infinity among their inputs and are counted by what the model says."
        if held
        else ""
    )


def _losses(seen: Seen) -> np.ndarray:
    """Of each sample the cross-entropy with its class, or with its shares of the classes."""
    logs = -np.log(np.clip(seen.probabilities, 1e-12, 1))
    if seen.soft is None:
        return logs[np.arange(len(seen.targets)), seen.targets]
    return np.sum(seen.soft * logs, axis=1)


def _shares(seen: Seen) -> str:
    """How targets that are shares of classes are read."""
    if seen.soft is None:
        return ""
    alike = int((np.diff(np.sort(seen.soft, axis=1)[:, -2:]) == 0).sum())
    ties = f" ({alike:,} with two largest alike count for the first)" if alike else ""
    return (
        f" The targets are shares of the classes: the class of a sample is the one with its largest share{ties}, "
        "and the log loss is the cross-entropy with the shares."
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


def _heatmap(experiment: Experiment, seen: Seen, where: str) -> Heatmap:
    matrix = confusion(seen.targets, seen.predicted, seen.count)
    names = tuple(experiment.class_name(index) for index in range(seen.count))
    without = "" if seen.finite.all() else f"; {int((~seen.finite).sum()):,} without a prediction left out"
    return Heatmap(
        id="confusion",
        title="Confusion matrix",
        caption=f"Samples by true (row) and predicted (column) class; {where}{without}.",
        row_labels=names,
        column_labels=names,
        values=tuple(tuple(float(v) for v in row) for row in matrix),
        row_title="true class",
        column_title="predicted class",
        unit="samples",
    )


def _per_class(experiment: Experiment, seen: Seen, where: str) -> Table:
    scores = per_class(seen.targets, seen.predicted, seen.count)
    order, chosen = np.arange(seen.count), ""
    if seen.count > MOST_ROWS:
        order = np.argsort(np.where(np.isfinite(scores.f1), scores.f1, 2.0), kind="stable")[:MOST_ROWS]
        chosen = f" The {MOST_ROWS} classes of the lowest F1."
    rows = []
    for index in order.tolist():
        low, high = wilson(int(scores.hits[index]), int(scores.samples[index]))
        interval = f"{show(low, 'share')} to {show(high, 'share')}" if scores.samples[index] else "no samples"
        precision, recall, f1 = (_cell(part[index]) for part in (scores.precision, scores.recall, scores.f1))
        interval = interval.replace(" ", "\u00a0")  # an interval is read on one line
        name, support = experiment.class_name(index), int(scores.samples[index])
        rows.append(Row(cells=(name, support, precision, recall, interval, f1)))
    columns = (
        Column(name="Class"),
        Column(name="Samples", unit="exact"),
        Column(name="Precision", unit="share"),
        Column(name="Recall", unit="share"),
        Column(name="95 % interval of recall"),
        Column(name="F1", unit="exact"),
    )
    return Table(
        id="per-class",
        title="Per class",
        columns=columns,
        rows=tuple(rows),
        total=seen.count,
        caption=f"On {where}; intervals by Wilson's score. Unknown: no sample of the class, or none predicted.{chosen}",
    )


def _cell(value: float) -> float | None:
    return _round(float(value)) if np.isfinite(value) else None


def _recalls(experiment: Experiment, seen: Seen, where: str) -> Bars:
    scores = per_class(seen.targets, seen.predicted, seen.count)
    order = np.argsort(np.nan_to_num(scores.recall), kind="stable")
    order = order[scores.samples[order] > 0]
    shown = order[:20]
    ends = [wilson(int(scores.hits[i]), int(scores.samples[i])) for i in shown]
    return Bars(
        id="recall",
        title="Recall by class, lowest first",
        caption=f"With 95 % intervals (Wilson){', the 20 lowest' if len(order) > 20 else ''}; {where}.",
        labels=tuple(experiment.class_name(int(i)) for i in shown),
        values=tuple(_round(float(scores.recall[i])) for i in shown),
        low=tuple(_round(low) for low, _ in ends),
        high=tuple(_round(high) for _, high in ends),
        unit="share",
        x_label="recall",
    )


def _confidence(seen: Seen, where: str) -> Distribution:
    top = np.nan_to_num(seen.probabilities).max(axis=1)
    edges = np.linspace(0, 1, 21)
    right = seen.predicted == seen.targets
    parts = (("right", right & seen.finite), ("wrong", ~right & seen.finite))
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


def _findings(experiment: Experiment, seen: Seen) -> list[Finding]:
    found, n = [], len(seen.targets)

    def add(severity: Severity, message: str, rule: str, evidence: str) -> None:
        found.append(
            Finding(severity=severity, message=message, rule=rule, evidence=f"evaluation/{evidence}")
        )

    if not seen.finite.all():
        bad = int((~seen.finite).sum())
        message = (
            f"The outputs are NaN or infinite for {bad:,} of {n:,} samples, which count as wrong{seen.why}."
        )
        add("serious", message, "an output that is not finite", "totals")
    low, high = wilson(seen.right, n)
    scores = per_class(seen.targets, seen.predicted, seen.count)
    baseline = scores.samples.max() / n
    if (scores.samples > 0).sum() > 1 and low <= baseline:
        name = experiment.class_name(int(scores.samples.argmax()))
        message = (
            f"Accuracy ({show(low, 'share')} to {show(high, 'share')}) is not above always saying {name!r} "
            f"({show(baseline, 'share')})."
        )
        rule = "lower end of the 95 % interval at or below the share of the most common class"
        add("serious" if high <= baseline else "warning", message, rule, "totals")
    never = np.flatnonzero((scores.samples > 0) & (scores.predictions == 0)).tolist()
    if never:
        names = ", ".join(experiment.class_name(i) for i in never[:5])
        more = f" and {len(never) - 5} more" if len(never) > 5 else ""
        message = (
            f"{len(never)} of {seen.count} classes are never predicted though they occur: {names}{more}."
        )
        add("warning", message, "a class with samples and no prediction", "per-class")
    missing = int((scores.samples == 0).sum())
    if missing:
        message = (
            f"{missing} of {seen.count} classes have no sample in the data, so nothing is known of them."
        )
        add("info", message, "a class without samples", "per-class")
    return found
