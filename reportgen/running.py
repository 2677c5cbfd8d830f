"""Runs the sections one by one, keeps their failures to themselves, and returns the Report."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from reportgen import redaction
from reportgen._version import __version__
from reportgen.discretion import discreet, discreet_origin, without_samples
from reportgen.errors import RAISED, InputError, one_line
from reportgen.experiment import Experiment, Options
from reportgen.gitinfo import commit
from reportgen.report import NAMES, Failure, Provenance, Report, Section
from reportgen.timelimit import OutOfTime, time_limit

GROUP = "reportgen.sections"
TIME_LIMIT = 300.0
_NO_TEXTS = ("image", "table", "signal", "spectrogram")
SMALL = 20_000_000  # FLOPs a sample

SectionFunction = Callable[[Experiment, Options], Section]


@dataclass(frozen=True)
class Progress:
    """How far a report is: a section starts ("start"), moves ("step") or has ended ("end").

    `method`, `done` and `total` belong to a step, `result` to an end.
    """

    event: str
    section: str
    number: int
    sections: int
    method: str = ""
    done: int = 0
    total: int = 0
    result: Section | None = None


def available() -> dict[str, EntryPoint]:
    """Every section that is installed, in the order of the page; strangers' before the environment."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    ours = [name for name in NAMES if name in found]
    others = sorted(name for name in found if name not in NAMES)
    order = [*(name for name in ours if name != "environment"), *others]
    return {name: found[name] for name in [*order, *(name for name in ours if name == "environment")]}


def choose(names: Sequence[str] | None) -> dict[str, EntryPoint]:
    """The sections of these names, in the order of the page. Raises InputError for an unknown name."""
    known = available()
    if names is None:
        return known
    if isinstance(names, str) or not names:
        raise InputError(f"sections: got {names!r}, expected a list of names: {', '.join(known)}")
    for name in names:
        if name not in known:
            raise InputError(f"sections: got {name!r}, expected one of {', '.join(known)}")
    return {name: point for name, point in known.items() if name in names}


