"""Some hundred samples of any data, evenly taken, a batch at a time, as many as a model's cost and the time allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reportgen.deadline import NEVER, Deadline
from reportgen.units import plural

if TYPE_CHECKING:
    from reportgen.data import Batch
    from reportgen.experiment import Experiment

LIMIT = 512  # samples looked at
FEWEST = 32  # whatever the model costs, but the clock
BATCHES = 8  # at least, where more than one fits in the time: the clock is asked between them
# What two cores do in about half a minute. A count, not a clock: the same model gets the same work anywhere.
BUDGET = {"cpu": 2e12, "cuda": 1e14, "mps": 2e13}


def passes(experiment: Experiment) -> float:
    """How many forward passes of one sample half a minute allows, infinitely many where their cost is not known."""
    return experiment.passes(BUDGET)


def affordable(experiment: Experiment, most: int = LIMIT, cost: float = 1.0) -> int:
    """How many samples, `most` at most, half a minute allows, where one costs as much as `cost` forward passes."""
    return int(min(most, max(FEWEST, passes(experiment) / cost)))


def spread(
    experiment: Experiment, limit: int = LIMIT, size: int = 0, deadline: Deadline = NEVER
) -> Iterator[Batch]:
    """Up to `limit` samples on the model's device, `size` at a time (0: as suits the model), evenly from the data.

    Each batch is spread over the data, so that those made before the deadline are; one is always made. Of a stream
    the first samples. Raises InputError.
    """
    samples = experiment.require_data()
    size = _in_time(experiment, size or _together(experiment), deadline)
    if samples.total is None:
        batches = samples.batches(limit, size)
    else:
        count = min(samples.total, limit)
        places = [i * samples.total // count for i in range(count)]
        parts = -(-count // size)
        batches = (batch for part in _far_apart(parts) for batch in samples.some(places[part::parts]))
    for done, batch in enumerate(batches):
        if not deadline.allows(done):
            return
        yield type(batch)(batch.inputs.map(lambda t: t.to(experiment.device)), batch.targets, batch.indices)


def _far_apart(count: int) -> list[int]:
    """The numbers below `count` in an order whose every beginning is spread over them (van der Corput)."""
    bits = max(1, (count - 1).bit_length())
    order = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits))
    return [number for number in order if number < count]


def _together(experiment: Experiment) -> int:
    """The batch that suits the model, but of no more than about three seconds, so that a deadline can be kept."""
    if experiment.program is not None:
        return experiment.batch_size
    return int(min(experiment.batch_size, max(1, passes(experiment) / 10)))


def _in_time(experiment: Experiment, size: int, deadline: Deadline) -> int:
    """Fewer than `size` at a time where a batch would take more than a part of the time that is left."""
    if not deadline.timed or size == 1 or experiment.fixed_batch:
        return size
    return int(max(1, min(size, deadline.left() / BATCHES / experiment.pass_seconds)))


def looked_at(experiment: Experiment, count: int, most: int = LIMIT) -> str:
    """`512 of 1,797 samples, evenly from the data`, `all 40 samples`, or `the first 512 samples of a stream`.

    Where there could have been `most`, it says why there are fewer.
    """
    total = experiment.require_data().total
    if total is None:
        return f"the first {plural(count, 'sample')} of a stream"
    if total == count:
        return f"all {plural(count, 'sample')}" if count > 1 else "1 sample"
    cut = ", as many as the model's cost or the time allows" if count < min(total, most) else ""
    return f"{count:,} of {plural(total, 'sample')}, evenly from the data{cut}"
