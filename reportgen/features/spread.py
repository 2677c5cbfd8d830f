"""Some hundred samples of any data, evenly taken, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reportgen.units import plural

if TYPE_CHECKING:
    from reportgen.data import Batch
    from reportgen.experiment import Experiment

LIMIT = 512  # samples looked at


def spread(experiment: Experiment, limit: int = LIMIT, size: int = 0) -> Iterator[Batch]:
    """Up to `limit` samples on the model's device, `size` at a time (0: as suits the model), evenly from the data.

    Of a stream the first. Raises InputError.
    """
    samples, size = experiment.require_data(), size or experiment.batch_size
    if samples.total is None:
        batches = samples.batches(limit, size)
    else:
        count = min(samples.total, limit)
        places = [i * samples.total // count for i in range(count)]
        batches = (samples.fetch(places[start : start + size]) for start in range(0, count, size))
    for batch in batches:
        yield type(batch)(batch.inputs.map(lambda t: t.to(experiment.device)), batch.targets, batch.indices)


def looked_at(experiment: Experiment, count: int) -> str:
    """`512 of 1,797 samples, evenly from the data`, `all 40 samples`, or `the first 512 samples of a stream`."""
    total = experiment.require_data().total
    if total is None:
        return f"the first {plural(count, 'sample')} of a stream"
    if total == count:
        return f"all {plural(count, 'sample')}" if count > 1 else "1 sample"
    return f"{count:,} of {plural(total, 'sample')}, evenly from the data"
