"""Which samples are explained, and which number of the model's output for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Score
from reportgen.errors import InputError
from reportgen.experiment import Experiment, Predictions
from reportgen.units import plural, show

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs


@dataclass(frozen=True)
class Subject:
    """One sample to be explained: its number in the data, its input, and what the model says of it.

    `inputs` is a batch of one on the model's device; `name` is what it is called on the page, `said`
    what it is and what the model takes it for.
    """

    number: int
    inputs: Inputs
    score: Score
    name: str
    said: str

    @property
    def values(self) -> torch.Tensor:
        """The first input tensor (1, ...): what is explained. Raises InputError where there is none."""
        primary = self.inputs.primary
        if primary is None:
            raise InputError("the input holds no tensor to explain")
        return primary.detach()


def choose(experiment: Experiment, count: int) -> tuple[list[Subject], str]:
    """Up to `count` samples and the rule they were chosen by. Raises InputError.

    Half are mistakes, those with the most confidence (values: the largest errors) first; the rest are
    taken from all over the classes (values: evenly from the data). Samples without a label are neither,
    and come last. Without data, the example inputs.
    """
    if experiment.samples is None and experiment.data_problem is None:
        return _from_example(experiment, count)
    found = experiment.predictions
    usable = found.outputs.isfinite().all(dim=1).numpy()
    if not usable.any():
        raise InputError(
            f"the model's outputs are not finite on all {plural(found.n, 'sample')} looked at",
            "look for NaN in the weights and in the inputs",
        )
    classes = experiment.task == "classification"
    numbers, rule = _classes(found, usable, count) if classes else _values(found, usable, count)
    left_out = int((~usable).sum())
    of = f"{len(numbers)} of {plural(found.n, 'sample')}"
    if found.total is not None and found.total > found.n:
        of += f" (the first of {found.total:,})"
    if left_out:
        rule += f"; {left_out:,} with outputs that are not finite left out"
    subjects = [_subject(experiment, number, found) for number in numbers]
    return subjects, f"{of}: {rule}"


def _classes(found: Predictions, usable: np.ndarray, count: int) -> tuple[list[int], str]:
    assert found.probabilities is not None
    sure, predicted = (part.numpy() for part in found.probabilities.max(dim=1))
    everywhere = np.flatnonzero(usable)
    if found.targets is None:
        return _over(everywhere, predicted, count), "evenly over the predicted classes, the first of each"
    targets = found.targets.numpy()
    labelled = usable & (targets >= 0)
    wrong = np.flatnonzero(labelled & (predicted != targets))
    worst = wrong[np.argsort(-sure[wrong].round(6), kind="stable")]
    right = np.flatnonzero(labelled & (predicted == targets))
    correct = _over(right, predicted, max(count - count // 2, count - len(worst)))
    mistakes = worst[: count - len(correct)].tolist()
    unlabelled = _over(
        np.flatnonzero(usable & (targets < 0)), predicted, count - len(mistakes) - len(correct)
    )
    parts = []
    if mistakes:
        parts.append(f"{len(mistakes)} of {plural(len(wrong), 'mistake')}, the most confident first")
    if correct:
        parts.append(f"{len(correct)} correct, evenly over the classes, the first of each")
    if unlabelled:
        parts.append(f"{len(unlabelled)} without a label, evenly over the predicted classes")
    return [*mistakes, *correct, *unlabelled], "; ".join(parts)


def _over(positions: np.ndarray, classes: np.ndarray, count: int) -> list[int]:
    """`count` positions spread evenly over the classes, in order within each."""
    present = np.unique(classes[positions])
    queues = {int(label): positions[classes[positions] == label].tolist() for label in present}
    chosen: list[int] = []
    while len(chosen) < count and any(queues.values()):
        labels = [label for label, queue in queues.items() if queue]
        wanted = min(count - len(chosen), len(labels))
        chosen += [queues[labels[i * len(labels) // wanted]].pop(0) for i in range(wanted)]
    return chosen


def _values(found: Predictions, usable: np.ndarray, count: int) -> tuple[list[int], str]:
    everywhere = np.flatnonzero(usable)
    if found.targets is None or found.targets.shape != found.outputs.shape:
        return _evenly(everywhere, count), "evenly over the data"
    errors = (found.outputs - found.targets).abs().amax(dim=1).numpy()
    errors = np.where(usable & np.isfinite(errors), errors, -1.0)
    worst = np.argsort(-errors, kind="stable")[: min(count // 2, int((errors >= 0).sum()))].tolist()
    rest = _evenly(np.setdiff1d(everywhere, worst), count - len(worst))
    return [*worst, *rest], f"{len(worst)} with the largest errors, {len(rest)} evenly over the others"


def _evenly(positions: np.ndarray, count: int) -> list[int]:
    wanted = min(count, len(positions))
    return [int(positions[i * len(positions) // wanted]) for i in range(wanted)]


def _subject(experiment: Experiment, number: int, found: Predictions) -> Subject:
    inputs = experiment.batch([number]).inputs
    target = None if found.targets is None else found.targets[number]
    probabilities = None if found.probabilities is None else found.probabilities[number]
    return _described(
        experiment, f"sample {number:,}", number, inputs, found.outputs[number], probabilities, target
    )


def _from_example(experiment: Experiment, count: int) -> tuple[list[Subject], str]:
    import torch

    from reportgen.predictions import probabilities_of

    example, raw = experiment.require_forward(), _example_outputs(experiment)
    usable = raw.isfinite().all(dim=1).nonzero()[:, 0].tolist()
    if not usable:
        raise InputError(
            f"the model's outputs are not finite on all {plural(example.size, 'example input')}",
            "look for NaN in the weights and in the inputs",
        )
    # All rows at once, since a single one may look like probabilities by chance.
    probabilities = probabilities_of(raw) if experiment.task == "classification" else None
    outputs = torch.cat([-raw, raw], dim=1) if probabilities is not None and raw.shape[1] == 1 else raw
    subjects = []
    for row in usable[:count]:
        sure = None if probabilities is None else probabilities[row]
        inputs = example.take([row])
        subjects.append(_described(experiment, f"example {row}", row, inputs, outputs[row], sure, None))
    rule = f"{len(subjects)} of {plural(example.size, 'example input')}: the first"
    left_out = example.size - len(usable)
    return subjects, f"{rule}; {left_out:,} with outputs that are not finite left out" if left_out else rule


def _example_outputs(experiment: Experiment) -> torch.Tensor:
    """The model's outputs on all example inputs, float32 (n, values). Raises InputError."""
    import torch

    example = experiment.require_forward()
    with torch.no_grad():
        raw = experiment.scores(example).detach().float().cpu()
    if len(raw) != example.size:
        raise InputError(f"the model returned {len(raw)} rows for {plural(example.size, 'example input')}")
    return raw.reshape(len(raw), -1)


