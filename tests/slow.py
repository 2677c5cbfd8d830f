"""A model that takes its time, of a clock that only it moves."""

from __future__ import annotations

import copy

from torch import nn


class Slow(nn.Module):
    """Takes `each` seconds a sample, of a clock that only it moves."""

    def __init__(self, inner, each):
        super().__init__()
        self.inner, self.each, self.spent = inner, each, 0.0

    def __deepcopy__(self, memo):
        # A copy moves the same clock.
        made = Moving(self)
        made.inner = copy.deepcopy(self.inner, memo)
        return made

    def forward(self, x):
        self.spent += self.each * len(x)
        return self.inner(x)


class Moving(nn.Module):
    def __init__(self, clock):
        super().__init__()
        self.clock = [clock]

    def forward(self, x):
        self.clock[0].spent += self.clock[0].each * len(x)
        return self.inner(x)
