"""The trace and the picture of ResNet-50 beside torchinfo's summary: python -m benchmarks.architecture."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import PEAK_UNIT, table
from reportgen.units import show

RUNS = 3
CHILD = """
import resource, sys, time; sys.path.insert(0, sys.argv[1])
import torch
from architectures import ResNet50
model, x = ResNet50().eval(), torch.zeros(1, 3, 224, 224)
start = time.perf_counter()
{imports}
imported = time.perf_counter()
{work}
done = time.perf_counter()
print(imported - start, done - imported, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
# What is imported beside torch (its modes import its compiler), and what is done then.
ROWS = {
    "reportgen: trace, picture, table": (
        "import torch._dynamo\nfrom reportgen.data import Inputs\nfrom reportgen.trace import picture, table, trace",
        "seen = trace(model, Inputs((x,), {}))\n"
        "assert (seen.how, seen.flops) == ('fake', 8_178_368_512)\n"
        "picture(seen), table(seen)",
    ),
    "torchinfo: summary, depth 3": (
        "import torchinfo",
        "str(torchinfo.summary(model, input_data=x, depth=3, verbose=0))",
    ),
}


def main() -> None:
    tests = str(Path(__file__).parents[1] / "tests")
    rows = [["ResNet-50, one sample of 224 x 224", "imports", "work", "peak memory"]]
    for name, (imports, work) in ROWS.items():
        code = CHILD.format(imports=imports, work=work)
        costs = [_run(code, tests) for _ in range(RUNS)]
        imported, worked, peak = (statistics.median(values) for values in zip(*costs, strict=True))
        rows.append([name, f"{imported:.2f} s", f"{worked:.2f} s", show(peak * PEAK_UNIT, "bytes")])
    print(table(rows))
    print(f"Medians of {RUNS} runs, each a process of its own; imports are those beside torch.")


def _run(code: str, tests: str) -> list[float]:
    child = subprocess.run([sys.executable, "-c", code, tests], capture_output=True, text=True, check=True)
    return [float(value) for value in child.stdout.split()]


if __name__ == "__main__":
    main()
