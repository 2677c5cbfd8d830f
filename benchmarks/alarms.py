"""Findings where the truth is known, false and found: python -m benchmarks.alarms [runs a rule] [words of a name]."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from multiprocessing import get_context

from benchmarks._alarms import Rule
from benchmarks.measure import table
from reportgen.sections._intervals import wilson

RUNS = 200
AIM_FALSE, AIM_FOUND = 0.05, 0.95
FAMILIES = ("architecture", "evaluation", "features", "explanations")
PIECES = 8  # jobs that a rule's runs are cut into


def rules() -> list[Rule]:
    """Every rule of every section."""
    return [rule for name in FAMILIES for rule in import_module(f"benchmarks._alarms_{name}").RULES]


def simulate(job: tuple[int, tuple[int, ...]]) -> tuple[int, int, int]:
    """(number of the rule, false alarms, faults found) over the seeds."""
    import torch

    torch.set_num_threads(1)
    number, seeds = job
    rule = rules()[number]
    false = sum(rule.sound(seed) for seed in seeds)
    found = sum(rule.fault(seed) for seed in seeds) if rule.fault is not None else 0
    return number, false, found


def row(rule: Rule, runs: int, false: int, found: int) -> tuple[str, ...]:
    met = false <= AIM_FALSE * runs and (rule.fault is None or found >= AIM_FOUND * runs)
    return (
        rule.name,
        rule.truth,
        f"{100 * false / runs:.1f}",
        _interval(false, runs),
        f"{100 * found / runs:.1f}" if rule.fault is not None else "–",
        _interval(found, runs) if rule.fault is not None else "–",
        "yes" if met else "NO",
    )


def _interval(count: int, runs: int) -> str:
    low, high = wilson(count, runs)
    return f"{100 * low:.1f}-{100 * high:.1f}"


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    wanted = " ".join(sys.argv[2:])
    begun = time.perf_counter()
    every = rules()
    chosen = [number for number, rule in enumerate(every) if wanted in rule.name]
    if not chosen:
        raise SystemExit(f"error: got {wanted!r}, expected words of the name of a rule")
    pieces = [tuple(range(start, runs, PIECES)) for start in range(min(PIECES, runs))]
    jobs = [(number, seeds) for number in chosen for seeds in pieces]
    false, found = dict.fromkeys(chosen, 0), dict.fromkeys(chosen, 0)
    with get_context("spawn").Pool(2) as pool:
        left = dict.fromkeys(chosen, len(pieces))
        for number, alarms, faults in pool.imap_unordered(simulate, jobs):
            false[number] += alarms
            found[number] += faults
            left[number] -= 1
            if not left[number]:
                said = " | ".join(row(every[number], runs, false[number], found[number]))
                print(f"{time.perf_counter() - begun:5.0f} s  {said}", file=sys.stderr, flush=True)
    head = ("finding", "without it; with it", "false %", "95 %", "found %", "95 %", "met")
    rows = [row(every[number], runs, false[number], found[number]) for number in chosen]
    print(f"{runs} runs a rule without the fault and {runs} with it, {time.perf_counter() - begun:.0f} s")
    print(f"aim: false at most {100 * AIM_FALSE:g} %, found at least {100 * AIM_FOUND:g} %\n")
    print(table([head, *rows]))


if __name__ == "__main__":
    main()
