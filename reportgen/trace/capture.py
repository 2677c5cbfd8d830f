"""trace(model, inputs): one trace of a model, by the gentlest way that works."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from reportgen.aftermath import Aftermath
from reportgen.data import Inputs, unwrapped
from reportgen.errors import RAISED, InputError, one_line
from reportgen.guard import eager
from reportgen.guard.objects import Walk
from reportgen.process import Steps
from reportgen.trace.batch import samples_in
from reportgen.trace.exported import Program
from reportgen.trace.fakes import Fakes, fake_mode
from reportgen.trace.layers import Catalogue, catalogue
from reportgen.trace.recorder import MOST_STEPS, Recorder
from reportgen.trace.steps import How, Trace
from reportgen.trace.tensors import tensors, tensors_in


def trace(
    model: nn.Module | torch.export.ExportedProgram,
    inputs: Inputs | None = None,
    *,
    shaped: frozenset[str] = frozenset(),
    most_steps: int = MOST_STEPS,
) -> Trace:
    """Look at a model: its layers, and what one forward pass of them does.

    Tried in this order: fake tensors (nothing is computed, no weight is read; meta tensors where the
    model is on the meta device), one real forward pass, and the layers alone. Autograd is on, to see
    which parameters a gradient comes to; where a forward pass does not bear it, it is off. The model
    runs in the mode it is in (call `eval()` first) and comes out as it went in; values that a real
    forward pass writes into buffers are the caller's to restore (`guard.untouched`).

    Parameters
    ----------
    model
        Any module; one that `torch.compile` or DataParallel wraps is looked at without them. Of an exported
        program the graph is walked with fake tensors.
    inputs
        What to call it with, batch first. None: the layers alone. A program is looked at on its own inputs.
    shaped
        Paths of the layers that were lazy and got their shapes from these inputs.
    most_steps
        After how many steps no more are kept; their costs are counted all the same.

    """
    if isinstance(model, torch.export.ExportedProgram):
        return _program(model, most_steps)
    model = unwrapped(model)
    known = catalogue(model)
    if inputs is None or not inputs.tensors:
        return Trace(layers=known.layers, failures=("no input was given, so nothing was run",))
    failures: list[str] = []
    recorder: Recorder | None = None
    how, error = _ways(known, inputs)[0], None
    for how in _ways(known, inputs):
        recorder, error = _attempt(known, model, inputs, how, most_steps, gradients=True)
        if error is not None and _forbids_gradients(error):
            recorder, error = _attempt(known, model, inputs, how, most_steps, gradients=False)
        if error is None:
            break
        failures.append(f"{NAMES[how]}: {one_line(error)}")
    assert recorder is not None
    seen = _finished(known, recorder, inputs, how, failures, error, model)
    training = _in_training(known, model, inputs, seen, most_steps) if error is None else {}
    return dataclasses.replace(seen, shaped=shaped, kept=_keepers(known), **training)


def _in_training(
    known: Catalogue, model: nn.Module, inputs: Inputs, seen: Trace, most_steps: int
) -> dict[str, Any]:
    """What a pass in training mode reads, where one in the mode of the model leaves parameters unread.

    A layer for training alone is read there, and what eval mode reads a cache of (the attention biases of LeViT).
    """
    if seen.used >= {name for name, tensor in known.tensors.items() if isinstance(tensor, nn.Parameter)}:
        return {}
    # Batch norm in training mode wants more than one value a channel.
    several = inputs
    if inputs.size == 1:
        with contextlib.suppress(InputError):
            several = inputs.take([0, 0])
    with _training(model):
        recorder, error = _attempt(known, model, several, seen.how, most_steps, gradients=False)
    return {
        "training": frozenset(recorder.usage.used),
        "training_error": "" if error is None else one_line(error),
    }


@contextlib.contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    """Training mode, without calling `train()`, which a model may have overridden to do more."""
    modules = [one for one in model.modules() if not isinstance(one, torch.jit.ScriptModule)]
    before = [one.__dict__.get("training") for one in modules]
    try:
        for one in modules:
            one.__dict__["training"] = True
        yield
    finally:
        for one, mode in zip(modules, before, strict=True):
            one.__dict__["training"] = mode


def _keepers(known: Catalogue) -> frozenset[str]:
    return frozenset(
        path
        for path, module in known.modules.items()
        if not isinstance(module, torch.jit.ScriptModule)
        and any(tensors(value) for name, value in vars(module).items() if name not in _OWN)
    )


_OWN = ("_parameters", "_buffers", "_modules")


def _program(program: torch.export.ExportedProgram, most_steps: int) -> Trace:
    """The trace of a program, whose own forward pass can't be watched as a module's can."""
    known = Program(program)
    mode = fake_mode()
    recorder, error = Recorder(known.catalogue, Fakes(mode), most_steps=most_steps), None
    try:
        with _surroundings(None), torch.enable_grad(), mode:
            known.run(recorder, mode.from_tensor)
    except RAISED as problem:  # an operator may be unknown here or refuse fake tensors
        error = problem
    failures = [] if error is None else [f"{NAMES['program']}: {one_line(error)}"]
    return _finished(known.catalogue, recorder, known.inputs, "program", failures, error)


def _attempt(
    known: Catalogue, model: nn.Module, inputs: Inputs, how: How, most_steps: int, *, gradients: bool
) -> tuple[Recorder, BaseException | None]:
    """One forward pass, recorded as far as it goes, and what it raised."""
    mode = fake_mode() if how == "fake" else None
    recorder = Recorder(known, Fakes(mode) if mode is not None else None, most_steps=most_steps)
    try:
        with _surroundings(model), torch.set_grad_enabled(gradients):
            _run(recorder, model, inputs, mode)
    except RAISED as problem:  # a stranger's forward pass may raise anything
        return recorder, problem
    return recorder, None


def _forbids_gradients(error: BaseException) -> bool:
    """Whether a forward pass raised what it may raise with gradients only: it writes into a parameter, say."""
    return isinstance(error, RuntimeError) and "grad" in str(error)


NAMES: dict[How, str] = {
    "fake": "fake tensors",
    "meta": "meta tensors",
    "real": "one real forward pass",
    "program": "the exported graph",
    "static": "static table",
}


def _ways(known: Catalogue, inputs: Inputs) -> tuple[How, ...]:
    everything = [*known.tensors.values(), *inputs.tensors]
    return ("meta",) if all(tensor.is_meta for tensor in everything) else ("fake", "real")


def _finished(
    known: Catalogue,
    recorder: Recorder,
    inputs: Inputs,
    how: How,
    failures: list[str],
    error: BaseException | None,
    model: nn.Module | None = None,
) -> Trace:
    failed = recorder.failed
    return Trace(
        layers=known.layers,
        how=how,
        failures=tuple(failures),
        error="" if error is None else one_line(error),
        error_path=failed[1] if error is not None and failed is not None and failed[0] is error else None,
        inputs=inputs.describe(),
        batch=samples_in(inputs, model, recorder.rows),
        steps=tuple(recorder.record.steps),
        links=tuple(recorder.record.links),
        known=recorder.known,
        unknown=tuple(sorted(recorder.unknown.items())),
        peak=None if error is not None else recorder.memory.peak,
        used=frozenset(recorder.usage.used),
        reached=None if error is not None or recorder.reached is None else frozenset(recorder.reached),
        autograd=recorder.autograd,
        cut=recorder.record.cut,
    )


def _run(recorder: Recorder, model: nn.Module, inputs: Inputs, mode: Any) -> None:
    names = _names(model, inputs)
    # Copies of real inputs: a forward pass may write into them.
    own = inputs.map(lambda t: t.detach().clone() if mode is None else mode.from_tensor(t))
    with mode if mode is not None else contextlib.nullcontext():
        recorder.play(tensors((own.args, own.kwargs)), names, lambda: own.call(model))


def _names(model: nn.Module, inputs: Inputs) -> list[str]:
    """The tensors of the call by the names of the parameters of `forward`."""
    try:
        declared = [
            p.name for p in inspect.signature(model.forward).parameters.values() if p.kind < p.VAR_POSITIONAL
        ]
    except (TypeError, ValueError):
        declared = []
    names = []
    for number, value in enumerate(inputs.args):
        name = declared[number] if number < len(declared) else f"input {number + 1}"
        names += [f"{name}{_inner(place)}" for place, _ in tensors_in(value)]
    for key, value in inputs.kwargs.items():
        names += [f"{key}{_inner(place)}" for place, _ in tensors_in(value)]
    return names


def _inner(place: str) -> str:
    return place if not place or place.startswith("[") else f".{place}"


@contextlib.contextmanager
def _surroundings(model: nn.Module | None) -> Iterator[None]:
    """No warnings, nothing compiled, and what the pass stores on a module goes again."""
    with contextlib.ExitStack() as stack:
        if model is not None:
            stack.enter_context(_attributes_kept(model))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(_silent("torch._subclasses.fake_tensor"))
        stack.enter_context(eager())
        stack.enter_context(_deeper())
        yield


@contextlib.contextmanager
def _deeper() -> Iterator[None]:
    """Room for a model that nests as deep as Python allows: watched, a call takes up to three times the frames."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(3 * before)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    """Fake tensors log a traceback where a forward pass raises, which the report tells by itself."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextlib.contextmanager
def _attributes_kept(model: nn.Module) -> Iterator[None]:
    """A cached mask, a counter: left behind as a fake tensor, it would break every later forward pass."""
    steps = Steps(Aftermath())  # what is around all this says what can't be put back
    walk = Walk(steps, values=False)
    walk.model(model)
    walk.end()
    try:
        yield
    finally:
        steps.put_back()
