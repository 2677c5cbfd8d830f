"""From files that were read to runs: files of a folder together, formats merged, settings and parts in their run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reportgen.history.agreement import alike
from reportgen.history.assemble import fold_parts, merge_formats, run_of
from reportgen.history.locate import LogFile
from reportgen.history.model import Reading, Run, Source
from reportgen.history.readers import Reader


@dataclass
class ReadLog:
    """A file that was read, and the name of its run."""

    file: LogFile
    reader: Reader
    reading: Reading
    source: Source
    run: str


def runs_of(logs: list[ReadLog], readers: Sequence[Reader]) -> list[Run]:
    """The runs: files of a folder together, formats of a folder merged, parts of a run folded into it."""
    _newest(logs)
    _joined(logs)
    _separate(logs)
    runs: dict[str, Run] = {}
    for name, together in _by_run(logs).items():
        mine = [log for log in together if _shows(log.reading)]
        formats = [reader for reader in readers if any(log.reader is reader for log in mine)]
        parts = [run_of(name, [log.reading for log in mine if log.reader is reader]) for reader in formats]
        if not parts:
            continue
        run, left = merge_formats(parts)
        for reader, tags in zip(formats, left, strict=True):
            for log in mine:
                if log.reader is reader and tags:
                    why = f"{log.source.why}; already read from another file of the run: {_some(tags)}"
                    log.source = replace(log.source, why=why)
        if _only_settings(mine, run):
            _tell_results(mine, run)
        else:
            runs[name] = run
    return [_closed(run) for run in _folded(_with_extras(runs, logs), logs)]


_CLOSING = "train_runtime"  # what the Trainer writes last, beside it averages over the whole run
_AVERAGES = ("train_loss", "train_samples_per_second", "train_steps_per_second", "total_flos")


def _closed(run: Run) -> Run:
    """The run with the Trainer's closing numbers among its summary, where event files hold them as curves."""
    head = next(
        (tag.removesuffix(_CLOSING) for tag in run.series if tag in (_CLOSING, f"train/{_CLOSING}")), None
    )
    if head is None:
        return run
    closing = {
        name: run.series[f"{head}{name}"]
        for name in (_CLOSING, *_AVERAGES)
        if f"{head}{name}" in run.series and len(run.series[f"{head}{name}"]) == 1
    }
    series = {tag: one for tag, one in run.series.items() if tag.removeprefix(head) not in closing}
    told = {name: float(one.value[-1]) for name, one in closing.items()}
    return replace(run, series=series, summary={**told, **run.summary})


def _shows(reading: Reading) -> bool:
    return bool(reading.points or reading.histograms or reading.images or reading.texts)


def _with_extras(runs: dict[str, Run], logs: Sequence[ReadLog]) -> dict[str, Run]:
    """The runs with what else their files hold; settings in a folder without curves are those of the run about it."""
    for name, together in _by_run(logs).items():
        host = name if name in runs else name.rpartition("/")[0]
        if host not in runs:
            for log in together:
                note = (
                    "hyper-parameters of no run: there is no curve with them" if log.reading.settings else ""
                )
                log.source = _noted(log.source, note)
            continue
        run = runs[host]
        # A file of settings alone first: it holds them as they were given, a log what it could make of them.
        for log in sorted(together, key=lambda log: _shows(log.reading)):
            run = _with(run, log.reading)
        runs[host] = run
    return runs


def _with(run: Run, got: Reading) -> Run:
    known = {name.replace("/", ".") for name in run.settings}
    settings = {name: value for name, value in got.settings.items() if name.replace("/", ".") not in known}
    return replace(
        run,
        summary={**got.summary, **run.summary},
        settings={**run.settings, **settings},
        histograms={**run.histograms, **got.histograms},
        images={**run.images, **got.images},
        texts={**run.texts, **got.texts},
        state=got.state or run.state,
    )


def _by_run(logs: Sequence[ReadLog]) -> dict[str, list[ReadLog]]:
    groups: dict[str, list[ReadLog]] = {}
    for log in logs:
        groups.setdefault(log.run, []).append(log)
    return groups


