"""Experiment: a model, its data, labels and logs, and what every section may ask of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen import redaction
from reportgen.aftermath import Aftermath
from reportgen.audio import rate
from reportgen.errors import RAISED, InputError, one_line, only_on_meta
from reportgen.gaps import Gaps, look
from reportgen.logs import Log, compiled
from reportgen.report import Fact, Section
from reportgen.tokenizer import vocabulary

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from reportgen.data import Batch, Inputs
    from reportgen.samples import Samples
    from reportgen.tabular import Category
    from reportgen.vocabulary import Vocabulary

LONG = 0.1  # seconds of a forward pass, beside which what the first one prepares is little
PROBE = 64  # samples looked at to tell what the targets are
TASKS = ("classification", "regression")
MODALITIES = ("image", "table", "text", "signal", "spectrogram")


def _silent(method: str, done: int, total: int) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Options:
    """What a section may be told: how many samples to show, or which, the seed, the sections already made.

    `methods`: the names of the methods that explain, none for those of the kind of input. `checks`: the names of the
    looks at explanations that run only where they are asked for.
    `profile`: whether the layers' time is measured. `autograd`: the layer whose autograd graph is drawn, "" for
    the model; `show_attrs`, `show_saved`: with the attributes and the saved tensors of its nodes. `layers`: names of
    the layers whose activations and weights are drawn, the last by Grad-CAM, () for a choice of our own. `now`: when
    the report is made, in seconds since 1970. `time_limit`: seconds that the section has; `timed`: whether the clock
    may decide anything, which it may not where the same inputs must give the same bytes.
    """

    seed: int = 0
    samples: int = 8
    chosen: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    profile: bool = False
    autograd: str = ""
    show_attrs: bool = False
    show_saved: bool = False
    layers: tuple[str, ...] = ()
    now: float = math.nan
    time_limit: float = math.inf
    timed: bool = True
    done: tuple[Section, ...] = ()
    step: Callable[[str, int, int], None] = _silent  # step(method, done, total): how far the section is


def _unheard(what: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Look:
    """How an experiment is looked at before its sections are made.

    `limit`: seconds that reading the first samples may take, and calling the model; 0 where there is no limit.
    `lost`: what is not done again, "data" or "forward", because it ended a process: how, and where that was.
    `stage`: told "data", "forward", and "" where each has ended.
    """

    limit: float = 0.0
    lost: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    stage: Callable[[str], None] = _unheard


@dataclass(frozen=True)
class Weights:
    """The file that the weights came from: its name, SHA-256, and what was done to its keys."""

    name: str
    sha256: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """The model's outputs on samples of the data, in order.

    `outputs`: float32 (n, classes) scores for classification, (n, values) for regression.
    `probabilities`: float32 (n, classes), rows sum to 1; None for regression.
    `targets`: int64 (n,), -1 for a sample without a label, or float32 (n, values); None where the data
    has none, or none that fit the outputs: then `target_problem` says why.
    `soft`: float32 (n, classes), where the targets are shares of classes: `targets` are then the largest of each row.
    `gaps`: NaN among the inputs.
    `numbers`: int64 (n,), which samples of the data these are. `total`: how many it holds, None for a stream.
    `late`: fewer than there would be, since the time ended.
    """

    outputs: torch.Tensor
    probabilities: torch.Tensor | None
    targets: torch.Tensor | None
    numbers: np.ndarray
    total: int | None
    target_problem: InputError | None = None
    soft: torch.Tensor | None = None
    gaps: Gaps = field(default_factory=Gaps)
    late: bool = False

    @property
    def n(self) -> int:
        """How many samples were looked at."""
        return len(self.outputs)

    @property
    def marred(self) -> np.ndarray:
        """Flags (n,): NaN or infinity among a sample's inputs."""
        import numpy as np

        return np.array(self.gaps.marred or [False] * self.n, bool)

    @property
    def already(self) -> bool:
        """Whether the outputs are class probabilities as they come."""
        import torch

        if self.probabilities is None:
            return False
        return torch.equal(self.outputs.nan_to_num(), self.probabilities.nan_to_num())


