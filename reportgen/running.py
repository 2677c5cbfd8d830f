"""Runs the sections one by one, keeps their failures to themselves, and returns the Report."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from reportgen import redaction
from reportgen._version import __version__
from reportgen.aftermath import Aftermath, told
from reportgen.discretion import discreet, discreet_origin, without_samples
from reportgen.errors import RAISED, InputError, one_line, type_name
from reportgen.experiment import Experiment, Options
from reportgen.gitinfo import commit
from reportgen.ledger import OUT_OF_TIME, PRINTED, assembled, failed
from reportgen.printed import Capture, aside
from reportgen.process import kept
from reportgen.report import NAMES, Code, Finding, Provenance, Report, Section, Text
from reportgen.timelimit import OutOfTime, time_limit

GROUP = "reportgen.sections"
TIME_LIMIT = 300.0
_NO_TEXTS = ("image", "table", "signal", "spectrogram")
SMALL = 20_000_000  # FLOPs a sample
EPOCH = "SOURCE_DATE_EPOCH"
LATEST = 253_402_300_799  # the last second that a date can have

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


@dataclass(frozen=True)
class Course:
    """What is told while a report is made, and what is known of it from a process that ended in the middle.

    `begun` is told the report without its sections, once that is known. `made`: the sections that are there already.
    `lost`, `stage`: see `experiment.Look`.
    """

    tell: Callable[[Progress], None] = lambda event: None
    begun: Callable[[Report], None] = lambda report: None
    made: Mapping[str, Section] = field(default_factory=dict)
    lost: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    stage: Callable[[str], None] = lambda name: None


def report_on(
    experiment: Experiment,
    options: Options,
    sections: Mapping[str, EntryPoint],
    *,
    limit: float = TIME_LIMIT,
    course: Course | None = None,
) -> Report:
    """Run these sections on the experiment. The overview is made last, for it looks at the others."""
    course = course or Course()
    order = sorted(sections, key=lambda name: name == "overview")
    options = replace(
        options, now=_moment().timestamp(), time_limit=limit or math.inf, timed=_epoch() is None
    )
    begun = _begun(experiment, options)
    course.begun(begun)
    made = {name: course.made[name] for name in order if name in course.made}
    for number, name in enumerate(order, 1):
        if name in made:
            continue
        at = Progress("start", name, number, len(order))
        course.tell(at)
        told = replace(options, done=tuple(made.values()), step=_stepper(at, course.tell))
        made[name] = _run(name, sections[name], experiment, told, limit)
        course.tell(replace(at, event="end", result=made[name]))
    if experiment.printed and made:
        home = _home(tuple(made))
        said = with_printed(made[home], experiment.printed, "in the first forward passes")
        made[home] = _fit(said, experiment)
    return assembled(begun, [made[name] for name in sections])


def _begun(experiment: Experiment, options: Options) -> Report:
    """The report before any of its sections is made."""
    notes = _epoch_unused()
    if options.profile:
        notes += ("measured times of layers differ from run to run",)
    return Report(
        title=experiment.title,
        created=now(),
        sections=(),
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


def _home(names: Sequence[str]) -> str:
    """The section that says what belongs to none."""
    return "overview" if "overview" in names else names[0]


def with_printed(section: Section, text: str, when: str) -> Section:
    """The section, with what was printed meanwhile as a folded block of text."""
    if not text:
        return section
    taken = {block.id for block in section.blocks}
    free = next(name for count in range(1, len(taken) + 2) if (name := f"printed-{count}") not in taken)
    caption = f"By the model, its data or a library {when}; without control characters."
    block = Code(id=free, title=PRINTED, text=text, folded=True, caption=caption)
    return section.model_copy(update={"blocks": (*section.blocks, block)})


def with_aftermath(report: Report, said: Aftermath) -> Report:
    """The report, with findings on what could not be put back and a text on what could not be watched."""
    if not said:
        return report
    home = _home([section.name for section in report.sections])
    changed, unwatched = told(said.changed), told(said.unwatched)
    paragraphs = [f"Could not be put back: {line}." for line in changed]
    paragraphs += [f"Could not be watched, so it may have changed: {line}." for line in unwatched]
    block = Text(id="aftermath", title="What may not be as it was", text="\n\n".join(paragraphs))
    findings = tuple(
        Finding(
            severity="serious",
            message=f"The report changed something that could not be put back: {line}",
            rule="the model and the process are compared with how they were before each section",
            evidence=f"{home}/aftermath",
        )
        for line in changed
    )
    sections = tuple(
        section.model_copy(
            update={"blocks": (*section.blocks, block), "findings": (*section.findings, *findings)}
        )
        if section.name == home
        else section
        for section in report.sections
    )
    return report.model_copy(update={"sections": sections})


def _stepper(at: Progress, tell: Callable[[Progress], None]) -> Callable[[str, int, int], None]:
    def step(method: str, done: int, total: int) -> None:
        with aside():
            tell(replace(at, event="step", method=method, done=done, total=total))

    return step


def _run(name: str, point: EntryPoint, experiment: Experiment, options: Options, limit: float) -> Section:
    """One section, guarded, timed and checked; whatever goes wrong becomes its content."""
    start = time.perf_counter()
    capture = Capture()
    try:
        with capture:
            section = _guarded(name, point, experiment, options, limit)
    except OutOfTime:
        section = failed(name, OUT_OF_TIME, f"did not end within {limit:g} s", "raise time_limit")
    except RAISED as error:  # a broken section never costs the others
        hint = error.hint if isinstance(error, InputError) else ""
        kind = type_name(error)
        section = failed(name, kind, one_line(error).removeprefix(f"{kind}: "), hint, _trace(error))
    seconds = None if _epoch() is not None else round(time.perf_counter() - start, 3)
    section = with_printed(section, str(capture.text), "while this section was made")
    return _fit(section, experiment).model_copy(update={"seconds": seconds})


def _fit(section: Section, experiment: Experiment) -> Section:
    """The section as it may be shown around; one that can't be looked through is not shown at all."""
    try:
        section = discreet(section)
        if not experiment.redact:
            return section
        return without_samples(section, _known(experiment), texts=experiment.modality not in _NO_TEXTS)
    except RAISED as error:
        said = f"what it holds could not be searched for secrets: {type_name(error)}"
        return failed(section.name, "Withheld", said)


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
    if experiment.model is None and experiment.samples is None:
        with kept(experiment.aftermath), time_limit(limit):
            result = function(experiment, options)
    else:
        import torch

        from reportgen.guard import untouched

        example = experiment.example.tensors if experiment.example is not None else []
        # The limit inside the guard: it must not cut short the putting back.
        with (
            torch.inference_mode(False),
            untouched(experiment.model, *example, seed=options.seed, said=experiment.aftermath),
            torch.enable_grad(),
            time_limit(limit),
        ):
            begun = time.monotonic()
            _suit_threads(experiment)
            left = max(1.0, options.time_limit - (time.monotonic() - begun))
            result = function(experiment, replace(options, time_limit=left))
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


