"""Runs made of plain numbers, for tests of what is said about them."""

from __future__ import annotations

import numpy as np

from reportgen.history.assemble import run_of
from reportgen.history.model import Points, Reading


def points(values, step=None, wall=None):
    values = np.asarray(values, np.float64)
    step = np.arange(len(values)) if step is None else np.asarray(step, np.int64)
    wall = np.full(len(values), np.nan) if wall is None else np.asarray(wall, np.float64)
    return Points(step, wall, values, np.zeros(len(values), np.int32))


def run(name="run", /, axis="step", **curves):
    """A run of these curves: name=values, or name=Points. `__` in a name stands for a slash."""
    found = {
        tag.replace("__", "/"): one if isinstance(one, Points) else points(one) for tag, one in curves.items()
    }
    return run_of(name, [Reading(found, axis=axis)])
