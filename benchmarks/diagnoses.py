"""Each calibrated rule on simulated curves, false and true rates: python -m benchmarks.diagnoses [runs a case]."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from benchmarks.measure import table
from reportgen.history.diagnose import NotEnoughError, non_finite, rise_after_best, spikes, stalls
from reportgen.history.model import Series
from reportgen.history.rules.statistics import medians_before
from reportgen.sections._intervals import wilson

RUNS = 500
AIM_FALSE, AIM_FOUND = 0.05, 0.95

Random = np.random.Generator
Make = Callable[[Random, int], tuple[Series, Series]]


def series(values: np.ndarray, wall: np.ndarray | None = None) -> Series:
    """A curve over steps 0, 1, 2, ..."""
    n = len(values)
    wall = np.full(n, np.nan) if wall is None else wall
    return Series("loss", np.arange(n), wall, values, np.zeros(n, np.int32), np.zeros(n, np.uint8))


@dataclass(frozen=True)
class Case:
    """A kind of curve of n points; `aim` is "false" or "found", or "" where the rule makes no promise."""

    rule: str
    name: str
    n: int
    aim: str
    make: Callable[[Random, int], np.ndarray]


# Overfitting: validation curves, beside a training loss that falls.


def falling(random: Random, n: int) -> np.ndarray:
    return np.exp(-3 * np.arange(n) / n) + random.normal(0, 0.01, n)


def plateau(random: Random, n: int) -> np.ndarray:
    return 0.5 + np.exp(-12 * np.arange(n) / n) + random.normal(0, 0.02, n)


def flat(random: Random, n: int) -> np.ndarray:
    return 0.5 + random.normal(0, 0.02, n)


def flat_heavy(random: Random, n: int) -> np.ndarray:
    return 0.5 + 0.02 * random.standard_t(3, n)


def rising(random: Random, n: int) -> np.ndarray:
    x = np.arange(n)
    return 0.4 + np.exp(-10 * x / n) + np.clip(x - n // 3, 0, None) * 0.8 / n + random.normal(0, 0.02, n)


def rising_slightly(random: Random, n: int) -> np.ndarray:
    x = np.arange(n)
    return 0.4 + np.exp(-10 * x / n) + np.clip(x - n // 3, 0, None) * 0.2 / n + random.normal(0, 0.02, n)


# Spikes: noise about a level or a fall, and what is planted in it.


def gaussian(random: Random, n: int) -> np.ndarray:
    return 5 + random.normal(0, 0.1, n)


def student(freedom: int) -> Callable[[Random, int], np.ndarray]:
    return lambda random, n: 5 + 0.1 * random.standard_t(freedom, n)


def lognormal(random: Random, n: int) -> np.ndarray:
    return np.exp(random.normal(0, 0.3, n))


def wandering(random: Random, n: int) -> np.ndarray:
    """Autocorrelated noise, as of a running mean: AR(1), .9."""
    noise = random.normal(0, 0.1, n)
    for place in range(1, n):
        noise[place] += 0.9 * noise[place - 1]
    return 5 + noise


def noisy_fall(random: Random, n: int) -> np.ndarray:
    return 5 * np.exp(-4 * np.arange(n) / n) + random.normal(0, 0.1, n)


def planted(
    base: Callable[[Random, int], np.ndarray], size: float, count: int, width: int
) -> Callable[[Random, int], np.ndarray]:
    def make(random: Random, n: int) -> np.ndarray:
        values = base(random, n)
        for start in random.choice(np.arange(n // 4, n - width), count, replace=False):
            values[start : start + width] += size * 0.1
        return values

    return make


# Stalls: seconds a step.


def times(spread: float, planted: int = 0) -> Callable[[Random, int], np.ndarray]:
    def make(random: Random, n: int) -> np.ndarray:
        seconds = 0.2 * np.exp(random.normal(0, spread, n))
        if planted:
            seconds[random.choice(n, planted, replace=False)] *= 40
        return seconds

    return make


def poisoned(count: int) -> Callable[[Random, int], np.ndarray]:
    def make(random: Random, n: int) -> np.ndarray:
        values = falling(random, n)
        if count:
            values[random.choice(n, count, replace=False)] = random.choice([np.nan, np.inf, -np.inf], count)
        return values

    return make


def cases() -> list[Case]:
    """Every case; those without an aim show where a rule's promise ends."""
    made = [Case("non-finite", "falling", 200, "false", poisoned(0))]
    made += [Case("non-finite", f"{k} planted", 200, "found", poisoned(k)) for k in (1, 5)]
    for n in (12, 20, 40, 100):
        aim = "found" if n >= 40 else ""
        made += [
            Case("overfit", "falling", n, "false", falling),
            Case("overfit", "plateau", n, "false", plateau),
            Case("overfit", "flat noise", n, "false", flat),
            Case("overfit", "flat, Student t 3", n, "false", flat_heavy),
            Case("overfit", "rises by .53 (27 sigma)", n, "found", rising),
            Case("overfit", "rises by .13 (7 sigma)", n, aim, rising_slightly),
        ]
    for n in (100, 300, 1000):
        made += [
            Case("spikes", "Gaussian", n, "false", gaussian),
            Case("spikes", "Student t 5", n, "false", student(5)),
            Case("spikes", "Student t 3", n, "false", student(3)),
            Case("spikes", "Student t 2", n, "", student(2)),
            Case("spikes", "lognormal .3", n, "false", lognormal),
            Case("spikes", "AR(1) .9", n, "false", wandering),
            Case("spikes", "falling", n, "false", noisy_fall),
            Case("spikes", "20 sigma, 3 points, in Gaussian", n, "found", planted(gaussian, 20, 1, 3)),
            Case("spikes", "20 sigma, 3 points, in t 3", n, "found", planted(student(3), 20, 1, 3)),
            Case("spikes", "5 of 50 sigma, 3 points, in t 3", n, "found", planted(student(3), 50, 5, 3)),
            Case("spikes", "50 sigma, 1 point, in Gaussian", n, "found", planted(gaussian, 50, 1, 1)),
            Case("spikes", "10 sigma, 1 point, in Gaussian", n, "", planted(gaussian, 10, 1, 1)),
            Case("spikes", "50 sigma, 1 point, in t 3", n, "", planted(student(3), 50, 1, 1)),
            Case("spikes", "50 sigma, 3 points, in falling", n, "", planted(noisy_fall, 50, 1, 3)),
        ]
    for n in (50, 1000):
        made += [Case("slow steps", f"lognormal {s:g}", n, "false", times(s)) for s in (0.1, 0.5, 1.0)]
        made += [Case("slow steps", f"3 of 40 x, {s:g}", n, "found", times(s, 3)) for s in (0.1, 0.5)]
        made += [Case("slow steps", "3 of 40 x, 1", n, "", times(1.0, 3))]
    return made


