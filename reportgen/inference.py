"""What nobody said about an experiment and can be seen: task, modality, the kind of output."""

from __future__ import annotations

import contextlib
import copy
import inspect
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from reportgen import audio, tabular
from reportgen import data as reading
from reportgen.data import Batch, Inputs
from reportgen.embeddings import lookup
from reportgen.errors import InputError, one_line
from reportgen.experiment import PROBE, Experiment, Look, main_output
from reportgen.guard import set_eval, untouched
from reportgen.printed import Capture
from reportgen.report import Fact
from reportgen.samples import Samples
from reportgen.targets import shares
from reportgen.timelimit import OutOfTime, time_limit


def look(
    experiment: Experiment,
    model: Any,
    data: Any,
    example: Any,
    device: str | None,
    seed: int,
    categorical: Any,
    how: Look,
) -> None:
    """Fill in the model, the samples, one example and what follows from them. Raises InputError."""
    with Capture() as capture:
        said = tabular.declared(categorical)
        model = _as_module(experiment, model)
        dtype = _dtype(model)
        if model is not None:
            experiment.model, experiment.device = _place(model, device)
        with torch.inference_mode(False), untouched(model, seed=seed, said=experiment.aftermath):
            probe, looked_up = _seen(experiment, model, data, example, dtype, how)
        if experiment.samples is not None and not experiment.feature_names:
            experiment.feature_names = experiment.samples.columns
        _conclude(experiment, probe, looked_up)
        _check_names(experiment)
        _categories(experiment, said, probe)
    experiment.printed = str(capture.text)


def _seen(
    experiment: Experiment,
    model: nn.Module | None,
    data: Any,
    example: Any,
    dtype: torch.dtype | None,
    how: Look,
) -> tuple[Batch | None, bool]:
    """The first samples, and whether the model looks whole numbers up; the example is filled in."""
    probe, looked_up = None, False
    if data is not None:
        probe = _probe(experiment, data, dtype, how)
    if example is not None:
        given = reading.example(example, dtype, alone=_takes_one(model))
        experiment.example = given.map(lambda t: t.to(experiment.device))
    elif probe is not None:
        experiment.example = _first(experiment, probe)
    elif experiment.program is not None and experiment.program.example_inputs is not None:
        args, kwargs = experiment.program.example_inputs
        experiment.example = Inputs(tuple(args), dict(kwargs))
    if experiment.model is not None and experiment.example is not None:
        probe, looked_up = _call(experiment, probe, how)
    return probe, looked_up


def _first(experiment: Experiment, probe: Batch) -> Inputs:
    """The first sample of the data, or as many as the model takes, on its device."""
    wanted = range(experiment.fixed_batch or 1)
    if probe.inputs.count is not None and experiment.samples is not None:
        first = experiment.samples.fetch(list(wanted)).inputs
    else:
        first = probe.inputs.take([min(row, probe.inputs.size - 1) for row in wanted])
        first = replace(first, count=len(wanted))
    return first.map(lambda t: t.to(experiment.device))


def _takes_one(model: nn.Module | None) -> bool:
    """Whether `forward` asks for one argument and takes no other by its place."""
    try:
        declared = inspect.signature(model.forward).parameters.values() if model is not None else ()
    except (TypeError, ValueError):
        return False
    placed = [one for one in declared if one.kind <= one.VAR_POSITIONAL]
    asked = [one for one in placed if one.kind < one.VAR_POSITIONAL and one.default is one.empty]
    return len(asked) == 1 and len(placed) == 1


def _spread(experiment: Experiment, probe: Batch | None) -> Batch | None:
    """Give the parts of a named tuple each where the model does not take it whole, and takes them so."""
    example, samples = experiment.example, experiment.samples
    assert example is not None
    if len(example.args) != 1 or not reading.is_named(example.args[0]):
        return probe
    with torch.no_grad():
        with contextlib.suppress(InputError):
            experiment.call(example)
            return probe
        if samples is None:
            apart = replace(example, args=tuple(example.args[0]))
        else:
            samples.spread = True
            again = samples.probe(PROBE)
            assert again is not None
            apart = _first(experiment, again)
        try:
            experiment.call(apart)
        except InputError:
            if samples is not None:
                samples.spread = False
            return probe
    experiment.example = apart
    return again if samples is not None else probe


