"""Makes what `example_reports/` holds. python -m benchmarks.examples"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MADE = Path("out/examples")  # as the report tells: no path of the machine


def main() -> None:
    subprocess.run([sys.executable, "-m", "reportgen", "demo", "--out", str(MADE)], check=True, cwd=ROOT)
    (ROOT / "example_reports").mkdir(exist_ok=True)
    for suffix in ("html", "pdf"):
        shutil.copyfile(ROOT / MADE / f"report.{suffix}", ROOT / "example_reports" / f"digits.{suffix}")


if __name__ == "__main__":
    main()
