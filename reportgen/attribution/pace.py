"""How a model runs fastest: the batch and the memory format, found once, within a limit of memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.attribution.base import Score
from reportgen.attribution.sight import Sight
from reportgen.deadline import NEVER, Deadline

if TYPE_CHECKING:
    import torch

LIMIT = 300e6  # bytes of activations in a batch; a backward pass takes about half as much again
CACHED = 80e6  # bytes of a batch's largest operation up to which rates grow, where no clock may be asked
SIZES = tuple(2**power for power in range(10))
LAST = 6  # of SIZES, for what has more numbers than this:
LARGE = 10_000
SHAKEN = 0.01  # of |f(x) - f(baseline)|: scores of one input further apart would change an explanation
PASSES, SHARE = 40, 0.15  # that finding the pace takes about; of the time that is left they may take
SECONDS = 0.8  # for each of forward and gradient
LONGEST = 5.0  # seconds that a batch may take: the clock is asked between batches
WORSE = 0.75  # of the best rate, below which larger batches are not tried
NEAR = 0.85  # of the best rate: timed again, since what else the machine does may have cost it the difference

Run = Callable[[int, bool], None]


@dataclass(frozen=True)
class Pace:
    """Samples at once, and whether pictures lie channels-last in memory, forward and with gradients.

    `notes` say what was seen of the model meanwhile that bears on every explanation.
    """

    forward: int
    gradient: int
    channels_last: tuple[bool, bool] = (False, False)
    notes: tuple[str, ...] = ()


def measure(sight: Sight, *, timed: bool, deadline: Deadline = NEVER) -> Pace:
    """The pace for samples like this one, in about a second. Raises InputError where the model can't be run.

    With `timed` by the clock; without it by a rule from the sizes of the activations, so that the same model gets
    the same pace anywhere. Where scores of a batch are not those of its samples alone, the batch is one; so it is
    where a part of the time until the `deadline` is too short to find a better one.
    """
    experiment = sight.score.experiment
    fixed = experiment.fixed_batch
    if fixed:
        return Pace(fixed, fixed)
    if timed and deadline.timed and PASSES * experiment.pass_seconds > SHARE * deadline.left():
        return _slow(sight)
    few = probe(sight, 3)
    alone, again = sight.score.numbers(few, 1), sight.score.numbers(few, 1)
    near = _nearness(sight, alone)
    if not np.isfinite(alone).all():
        return Pace(1, 1)
    together = _together(sight, few)
    pairs = [(alone, again), *((together[0], other) for other in together[1:])]
    spread = max(float(np.abs(left - right).max()) for left, right in pairs)
    if not all(near(*pair) for pair in pairs) or _matters(sight, spread, alone):
        sizes = _by_rule(sight, *weigh(sight)) if together else (1, 1)
        return Pace(*sizes, notes=(UNSTEADY.format(f"{spread:.2g}"),))
    if not together:
        return Pace(1, 1)
    if not near(together[0], alone):
        return Pace(1, 1, notes=(MIXED,))
    layouts = [last for last in (False, True) if not last or _suits(sight, few, alone, near)]
    working, kept = weigh(sight)
    if not timed:
        last = len(layouts) > 1
        return Pace(*_by_rule(sight, working, kept), (last, last))
    rule = _by_rule(sight, working, kept)
    forward, forward_last = _climb(_forward(sight), _sizes(sight, working), layouts, rule[0])
    if not sight.values.is_floating_point() or not kept or not _has_slope(sight.score, few):
        return Pace(forward, 1, (forward_last, False))
    gradient, gradient_last = _climb(_gradient(sight), _sizes(sight, kept), layouts, rule[1])
    return Pace(forward, gradient, (forward_last, gradient_last))


def _slow(sight: Sight) -> Pace:
    """One sample at a time, of which no more is asked than whether the scores stay the same."""
    one = probe(sight, 1)
    first, again = sight.score.numbers(one, 1), sight.score.numbers(one, 1)
    spread = float(np.abs(first - again).max())
    unsteady = not _nearness(sight, first)(first, again) or _matters(sight, spread, first)
    return Pace(1, 1, notes=(UNSTEADY.format(f"{spread:.2g}"),) if unsteady else ())


UNSTEADY = (
    "Two forward passes of the same input differ by up to {}: the model draws at random or keeps a state, also in "
    "eval mode, so every number here is one of many that it may give."
)
MIXED = (
    "The score of a sample depends on what else is in its batch, so samples were run one at a time; in other "
    "batches the model may say otherwise."
)


def probe(sight: Sight, count: int) -> torch.Tensor:
    """`count` values on the way from the sample to its baseline; of whole numbers, the two in turn."""
    import torch

    ends = (sight.values.detach(), sight.baseline.values.detach().to(sight.values.dtype))
    if not sight.values.is_floating_point():
        return torch.cat([ends[at % 2] for at in range(count)])
    return torch.cat([torch.lerp(*ends, at / max(1, count)) for at in range(count)])


def weigh(sight: Sight) -> tuple[int, int]:
    """Bytes a sample: read and written by the largest operation, and kept for a backward pass (0: there is none)."""
    import torch

    with torch.no_grad(), _counting() as largest:
        sight.score(sight.values)
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_leaf:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    if sight.values.is_floating_point():
        with (
            contextlib.suppress(Exception),
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        ):
            sight.score(sight.values.detach().clone().requires_grad_()).sum()
    return max(largest), sum(kept.values())


@contextlib.contextmanager
def _counting() -> Iterator[list[int]]:
    """Collects the bytes that each operation reads and writes, but for a model's parameters."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    found = [1]

    class Counter(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = func(*args, **(kwargs or {}))
            tensors = [t for t in tree_leaves((args, made)) if isinstance(t, torch.Tensor)]
            found.append(
                sum(t.numel() * t.element_size() for t in tensors if not isinstance(t, torch.nn.Parameter))
            )
            return made

    with Counter():
        yield found


def _sizes(sight: Sight, each: int) -> Sequence[int]:
    """The batches to try, by the bytes that a sample takes: powers of two, and the largest that fits."""
    tried = SIZES[: LAST + 1] if sight.values.numel() > LARGE else SIZES
    most = min(tried[-1], int(LIMIT / max(1, each)))
    fitting = [size for size in tried if size == 1 or size <= most]
    return [*fitting, *([most] if most > 1.4 * fitting[-1] else [])]


def _by_rule(sight: Sight, working: int, kept: int) -> tuple[int, int]:
    """Batches, forward and with gradients, that are near the best on most processors."""
    forward = max(size for size in _sizes(sight, working) if size == 1 or size * working <= CACHED)
    return forward, min(forward, max(_sizes(sight, kept)) if kept else 1)


def _nearness(sight: Sight, scores: np.ndarray) -> Callable[[np.ndarray, np.ndarray], bool]:
    """Whether two arrays are equal but for rounding."""
    size = max(1e-6, float(np.abs(scores).max()))
    return lambda left, right: bool(np.abs(left - right).max() <= max(1e-3, _rounding(sight)) * size)


def _rounding(sight: Sight) -> float:
    """How far apart numbers of size 1 may lie by rounding alone."""
    import torch

    values = sight.values
    return 16 * torch.finfo(values.dtype if values.is_floating_point() else torch.float32).eps


def _matters(sight: Sight, spread: float, scores: np.ndarray) -> bool:
    """Whether scores of the same input that lie `spread` apart would change an explanation.

    What is explained is how the score moves from the baseline to the sample, however large both are.
    """
    base = sight.score.numbers(sight.baseline.values.detach().to(sight.values.dtype), 1)[0]
    moved = abs(float(scores[0] - base))
    return spread > max(SHAKEN * moved, _rounding(sight) * float(np.abs(scores).max()))


def _together(sight: Sight, few: torch.Tensor) -> list[np.ndarray]:
    """Scores of `few` in one batch, three times, for a random draw may be the same twice; none where it gives none."""
    try:
        made = [sight.score.numbers(few, len(few)) for _ in range(3)]
        return made if len(made[0]) == len(few) else []
    except Exception:  # noqa: BLE001 - a model that takes no batch is run one at a time
        return []


def _agrees(
    run: Callable[[], np.ndarray], expected: np.ndarray, near: Callable[[np.ndarray, np.ndarray], bool]
) -> bool:
    """Whether `run` gives what is expected, and does not raise."""
    try:
        return near(run(), expected)
    except Exception:  # noqa: BLE001 - a model that takes no such layout is run without
        return False


def _suits(
    sight: Sight, few: torch.Tensor, alone: np.ndarray, near: Callable[[np.ndarray, np.ndarray], bool]
) -> bool:
    """Whether the model takes pictures channels-last, with gradients too, and says the same of them."""
    if sight.values.ndim != 4 or min(sight.values.shape[1:]) < 2:
        return False
    score = _laid_out(sight, True)
    if not _agrees(lambda: score.numbers(few, len(few)), alone, near):
        return False
    # Where contiguous pictures have no gradient either, nothing is lost.
    return _has_slope(score, few) or not _has_slope(sight.score, few)


def _has_slope(score: Score, values: torch.Tensor) -> bool:
    try:
        _slope(score, values)
    except Exception:  # noqa: BLE001 - whatever it raises, there is no gradient
        return False
    return True


def _slope(score: Score, values: torch.Tensor) -> None:
    import torch

    with torch.enable_grad():
        leaf = values.detach().clone().requires_grad_()
        torch.autograd.grad(score(leaf).sum(), leaf)


def _forward(sight: Sight) -> Run:
    def run(size: int, last: bool) -> None:
        import torch

        with torch.no_grad():
            _laid_out(sight, last)(sight.values.expand(size, *sight.values.shape[1:]))

    return run


def _gradient(sight: Sight) -> Run:
    return lambda size, last: _slope(
        _laid_out(sight, last), sight.values.expand(size, *sight.values.shape[1:])
    )


def _laid_out(sight: Sight, last: bool) -> Score:
    return replace(sight.score, channels_last=(last, last))


def _climb(run: Run, sizes: Sequence[int], layouts: Sequence[bool], usual: int) -> tuple[int, bool]:
    """The batch and layout of the highest rate; larger batches are tried until the rate falls.

    Where the time is up before that, on a slow or busy machine, the `usual` batch if it is larger, or what of it
    takes no longer than a batch may.
    """
    rates: dict[tuple[int, bool], float] = {}
    start = time.perf_counter()
    for size in sizes:
        rates |= {(size, last): size / _seconds(run, size, last) for last in layouts}
        top, best = max(rates[size, last] for last in layouts), max(rates.values())
        if top < WORSE * best:
            break
        layouts = [last for last in layouts if rates[size, last] >= WORSE * top]
        if time.perf_counter() - start > SECONDS or 2 * size / top > SECONDS:
            found = _best(rates)
            return max(found[0], min(usual, int(LONGEST * best))), found[1]
    near = [pair for pair, rate in rates.items() if rate >= NEAR * max(rates.values())]
    return _best({pair: max(rates[pair], pair[0] / _seconds(run, *pair)) for pair in near})


def _best(rates: dict[tuple[int, bool], float]) -> tuple[int, bool]:
    return max(rates, key=lambda pair: rates[pair])


def _seconds(run: Run, size: int, last: bool) -> float:
    """The shortest of a few runs after a first one: what else the machine does only ever adds to it."""
    run(size, last)
    best, start, runs = float("inf"), time.perf_counter(), 0
    while runs < 2 or (time.perf_counter() - start < 0.02 and runs < 5):
        began = time.perf_counter()
        run(size, last)
        best, runs = min(best, time.perf_counter() - began), runs + 1
        if best > SECONDS / 4:
            break
    return max(best, 1e-7)
