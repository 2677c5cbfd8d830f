"""The steps of a forward pass as they are written down, up to a number of them, and the links between them."""

from __future__ import annotations

from typing import Any

import torch

from reportgen.trace.steps import Link, Step, TensorInfo
from reportgen.trace.tensors import Producers, info

Cost = tuple[int | None, int]  # of one kernel: FLOPs, None without a formula, and the bytes it made


class Record:
    """Steps and links in order. `producers` tells which step made a tensor."""

    def __init__(self, most: int) -> None:
        """`most`: after how many steps it is full; the caller then adds only what it must."""
        self._most = most
        self.steps: list[Step] = []
        self.links: list[Link] = []
        self.producers = Producers()
        self.cut = 0

    @property
    def full(self) -> bool:
        """Whether no more steps are to be added, but inputs, outputs and each layer's first call."""
        return len(self.steps) >= self._most

    def leave_out(self) -> None:
        """Something ran for which there is no step."""
        self.cut = self._most

    def step(self, kind: Any, name: str, path: str, parent: int, **more: Any) -> Step:
        """Write a step down."""
        step = Step(len(self.steps), kind, name, path, parent, end=len(self.steps) + 1, **more)
        self.steps.append(step)
        return step

    def link(self, given: list[torch.Tensor], step: Step, seen: list[TensorInfo] | None = None) -> None:
        """Write down where what a step is given comes from; `seen`: what these tensors were when it began."""
        linked: set[tuple[int, tuple[int, ...]]] = set()
        for number, tensor in enumerate(given):
            made = self.producers.of(tensor)
            what = seen[number] if seen is not None else info(tensor)
            if made is None:
                continue
            step.fed += 1
            if (made, what.shape) not in linked:
                linked.add((made, what.shape))
                self.links.append(Link(made, step.index, what))


def add(step: Step, kernels: list[Cost]) -> None:
    """Put what kernels cost down to a step."""
    step.flops += sum(flops for flops, _ in kernels if flops is not None)
    step.unknown += sum(flops is None for flops, _ in kernels)
    step.made += sum(made for _, made in kernels)
