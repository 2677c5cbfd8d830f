"""Which samples are explained: those that teach most, or the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Target
from reportgen.attribution.said import labelled, said
from reportgen.attribution.target import Aim
from reportgen.errors import InputError
from reportgen.experiment import Experiment, Predictions
from reportgen.gaps import look
from reportgen.units import plural

if TYPE_CHECKING:
    import torch

    from reportgen.data import Inputs

CONFIDENT = 0.8  # probability of the predicted class from which a sample is called so
UNSURE = 0.2  # margin between the two likeliest classes below which a sample is called so


@dataclass(frozen=True)
class Subject:
    """One sample to be explained: its number in the data, its input, and what the model says of it.

    `inputs` is a batch of one on the model's device; `name` is what it is called on the page, `said`
    what it is and what the model takes it for, `why` what it was chosen for.
    """

    number: int
    inputs: Inputs
    target: Target
    name: str
    said: str
    why: str = ""

    @property
    def values(self) -> torch.Tensor:
        """The first input tensor (1, ...). Raises InputError where there is none."""
        primary = self.inputs.primary
        if primary is None:
            raise InputError("the input holds no tensor to explain")
        return primary.detach()


Chosen = list[tuple[int, str]]


def choose(experiment: Experiment, count: int, numbers: Sequence[int] = ()) -> tuple[list[Subject], str]:
    """Up to `count` samples, or those of these `numbers`, and the rule they were chosen by. Raises InputError.

    Of classes with labels: a quarter confident mistakes, a quarter of which the model is least sure, the others
    correct, the surest of each class; CONFIDENT and UNSURE say which are called so. Of values: half with the
    largest errors. Samples without a label are neither and come last. Anything else: evenly from the data; without
    data, the example inputs.
    """
    aim = Aim.of(experiment)
    if experiment.samples is None and experiment.data_problem is None:
        return _from_example(experiment, aim, count, numbers)
    _check(numbers, experiment.require_data().total)
    if not experiment.task or len(experiment.output_shape) not in (1, 2):
        return _unjudged(experiment, aim, count, numbers)
    found = _with(experiment, numbers, experiment.predictions)
    finite = found.outputs.isfinite().all(dim=1).numpy()
    # Where every sample has gaps, the model is made for them.
    usable = finite & ~found.marred if (finite & ~found.marred).any() else finite
    if not usable.any():
        raise InputError(
            f"the model's outputs are not finite on all {plural(found.n, 'sample')} looked at",
            "look for NaN in the weights and in the inputs",
        )
    if numbers:
        chosen, rule = _asked(numbers, found, usable), "chosen by number"
    elif experiment.task == "classification":
        chosen, rule = _classes(found, usable, count)
    else:
        chosen, rule = _values(found, usable, count)
    left_out, marred = int((~finite).sum()), int((finite & ~usable).sum())
    of = (
        f"{len(chosen)} of {plural(found.n if found.total is None or not numbers else found.total, 'sample')}"
    )
    if found.total is not None and found.total > found.n and not numbers:
        of += f" (evenly from {found.total:,})"
    if left_out:
        rule += f"; {left_out:,} with outputs that are not finite left out"
    if marred:
        rule += f"; {marred:,} with {found.gaps.what} among the inputs left out"
    elif found.marred.any() and found.marred[usable].all():
        rule += f"; all with {found.gaps.what} among the inputs"
    subjects = [_subject(experiment, aim, row, why, found) for row, why in chosen]
    return subjects, f"{of}: {rule}"


def _check(numbers: Sequence[int], total: int | None) -> None:
    """Raises InputError for a number that the data does not have, as far as its length is known."""
    beyond = [number for number in numbers if total is not None and number >= total]
    if total is not None and beyond:
        wrong = f"explain: there is no sample {beyond[0]:,} among the {total:,} of the data"
        raise InputError(wrong, f"give numbers from 0 to {total - 1:,}")


def _with(experiment: Experiment, numbers: Sequence[int], found: Predictions) -> Predictions:
    """What the model says of the samples of these numbers, where they are not among those looked at for all."""
    from reportgen.predictions import predict

    if not numbers or found.total is None or np.isin(numbers, found.numbers).all():
        return found
    return predict(experiment, numbers)


def _asked(numbers: Sequence[int], found: Predictions, usable: np.ndarray) -> Chosen:
    """Raises InputError for a number that is not among the samples looked at."""
    rows = {int(number): row for row, number in enumerate(found.numbers)}
    for number in numbers:
        if number not in rows:
            wrong = f"explain: there is no sample {number:,} among the {len(usable):,} looked at"
            raise InputError(wrong, f"give numbers from 0 to {len(usable) - 1:,}")
        if found.marred[rows[number]] and not usable[rows[number]]:
            raise InputError(f"explain: {found.gaps.what} is among the inputs of sample {number:,}")
        if not usable[rows[number]]:
            raise InputError(f"explain: the model's output for sample {number:,} is not finite")
    return [(rows[number], "asked for") for number in numbers]


def _classes(found: Predictions, usable: np.ndarray, count: int) -> tuple[Chosen, str]:
    assert found.probabilities is not None
    sure, margin = _two(found.probabilities)
    predicted = found.probabilities.argmax(dim=1).numpy()
    if found.targets is None:
        chosen = _over(np.flatnonzero(usable), predicted, count)
        return [(number, "") for number in chosen], "evenly over the predicted classes, the first of each"
    targets = found.targets.numpy()
    labelled = usable & (targets >= 0)
    # Where the probabilities of many are 1.00, the raw scores tell which is surer.
    _, apart = _two(found.outputs)
    surest, least = _ranks(-sure, -apart), _ranks(margin, apart)
    wrong = np.flatnonzero(labelled & (predicted != targets))
    mistakes = _first(wrong, surest, count // 4 if count > 3 else count // 2)
    rest = np.setdiff1d(np.flatnonzero(labelled), mistakes)
    unsure = _first(rest, least, count // 4 if count > 3 else count // 3)
    right = np.setdiff1d(np.flatnonzero(labelled & (predicted == targets)), unsure)
    correct = _over(right[np.argsort(surest[right])], predicted, count - len(mistakes) - len(unsure))
    more = _first(np.setdiff1d(wrong, [*mistakes, *unsure]), surest, count - len(mistakes + unsure + correct))
    mistakes += more
    unlabelled = _over(
        np.flatnonzero(usable & (targets < 0)), predicted, count - len(mistakes + unsure + correct)
    )
    parts = [
        (mistakes, f"{len(mistakes)} of {plural(len(wrong), 'mistake')}, the most confident first"),
        (unsure, f"{len(unsure)} with the smallest margin between the two likeliest classes"),
        (correct, f"{len(correct)} correct, evenly over the classes, the surest of each"),
        (unlabelled, f"{len(unlabelled)} without a label, evenly over the predicted classes"),
    ]
    chosen_for = [
        *((n, _confident(sure[n], "wrong")) for n in mistakes),
        *((n, "unsure" if margin[n] < UNSURE else "least sure") for n in unsure),
        *((n, _confident(sure[n], "right")) for n in correct),
        *((n, "") for n in unlabelled),
    ]
    rule = "; ".join(words for some, words in parts if some)
    if mistakes or unsure or correct:
        rule += f" (confident: a probability of {CONFIDENT:.2f} or more, unsure: a margin below {UNSURE:.2f})"
    return chosen_for, rule


def _confident(sure: float, so: str) -> str:
    # As the probability is written beside it, to two digits.
    return f"confident and {so}" if round(float(sure), 2) >= CONFIDENT else so


def _two(values: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each row (n, classes) and how far it lies above the second, both (n,)."""
    top = values.topk(min(2, values.shape[1]), dim=1).values
    return top[:, 0].numpy(), (top[:, 0] - (top[:, 1] if top.shape[1] > 1 else 0)).numpy()


