"""From what each file says to runs: files of one run merged, restarts found, superseded points flagged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from reportgen.history.agreement import agree, key
from reportgen.history.model import DUPLICATE, NONFINITE, SUPERSEDED, Points, Reading, Run, Series
from reportgen.history.names import parse


def run_of(name: str, readings: Sequence[Reading]) -> Run:
    """One run from the files of one format, in any order: they are sorted by their first wall time."""
    ordered = sorted(readings, key=_began)
    tags = dict.fromkeys(tag for reading in ordered for tag in reading.points)
    series = {tag: _series(tag, ordered) for tag in tags}
    summary: dict[str, float] = {}
    for reading in ordered:
        summary.update(reading.summary)
    return Run(name, series, summary)


def _began(reading: Reading) -> float:
    walls = [p.wall[np.isfinite(p.wall)] for p in reading.points.values()]
    return min((float(w.min()) for w in walls if len(w)), default=np.inf)


def _series(tag: str, readings: Sequence[Reading]) -> Series:
    purges: list[int] = []
    parts, sessions, axis = [], [], ""
    for reading in readings:
        if tag in reading.points:
            parts.append(reading.points[tag])
            sessions.append(parts[-1].session + len(purges))
            axis = axis or reading.axis
        purges += reading.purges  # a session that starts anew holds for the tags that it never logs, too
    step, wall, value = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("step", "wall", "value")
    )
    session = np.concatenate(sessions)
    if len(parts) > 1 and _overlap(parts):
        order = _interleave(parts, step, wall)
        step, wall, value, session = step[order], wall[order], value[order], session[order]
    if axis == "step" and len(step) > 1 and not step.any():
        axis = "point"
    segment, flags = _flags(step, session, purges, axis)
    flags[~np.isfinite(value)] |= NONFINITE
    return Series(tag, step, wall, value, segment, flags, axis)


def _overlap(parts: Sequence[Points]) -> bool:
    """Whether a file was begun before the one before it had ended: two writers, and no restart."""
    latest = -np.inf
    for part in parts:
        known = part.wall[np.isfinite(part.wall)]
        if len(known) and known.min() < latest:
            return True
        latest = max(latest, float(known.max()) if len(known) else -np.inf)
    return False


def _interleave(parts: Sequence[Points], step: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """The order of points that several writers wrote at a time: by step, or by time where one restarted."""
    monotone = all((np.diff(part.step) >= 0).all() for part in parts)
    return np.lexsort((wall, step)) if monotone else np.argsort(wall, kind="stable")


def _flags(
    step: np.ndarray, session: np.ndarray, purges: Sequence[int], axis: str
) -> tuple[np.ndarray, np.ndarray]:
    """Segment int32 and flags uint8: a new segment where the step goes back or a session starts."""
    count = len(step)
    flags = np.zeros(count, np.uint8)
    if axis == "point" or not count:
        return np.zeros(count, np.int32), flags
    started = np.diff(session, prepend=session[:1] * 0) > 0
    back = np.diff(step, prepend=step[:1]) < 0
    breaks = started | back
    breaks[0] = False  # nothing lies before the first point
    segment = np.cumsum(breaks).astype(np.int32)
    # What a restart goes back to: its purge step where one was written, else its first step.
    resumed = np.full(count, np.iinfo(np.int64).max)
    resumed[back] = step[back]
    for place in np.flatnonzero(started & breaks):
        low = min(purges[int(session[place - 1]) : int(session[place])], default=int(step[place]))
        resumed[place] = min(int(resumed[place]), low)
    lowest_after = np.minimum.accumulate(resumed[::-1])[::-1]
    lowest_after = np.append(lowest_after[1:], np.iinfo(np.int64).max)
    lowest_after = np.minimum(lowest_after, min(purges[int(session[-1]) :], default=np.iinfo(np.int64).max))
    flags[step >= lowest_after] |= SUPERSEDED
    flags[_repeated(step, segment)] |= DUPLICATE
    return segment, flags


def _repeated(step: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Which points have a later one of the same step in the same segment (where steps never fall)."""
    same = np.zeros(len(step), bool)
    same[:-1] = (step[:-1] == step[1:]) & (segment[:-1] == segment[1:])
    return same


def merge_formats(runs: Sequence[Run]) -> tuple[Run, list[list[str]]]:
    """One run from several formats of one folder, the first to come the most trusted.

    A metric that an earlier format has is not taken again; where only one of the two says that it is of
    training, the values decide whether they are the same. Returns the run, and for each format what was left
    out of it, a line each.
    """
    series: dict[str, Series] = {}
    summary: dict[str, float] = {}
    known: dict[tuple[str, str, str], str] = {}
    loosely: dict[tuple[str, str, str], str] = {}
    notes: list[list[str]] = []
    for run in runs:
        left, added = [], {}
        for tag, one in run.series.items():
            name = parse(tag)
            before = known.get((name.metric.lower(), name.role, name.each))
            like = loosely.get(key(tag))
            if before is None and like is not None and agree(series[like], one):
                before = like
            if before is None and tag not in series:
                added[tag] = one
            else:
                left.append(before or tag)
        for tag in added:
            name = parse(tag)
            known.setdefault((name.metric.lower(), name.role, name.each), tag)
            loosely.setdefault(key(tag), tag)
        series.update(added)
        summary = {**run.summary, **summary}
        notes.append(left)
    return Run(runs[0].name, series, summary), notes


_SPLITS = ("train", "training", "val", "valid", "validation", "eval", "test")


def fold_parts(runs: Mapping[str, Run], folders: Collection[str]) -> dict[str, tuple[str, dict[str, str]]]:
    """Which runs are parts of another one: run name to (the whole's name, new tag of each tag).

    `add_scalars("loss", {"a": ..})` writes `run/loss_a` (torch) or `run/loss/a` (tensorboardX) with the one
    tag `loss`, beside an event file in `run`; Keras writes `run/train` and `run/validation` with the same
    tags. `folders` are the names of all folders that hold a log, also one without a curve.
    """
    folded = {}
    for name, run in runs.items():
        whole, _, last = name.rpartition("/")
        tag = next(iter(run.series), "")
        host = whole.removesuffix(f"/{tag}")
        flat = f"{tag.replace('/', '_')}_"
        if len(run.series) == 1 and host != whole and host in folders:
            folded[name] = (host, {tag: f"{tag}/{last}"})
        elif len(run.series) == 1 and last.startswith(flat) and whole in folders:
            folded[name] = (whole, {tag: f"{tag}/{last.removeprefix(flat)}"})
        elif whole and last in _SPLITS and _split(whole, runs):
            folded[name] = (whole, {tag: f"{last}/{tag}" for tag in run.series})
    return folded


def _split(whole: str, runs: Mapping[str, Run]) -> bool:
    """Whether a folder holds a training and a validation run."""
    parts = [name.rpartition("/")[2] for name in runs if name.rpartition("/")[0] == whole]
    return {"train", "validation"} <= {parse(f"{part}/x").role for part in parts if part in _SPLITS}
