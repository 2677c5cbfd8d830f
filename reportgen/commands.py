"""What the commands do: generate, render, sections, demo and schema, each to its exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen import files
from reportgen.errors import InputError, one_line, working_folder
from reportgen.logs import Log
from reportgen.press import Press
from reportgen.progress import Display
from reportgen.rendering import SavedReport
from reportgen.terminal import plain, put, say, trace

if TYPE_CHECKING:
    from reportgen.report import Report, Section

_FAILURES = 5  # of a section that are told one by one

OK, UNWRITTEN, USAGE, SECTION_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def generate(path: Path | None, options: dict[str, Any], command: str) -> int:
    """Make a report of what the file at `path` and the options say. Raises InputError."""
    from reportgen import config as said

    config = said.from_options(options)
    here = working_folder()
    folders = [here] if here is not None else []
    if path is not None:
        config = said.merge(said.read(path), config)
        folders.insert(0, path.parent)
    with _traced(config.debug), contextlib.ExitStack() as stack:
        targets = said.check_outputs(config.out or ["report.html"], _inputs(path, config))
        press = stack.enter_context(Press(config.templates)) if _pdf_wanted(targets) else None
        report = _collected(config, folders, command)
        if report.failed and config.strict:
            _tell_failed(report)
            return _complain("a section failed under --strict: nothing was written")
        whole = _save(report, targets, config.templates, press, quiet=config.quiet)
        if config.quiet:
            _tell_failed(report)
        else:
            _summary(report.sections)
        return UNWRITTEN if not whole else SECTION_FAILED if report.failed else OK


def _inputs(path: Path | None, config: Any) -> list[str]:
    """The files that are read, none of which may be written over."""
    logs = [Log.parse(log) for log in config.logs or []]
    found = [log.where for log in logs if not log.is_address]
    return [*found, *filter(None, (config.weights, config.tokenizer, str(path or "")))]


def _collected(config: Any, folders: Sequence[Path], command: str) -> Report:
    from reportgen.running import choose

    order = list(choose(config.sections))
    with Display(quiet=config.quiet) as display:
        display.say("loading")
        if os.name == "posix":
            from reportgen.ledger import Ledger
            from reportgen.supervising import report_in_child

            request = {"config": config.model_dump(), "folders": list(map(str, folders)), "command": command}
            return report_in_child(request, Ledger(order, config.time_limit), display)
        from reportgen.collecting import collect
        from reportgen.loading import arguments, importable

        # The folders stay importable, behind all others, for what a model imports only when it runs.
        with importable(folders, last=True):
            return collect(**arguments(config, folders), command=command, progress=display)


def render(
    source: Path, out: Sequence[str], templates: str | None, command: str, *, quiet: bool, debug: bool
) -> int:
    """Write the report that `source` holds anew. Raises InputError where it holds none."""
    from reportgen.config import check_outputs, check_templates

    with _traced(debug):
        targets = check_outputs(out)
        check_templates(templates)
        if not source.is_file():
            raise InputError(f"report: {str(source)!r} is not a file", "give a report: .json, .html or .pdf")
        return OK if _save(SavedReport(source), targets, templates, None, quiet=quiet) else UNWRITTEN


def sections(command: str) -> int:
    """Print each section that is installed, what it says of itself, and the package it is from."""
    from reportgen.running import available

    rows = [(plain(name, 40), _says(point), _package(point)) for name, point in available().items()]
    for name, says, package in rows:
        print(
            f"{name:<{max(len(row[0]) for row in rows)}}  {says:<{max(len(row[1]) for row in rows)}}  {package}"
        )
    return OK


def watch(
    logs: Sequence[str], out: Sequence[str], pattern: str, title: str, every: float, templates: str | None,
    command: str, *, redact: bool, quiet: bool, debug: bool,
) -> int:  # fmt: skip
    """Keep a report of these logs up to date. Raises InputError."""
    from reportgen.config import check_outputs, check_templates
    from reportgen.watching import Watch
    from reportgen.watching import watch as follow

    with _traced(debug):
        targets = check_outputs(out)
        check_templates(templates)
        for target in targets:
            if target.suffix.lower() not in (".html", ".json"):
                raise InputError(
                    f"--out: {target.name!r} can't be kept up to date",
                    "name .html or .json; render a PDF of it in the end",
                )
        say = (lambda line: None) if quiet else (lambda line: print(plain(line, 300), flush=True))
        watching = Watch(
            logs, targets, pattern=pattern, title=title, every=every, command=command, say=say,
            templates=Path(templates) if templates else None, redact=redact,
        )  # fmt: skip
        return OK if follow(watching) else UNWRITTEN


def _says(point: Any) -> str:
    try:
        lines = (point.load().__doc__ or "").strip().splitlines()
    except Exception as error:  # noqa: BLE001 - a stranger's broken section is listed like the others
        return plain(f"(can't be loaded: {one_line(error)})")
    return plain(lines[0]) if lines else "(says nothing of itself)"


def _package(point: Any) -> str:
    return plain(f"{point.dist.name} {point.dist.version}") if point.dist else "unknown package"


def demo(folder: Path, command: str, *, quiet: bool, debug: bool) -> int:
    """Train in `folder`, make the report there, and say what is in it."""
    from reportgen.collecting import collect
    from reportgen.demo import prepare

    with _traced(debug), Press(None) as press:
        with Display(quiet=quiet) as display:
            try:
                arguments = prepare(folder, say=display.say)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"what was finished is in {folder}") from None
            report = collect(**arguments, command=command, progress=display)
        targets = [folder / f"report.{suffix}" for suffix in ("html", "pdf", "json")]
        _save(report, targets, None, press, quiet=quiet)
        if not quiet:
            _summary(report.sections)
        return SECTION_FAILED if report.failed else OK


def schema(command: str) -> int:
    """Print the JSON schema of a report."""
    import json

    from reportgen.report import json_schema

    print(json.dumps(json_schema(), indent=2))
    return OK


@contextlib.contextmanager
def _traced(debug: bool) -> Iterator[None]:
    """Show the traceback of what goes wrong inside, where it was asked for."""
    try:
        yield
    except Exception as error:
        for line in getattr(error, "trace", ()) if debug else ():
            say(line)
        if debug and not hasattr(error, "trace"):
            trace(error)
        raise


def _pdf_wanted(targets: Sequence[Path]) -> bool:
    return any(path.suffix.lower() == ".pdf" for path in targets)


def _save(
    report: Report | SavedReport,
    targets: Sequence[Path],
    templates: str | None,
    press: Press | None,
    *,
    quiet: bool,
) -> bool:
    """Write each file, the JSON first and the PDF last, and say so; whether all were.

    What fails costs none of the others.
    """
    written: list[str] = []
    if press is not None and not isinstance(report, SavedReport):
        press.send(report)
    for path in sorted(targets, key=_cost):
        try:
            printed = press.receive() if press is not None and path.suffix.lower() == ".pdf" else None
            if printed is not None:
                files.replace(path, printed)
            else:
                report.save(path, templates=templates)
        except InputError:
            raise
        except KeyboardInterrupt:
            said = f"the rest was not written, {', '.join(written)} was" if written else ""
            raise KeyboardInterrupt(said) from None
        except Exception as error:  # noqa: BLE001 - a full disk, no Pango, a broken template: all one line
            why = error.strerror or str(error) if isinstance(error, OSError) else one_line(error)
            _complain(f"{path} was not written: {why}")
            continue
        written.append(str(path))
        if not quiet:
            put(_written(path), sys.stdout)
    return len(written) == len(targets)


def _cost(path: Path) -> int:
    """What is written soonest comes first: a PDF that takes too much costs no other file."""
    return {".json": 0, ".pdf": 2}.get(path.suffix.lower(), 1)


def _written(path: Path) -> str:
    return f"{plain(str(path))}  {path.stat().st_size / 1024:,.1f} KB"


def _summary(found: Sequence[Section]) -> None:
    """One line a section: its state, its seconds, its KB, and why where it is not ok."""
    width = max((len(plain(section.name, 40)) for section in found), default=0)
    for section in found:
        seconds = "" if section.seconds is None else f"{section.seconds:.2f} s"
        size = f"{len(section.model_dump_json().encode()) / 1024:,.1f} KB"
        line = f"{plain(section.name, 40):<{width}}  {section.status:<7}  {seconds:>9}  {size:>11}"
        put(f"{line}  {plain(section.reason)}".rstrip(), sys.stdout)
        failed = [block for block in section.blocks if block.kind == "failure" and section.status == "ok"]
        for block in failed[:_FAILURES]:
            put(f"{'':<{width}}  {plain(f'{block.title or block.id}: {block.message}')}", sys.stdout)
        if len(failed) > _FAILURES:
            put(f"{'':<{width}}  … and {len(failed) - _FAILURES:,} more like these", sys.stdout)


def _tell_failed(report: Report) -> None:
    for section in report.failed:
        _complain(f"section {section.name} failed: {section.reason}")


def _complain(line: str) -> int:
    say(line, before="error: ")
    return UNWRITTEN
