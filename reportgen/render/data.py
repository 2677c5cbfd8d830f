"""A report as JSON."""

from __future__ import annotations

from pathlib import Path

from reportgen.report import Report


def encode(report: Report, templates: Path | None) -> bytes:
    """The report's JSON, UTF-8, one line. Templates have no say in it."""
    return report.to_json().encode("utf-8")
