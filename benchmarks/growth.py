"""How the time of each section grows with its input: python -m benchmarks.growth [axis] [section].

A model that costs next to nothing is reported on with inputs of growing size, a section at a time, each in a process
of its own after a small one that loads the libraries. Beside the seconds stands the exponent: by which power of the
size of the input they grew from the size before, 1 where the time grows as the input does. A cell over its bound
says so. What a section cuts, it says on the page.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import table

BOUND = 150  # seconds of a cell: what a section may take at the usual limit, and its imports
LEAST = 0.2  # seconds below which an exponent says nothing
SECTIONS = ("architecture", "evaluation", "features", "explanations")


@dataclass(frozen=True)
class Axis:
    """What grows, from size to size, the values of an input of that size, and what `collect` is given."""

    sizes: tuple[int, ...]
    values: Callable[[int], int]
    given: Callable[[int], dict[str, Any]]


def _pooled(channels: int, classes: int = 3) -> Any:
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, classes))


def _image(side: int) -> dict[str, Any]:
    import torch

    return {"model": _pooled(3), "data": (torch.rand(8, 3, side, side), torch.arange(8) % 3)}


def _table(columns: int) -> dict[str, Any]:
    import torch
    from torch import nn

    return {"model": nn.Linear(columns, 2), "data": (torch.randn(64, columns), torch.arange(64) % 2)}


def _text(tokens: int) -> dict[str, Any]:
    import torch
    from torch import nn

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(500, 8), nn.Linear(8, 2)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.embedding(ids).mean(dim=1))

    return {
        "model": Mean(),
        "data": (torch.randint(1, 500, (8, tokens)), torch.arange(8) % 2),
        "modality": "text",
    }


def _sound(seconds: int) -> dict[str, Any]:
    import torch
    from torch import nn

    model = nn.Sequential(nn.AdaptiveAvgPool1d(32), nn.Flatten(), nn.Linear(32, 2))
    waves = torch.randn(4, 1, 16_000 * seconds)
    return {"model": model, "data": (waves, torch.arange(4) % 2), "modality": "signal", "sample_rate": 16_000}


def _classes(count: int) -> dict[str, Any]:
    import torch
    from torch import nn

    return {"model": nn.Linear(16, count), "data": (torch.randn(2000, 16), torch.arange(2000) % count)}


def _samples(count: int) -> dict[str, Any]:
    import torch
    from torch import nn

    return {"model": nn.Linear(16, 3), "data": (torch.randn(count, 16), torch.arange(count) % 3)}


def _layers(count: int) -> dict[str, Any]:
    import torch
    from torch import nn

    layers = [nn.Linear(8, 8) for _ in range(count)]
    return {"model": nn.Sequential(*layers), "data": (torch.randn(64, 8), torch.arange(64) % 8)}


AXES = {
    "image, pixels a side": Axis((32, 128, 512, 2048), lambda side: side * side, _image),
    "table, columns": Axis((10, 100, 1000, 10_000, 100_000), int, _table),
    "text, tokens": Axis((10, 100, 1000, 20_000), int, _text),
    "sound, seconds": Axis((1, 10, 60, 600), int, _sound),
    "classes": Axis((2, 20, 200, 2000, 20_000), int, _classes),
    "samples": Axis((100, 10_000, 1_000_000), int, _samples),
    "layers": Axis((10, 100, 1000, 5000), int, _layers),
}


def cell(axis: str, section: str, size: int) -> None:
    """Print the seconds of one report with one section, after a small one."""
    import torch

    from reportgen import collect

    torch.set_num_threads(1)
    torch.manual_seed(0)
    collect(**AXES[axis].given(AXES[axis].sizes[0]), sections=[section])
    given = AXES[axis].given(size)
    start = time.perf_counter()
    report = collect(**given, sections=[section])
    seconds = time.perf_counter() - start
    text = report.to_json()
    print(f"{seconds:.3f} {len(text)} {report.section(section).status}")


def measured(axis: str, section: str, size: int) -> tuple[float, str]:
    """Seconds, and what is said of the cell."""
    words = [sys.executable, "-m", "benchmarks.growth", "--cell", axis, section, str(size)]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=BOUND)
    except subprocess.TimeoutExpired:
        return math.nan, f"over {BOUND} s"
    if ran.returncode:
        return math.nan, (ran.stderr.strip().splitlines() or ["ended"])[-1][:60]
    seconds, size_, status = ran.stdout.split()[-3:]
    return float(seconds), f"{int(size_) / 1024:,.0f} KB" + ("" if status == "ok" else f", {status}")


def main() -> None:
    if sys.argv[1:2] == ["--cell"]:
        cell(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    wanted = sys.argv[1:2]
    rows = [("axis", "section", "size", "seconds", "exponent", "report")]
    for name, axis in AXES.items():
        if wanted and wanted[0] not in name:
            continue
        for section in sys.argv[2:] or SECTIONS:
            before = (0, math.nan)
            for size in axis.sizes:
                seconds, said = measured(name, section, size)
                rows.append(
                    (
                        name,
                        section,
                        f"{size:,}",
                        _seconds(seconds),
                        _exponent(axis, before, size, seconds),
                        said,
                    )
                )
                print("  ".join(rows[-1]), file=sys.stderr, flush=True)
                before = (size, seconds)
    print(table(rows))


def _seconds(seconds: float) -> str:
    return "–" if math.isnan(seconds) else f"{seconds:.2f}"


def _exponent(axis: Axis, before: tuple[int, float], size: int, seconds: float) -> str:
    smaller, earlier = before
    if math.isnan(earlier) or math.isnan(seconds) or seconds < LEAST:
        return "–"
    return (
        f"{math.log(seconds / max(earlier, LEAST)) / math.log(axis.values(size) / axis.values(smaller)):.2f}"
    )


if __name__ == "__main__":
    main()