def _call(experiment: Experiment, probe: Batch | None, how: Look) -> tuple[Batch | None, bool]:
    """The probe as the model takes it; whether it looks whole numbers up. What ended a process is not done again."""
    if "forward" in how.lost:
        experiment.fatal, experiment.fatal_trace = how.lost["forward"]
        experiment.forward_problem = InputError(
            experiment.fatal, "call the model on one sample in Python to see it"
        )
        return probe, False
    looked_up = False
    how.stage("forward")
    try:
        with time_limit(how.limit):
            _shape(experiment)
        # Where the model is looked at in a copy, the copy's state is what all sections see.
        with untouched(experiment.model, said=experiment.aftermath), time_limit(how.limit):
            _mapping(experiment)
            probe = _spread(experiment, probe)
            _forward(experiment)
            assert experiment.example is not None
            looked_up, experiment.embedding = lookup(experiment, experiment.example)
    except OutOfTime:
        said = f"the model's forward pass on one sample did not end within {how.limit:g} s"
        experiment.forward_problem, experiment.slow = InputError(said, "raise time_limit"), True
    how.stage("")
    return probe, looked_up


def _as_module(experiment: Experiment, model: Any) -> nn.Module | None:
    """The module to look at, of a program or of what wraps another. Raises InputError for anything else."""
    if isinstance(model, torch.export.ExportedProgram):
        experiment.program = model
        said = "an exported program: runs in the mode that it was exported in, on inputs of the sizes that it takes"
        experiment.inferred += (Fact(label="Model", value="torch.export program", note=said),)
        if experiment.fixed_batch > 1:
            said = "the program takes no other batch: the last is filled up with its last sample, and cut"
            count = f"{experiment.fixed_batch} samples at a time"
            experiment.inferred += (Fact(label="Batches", value=count, note=said),)
        return model.module()
    if model is not None and not isinstance(model, nn.Module):
        raise InputError(
            f"model: got {type(model).__name__}, expected a torch.nn.Module or an exported program",
            "load a state dict into an instance of its class first",
        )
    inner = reading.unwrapped(model) if model is not None else None
    if inner is not model and inner is not None:
        how = "compiled" if hasattr(model, "_orig_mod") else f"wrapped in {type(model).__name__}"
        said = f"{how}: looked at is the module inside, which does the same"
        experiment.inferred += (Fact(label="Model", value=type(inner).__qualname__, note=said),)
    return inner


def _dtype(model: Any) -> torch.dtype | None:
    """The dtype of the weights: inputs that are floating point are given to the model in it."""
    parameters = model.parameters() if isinstance(model, nn.Module) else ()
    return next((p.dtype for p in parameters if not is_lazy(p) and p.is_floating_point()), torch.float32)


def _place(model: nn.Module, device: str | None) -> tuple[nn.Module, str]:
    here = next((str(t.device) for t in (*model.parameters(), *model.buffers()) if not is_lazy(t)), "cpu")
    if device is not None:
        try:
            wanted = str(torch.device(device))
        except RuntimeError as error:
            said = f"device: got {device!r}, expected cpu, cuda, cuda:0 or mps ({one_line(error)})"
            raise InputError(said) from None
        if not _same_place(wanted, here):
            return _own_copy(model, wanted), wanted
    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        # A forward pass would give the caller's parameters their shapes for good.
        return _own_copy(model, here), here
    return model, here


