"""Blocks sample by sample: one heading for all, under which a reader chooses a sample."""

from __future__ import annotations

from reportgen.attribution.sight import Sight

SAMPLES = "Sample by sample"


def heading(sight: Sight) -> str:
    """What the sample is called, what it is and what the model says of it, and what it was chosen for."""
    subject = sight.subject
    why = f" – {subject.why}" if subject.why else ""
    return f"{subject.name.capitalize()}: {subject.said}{why}"
