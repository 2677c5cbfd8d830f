"""Reports to render: a rich one with every kind of block, the least one, and a hostile one."""

from __future__ import annotations

from sample_attacks import EVIL, LONG, every_kind, hostile
from sample_model import architecture, overview, training
from sample_results import DIGITS, calibration, environment, evaluation, explanations, features

from reportgen.report import Provenance, Report, Section

__all__ = ["CREATED", "DIGITS", "EVIL", "LONG", "empty", "every_kind", "hostile", "one", "report"]

CREATED = "2025-03-14T09:26:53+00:00"


def report() -> Report:
    """A report as it comes out of a small residual network on digits, all 16 kinds of block in it."""
    return Report(
        title="Residual network on handwritten digits",
        created=CREATED,
        sections=(
            overview(),
            architecture(),
            training(),
            evaluation(),
            features(),
            explanations(),
            calibration(),
            environment(),
        ),
        provenance=Provenance(
            generator="reportgen 0.1.0",
            model="digits.models.SmallResNet",
            commit="3f2a9c1d",
            command="reportgen generate digits.toml --out report.html --out report.pdf",
            seed=0,
            notes=("Seconds are wall time on two cores.",),
        ),
    )


def empty() -> Report:
    """The least that is a report."""
    reason = "no model was given"
    section = Section(name="architecture", title="Architecture", status="empty", reason=reason)
    return Report(
        title="Nothing yet",
        created=CREATED,
        sections=(section,),
        provenance=Provenance(generator="reportgen"),
    )


def one(*blocks: object, **report_fields: object) -> Report:
    """A report of one section that holds these blocks."""
    section = Section(name="part", title="Part", blocks=blocks)  # type: ignore[arg-type]
    fields = {
        "title": "One",
        "created": CREATED,
        "provenance": Provenance(generator="reportgen"),
        **report_fields,
    }
    return Report(sections=(section,), **fields)  # type: ignore[arg-type]
