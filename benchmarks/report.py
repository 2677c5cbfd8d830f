"""The demo's report beside a script by hand: seconds, memory, size. python -m benchmarks.report"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import run, table

GENERATE = (
    "-m", "reportgen", "generate", "--quiet", "--model", "reportgen.demo:DigitsResNet",
    "--data", "reportgen.demo:validation_data", "--class-names", "0,1,2,3,4,5,6,7,8,9",
)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = [sys.executable, "-m", "reportgen", "demo", "--quiet", "--out", str(folder)]
        subprocess.run(demo, check=True, stdout=subprocess.DEVNULL)
        weights, logs = str(folder / "weights.safetensors"), str(folder / "runs")
        ours = [sys.executable, *GENERATE, "--weights", weights, "--logs", logs]
        outs = {suffix: folder / f"bench.{suffix}" for suffix in ("html", "pdf", "json")}
        everything = [*ours, *(word for path in outs.values() for word in ("--out", str(path)))]
        page = [*ours, "--out", str(outs["html"])]
        saved = str(outs["json"])
        empty = folder / "empty.html"
        commands = {
            "by hand: tools at their defaults": [sys.executable, "-m", "benchmarks.by_hand", str(folder)],
            "reportgen: HTML, PDF and JSON": everything,
            "reportgen: HTML alone": page,
            "reportgen render, JSON to PDF": [
                sys.executable, "-m", "reportgen", "render", "--quiet", saved, "--out", str(folder / "again.pdf"),
            ],
            "reportgen: an empty report": [
                sys.executable, "-m", "reportgen", "generate", "--quiet", "--section", "overview",
                "--logs", str(folder / "runs"), "--out", str(empty),
            ],
        }  # fmt: skip
        costs = {label: run(words) for label, words in commands.items()}
        first = next(iter(costs.values()))
        rows = [["what", "s", "ratio", "peak MB"]]
        for label, cost in costs.items():
            ratio = cost.seconds / first.seconds
            rows.append([label, f"{cost.seconds:.1f}", f"{ratio:.2f}", f"{cost.peak / 1e6:.0f}"])
        print(table(rows))
        sizes = {"by hand, HTML": folder / "by_hand.html", "by hand, PDF": folder / "by_hand.pdf"}
        sizes |= {f"reportgen, {suffix.upper()}": path for suffix, path in outs.items()}
        sizes["reportgen, an empty report"] = empty
        print()
        print(
            table(
                [
                    ["file", "KB"],
                    *([label, f"{path.stat().st_size / 1e3:.0f}"] for label, path in sizes.items()),
                ]
            )
        )


if __name__ == "__main__":
    main()
