"""untouched(model): whatever runs inside leaves the model, the generators and the process as they were."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from reportgen import process, torchstate
from reportgen.aftermath import Aftermath
from reportgen.guard.objects import Walk, members
from reportgen.process import Steps


@contextlib.contextmanager
def untouched(
    model: nn.Module | None, *inputs: torch.Tensor, seed: int | None = None, said: Aftermath | None = None
) -> Iterator[Aftermath]:
    """Leave `model`, `inputs` and the process's settings bit for bit as they were, also after an exception.

    Inside, the model is in eval mode, nothing is compiled, tensors are made on the CPU in float32 where nothing is
    said and, where `seed` is given, the torch, NumPy and Python generators start from it. Restored are: parameters
    and buffers (bytes, identity, requires_grad, grad, hooks); each module's and plain object's type and attributes,
    with all that hangs on them (containers, tensors, arrays, random generators); attributes of classes and functions
    of the model's package; the caller's `inputs`; what `process.kept` names.

    `said`, or the Aftermath that is given, says in the end what could not be put back or watched: nothing is raised
    for that.
    """
    said = Aftermath() if said is None else said
    with process.kept(said):
        steps = Steps(said)
        walk = Walk(steps)
        for tensor in inputs:
            walk.thing(tensor, "the input")
        if model is not None:
            walk.model(model)
        walk.end()
        try:
            if seed is not None:
                seed_all(seed)
            if model is not None:
                set_eval(model)
            with eager(), torchstate.plain(model):
                yield said
        finally:
            steps.put_back()


@contextlib.contextmanager
def steady(data: Any, said: Aftermath) -> Iterator[None]:
    """The process's settings are put back, and what is about `data`: its generators and attributes, not its values."""
    with process.kept(said):
        steps = Steps(said)
        walk = Walk(steps, values=False)
        walk.thing(data, "the data")
        walk.end()
        try:
            with torchstate.plain():
                yield
        finally:
            steps.put_back()


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """What `torch.compile` made, the model's inner modules too, runs uncompiled: a compiler takes minutes."""
    compiled = "torch._dynamo" in sys.modules  # else nothing is yet
    with torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext():
        yield


def seed_all(seed: int) -> None:
    """Seed the torch (all devices), NumPy and Python generators."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The torch, NumPy and Python generators start from `seed` inside, and are as they were after it."""
    steps = Steps(Aftermath())
    process.generators(steps)
    torchstate.generators(steps)
    try:
        seed_all(seed)
        yield
    finally:
        steps.put_back()


def set_eval(model: nn.Module) -> None:
    """Eval mode without calling `train()`, which a model may have overridden to do more."""
    for _, module in members(model):
        if not isinstance(module, torch.jit.ScriptModule):
            # Not by setattr, which a model may have overridden.
            module.__dict__["training"] = False
        elif hasattr(module, "training"):  # frozen ones have no mode
            module._c.setattr("training", False)
