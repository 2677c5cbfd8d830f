"""How long the command takes to start: medians of five runs beside an empty Python, and whether torch came along."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
REPORT = """
from reportgen.report import Report, Section, Provenance
section = Section(name="training", title="Training", status="empty", reason="nothing was given")
report = Report(title="Empty", created="2000-01-01T00:00:00Z", sections=(section,),
                provenance=Provenance(generator="reportgen"))
open({path!r}, "w", encoding="utf-8").write(report.to_json())
"""


def seconds(words: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def imports_torch(words: list[str]) -> bool:
    code = f"import sys\nfrom reportgen.cli import main\nmain({words!r})\nsys.exit('torch' in sys.modules)"
    return bool(
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = str(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "empty.json")
        if len(sys.argv) == 1:
            subprocess.run([sys.executable, "-c", REPORT.format(path=source)], check=True)
        commands = {
            "reportgen --help": ["--help"],
            "reportgen --version": ["--version"],
            "reportgen generate --help": ["generate", "--help"],
            "reportgen render, to HTML": ["render", source, "--out", f"{folder}/a.html"],
            "reportgen render, to JSON": ["render", source, "--out", f"{folder}/a.json"],
        }
        print(f"{'command':<28}{'median of ' + str(RUNS) + ', s':>16}{'slowest, s':>14}{'torch':>8}")
        times = [seconds(["-c", "pass"]) for _ in range(RUNS)]
        print(f"{'python -c pass':<28}{statistics.median(times):>16.3f}{max(times):>14.3f}{'no':>8}")
        for name, words in commands.items():
            times = [seconds(["-m", "reportgen", *words]) for _ in range(RUNS)]
            torch = "yes" if imports_torch(words) else "no"
            print(f"{name:<28}{statistics.median(times):>16.3f}{max(times):>14.3f}{torch:>8}")


if __name__ == "__main__":
    main()
