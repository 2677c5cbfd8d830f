"""Makes what `example_reports/` holds. python -m benchmarks.examples"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PLACE = Path(__file__).parents[1] / "example_reports"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, "-m", "reportgen", "demo", "--out", name], check=True)
        for suffix in ("html", "pdf"):
            shutil.copyfile(Path(name) / f"report.{suffix}", PLACE / f"digits.{suffix}")


if __name__ == "__main__":
    main()
