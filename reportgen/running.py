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

from reportgen._version import __version__
from reportgen.aftermath import Aftermath, told
from reportgen.errors import RAISED, InputError, one_line
from reportgen.experiment import Experiment, Options
from reportgen.gitinfo import commit
from reportgen.printed import Capture, aside
from reportgen.process import kept
from reportgen.report import NAMES, Code, Failure, Finding, Provenance, Report, Section, Text
from reportgen.timelimit import OutOfTime, time_limit

GROUP = "reportgen.sections"
TIME_LIMIT = 300.0
PRINTED = "Printed while the model ran"
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
    if experiment.printed:
        home = _home(tuple(made))
        made[home] = with_printed(made[home], experiment.printed, "in the first forward passes")
    notes = tuple(f"{name} ran out of time, which another machine may not" for name in cut)
    if options.profile:
        notes += ("measured times of layers differ from run to run",)
    if any(block.title == PRINTED for section in made.values() for block in section.blocks):
        notes += ("what the model prints may differ from run to run",)
    return Report(
        title=experiment.title,
        created=now(),
        sections=tuple(made[name] for name in sections),
        provenance=Provenance(
            generator=f"reportgen {__version__}",
            model=experiment.model_name,
            commit=commit(),
            command=experiment.command,
            seed=options.seed,
            reproducible=not notes,
            notes=notes,
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


def _run(
    name: str, point: EntryPoint, experiment: Experiment, options: Options, limit: float
) -> tuple[Section, bool]:
    """One section, guarded, timed and checked; whatever goes wrong becomes its content."""
    start, in_time = time.perf_counter(), True
    capture = Capture()
    try:
        with capture:
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
    section = section.model_copy(update={"seconds": seconds})
    return with_printed(section, str(capture.text), "while this section was made"), in_time


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
    return "\n".join([*lines[-25:], one_line(error, 2000)])


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