def _own_copy(model: nn.Module, device: str) -> nn.Module:
    """A copy of the model on `device`, so that the caller's stays where it is. Raises InputError."""
    # PyTorch copies a parameter that has no shape yet, and a buffer not.
    fresh: Any = UninitializedBuffer
    known = {
        id(buffer): fresh(device=buffer.device, dtype=buffer.dtype)
        for buffer in model.buffers()
        if is_lazy(buffer)
    }
    try:
        copied = copy.deepcopy(model, known)
    except Exception as error:
        raise InputError(
            f"model: it can't be copied: {one_line(error)}",
            "a model that is lazy or on another device is looked at in a copy; give it shaped and where it is",
        ) from error
    try:
        return copied.to(device)
    except Exception as error:
        raise InputError(f"device: the model can't be moved to {device!r}: {one_line(error)}") from error


def _same_place(wanted: str, here: str) -> bool:
    one, other = torch.device(wanted), torch.device(here)
    return one.type == other.type and (one.type == "cpu" or one.index in (None, other.index))


def _probe(experiment: Experiment, data: Any, dtype: torch.dtype | None, how: Look) -> Batch | None:
    try:
        if "data" in how.lost:
            raise InputError(f"data: {how.lost['data'][0]}", "read the first samples in Python to see it")
        how.stage("data")
        with time_limit(how.limit):
            experiment.samples = Samples(data, dtype=dtype, class_names=experiment.class_names)
            if experiment.samples.total == 0:
                raise InputError("data: the data set is empty (0 samples)", "give at least one sample")
            return experiment.samples.probe(PROBE)
    except InputError as problem:
        experiment.samples, experiment.data_problem = None, problem
    except OutOfTime:
        said = f"data: the first {PROBE} samples were not read within {how.limit:g} s"
        experiment.samples, experiment.data_problem = None, InputError(said, "raise time_limit")
    finally:
        how.stage("")
    return None


def _shape(experiment: Experiment) -> None:
    """Give the lazy layers of a copy their shapes by one forward pass, which undone would leave them half lazy."""
    model, example = experiment.model, experiment.example
    assert model is not None
    assert example is not None
    before = _lazy_layers(model)
    if not before:
        return
    set_eval(model)
    # What it raises is told by the pass that follows.
    with torch.no_grad(), contextlib.suppress(InputError):
        experiment.call(example)
    experiment.shaped = frozenset(before - _lazy_layers(model))


def _lazy_layers(model: nn.Module) -> set[str]:
    found = (*model.named_parameters(), *model.named_buffers())
    return {name.rpartition(".")[0] for name, tensor in found if is_lazy(tensor)}


def _mapping(experiment: Experiment) -> None:
    """Give named inputs as one mapping where `forward` asks for one argument, of none of their names, and takes it."""
    model, example = experiment.model, experiment.example
    assert model is not None
    assert example is not None
    if example.args or not example.kwargs or _lazy_layers(model):
        return
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):
        return
    asked = [one for one in signature.parameters.values() if one.kind < one.VAR_POSITIONAL]
    if sum(one.default is one.empty for one in asked) != 1:
        return
    try:
        signature.bind(**example.kwargs)
    except TypeError:
        with torch.no_grad(), contextlib.suppress(InputError):
            experiment.call(replace(example, mapped=True))
            experiment.example = replace(example, mapped=True)
            if experiment.samples is not None:
                experiment.samples.mapped = True
            said = "forward takes them as its one argument"
            experiment.inferred += (Fact(label="Inputs", value="one mapping", note=said),)


def _forward(experiment: Experiment) -> None:
    assert experiment.example is not None
    try:
        with torch.no_grad():
            raw = experiment.call(experiment.example)
            output = _of_two(experiment, main_output(raw))
    except InputError as problem:
        experiment.forward_problem = problem
        return
    experiment.output_shape = tuple(output.shape)
    if output.is_meta:
        said = "the model is on the meta device: its tensors have shapes and no values"
        experiment.no_values = InputError(said, "load the weights to have it evaluated and explained")
    if not isinstance(raw, torch.Tensor):
        how = f"{type(raw).__name__}; read from its {tuple(output.shape)} tensor"
        experiment.inferred += (Fact(label="Output", value=how, note="`logits`, else the first tensor"),)
    if experiment.samples is not None and experiment.samples.alone:
        said = "the samples are of different sizes, so no batch is made of several"
        experiment.inferred += (Fact(label="Batches", value="one sample at a time", note=said),)