@dataclass
class Experiment:
    """What is reported on. Made by `build`; a section reads it and changes nothing.

    `model` and `samples` are None where none was given; `data_problem` says what was wrong with data
    that was given but can't be used; `target_problem` why its targets can't be read; `forward_problem` why the model
    can't be called; `no_values` why what it returns has a shape and no numbers.
    `fatal`: why the model must not be called, not even with fake tensors, and `fatal_trace` where it was when it was;
    `slow`: it was called, and did not end in time.
    `single`: the model takes one sample at a time. `target` is the output that is explained, where the user named one.
    `tokenizer` tells the texts of token ids; `embedding` is the path of the layer that turns them into vectors.
    `categorical`: the features of a table that hold categories. `redact`: no sample and no text of a log is shown.
    `sample_rate`: of sound, in Hz, 0 where it is unknown.
    `program` is what `model` was made from, where that was exported. `shaped`: paths of the lazy layers that the
    example gave their shapes in the copy that `model` then is. `inferred` lists what nobody said and was concluded.
    `aftermath` says what could not be put back, `printed` what the model printed while it was looked at here.
    """

    title: str
    model: nn.Module | None = None
    program: torch.export.ExportedProgram | None = None
    samples: Samples | None = None
    example: Inputs | None = None
    shaped: frozenset[str] = frozenset()
    logs: tuple[Log, ...] = ()
    log_pattern: str = ""
    fetch: Callable[[Any, Path], Any] | None = None
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    categorical: tuple[Category, ...] = ()
    task: str = ""
    modality: str = ""
    normalization: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    target: int | str | None = None
    tokenizer: Vocabulary | None = None
    embedding: str | None = None
    sample_rate: float = 0.0
    facts: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    weights: Weights | None = None
    command: str = ""
    redact: bool = False
    data_problem: InputError | None = None
    target_problem: InputError | None = None
    forward_problem: InputError | None = None
    no_values: InputError | None = None
    fatal: str = ""
    fatal_trace: str = ""
    slow: bool = False
    single: bool = False
    output_shape: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()
    inferred: tuple[Fact, ...] = ()
    aftermath: Aftermath = field(default_factory=Aftermath)
    printed: str = ""

    @property
    def model_name(self) -> str:
        """The model's class, or nothing."""
        if self.program is not None:
            from reportgen.data import program_name

            return program_name(self.program)
        return type(self.model).__qualname__ if self.model is not None else ""

    def require_data(self) -> Samples:
        """The samples. Raises the InputError that says why they can't be used."""
        if self.data_problem is not None:
            raise self.data_problem
        if self.samples is None:
            raise InputError("no data was given", "pass data=... (--data)")
        return self.samples

    def require_forward(self) -> Inputs:
        """One sample that the model accepts. Raises the InputError that says why there is none."""
        problem = self.forward_problem or self.no_values
        if problem is not None:
            raise problem
        if self.model is None or self.example is None:
            hint = "pass a model, and data=... or example_inputs=..."
            raise InputError("no model or no input was given", hint)
        return self.example

    def batch(self, positions: Sequence[int]) -> Batch:
        """These samples as one batch on the model's device (copies). Raises InputError where they make none."""
        batch = self.require_data().fetch(positions)
        return type(batch)(batch.inputs.map(lambda t: t.to(self.device)), batch.targets, batch.indices)

    def call(self, inputs: Inputs) -> Any:
        """The model's raw output. Raises InputError where the forward pass raises."""
        assert self.model is not None
        # Copies: a forward pass may write to its inputs, which are used again. Gradients flow through.
        own = inputs.map(lambda tensor: tensor.clone())
        try:
            return self._run(own)
        except RAISED as error:
            hint = "check that the data has the shape, dtype and order that the model expects"
            if only_on_meta(str(error)) and all(t.is_meta for t in (*self.model.parameters(), *own.tensors)):
                hint = "the meta device can't do all that others can: load the weights, or give them another dtype"
            said = f"the model's forward pass raised on {inputs.describe()}: {one_line(error)}"
            raise InputError(said, hint) from error

    def _run(self, inputs: Inputs) -> Any:
        """The model's output; a program that takes one size alone runs in batches of it, the last one filled up."""
        assert self.model is not None
        size, count = self.fixed_batch, inputs.size
        if not size or not count or size == count:
            return inputs.call(self.model)
        import torch
        from torch.utils._pytree import tree_map

        made = []
        for start in range(0, count, size):
            part = inputs.take([min(row, count - 1) for row in range(start, start + size)])
            made.append(part.call(self.model))

        def together(*parts: Any) -> Any:
            rows = isinstance(parts[0], torch.Tensor) and parts[0].ndim and len(parts[0]) == size
            return torch.cat(parts)[:count] if rows else parts[0]

        return tree_map(together, *made)

    @cached_property
    def fixed_batch(self) -> int:
        """The one batch size that an exported program takes, 0 where it, or a model that is none, takes any."""
        if self.program is None:
            return 0
        from reportgen.data import program_batch

        return program_batch(self.program) or 0

    def scores(self, inputs: Inputs) -> torch.Tensor:
        """The output tensor (batch first) that predictions are read from. Raises InputError."""
        output = main_output(self.call(inputs))
        wanted = (1, *self.output_shape[1:])
        if (
            inputs.size == 1
            and self.output_shape
            and output.shape != wanted
            and output.numel() == prod(wanted)
        ):
            # A model that squeezes its output loses the batch axis of a single sample.
            return output.reshape(wanted)
        return output

    @property
    def batch_size(self) -> int:
        """A batch of about two million numbers in or out, which keeps activations in the cache's reach.

        Of a program that takes one size alone, that size; of samples that make no batch, or for a model that takes
        none, one.
        """
        primary = self.require_forward().primary
        if self.single or (self.samples is not None and self.samples.alone):
            return 1
        if self.fixed_batch:
            return self.fixed_batch
        taken = primary[0].numel() if primary is not None and primary.ndim else 1
        each = max(1, taken, prod(self.output_shape[1:]))
        return max(1, min(256, 2_000_000 // each))

    def class_name(self, index: int) -> str:
        """The name of a class, `class 3` where none was given; below zero `no label`."""
        if index < 0:
            return "no label"
        return self.class_names[index] if index < len(self.class_names) else f"class {index}"

    def feature_name(self, index: int) -> str:
        """The name of an input feature, or `feature 3` where none was given."""
        return self.feature_names[index] if index < len(self.feature_names) else f"feature {index}"

    def token_name(self, number: int) -> str:
        """The text of a token, `token 3` where it is unknown."""
        return self.tokenizer.name(number) if self.tokenizer is not None else f"token {number}"

    @cached_property
    def operations(self) -> int:
        """FLOPs of one sample's forward pass as torch counts them; 0 where it can't tell. Raises InputError."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        one = self.require_forward().take([0])
        try:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                self.call(one)
        except Exception:  # noqa: BLE001 - a model that can't be counted is reported on all the same
            return 0
        return int(counter.get_total_flops()) // (self.fixed_batch or 1)

    @cached_property
    def pass_seconds(self) -> float:
        """What a forward pass of one sample takes on this machine, as busy as it is now. Raises InputError."""
        import torch

        one, seconds = self.require_forward().take([0]), math.inf
        for _ in range(2):  # the first prepares what the second finds
            begun = time.perf_counter()
            with torch.no_grad():
                self.call(one)
            seconds = min(seconds, time.perf_counter() - begun)
            if seconds > LONG:
                break
        return max(seconds / (self.fixed_batch or 1), 1e-6)

    def passes(self, budget: Mapping[str, float]) -> float:
        """How many forward passes of one sample a budget of FLOPs, by kind of device, allows; inf where unknown."""
        each = self.operations
        return budget.get(self.device.split(":")[0], budget["cpu"]) / each if each else math.inf

    @cached_property
    def gaps(self) -> Gaps:
        """NaN among the inputs of the samples that were predicted on, else of the first looked at or the example."""
        if "predictions" in self.__dict__:
            return self.predictions.gaps
        if self.samples is not None:
            try:
                batches = list(self.samples.batches(PROBE, PROBE))
            except InputError:  # which the sections that need them tell
                return Gaps()
            return look(self, ((batch.inputs, len(batch.indices)) for batch in batches))
        return Gaps() if self.example is None else look(self, [(self.example, self.example.size or 1)])

    @cached_property
    def predictions(self) -> Predictions:
        """Outputs for the data (10,000 samples at most, as the model's cost and the current deadline allow), once.

        Raises InputError.
        """
        from reportgen.predictions import predict

        return predict(self)

    @cached_property
    def outputs_are_probabilities(self) -> bool:
        """Whether the outputs are class probabilities as they come: told once, from all known, for every section.

        Raises InputError.
        """
        from reportgen.predictions import judged_probabilities

        return judged_probabilities(self)


class UnreadableOutputError(InputError):
    """The model ran, and what it returned holds no tensor that can be read."""


def main_output(raw: Any) -> torch.Tensor:
    """The tensor that predictions are read from: `logits` where there is one, else the first tensor.

    Raises UnreadableOutputError where the output holds no tensor.
    """
    import torch

    if isinstance(raw, torch.Tensor):
        return raw
    named = raw.get("logits") if isinstance(raw, Mapping) else getattr(raw, "logits", None)
    if isinstance(named, torch.Tensor):
        return named
    parts = raw.values() if isinstance(raw, Mapping) else raw if isinstance(raw, tuple | list) else ()
    for part in parts:
        if isinstance(part, torch.Tensor):
            return part
    kind = type(raw).__name__
    raise UnreadableOutputError(
        f"the model returned {kind}, expected a tensor, or a tuple or dict of tensors"
    )


def build(
    model: Any = None,
    *,
    data: Any = None,
    example_inputs: Any = None,
    logs: str | Path | Sequence[str | Path] | None = None,
    log_pattern: str | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    categorical: Any = None,
    task: str | None = None,
    modality: str | None = None,
    normalization: tuple[Any, Any] | None = None,
    target: int | str | None = None,
    tokenizer: Any = None,
    sample_rate: float | None = None,
    facts: Mapping[str, Any] | None = None,
    title: str | None = None,
    seed: int = 0,
    device: str | None = None,
    weights: Weights | None = None,
    command: str = "",
    how: Look | None = None,
    redact: bool = False,
) -> Experiment:
    """Look at what was given, once, and conclude what nobody said. Raises InputError for what can't be."""
    found = _logs(logs)
    if model is None and data is None and not found:
        raise InputError("nothing to report on: no model, no data and no logs", "give at least one of them")
    if log_pattern is not None:
        compiled(log_pattern)
    if task is not None and task not in TASKS:
        raise InputError(f"task: got {task!r}, expected one of {', '.join(TASKS)}")
    if modality is not None and modality not in MODALITIES:
        raise InputError(f"modality: got {modality!r}, expected one of {', '.join(MODALITIES)}")
    experiment = Experiment(
        title=title or "",
        logs=found,
        log_pattern=log_pattern or "",
        class_names=_names("class_names", class_names),
        feature_names=_names("feature_names", feature_names),
        task=task or "",
        modality=modality or "",
        normalization=_normalization(normalization),
        target=target,
        tokenizer=None if tokenizer is None else vocabulary(tokenizer),
        sample_rate=rate(sample_rate),
        facts={str(key): str(value) for key, value in (facts or {}).items()},
        weights=weights,
        command=redaction.text(command),
        redact=redact,
    )
    if model is not None or data is not None:
        from reportgen.inference import look

        look(experiment, model, data, example_inputs, device, seed, categorical, how or Look())
    if not experiment.title:
        experiment.title = f"{experiment.model_name} report" if model is not None else "Training report"
    return experiment


def _logs(given: str | Path | Sequence[str | Path] | None) -> tuple[Log, ...]:
    found = [Log.parse(log) for log in ((given,) if isinstance(given, str | Path) else given or ())]
    for log in found:
        log.check()
    return tuple(found)


def _names(what: str, names: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InputError(f"{what}: got the text {names!r}, expected a list of names")
    return tuple(str(name) for name in (names if names is not None else ()))


def _normalization(pair: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    if pair is None:
        return None
    try:
        mean, std = (
            tuple(float(v) for v in (part if hasattr(part, "__iter__") else (part,))) for part in pair
        )
    except (TypeError, ValueError):
        said = f"normalization: got {pair!r}, expected (mean, std), a number a channel each"
        raise InputError(said) from None
    if len(mean) != len(std) or not mean or any(value <= 0 for value in std):
        said = f"normalization: got {pair!r}, expected equally many means and positive deviations"
        raise InputError(said)
    return mean, std
