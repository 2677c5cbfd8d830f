"""What MLflow's two stores have in common: how a run is named, and what its status means."""

from __future__ import annotations

from reportgen.units import shorten

STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "failed", "RUNNING": "running"}
DELETED = "{} left out: deleted in MLflow"
_LONGEST = 80


def run_name(experiment: str, name: str, identity: str) -> str:
    """`experiment/name (id)`: MLflow lets several runs have one name."""
    parts = [shorten(part, _LONGEST).replace("/", "∕") for part in (experiment, name)]
    return "/".join(part for part in parts if part) + f" ({identity[:8]})"