def _ranks(values: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """The place of each sample in the order of `values` to six digits, then of `ties`, then of the data."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.lexsort((ties.round(3), values.round(6)))] = np.arange(len(values))
    return ranks


def _first(positions: np.ndarray, ranks: np.ndarray, count: int) -> list[int]:
    """The `count` of these positions of the lowest rank."""
    return positions[np.argsort(ranks[positions])][:count].tolist()


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


def _values(found: Predictions, usable: np.ndarray, count: int) -> tuple[Chosen, str]:
    everywhere = np.flatnonzero(usable)
    if found.targets is None or found.targets.shape != found.outputs.shape:
        return [(number, "") for number in _evenly(everywhere, count)], "evenly over the data"
    errors = (found.outputs - found.targets).abs().amax(dim=1).numpy()
    errors = np.where(usable & np.isfinite(errors), errors, -1.0)
    worst = np.argsort(-errors, kind="stable")[: min(count // 2, int((errors >= 0).sum()))].tolist()
    rest = _evenly(np.setdiff1d(everywhere, worst), count - len(worst))
    chosen = [*((number, "large error") for number in worst), *((number, "") for number in rest)]
    return chosen, f"{len(worst)} with the largest errors, {len(rest)} evenly over the others"


def _evenly(positions: np.ndarray, count: int) -> list[int]:
    wanted = min(count, len(positions))
    return [int(positions[i * len(positions) // wanted]) for i in range(wanted)]


def _subject(experiment: Experiment, aim: Aim, row: int, why: str, found: Predictions) -> Subject:
    number = int(found.numbers[row])
    inputs = experiment.batch([number]).inputs
    truth = None if found.targets is None else found.targets[row]
    probabilities = None if found.probabilities is None else found.probabilities[row]
    target = aim.at(found.outputs[row][None], probabilities)
    return Subject(number, inputs, target, f"sample {number:,}", said(aim, target, probabilities, truth), why)


def _unjudged(
    experiment: Experiment, aim: Aim, count: int, numbers: Sequence[int]
) -> tuple[list[Subject], str]:
    """Samples of a model whose output no label is compared with."""
    import torch

    samples = experiment.require_data()
    total = samples.total
    if numbers:
        places, rule = [int(number) for number in numbers], "chosen by number"
    elif total is None:
        places, rule = list(range(count)), f"the first {count} of a stream"
    else:
        places = _evenly(np.arange(total), count)
        rule = f"{len(places)} of {plural(total, 'sample')}: evenly from the data"
    found = []
    for number in places:
        batch = experiment.batch([number])
        with torch.no_grad():
            outputs = experiment.scores(batch.inputs).detach().float()
        if not bool(outputs.isfinite().all()):
            rule += f"; sample {number:,} left out, whose output is not finite"
            continue
        if (gaps := look(experiment, [(batch.inputs, 1)])).count:
            rule += f"; sample {number:,} left out, with {gaps.what} among its inputs"
            continue
        found.append((batch, outputs))
    if not found:
        raise InputError(
            f"the model's outputs are not finite on all {plural(len(places), 'sample')} looked at"
        )
    sure = experiment.outputs_are_probabilities
    subjects = []
    for batch, outputs in found:
        target, (number,) = aim.at(outputs, None), batch.indices
        words = labelled(experiment, target, outputs, batch.targets, sure)
        subjects.append(Subject(number, batch.inputs, target, f"sample {number:,}", words))
    return subjects, rule


def _from_example(
    experiment: Experiment, aim: Aim, count: int, numbers: Sequence[int]
) -> tuple[list[Subject], str]:
    import torch

    from reportgen.predictions import probabilities_of

    example = experiment.require_forward()
    with torch.no_grad():
        raw = experiment.scores(example).detach().float()
    if len(raw) != example.size:
        raise InputError(f"the model returned {len(raw)} rows for {plural(example.size, 'example input')}")
    flat = raw.reshape(len(raw), -1)
    finite = flat.isfinite().all(dim=1).nonzero()[:, 0].tolist()
    gaps = look(experiment, [(example, example.size)])
    usable = [row for row in finite if not gaps.marred[row]] or finite
    if not usable:
        raise InputError(
            f"the model's outputs are not finite on all {plural(example.size, 'example input')}",
            "look for NaN in the weights and in the inputs",
        )
    classes = experiment.task == "classification"
    probabilities = probabilities_of(flat.cpu(), experiment.outputs_are_probabilities) if classes else None
    subjects = []
    _check(numbers, example.size)
    for row in [row for row in numbers if row in usable] if numbers else usable[:count]:
        sure = None if probabilities is None else probabilities[row]
        target = aim.at(raw[row : row + 1], sure)
        words = said(aim, target, sure, None)
        subjects.append(Subject(row, example.take([row]), target, f"example {row}", words))
    how = "chosen by number" if numbers else "the first"
    rule = f"{len(subjects)} of {plural(example.size, 'example input')}: {how}"
    if left_out := example.size - len(finite):
        rule += f"; {left_out:,} with outputs that are not finite left out"
    if marred := len(finite) - len(usable):
        rule += f"; {marred:,} with {gaps.what} among them left out"
    return subjects, rule
