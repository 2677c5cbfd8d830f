"""Series for the tests of the rules, made from plain arrays."""

import numpy as np

from reportgen.history.model import History, Run, Series


def series(values, steps=None, wall=None, segment=None, tag="loss", axis="step") -> Series:
    values = np.asarray(values, np.float64)
    n = len(values)
    steps = np.arange(n) if steps is None else np.asarray(steps)
    wall = np.full(n, np.nan) if wall is None else np.asarray(wall, np.float64)
    segment = np.zeros(n, np.int32) if segment is None else np.asarray(segment, np.int32)
    return Series(tag, steps, wall, values, segment, np.zeros(n, np.uint8), axis)


def history(**curves: Series) -> History:
    """One run; `train__loss` is the tag `train/loss`."""
    named = {name.replace("__", "/"): one for name, one in curves.items()}
    return History(runs=(Run("run", {tag: named_as(tag, one) for tag, one in named.items()}),))


def named_as(tag: str, one: Series) -> Series:
    return Series(tag, one.step, one.wall, one.value, one.segment, one.flags, one.axis)
