"""The time that each layer takes, measured by torch's profiler: medians of several runs on this machine."""

from __future__ import annotations

import contextlib
import platform
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reportgen.data import Inputs
from reportgen.errors import one_line
from reportgen.guard import untouched
from reportgen.machine import cores, processor
from reportgen.report import Bars, Block, Column, Row, Table, Text
from reportgen.trace.steps import Trace
from reportgen.units import plural, shorten, show

if TYPE_CHECKING:
    from reportgen.experiment import Experiment, Options

WARM_UP = 3
FEWEST, MOST = 3, 20  # measured runs
SECONDS = 10.0  # that these may take together
EVENTS = 200_000  # that the profiler may hold
MOST_BARS, MOST_ROWS = 20, 200
RUN, CALL = "reportgen run", "reportgen call "
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
    """Seconds of each run: of the whole pass, of each path's own time, and of passes that nothing watched."""

    total: list[float]
    own: dict[str, list[float]]
    unwatched: list[float]


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
            measured = measure(seen, experiment.model, inputs)
    except Exception as error:  # noqa: BLE001 - a stranger's forward pass may raise anything
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
    if experiment.program is not None or seen.layers[0].scripted:
        return "the calls of an exported or scripted model's layers can't be watched"
    return ""


def measure(seen: Trace, model: nn.Module, inputs: Inputs) -> Measured:
    """Run the model a few times with its layers watched and as often without. Raises what it raises."""
    for _ in range(WARM_UP):
        first = _timed(model, inputs)
    slower = 3 * first + 1e-4 * len(seen.steps)  # what watching adds is not known yet
    count = min(MOST, int(SECONDS / max(slower, 1e-6)), EVENTS // (10 * len(seen.steps) + 1))
    count = max(FEWEST, count)
    unwatched = [_timed(model, inputs) for _ in range(count)]
    return _parted(seen, _profiled(seen, model, inputs, count), count, unwatched)


def _timed(model: nn.Module, inputs: Inputs) -> float:
    own = inputs.map(lambda tensor: tensor.clone())
    _settle(inputs)
    start = time.perf_counter()
    model(*own.args, **own.kwargs)
    _settle(inputs)
    return time.perf_counter() - start


def _settle(inputs: Inputs) -> None:
    """Wait for a GPU's queue: without that only the launching is timed."""
    if inputs.primary is not None and inputs.primary.is_cuda:
        torch.cuda.synchronize(inputs.primary.device)


def _profiled(seen: Trace, model: nn.Module, inputs: Inputs, count: int) -> Any:
    cuda = inputs.primary is not None and inputs.primary.is_cuda
    # Kineto, which only a GPU needs, writes to the terminal when it starts.
    profiler = torch.autograd.profiler.profile(use_device="cuda" if cuda else None, use_kineto=cuda)
    with _watched(seen, model), profiler:
        for _ in range(count):
            own = inputs.map(lambda tensor: tensor.clone())
            with torch.profiler.record_function(RUN):
                model(*own.args, **own.kwargs)
                _settle(inputs)
    return profiler.function_events


@contextlib.contextmanager
def _watched(seen: Trace, model: nn.Module) -> Iterator[None]:
    """A range about every call of every leaf, named by its number: names of layers are a stranger's."""
    opened: list[Any] = []

    def begin(number: int) -> Any:
        def before(*_: Any) -> None:
            opened.append(torch.profiler.record_function(f"{CALL}{number}"))
            opened[-1].__enter__()

        return before

    def end(*_: Any) -> None:
        if opened:
            opened.pop().__exit__(None, None, None)

    handles: list[Any] = []
    modules = dict(model.named_modules(remove_duplicate=False))
    try:
        for number, layer in enumerate(seen.layers):
            module = modules.get(layer.path)
            if layer.leaf and not layer.alias_of and module is not None and not layer.scripted:
                handles.append(module.register_forward_pre_hook(begin(number), prepend=True))
                handles.append(module.register_forward_hook(end, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _parted(seen: Trace, events: Any, count: int, unwatched: list[float]) -> Measured:
    """Each run's time by leaf; a leaf's time is that of its outermost ranges, so that it counts once."""
    ranges = sorted(
        ((e.time_range.start, -e.time_range.end, e.name) for e in events if e.name.startswith((RUN, CALL))),
    )
    total: list[float] = []
    own: dict[str, list[float]] = {}
    inner = run_end = 0.0
    for start, negative, name in ranges:
        end = -negative
        if name == RUN:
            total.append((end - start) / 1e6)
            run_end = end
        elif total and start >= inner and end <= run_end:
            path = seen.layers[int(name.removeprefix(CALL))].path
            spent = own.setdefault(path, [0.0] * count)
            spent[len(total) - 1] += (end - start) / 1e6
            inner = end
    rest = [whole - sum(spent[at] for spent in own.values()) for at, whole in enumerate(total)]
    return Measured(total, {**own, OUTSIDE: rest}, unwatched)


def _caption(measured: Measured, inputs: Inputs) -> str:
    kind = inputs.primary
    where = processor() or "an unnamed processor"
    if kind is not None and kind.is_cuda:
        where = torch.cuda.get_device_name(kind.device)
    watched, alone = statistics.median(measured.total), statistics.median(measured.unwatched)
    return (
        f"Medians of {plural(len(measured.total), 'run')} after {WARM_UP} to warm up, on {inputs.describe()}, in eval "
        f"mode without gradients, by torch's profiler on {platform.node() or 'this machine'}: {where}, "
        f"{plural(cores() or 1, 'core')}, {plural(torch.get_num_threads(), 'torch thread')}, "
        f"torch {torch.__version__}. A pass took {show(alone, 's')} unwatched and {show(watched, 's')} watched; "
        "shares are of the latter. Measured times differ from run to run."
    )


def _blocks(seen: Trace, measured: Measured, caption: str) -> list[Block]:
    medians = {path: statistics.median(spent) for path, spent in measured.own.items()}
    ranked = sorted((path for path in medians if path != OUTSIDE), key=lambda path: -medians[path])
    shown = [*ranked[:MOST_BARS], OUTSIDE]
    bars = Bars(
        id="time", title="Measured time by layer",
        labels=tuple(shorten(path or seen.layers[0].type, 60) for path in shown),
        values=tuple(medians[path] for path in shown),
        low=tuple(min(measured.own[path]) for path in shown),
        high=tuple(max(measured.own[path]) for path in shown),
        unit="s", caption=f"{caption} Lines go from the fastest to the slowest run.",
    )  # fmt: skip
    total = sum(measured.total)
    rows = [_row(seen, measured, path, medians[path], total) for path in ranked[:MOST_ROWS]]
    rows.append(_row(seen, measured, OUTSIDE, medians[OUTSIDE], total))
    table = Table(
        id="time-by-layer", title="Measured time, layer by layer", columns=COLUMNS, rows=tuple(rows),
        total=len(ranked) + 1, folded=True,
        caption="The slowest first. A layer that is called several times counts all its calls.",
    )  # fmt: skip
    return [bars, table]


def _row(seen: Trace, measured: Measured, path: str, median: float, total: float) -> Row:
    spent = measured.own[path]
    layer = seen.by_path.get(path) if path != OUTSIDE else None
    flops = seen.flops_by_path[path] if layer is not None and not seen.unknown_by_path[path] else 0
    return Row(
        cells=(
            shorten(path or seen.layers[0].type, 80),
            shorten(layer.type, 60) if layer is not None else "",
            len(seen.calls.get(path, ())) if layer is not None else None,
            median,
            min(spent),
            max(spent),
            sum(spent) / total if total else None,
            flops / median if flops and median else None,
        )
    )
