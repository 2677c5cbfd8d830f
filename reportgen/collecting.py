"""`collect`: what its arguments may be, and from them the Report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from math import inf
from pathlib import Path
from typing import Any

from reportgen.aftermath import Aftermath
from reportgen.errors import InputError, type_name
from reportgen.experiment import Experiment, Look, Options, Weights, build
from reportgen.outputs import check as check_targets
from reportgen.process import kept
from reportgen.report import Report
from reportgen.running import TIME_LIMIT, Course, Progress, choose, report_on, with_aftermath


def collect(
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
    sections: Sequence[str] | None = None,
    samples: int = 8,
    explain: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    checks: Sequence[str] | None = None,
    seed: int = 0,
    device: str | None = None,
    time_limit: float = TIME_LIMIT,
    profile: bool = False,
    autograd: str = "",
    show_attrs: bool = False,
    show_saved: bool = False,
    layers: Sequence[str] = (),
    redact: bool = False,
    weights: Weights | None = None,
    command: str = "",
    progress: Callable[[Progress], None] | None = None,
    out: str | Path | Sequence[str | Path] | None = None,
) -> Report:
    """Look at an experiment and say what was found.

    Parameters
    ----------
    model
        Any `nn.Module`, which comes out bit for bit as it went in, or an exported program.
    data
        A Dataset, a DataLoader, or a tuple of tensors or arrays `(inputs, targets)`, batch first.
    example_inputs
        A tensor, a tuple or a dict of keyword inputs, batch first, where there is no data.
    logs
        A folder or file of training logs, or several; also an address that fsspec knows (s3://, gs://), and
        either with its kind in front (`stdout=train.txt`), which skips recognition.
    log_pattern
        A regular expression for lines of plain text: its groups `step`, `epoch` and `time` say where a line
        belongs, any other named group is a metric.
    class_names, feature_names
        In the order of the model's output and of the input's columns.
    categorical
        The columns of a table that hold categories, by name or number, a list of columns for a one-hot group; or
        a dict of a column to the names of its categories. Whole numbers in a tensor beside a floating-point one, or
        with few distinct values, are taken for categories where nothing is said; [] means none.
    task, modality
        "classification" or "regression"; "image", "table", "text", "signal" or "spectrogram".
        Inferred where not given.
    normalization
        `(mean, std)` that the data was normalized with, a number a channel or a column; undone for showing it.
    target
        The output that is explained, by its number or its class's name; by default the predicted class or, where
        the outputs are no classes, the largest output.
    tokenizer
        What tells the texts of token ids: a tokenizer, a vocabulary (tokens to ids, or a list of tokens), a function
        of an id, or a file or folder of these; Hugging Face's are known. None of its code is run from a file.
    sample_rate
        Of sound, in Hz: its time is then shown in seconds, and an input that could be something else (a table's
        row, an image) is taken for a waveform or a spectrogram.
    facts
        What the report should say of the model: purpose, data, licence, limits, ...
    sections
        The names of the sections to make, all of them by default (`reportgen sections`).
    samples
        How many samples are shown and explained.
    explain
        The numbers of the samples to explain, in the order of the data, instead of those that teach most.
    methods
        The names of the methods that explain, as in ["lime", "integrated-gradients", "shap-kernel"], instead of
        those for the kind of input. The ones whose names begin with shap- need the extra `reportgen[shap]`.
    checks
        The names of more measures of how far to trust the explanations, beside those that are always there:
        "infidelity", "max-sensitivity".
    seed
        Where every random choice starts from.
    device
        Where to run a copy of the model; by default the model runs where it is.
    time_limit
        Seconds after which a section fails, and the others go on. Sections that look at samples cut these, and say
        so, to end in two minutes where that is the usual five, or in two fifths of more. 0: no limit.
    profile
        Whether the time of each layer is measured, which runs the model several times.
    autograd, show_attrs, show_saved
        The layer whose autograd graph is drawn ("" for the whole model), and whether its nodes show their
        attributes and the tensors that they keep for the backward pass.
    layers
        Names of the layers whose activations, weights and gradients are drawn, the last of them by Grad-CAM; by
        default the first, the middle and the last of each stage, and for Grad-CAM the last convolution.
    redact
        Whether samples (pictures, texts, rows, sounds) and the texts and pictures of logs are left out; numbers, and
        the names of classes, features and layers, stay.
    weights, command
        The file the weights came from and the command line, for the record.
    progress
        Called with a `Progress` as the report is made.
    out
        A file to write the report to, or several: .html, .pdf, .json. Where this process ends in the middle (a
        segmentation fault, `os._exit`, out of memory) or a section never comes back, another process, which knows no
        torch, writes what was made so far, and what happened. It can't where both are killed at once. A file that
        can't be written in the end is a warning; the report is returned all the same.

    Raises
    ------
    InputError
        Where the arguments can't be meant: one line with what was given and what was expected.

    """
    given = {key: value for key, value in locals().items() if key not in ("progress", "out")}
    tell = progress or (lambda event: None)
    if out is None:
        return made_of(given, Course(tell))
    from reportgen.lifeline import Lifeline

    targets = check_targets([out] if isinstance(out, str | Path) else out, "out")
    with Lifeline(targets, list(choose(sections)), _seconds(time_limit), _title(model, title)) as line:
        report = made_of(given, line.course(tell))
    line.write(report)
    return report


def made_of(given: Mapping[str, Any], course: Course) -> Report:
    """What `collect` returns for these arguments of its, as told on the way. Raises InputError."""
    return _made_of(course, **given)


def _made_of(
    course: Course,
    model: Any = None,
    *,
    sections: Any = None,
    samples: Any = 8,
    explain: Any = None,
    methods: Any = None,
    checks: Any = None,
    seed: Any = 0,
    time_limit: Any = TIME_LIMIT,
    profile: bool = False,
    autograd: Any = "",
    show_attrs: bool = False,
    show_saved: bool = False,
    layers: Any = (),
    target: Any = None,
    **looked_at: Any,
) -> Report:
    samples = _whole("samples", samples, 1, 64)
    asked = _numbers(explain)
    seed = _whole("seed", seed, 0, 2**32 - 1)
    limit = _seconds(time_limit)
    if not isinstance(autograd, str):
        raise InputError(f"autograd: got {autograd!r}, expected the name of a layer, as in encoder.layers.0")
    asked_for = _methods(methods)
    more = _checks(checks)
    chosen = choose(sections)
    said = Aftermath()
    with _steady(model, looked_at.get("data"), said):
        experiment = build(
            model,
            target=_target(target),
            seed=seed,
            how=Look(limit, course.lost, course.stage),
            **looked_at,
        )
        _check_layer(autograd, experiment)
        chosen_layers = _layers(layers, experiment)
        options = Options(
            seed=seed,
            samples=len(asked) or samples,
            chosen=asked,
            methods=asked_for,
            checks=more,
            profile=profile,
            autograd=autograd,
            show_attrs=show_attrs,
            show_saved=show_saved,
            layers=chosen_layers,
        )
        report = report_on(experiment, options, chosen, limit=limit, course=course)
    said.join(experiment.aftermath)
    return with_aftermath(report, said)


def _steady(model: Any, data: Any, said: Aftermath) -> AbstractContextManager[None]:
    """The process comes out as it went in; torch is not imported for logs alone."""
    if model is None and data is None:
        return kept(said)
    from reportgen.guard import steady

    return steady(data, said)


def _seconds(time_limit: Any) -> float:
    """Raises InputError."""
    if isinstance(time_limit, bool) or not isinstance(time_limit, int | float) or not 0 <= time_limit < 1e9:
        raise InputError(f"time_limit: got {time_limit!r}, expected seconds, or 0 for no limit")
    return time_limit


def _title(model: Any, title: str | None) -> str:
    """What a report is called of which not even the model could be looked at."""
    return title or (f"{type_name(model)} report" if model is not None else "Training report")


def _whole(what: str, value: Any, low: int, high: float) -> int:
    """A whole number of Python's or NumPy's. Raises InputError."""
    number = value.__index__() if hasattr(value, "__index__") and not isinstance(value, bool) else None
    if number is None or not low <= number <= high:
        until = "on" if high == inf else f"to {high}"
        raise InputError(f"{what}: got {value!r}, expected a whole number from {low} {until}")
    return int(number)


def _numbers(explain: Any) -> tuple[int, ...]:
    """The numbers of samples that were asked for. Raises InputError."""
    if explain is None:
        return ()
    if isinstance(explain, str) or not hasattr(explain, "__iter__") or not (found := list(explain)):
        raise InputError(f"explain: got {explain!r}, expected a list of sample numbers, as in [3, 17]")
    if len(found) > 64:
        raise InputError(f"explain: got {len(found)} samples, expected 64 at the most")
    numbers = tuple(_whole("explain", number, 0, inf) for number in found)
    twice = next((number for number in numbers if numbers.count(number) > 1), None)
    if twice is not None:
        raise InputError(f"explain: got sample {twice} more than once", "name each sample once")
    return numbers


def _methods(names: Any) -> tuple[str, ...]:
    """Raises InputError for the name of no method, and for one whose package is not installed."""
    if names is None:
        return ()
    from reportgen.attribution.methods import check

    return check(names)


def _checks(names: Any) -> tuple[str, ...]:
    """Raises InputError for the name of no check."""
    if names is None:
        return ()
    from reportgen.attribution.checks import check

    return check(names)


def _target(target: Any) -> int | str | None:
    """Raises InputError for what names no output; whether the model has it is seen when it is explained."""
    if target is None or isinstance(target, str):
        return target
    return _whole("target", target, 0, inf)


def _check_layer(path: str, experiment: Experiment) -> None:
    """Raise InputError where the model has no layer of this name; the names in a program are its trace's to know."""
    if not path or experiment.model is None or experiment.program is not None:
        return
    from reportgen.data import unwrapped
    from reportgen.trace.autograd import check
    from reportgen.trace.layers import catalogue

    check(path, [layer.path for layer in catalogue(unwrapped(experiment.model)).layers])


def _layers(names: Any, experiment: Experiment) -> tuple[str, ...]:
    """Each name once, in order. Raises InputError where the model has no such layer; a program's are not known."""
    if not names and names != "":
        return ()
    from reportgen.features.choice import check

    return check(names, experiment.model if experiment.program is None else None)
