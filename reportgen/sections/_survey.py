"""What only many samples tell of a network: units that are stuck, and where the samples lie."""

from __future__ import annotations

from reportgen.errors import InputError
from reportgen.experiment import Experiment, Options
from reportgen.features.activations import ReluWatch
from reportgen.features.embedding import Penultimate
from reportgen.features.saturation import SaturationWatch
from reportgen.features.seen import one_pass
from reportgen.hooks import hidden
from reportgen.sections._embedding import embedding
from reportgen.sections._made import Made, failure, looked_at
from reportgen.sections._units import saturated, silent
from reportgen.units import plural

TIME = 0.22  # of the section's for the pass over the data, where the clock may decide

__all__ = ["Made", "failure", "survey"]


def survey(experiment: Experiment, options: Options, made: Made) -> None:
    """One pass over some hundred samples, for what only many samples tell."""
    if experiment.samples is None:
        made.notes.append("Silent units and an embedding need data; only an example input was given.")
        return
    relus, limited = ReluWatch(), SaturationWatch()
    before = Penultimate.of(experiment, experiment.require_forward())
    seen = one_pass(experiment, (relus, limited), before, made.deadline.part(TIME))
    if not seen.count:
        message = (
            f"the model's outputs are not finite on {seen.bad:,} of {plural(seen.bad, 'sample')} looked at"
        )
        raise InputError(message, "look for NaN in the weights and in the data")
    of = looked_at(experiment, seen.count + seen.bad, seen.bad)
    silent(experiment, list(relus.found.values()), seen.count, of, made)
    saturated(list(limited.found.values()), seen.count, of, made)
    if before is None:
        why = hidden(experiment) or "neither nn.Linear nor a convolution runs in the forward pass"
        made.notes.append(f"There is no embedding: {why}.")
    else:
        embedding(experiment, options, before, seen, of, made)
