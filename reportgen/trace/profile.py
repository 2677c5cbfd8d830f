"""The time that each layer takes, measured by torch's profiler: medians of several runs on this machine."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reportgen.data import Inputs
from reportgen.errors import RAISED, one_line
from reportgen.guard import seed_all, untouched
from reportgen.machine import cores, processor
from reportgen.report import Bars, Block, Column, Row, Table, Text
from reportgen.trace.layers import catalogue
from reportgen.trace.steps import Step, Trace
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from reportgen.experiment import Experiment, Options

WARM_UP = 3
FEWEST, MOST = 3, 20  # measured runs
SECONDS = 10.0  # after which no further run is begun
SLOWEST = 10.0  # seconds of one pass above which nothing is measured: it would take too many of them
MOST_BARS, MOST_ROWS = 20, 200
OUTSIDE = "outside of layers"

COLUMNS = (
    Column(name="Layer"),
    Column(name="Type"),
    Column(name="Calls", unit="exact", note="a run"),
    Column(name="Time", unit="s", note="median, a run"),
    Column(name="From", unit="s", note="fastest run"),
    Column(name="To", unit="s", note="slowest run"),
    Column(name="Share", unit="share", note="of the runs' time"),
    Column(name="FLOP/s", unit="count", note="FLOPs by the median"),
)


@dataclass(frozen=True)
class Measured:
    """Seconds of each run: of the whole pass, of each layer's own time, of the rest, of passes nobody watched.

    A layer's own time is that of its calls without those of inner layers. `calls` are those of one run.
    """

    total: list[float]
    own: dict[str, list[float]]
    rest: list[float]
    unwatched: list[float]
    calls: dict[str, int]


def profile_blocks(seen: Trace, experiment: Experiment, options: Options) -> list[Block]:
    """Bars and a table of the slowest layers; one line where nothing can be measured."""
    reason = _reason(seen, experiment)
    if reason:
        return [Text(id="time", title="Measured time", text=f"No time was measured: {reason}.")]
    assert experiment.model is not None
    assert experiment.example is not None
    inputs = experiment.example
    try:
        with untouched(experiment.model, *inputs.tensors, seed=options.seed), torch.no_grad():
            measured = measure(seen, experiment.model, inputs, seed=options.seed)
    except RAISED as error:  # a stranger's forward pass may raise anything
        said = f"No time was measured: {one_line(error, 200)}."
        return [Text(id="time", title="Measured time", text=said)]
    return _blocks(seen, measured, _caption(measured, inputs))


def _reason(seen: Trace, experiment: Experiment) -> str:
    if experiment.example is None:
        return "there is no input"
    if experiment.forward_problem is not None or not seen.complete:
        return "no forward pass ran to its end"
    if experiment.no_values is not None:
        return "the model is on the meta device, where nothing is computed"
    if torch.autograd._profiler_enabled():
        return "a profiler is running already"
    if torch.device(experiment.device).type not in ("cpu", "cuda"):
        return f"on {experiment.device} torch's profiler tells no layer's time"
    if experiment.program is not None or seen.layers[0].scripted:
        return "the calls of an exported or scripted model's layers can't be watched"
    return ""


def measure(seen: Trace, model: nn.Module, inputs: Inputs, *, seed: int) -> Measured:
    """Run the model a few times with its layers watched and as often without. Raises what it raises."""
    for _ in range(WARM_UP):
        first = _timed(model, inputs, seed)
        if first > SLOWEST:
            raise RuntimeError(
                f"one pass takes {show(first, 's')}, and {2 * FEWEST + WARM_UP} or more are needed"
            )
    watch = _Watch(seen, model)
    runs: list[dict[str, float]] = []
    unwatched: list[float] = []
    start = time.perf_counter()
    with watch.hooked(), _quiet():
        watch.run(inputs, seed)  # the profiler warms up too
        while len(runs) < FEWEST or (len(runs) < MOST and time.perf_counter() - start < SECONDS):
            runs.append(watch.run(inputs, seed))
            with watch.off():
                unwatched.append(_timed(model, inputs, seed))
    total = [run.pop("") for run in runs]
    rest = [run.pop(_REST) for run in runs]
    own = {
        path: [run.get(path, 0.0) for run in runs] for path in dict.fromkeys(p for run in runs for p in run)
    }
    named = {path.removeprefix(":"): spent for path, spent in own.items()}
    return Measured(total, named, rest, unwatched, watch.calls)


def _timed(model: nn.Module, inputs: Inputs, seed: int) -> float:
    own = inputs.map(lambda tensor: tensor.clone())
    seed_all(seed)
    _settle(inputs)
    start = time.perf_counter()
    own.call(model)
    _settle(inputs)
    return time.perf_counter() - start


def _settle(inputs: Inputs) -> None:
    """Wait for a GPU's queue: without that only the launching is timed."""
    for tensor in inputs.tensors[:1]:
        if tensor.is_cuda:
            torch.cuda.synchronize(tensor.device)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The profiler's library writes to the terminal when it starts, unless it is told not to before."""
    before = os.environ.get("KINETO_LOG_LEVEL")
    os.environ["KINETO_LOG_LEVEL"] = "99"
    try:
        yield
    finally:
        if before is None:
            del os.environ["KINETO_LOG_LEVEL"]
        else:
            os.environ["KINETO_LOG_LEVEL"] = before