def _of_two(experiment: Experiment, alone: torch.Tensor) -> torch.Tensor:
    """The output for one sample, with a first axis where a batch of one loses it, as squeeze() makes it.

    The sample twice tells, and also whether the model takes no batch: then it is run one sample at a time.
    """
    example, samples = experiment.example, experiment.samples
    assert example is not None
    if example.size != 1 or experiment.fixed_batch:
        return alone
    rows = alone.ndim > 0 and len(alone) == 1
    if rows and (samples is None or samples.alone):
        return alone
    pair, why = None, "the model gives two samples one row"
    try:
        pair = main_output(experiment.call(example.take([0, 0])))
    except InputError as problem:
        why = str(problem)
    if pair is None or (alone.ndim and pair.shape == alone.shape):
        experiment.single = True
        experiment.inferred += (Fact(label="Batches", value="one sample at a time", note=why),)
        return alone if rows else alone[None]
    return pair[:1] if not rows and pair.ndim and len(pair) == 2 else alone


def _conclude(experiment: Experiment, probe: Batch | None, looked_up: bool) -> None:
    said: list[Fact] = []
    if not experiment.modality:
        found, why = audio.modality(experiment)
        experiment.modality, why = (found, why) if found else _modality(experiment, looked_up)
        if why:
            said.append(Fact(label="Modality", value=experiment.modality or "not known", note=why))
    if not experiment.task:
        experiment.task, why = _task(experiment.output_shape, probe, bool(experiment.class_names))
        if experiment.task:
            said.append(Fact(label="Task", value=experiment.task, note=why))
    if probe is not None and probe.targets is not None:
        experiment.target_shape = tuple(probe.targets.shape)
    experiment.target_problem = probe.unread if probe is not None else None
    experiment.inferred += tuple(said)


def _modality(experiment: Experiment, looked_up: bool) -> tuple[str, str]:
    example = experiment.example
    tensor = example.primary if example is not None else None
    if example is None or tensor is None:
        return "", ""
    shape, seen = tuple(tensor.shape), f"the input is {example.describe()}"
    if not tensor.is_floating_point():
        return _of_whole_numbers(experiment, looked_up, seen) if len(shape) == 2 else ("", "")
    if len(shape) == 4 and shape[1] in (1, 3):
        return "image", seen
    alone = experiment.samples is not None and experiment.samples.alone
    if len(shape) == 2 and not alone:
        return "table", seen
    if len(shape) == 3 and shape[1] in (1, 2):
        return "signal", seen
    return "", ""


def _of_whole_numbers(experiment: Experiment, looked_up: bool, seen: str) -> tuple[str, str]:
    """Rows of whole numbers are text where something takes them for the numbers of tokens."""
    if experiment.tokenizer is not None:
        return "text", f"{seen}, and a tokenizer was given"
    if experiment.embedding is not None:
        name = experiment.embedding or type(experiment.model).__name__
        return "text", f"{seen}, whose numbers the nn.Embedding {name} turns into vectors"
    if looked_up:
        return "text", f"{seen}, whose numbers the model looks up in a table of vectors"
    if experiment.model is None or experiment.forward_problem is not None or experiment.no_values is not None:
        return "", ""
    return "", f"{seen}, but no embedding looks whole rows of it up, so it is no text"