def report_on(
    experiment: Experiment,
    options: Options,
    sections: Mapping[str, EntryPoint],
    *,
    limit: float = TIME_LIMIT,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Run these sections on the experiment. The overview is made last, for it looks at the others."""
    tell = progress or (lambda event: None)
    order = sorted(sections, key=lambda name: name == "overview")
    options = replace(
        options, now=_moment().timestamp(), time_limit=limit or math.inf, timed=_epoch() is None
    )
    made: dict[str, Section] = {}
    cut: list[str] = []
    for number, name in enumerate(order, 1):
        at = Progress("start", name, number, len(order))
        tell(at)
        told = replace(options, done=tuple(made.values()), step=_stepper(at, tell))
        made[name], in_time = _run(name, sections[name], experiment, told, limit)
        if not in_time:
            cut.append(name)
        tell(replace(at, event="end", result=made[name]))
    notes = tuple(f"{name} ran out of time, which another machine may not" for name in cut)
    if options.profile:
        notes += ("measured times of layers differ from run to run",)
    return Report(
        title=experiment.title,
        created=now(),
        sections=tuple(made[name] for name in sections),
        provenance=discreet_origin(
            Provenance(
                generator=f"reportgen {__version__}",
                model=experiment.model_name,
                commit=commit(),
                command=experiment.command,
                seed=options.seed,
                reproducible=not notes,
                notes=notes,
            )
        ),
    )


def _stepper(at: Progress, tell: Callable[[Progress], None]) -> Callable[[str, int, int], None]:
    return lambda method, done, total: tell(replace(at, event="step", method=method, done=done, total=total))


def _run(
    name: str, point: EntryPoint, experiment: Experiment, options: Options, limit: float
) -> tuple[Section, bool]:
    """One section, guarded, timed and checked; whatever goes wrong becomes its content."""
    start, in_time = time.perf_counter(), True
    try:
        section = _guarded(name, point, experiment, options, limit)
        in_time = not any(isinstance(b, Failure) and b.error == OutOfTime.__name__ for b in section.blocks)
    except OutOfTime:
        in_time = False
        section = _failed(name, "OutOfTime", f"did not end within {limit:g} s", "raise time_limit")
    except RAISED as error:  # a broken section never costs the others
        hint = error.hint if isinstance(error, InputError) else ""
        text = one_line(error).removeprefix(f"{type(error).__name__}: ")
        section = _failed(name, type(error).__name__, text, hint, _trace(error))
    seconds = None if _epoch() is not None else round(time.perf_counter() - start, 3)
    return _fit(section, experiment).model_copy(update={"seconds": seconds}), in_time


def _fit(section: Section, experiment: Experiment) -> Section:
    """The section as it may be shown around; one that can't be looked through is not shown at all."""
    try:
        section = discreet(section)
        if not experiment.redact:
            return section
        return without_samples(section, _known(experiment), texts=experiment.modality not in _NO_TEXTS)
    except RAISED as error:
        said = f"what it holds could not be searched for secrets: {type(error).__name__}"
        return _failed(section.name, "Withheld", said)


def _known(experiment: Experiment) -> set[str]:
    """Names of classes, features, layers and methods, which are no samples."""
    from reportgen.attribution.methods import METHODS

    layers = experiment.model.named_modules() if experiment.model is not None else ()
    named = {word for path, layer in layers for word in (path, type(layer).__name__)}
    if experiment.model is not None:
        named.update(experiment.model.state_dict())
    return {*experiment.class_names, *experiment.feature_names, *named, *(one.name for one in METHODS)}


def _guarded(name: str, point: EntryPoint, experiment: Experiment, options: Options, limit: float) -> Section:
    function: SectionFunction = point.load()
    if experiment.model is None:
        with time_limit(limit):
            result = function(experiment, options)
    else:
        import torch

        from reportgen.guard import untouched

        example = experiment.example.tensors if experiment.example is not None else []
        # The limit inside the guard: it must not cut short the putting back.
        with (
            torch.inference_mode(False),
            untouched(experiment.model, *example, seed=options.seed),
            torch.enable_grad(),
            time_limit(limit),
        ):
            _suit_threads(experiment)
            result = function(experiment, options)
    if not isinstance(result, Section):
        raise TypeError(f"section {name!r} returned {type(result).__name__}, expected a reportgen.Section")
    # Through JSON and back: what can't make that trip would break the file much later.
    checked = Section.model_validate_json(result.model_dump_json())
    if checked.name != name:
        raise ValueError(f"section {name!r} calls itself {checked.name!r}")
    return checked


def _suit_threads(experiment: Experiment) -> None:
    """One thread for a small model: a second gains it nothing, and loses much where the machine is busy."""
    if experiment.device != "cpu" or experiment.example is None or experiment.forward_problem is not None:
        return
    import torch

    if experiment.no_values is None and 0 < experiment.operations < SMALL:
        torch.set_num_threads(1)


def _failed(name: str, error: str, message: str, hint: str = "", details: str = "") -> Section:
    block = Failure(title="What went wrong", error=error, message=message, hint=hint, details=details)
    title = name.replace("-", " ").capitalize()
    return Section(name=name, title=title, status="failed", reason=f"{error}: {message}", blocks=(block,))


def _trace(error: BaseException) -> str:
    """The traceback with file names in place of paths, which say where someone's home is."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{Path(at.filename).name}:{at.lineno} in {at.name}\n    {at.line}" for at in frames]
    return redaction.text("\n".join([*lines[-25:], one_line(error, 2000)]))


def _epoch() -> int | None:
    """SOURCE_DATE_EPOCH, under which the same inputs give the same bytes."""
    value = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not value:
        return None
    if not value.isdigit():
        raise InputError(f"SOURCE_DATE_EPOCH: got {value!r}, expected seconds since 1970")
    return int(value)


def now() -> str:
    """The time of the report, ISO 8601 in UTC, to the second."""
    return _moment().strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment() -> datetime:
    epoch = _epoch()
    return datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)
