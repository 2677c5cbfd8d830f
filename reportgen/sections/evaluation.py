"""Evaluation: how good the model is on the data it was given, with intervals, and where it errs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reportgen.deadline import Deadline, until
from reportgen.report import Finding, Section
from reportgen.units import plural

if TYPE_CHECKING:
    from reportgen.errors import InputError
    from reportgen.experiment import Experiment, Options

TITLE = "Evaluation"
TIME = 0.8  # of the section's for the predictions, where the clock may decide
UNREAD = "the targets can't be read"
NO_TARGETS = "the data has no targets to hold the predictions against"


def evaluation(experiment: Experiment, options: Options) -> Section:
    """Accuracy or error with a 95 % interval, confusion, per-class figures and the worst mistakes."""
    if experiment.model is not None and experiment.target_problem is not None:
        return _unread(experiment.target_problem)
    reason = _nothing(experiment)
    if reason:
        return Section(name="evaluation", title=TITLE, status="empty", reason=reason)
    from reportgen.targets import UnreadError

    options.step("predictions", 0, 1)
    with until(Deadline.of(options.time_limit, options.timed).part(TIME)):
        predictions = experiment.predictions
    if isinstance(predictions.target_problem, UnreadError):
        return _unread(predictions.target_problem)
    if predictions.target_problem is not None:
        raise predictions.target_problem
    if predictions.targets is None:
        return Section(name="evaluation", title=TITLE, status="empty", reason=NO_TARGETS)
    if experiment.task == "classification":
        from reportgen.sections._classification import evaluate
    else:
        from reportgen.sections._regression import evaluate
    return evaluate(experiment, options, predictions)


def _unread(problem: InputError) -> Section:
    """What the targets are, and what to give instead."""
    finding = Finding(
        severity="warning",
        message=f"{UNREAD[0].upper()}{UNREAD[1:]}: {problem}. Mend: {problem.hint}.",
        rule="the data has targets, and they are no classes or values that predictions can be held against",
        evidence="evaluation",
    )
    reason = f"{UNREAD}: {problem}; {problem.hint}"
    return Section(name="evaluation", title=TITLE, status="empty", reason=reason, findings=(finding,))


def _nothing(experiment: Experiment) -> str:
    """Why there is nothing to evaluate; empty where there is."""
    if experiment.model is None:
        return "no model was given"
    if experiment.samples is None and experiment.data_problem is None:
        return "no data was given"
    if not experiment.task and experiment.data_problem is None and experiment.forward_problem is None:
        if not experiment.target_shape:
            return NO_TARGETS
        return (
            f"an output of {experiment.output_shape} with targets of {experiment.target_shape[1:]} a sample is "
            "neither a classification nor a regression that can be told; say which with task"
        )
    return ""


def sample_of(n: int, total: int | None, *, late: bool = False) -> str:
    """`360 samples`, or `10,000 of 60,000 samples, evenly from the data`: what a figure was measured on.

    Where it is `late`, it says that there are fewer for want of time.
    """
    if total is None:
        return f"the first {plural(n, 'sample')} of a stream"
    cut = ", as many as the time allowed" if late else ""
    return (
        plural(n, "sample")
        if n == total
        else f"{n:,} of {plural(total, 'sample')}, evenly from the data{cut}"
    )