def _trace(error: BaseException) -> str:
    """The traceback with file names in place of paths, which say where someone's home is. Never raises."""
    try:
        frames = traceback.extract_tb(error.__traceback__, limit=-25)
        lines = [f"{Path(at.filename).name}:{at.lineno} in {at.name}\n    {at.line}" for at in frames]
    except RAISED:  # a stranger's module may have a loader of its own, which is asked for the lines
        lines = ["(the lines can't be shown)"]
    return redaction.text("\n".join([*lines, one_line(error, 2000)]))


def _epoch() -> int | None:
    """SOURCE_DATE_EPOCH, under which the same inputs give the same bytes."""
    value = os.environ.get(EPOCH, "")
    usable = value.isascii() and value.isdigit() and len(value.lstrip("0")) <= len(str(LATEST))
    return int(value) if usable and int(value) <= LATEST else None


def _epoch_unused() -> tuple[str, ...]:
    """What is to be said where SOURCE_DATE_EPOCH is set and can't be meant; nothing else."""
    value = os.environ.get(EPOCH, "")
    if not value or _epoch() is not None:
        return ()
    said = f"{EPOCH} is {value[:40]!r}, expected seconds since 1970, up to the year 9999; it was not used"
    return (said,)


def now() -> str:
    """The time of the report, ISO 8601 in UTC, to the second."""
    return _moment().strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment() -> datetime:
    epoch = _epoch()
    return datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)
