"""What curves give away, by definitions that print their numbers and say when there is too little to judge."""

from __future__ import annotations

from reportgen.history.rules.base import NotEnoughError, Rule
from reportgen.history.rules.best import Best, best
from reportgen.history.rules.nonfinite import NonFinite, non_finite
from reportgen.history.rules.overfit import LEAST, OVERFIT_RULE, Rise, rise_after_best
from reportgen.history.rules.spikes import Spike, Spikes, spikes
from reportgen.history.rules.stalls import Stalls, stalls

__all__ = [
    "LEAST",
    "OVERFIT_RULE",
    "Best",
    "NonFinite",
    "NotEnoughError",
    "Rise",
    "Rule",
    "Spike",
    "Spikes",
    "Stalls",
    "best",
    "non_finite",
    "rise_after_best",
    "spikes",
    "stalls",
]
