"""Makes what `example_reports/` holds. python -m benchmarks.examples [digits] [images] [table] [text] [audio]"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
MADE = Path("out/examples")  # as the report tells: no path of the machine
NAMES = ("digits", "images", "table", "text", "audio")
SHOWN = ("html", "pdf")


def digits() -> None:
    """The demo, as the command makes it."""
    folder = MADE / "digits"
    subprocess.run([sys.executable, "-m", "reportgen", "demo", "--out", str(folder)], check=True, cwd=ROOT)
    for suffix in SHOWN:
        shutil.copyfile(ROOT / folder / f"report.{suffix}", ROOT / "example_reports" / f"digits.{suffix}")


def example(name: str) -> None:
    """One report of what `benchmarks.example_NAME` prepares."""
    from reportgen import collect

    folder = MADE / name
    (ROOT / folder).mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    given = import_module(f"benchmarks.example_{name}").prepare(folder)
    ready = time.perf_counter()
    report = collect(**given, command=f"python -m benchmarks.examples {name}")
    for failed in report.failed:
        print(f"{name}: section {failed.name} failed: {failed.reason}", file=sys.stderr)
    if report.failed:
        raise SystemExit(1)
    for suffix in SHOWN:
        target = ROOT / "example_reports" / f"{name}.{suffix}"
        report.save(target)
        print(f"{name}.{suffix}: {target.stat().st_size / 1024:,.0f} KB")
    print(f"{name}: prepared in {ready - start:.1f} s, reported on in {time.perf_counter() - ready:.1f} s")


def main() -> None:
    wanted = sys.argv[1:] or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        raise SystemExit(f"error: got {unknown[0]!r}, expected one of {', '.join(NAMES)}")
    (ROOT / "example_reports").mkdir(exist_ok=True)
    for name in wanted:
        digits() if name == "digits" else example(name)


if __name__ == "__main__":
    main()