_REST = "rest"


class _Watch:
    """A range about every call of every layer, by a number: names of layers and ranges are a stranger's."""

    def __init__(self, seen: Trace, model: nn.Module) -> None:
        self._model = model
        self._prefix = f"reportgen {secrets.token_hex(8)} "
        known = {layer.path: layer for layer in seen.layers}
        # What is inside a leaf counts as the leaf's.
        self._modules = [
            (path, module)
            for path, module in catalogue(model).modules.items()
            if path and not known[path].scripted and not known[known[path].parent].leaf
        ]
        self._opened: list[Any] = []
        self._on = False
        self._thread = threading.get_ident()
        self.calls: dict[str, int] = {}

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        handles: list[Any] = []
        try:
            for number, (_, module) in enumerate(self._modules):
                handles.append(module.register_forward_pre_hook(self._begin(number), prepend=True))
                handles.append(module.register_forward_hook(self._end, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        self._on = False
        yield

    def _begin(self, number: int) -> Any:
        def before(*_: Any) -> None:
            if self._on and threading.get_ident() == self._thread:
                self._opened.append(torch.profiler.record_function(f"{self._prefix}{number}"))
                self._opened[-1].__enter__()

        return before

    def _end(self, *_: Any) -> None:
        if self._opened and threading.get_ident() == self._thread:
            self._opened.pop().__exit__(None, None, None)

    def run(self, inputs: Inputs, seed: int) -> dict[str, float]:
        """Seconds of one pass: of the whole under "", of the rest, and of each layer itself."""
        own = inputs.map(lambda tensor: tensor.clone())
        cuda = any(tensor.is_cuda for tensor in inputs.tensors)
        seed_all(seed)
        self._on, self.calls = True, {}
        # Without kineto on the CPU, which only a GPU needs.
        profiler = torch.autograd.profiler.profile(use_device="cuda" if cuda else None, use_kineto=cuda)
        with profiler, torch.profiler.record_function(f"{self._prefix}run"):
            own.call(self._model)
            _settle(inputs)
        self._on = False
        return self._parted(profiler.function_events, cuda=cuda)

    def _parted(self, events: Any, *, cuda: bool) -> dict[str, float]:
        """Each range's time without the ranges inside it. On a GPU that of the kernels which it launched."""
        ranges = sorted(
            (event for event in events
             if event.name.startswith(self._prefix) and event.device_type == torch.autograd.DeviceType.CPU),
            key=lambda event: (event.time_range.start, -event.time_range.end),
        )  # fmt: skip
        spent: dict[str, float] = {}
        inside: list[tuple[float, str]] = []  # the ranges about this one: their ends and layers
        for event in ranges:
            number = event.name.removeprefix(self._prefix)
            key = _REST if number == "run" else f":{self._modules[int(number)][0]}"
            span = event.time_range.end - event.time_range.start
            took = (event.device_time_total if cuda else span) / 1e6
            while inside and inside[-1][0] <= event.time_range.start:
                inside.pop()
            if number == "run":
                spent[""] = took
            else:
                self.calls[key[1:]] = self.calls.get(key[1:], 0) + 1
            if inside:
                spent[inside[-1][1]] -= took
            spent[key] = spent.get(key, 0.0) + took
            inside.append((event.time_range.end, key))
        return spent


def _caption(measured: Measured, inputs: Inputs) -> str:
    kind = next(iter(inputs.tensors), None)
    where = processor() or "an unnamed processor"
    if kind is not None and kind.is_cuda:
        where = torch.cuda.get_device_name(kind.device)
    watched, alone = statistics.median(measured.total), statistics.median(measured.unwatched)
    return (
        f"Medians of {plural(len(measured.total), 'run')} after {WARM_UP} to warm up, on {inputs.describe()}, in eval "
        f"mode without gradients, by torch's profiler on {platform.node() or 'this machine'}: {where}, "
        f"{plural(cores() or 1, 'core')}, {plural(torch.get_num_threads(), 'torch thread')}, "
        f"torch {torch.__version__}. A pass took {show(alone, 's')} unwatched and {show(watched, 's')} watched; "
        "shares are of the latter. A layer's time is its own, without inner layers; the profiler adds some "
        "microseconds to each call. Measured times differ from run to run."
    )


def _blocks(seen: Trace, measured: Measured, caption: str) -> list[Block]:
    medians = {path: statistics.median(spent) for path, spent in measured.own.items()}
    ranked = sorted((path for path in medians if _counts(seen, path)), key=lambda path: -medians[path])
    shown = [(_name(seen, path), measured.own[path]) for path in ranked[:MOST_BARS]]
    shown.append((OUTSIDE, _outside(seen, measured)))
    bars = Bars(
        id="time", title="Measured time by layer",
        labels=tuple(shorten(name, 60) for name, _ in shown),
        values=tuple(statistics.median(spent) for _, spent in shown),
        low=tuple(min(spent) for _, spent in shown),
        high=tuple(max(spent) for _, spent in shown),
        unit="s", caption=f"{caption} The {len(shown) - 1} slowest; lines go from the fastest to the slowest run.",
    )  # fmt: skip
    total = sum(measured.total)
    rows = [_row(seen, measured, path, total) for path in ranked[:MOST_ROWS]]
    rest = _outside(seen, measured)
    rows.append(Row(cells=(OUTSIDE, "", None, *_figures(rest, total), None)))
    table = Table(
        id="time-by-layer", title="Measured time, layer by layer", columns=COLUMNS, rows=tuple(rows),
        total=len(ranked) + 1, folded=True,
        caption="The slowest first. A layer that is called several times counts all its calls; operations in the "
        "forward of a layer that has inner ones count as that layer's.",
    )  # fmt: skip
    return [bars, table]


def _counts(seen: Trace, path: str) -> bool:
    """Whether a layer has a row: a container that does nothing but call what is in it has none."""
    layer = seen.by_path[path]
    return layer.leaf or any(step.path == path and step.kind == "op" for step in _inside(seen, path))


def _inside(seen: Trace, path: str) -> Iterator[Step]:
    for call in seen.calls.get(path, ()):
        yield from seen.inside(call.index)


def _outside(seen: Trace, measured: Measured) -> list[float]:
    """What no layer with a row takes: the model's own forward, calling, containers."""
    hidden = [spent for path, spent in measured.own.items() if not _counts(seen, path)]
    return [rest + sum(spent[at] for spent in hidden) for at, rest in enumerate(measured.rest)]


def _name(seen: Trace, path: str) -> str:
    return path if seen.by_path[path].leaf else f"{path} (itself)"


def _figures(spent: list[float], total: float) -> tuple[float, float, float, float | None]:
    return statistics.median(spent), min(spent), max(spent), sum(spent) / total if total else None


def _row(seen: Trace, measured: Measured, path: str, total: float) -> Row:
    spent, layer = measured.own[path], seen.by_path[path]
    median = statistics.median(spent)
    flops = seen.flops_by_path[path]
    if not layer.leaf:
        flops = sum(step.flops for step in seen.steps if step.path == path)
    known = not seen.unknown_by_path[path] and median > 0
    return Row(
        cells=(
            shorten(_name(seen, path), 80),
            shorten(layer.type, 60),
            measured.calls.get(path, 0),
            *_figures(spent, total),
            flops / median if known else None,
        )
    )