def _newest(logs: list[ReadLog]) -> None:
    """Of files that each hold the whole run so far, keep the newest."""
    for mine in _by_run([log for log in logs if log.reader.snapshots]).values():
        best = max(mine, key=lambda log: (_last(log.reading), log.source.points))
        for log in mine:
            if log is best:
                continue
            same = _prefix(log.reading, best.reading)
            note = "" if same else f"is no earlier state of {best.file.shown}, and is left out"
            why = f"{log.source.why}; an earlier state of {best.file.shown}" if same else log.source.why
            log.source = replace(_noted(log.source, note), points=0, why=why)
            log.reading = Reading({})


def _joined(logs: list[ReadLog]) -> None:
    """Hugging Face's Trainer writes event files below `runs/`, beside its state: one run where they tell the same."""
    states = {log.run: log for log in logs if log.reader.snapshots and log.reading.points}
    for log in logs:
        host = log.run.rpartition("/runs/")[0]
        if host in states and alike(log.reading.points, states[host].reading.points):
            log.run = host


def _last(reading: Reading) -> int:
    return max((int(points.step.max()) for points in reading.points.values()), default=-1)


def _prefix(early: Reading, late: Reading) -> bool:
    """Whether all that the one says, the other says too, up to there."""
    for tag, points in early.points.items():
        after = late.points.get(tag)
        if after is None or points.step.tolist() != after.step[: len(points)].tolist():
            return False
        if points.value.tobytes() != after.value[: len(points)].tobytes():
            return False
    return True


def _separate(logs: list[ReadLog]) -> None:
    """Give several tables of one folder and format a run each, named after the file."""
    tables = [log for log in logs if not (log.reader.several or log.reader.snapshots)]
    groups: dict[tuple[str, str], list[ReadLog]] = {}
    for log in tables:
        groups.setdefault((log.run, log.reader.name), []).append(log)
    for (name, _), mine in groups.items():
        if len(mine) > 1:
            for log in mine:
                log.run = f"{name}/{log.file.plain.stem}"


def _only_settings(logs: list[ReadLog], run: Run) -> bool:
    """Whether this is the sub-folder that `add_hparams` writes: no curve, a last value for each metric."""
    return all(log.reading.only_settings for log in logs) and all(len(s) < 2 for s in run.series.values())


def _tell_results(logs: list[ReadLog], run: Run) -> None:
    """What `add_hparams` calls metrics are results of the run about it, and no curves."""
    results = {tag: float(one.value[-1]) for tag, one in run.series.items() if len(one)}
    found = [f"{tag[:60]} {value:.6g}" for tag, value in results.items()]
    note = f"results beside the hyper-parameters: {', '.join(found[:10])}" if found else ""
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    for log in logs:
        log.reading = replace(log.reading, summary={**results, **log.reading.summary})
        log.source = replace(log.source, notes=(*log.source.notes, *([note + more] if note else [])))


def _folded(runs: dict[str, Run], logs: list[ReadLog]) -> list[Run]:
    grouped = _by_run(logs)
    parts = fold_parts(runs, grouped)
    for name, (whole, tags) in parts.items():
        part = runs.pop(name)
        host = runs.get(whole, Run(whole, {}))
        renamed = {tags[tag]: replace(one, tag=tags[tag]) for tag, one in part.series.items()}
        summary = {**part.summary, **host.summary}
        # add_scalars: several curves that were given one name, to be drawn in one chart.
        shared = {new: tag for tag, new in tags.items() if new.startswith(f"{tag}/")}
        runs[whole] = replace(
            host,
            series={**host.series, **renamed},
            summary=summary,
            together={**host.together, **shared},
        )
        for log in grouped[name]:
            log.run = whole
    return [runs[name] for name in sorted(runs, key=_natural)]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """The order a reader expects: version_2 before version_10."""
    out, digits = [], ""
    for character in name + "\0":
        if character.isascii() and character.isdigit():
            digits += character
            continue
        if digits:
            out.append((0, int(digits[:18]), digits))
            digits = ""
        out.append((1, 0, character))
    return out


def _noted(source: Source, note: str) -> Source:
    return replace(source, warnings=(*source.warnings, note)) if note else source


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:60]) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