def _task(output: tuple[int, ...], probe: Batch | None, named: bool) -> tuple[str, str]:
    """Integer targets beside one score a class are classes; floating ones of the output's shape, values.

    Nothing is concluded from targets that fit both, or from an output alone unless its classes have names.
    """
    targets = probe.targets if probe is not None else None
    if targets is None:
        seen = f"the output is {output}, and class names were given"
        return ("classification", seen) if named and _is_scores(output) else ("", "")
    if not output:
        return "", ""
    flat = targets.reshape(len(targets), -1) if targets.ndim else targets.reshape(1, 1)
    seen = f"the output is {output}, the targets are {str(targets.dtype).removeprefix('torch.')}"
    told = (
        shares(flat, output[1] if _is_scores(output) else 2)
        if len(output) <= 2 and flat.shape[1] > 1
        else None
    )
    if told is not None:
        rows = "a share of each class, with the sum 1" if told.soft else "a single 1, for the class"
        return "classification", f"{seen} rows of {rows}"
    if _is_scores(output) and flat.shape[1] == 1 and not targets.is_floating_point():
        return "classification", seen
    alike = bool(((flat == 0) | (flat == 1)).all())
    if len(output) <= 2 and output[1:] in ((), (1,)) and flat.shape[1] == 1:
        if not alike:
            return "regression", seen
        # Values that begin with a run of zeros look the same, so both must be seen.
        return ("classification", f"{seen}, all 0 or 1") if named or len(flat.unique()) == 2 else ("", "")
    if len(output) == 2 and targets.is_floating_point() and flat.shape[1] == output[1] and not alike:
        return "regression", seen
    return "", ""


def _is_scores(output: tuple[int, ...]) -> bool:
    return len(output) == 2 and output[1] > 1


def _check_names(experiment: Experiment) -> None:
    """Names and numbers that can't fit are a mistake in the call, said at once."""
    audio.check(experiment)
    if experiment.class_names and experiment.task == "regression":
        raise InputError("class_names: given, but the task is regression", "say which with task")
    width = experiment.output_shape[1] if len(experiment.output_shape) == 2 else 0
    classes = max(width, 2) if experiment.task == "classification" else 0
    given = len(experiment.class_names)
    if given and classes and given != classes:
        raise InputError(
            f"class_names: got {given} names, expected {classes}, one for each score of the model's output",
            "give the names in the order of the output",
        )
    tensor = experiment.example.primary if experiment.example is not None else None
    if experiment.normalization is not None and tensor is not None:
        _check_normalization(experiment, len(experiment.normalization[0]), tensor)
    if experiment.modality == "table" and experiment.feature_names and tensor is not None:
        given, wanted = len(experiment.feature_names), _columns(experiment)
        if given not in (tensor.shape[1], wanted):
            said = f"feature_names: got {given} names, expected {wanted}, one for each input column"
            raise InputError(said)


def _columns(experiment: Experiment) -> int:
    """How many columns a table's tensors have together."""
    return tabular.width(experiment.example) if experiment.example is not None else 0


def _categories(experiment: Experiment, said: tabular.Declared | None, probe: Batch | None) -> None:
    """The categorical features: as declared, or what can be seen, which is then stated. Raises InputError."""
    seen = probe.inputs if probe is not None else experiment.example
    primary = seen.primary if seen is not None else None
    if experiment.modality != "table" or seen is None or primary is None or primary.ndim != 2:
        if said:
            raise InputError(
                "categorical: given, but the input is no table", "leave it out, or say modality='table'"
            )
        return
    if said is not None:
        experiment.categorical = tabular.resolve(said, experiment.feature_names, _columns(experiment))
        return
    places, why = tabular.inferred(seen)
    if places:
        found = tuple(tabular.Category(experiment.feature_name(at), (at,)) for at in places)
        names = ", ".join(category.name for category in found[:8]) + (", …" if len(found) > 8 else "")
        experiment.categorical = found
        experiment.inferred += (Fact(label="Categorical", value=names, note=why),)


def _check_normalization(experiment: Experiment, given: int, tensor: torch.Tensor) -> None:
    modality = experiment.modality
    if modality == "table" and tensor.ndim == 2:
        wanted = sorted({tensor.shape[1], _columns(experiment)})
        if given not in (1, *wanted):
            columns = " or ".join(str(count) for count in wanted)
            said = f"normalization: got {given} means and deviations, expected {columns}, one a column, or 1"
            raise InputError(said)
        return
    if modality != "image" or tensor.ndim != 4:
        raise InputError("normalization: given, but the inputs are no images and no table", "leave it out")
    channels = tensor.shape[1]
    if given not in (1, channels):
        said = f"normalization: got {given} means and deviations, expected {channels}, one a channel, or 1"
        raise InputError(said)
