"""Every benchmark, one after the other. python -m benchmarks"""

from __future__ import annotations

from importlib import import_module

for name in (
    "startup",
    "report",
    "history",
    "damage",
    "diagnoses",
    "alarms",
    "growth",
    "architecture",
    "architectures",
    "explanations",
):
    print(f"\n== {name}: {import_module(f'benchmarks.{name}').__doc__.strip().splitlines()[0]}")
    import_module(f"benchmarks.{name}").main()