def _described(
    experiment: Experiment,
    name: str,
    number: int,
    inputs: Inputs,
    outputs: torch.Tensor,
    probabilities: torch.Tensor | None,
    target: torch.Tensor | None,
) -> Subject:
    if probabilities is None:
        truth = "" if target is None else f"true {show(float(target[0]))}, "
        return Subject(
            number, inputs, Score(experiment, inputs, 0), name, f"{truth}predicted {_brief(outputs[0])}"
        )
    predicted = int(probabilities.argmax())
    said = f"predicted {experiment.class_name(predicted)} ({float(probabilities[predicted]):.2f})"
    if target is not None:
        label = int(target)
        said = f"{'no label' if label < 0 else f'true {experiment.class_name(label)}'}, {said}"
    single = experiment.output_shape[1:] in ((), (1,))
    sign = -1 if single and predicted == 0 else 1
    return Subject(number, inputs, Score(experiment, inputs, 0 if single else predicted, sign), name, said)


def _brief(value: torch.Tensor) -> str:
    return show(float(f"{float(value):.4g}"))


def explained(experiment: Experiment) -> str:
    """What the explained number is, in words. Raises InputError."""
    from reportgen.predictions import are_probabilities

    width = experiment.output_shape[-1] if len(experiment.output_shape) == 2 else 1
    if experiment.task == "regression":
        return "the model's output" if width == 1 else f"the first of the model's {width} outputs"
    if width == 1:
        return "the model's raw output for the predicted class (its negative where that is the first class)"
    data = experiment.samples is not None or experiment.data_problem is not None
    if are_probabilities(experiment.predictions.outputs if data else _example_outputs(experiment)):
        return "the model's output (a probability) for the predicted class"
    return "the model's raw score (logit) of the predicted class"