def ours(case: Case, values: np.ndarray) -> bool:
    """Whether the rule fires."""
    if case.rule == "non-finite":
        return non_finite(series(values)) is not None
    if case.rule == "overfit":
        return rise_after_best(series(values), None) is not None
    if case.rule == "spikes":
        return spikes(series(values)) is not None
    return stalls(timed(values), np.array([])).count > 0


def timed(seconds: np.ndarray) -> Series:
    wall = 1e9 + np.concatenate([[0], np.cumsum(seconds)])
    return series(np.zeros(len(wall)), wall)


def naive(case: Case, values: np.ndarray) -> tuple[bool, ...]:
    """The rules that one would write first, NAIVE by name."""
    if case.rule == "non-finite":
        return (bool(np.isnan(values).any()),)
    if case.rule == "overfit":
        return (bool(values[-1] > values.min()),)
    if case.rule == "spikes":
        middle, spread = medians_before(values, 101, 20)
        scores = (values[20:] - middle[20:]) / spread[20:]
        return bool((np.abs(scores) > 6).any()), bool((np.abs(scores) > 10).any())
    return (bool((values > 10 * np.median(values)).any()),)


NAIVE = {
    "non-finite": ("NaN alone",),
    "overfit": ("last > best",),
    "spikes": ("|y - median| > 6 MAD", "> 10 MAD"),
    "slow steps": ("> 10 x median",),
}


def simulate(job: tuple[int, int]) -> tuple[int, tuple[int, ...]]:
    """How often, in `runs` curves of the case of that number, ours and the naive rules fire."""
    number, runs = job
    case = cases()[number]
    random = np.random.default_rng([number, case.n])
    fired, others = 0, np.zeros(len(NAIVE[case.rule]), int)
    for _ in range(runs):
        values = case.make(random, case.n)
        try:
            fired += ours(case, values)
        except NotEnoughError as error:
            raise RuntimeError(f"{case.name}, n = {case.n}: {error}") from error
        others += naive(case, values)
    return fired, tuple(others.tolist())


def row(case: Case, runs: int, fired: int, others: tuple[int, ...]) -> tuple[str, ...]:
    low, high = wilson(fired, runs)
    aim = {"false": "false ≤ 5 %", "found": "found ≥ 95 %", "": "none"}[case.aim]
    kept = {
        "false": fired / runs <= AIM_FALSE,
        "found": fired / runs >= AIM_FOUND,
    }
    met = ("yes" if kept[case.aim] else "NO") if case.aim else ""
    beside = "; ".join(
        f"{name} {100 * count / runs:.1f} %" for name, count in zip(NAIVE[case.rule], others, strict=True)
    )
    interval = f"{100 * low:.1f}-{100 * high:.1f}"
    return case.rule, case.name, str(case.n), f"{100 * fired / runs:.1f}", interval, aim, met, beside


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    begun = time.perf_counter()
    every = cases()
    with get_context("spawn").Pool(2) as pool:
        counts = pool.map(simulate, [(number, runs) for number in range(len(every))], chunksize=1)
    head = ("rule", "case", "n", "fires %", "95 %", "aim", "met", "naive rules")
    rows = [row(case, runs, *count) for case, count in zip(every, counts, strict=True)]
    print(f"{runs} curves a case, {time.perf_counter() - begun:.0f} s\n")
    print(table([head, *rows]))


if __name__ == "__main__":
    main()
