"""The overview says what was given and measured, and nothing else."""

from __future__ import annotations

import torch
from torch import nn

from reportgen.experiment import Options, build
from reportgen.report import Fact, Facts, Section
from reportgen.sections.overview import overview

FACTS = (
    Fact(label="Parameters", value=1234567, unit="exact"),
    Fact(label="FLOPs a sample", value=None, unit="FLOPs"),
    Fact(label="Size on disk", value=5_000_000, unit="bytes"),
)
ARCHITECTURE = Section(
    name="architecture",
    title="A",
    summary="Net: 1.2 M parameters.",
    blocks=(Facts(id="totals", facts=FACTS),),
)
BROKEN = Section(name="training", title="Training", status="failed", reason="ValueError: no")


def facts(section, identifier):
    return {fact.label: fact.value for fact in section.block(identifier).facts}


def test_the_headline_holds_what_was_measured_and_leaves_out_what_is_unknown():
    section = overview(build(nn.Linear(2, 2)), Options(done=(ARCHITECTURE,)))
    assert facts(section, "headline") == {"Parameters": 1234567, "Size on disk": 5_000_000}


def test_a_section_that_failed_is_the_first_thing_to_know():
    section = overview(build(nn.Linear(2, 2)), Options(done=(ARCHITECTURE, BROKEN)))
    assert [finding.message for finding in section.findings] == [
        "The section Training failed: ValueError: no"
    ]
    assert section.findings[0].severity == "serious"
    assert section.findings[0].evidence == "training"


def test_facts_are_shown_as_given_and_none_is_invented():
    given = {"Purpose": "Reads <b>digits</b>.", "Licence": "MIT"}
    section = overview(build(nn.Linear(2, 2), facts=given), Options())
    assert facts(section, "about") == given
    assert section.summary == "Reads <b>digits</b>."
    bare = overview(build(nn.Linear(2, 2)), Options())
    assert bare.block("about") is None
    assert bare.block("headline") is None
    assert bare.block("not-given").text == "Purpose, data, licence and limits were not given."


def test_what_was_inferred_is_said_to_be():
    section = overview(build(nn.Linear(2, 3), data=(torch.rand(6, 2), torch.arange(6) % 3)), Options())
    assert facts(section, "inferred") == {"Modality": "table", "Task": "classification"}
    assert facts(section, "given")["Data"] == "6 samples"


def test_unusable_data_is_told_with_its_reason():
    section = overview(build(nn.Linear(2, 3), data=(torch.rand(0, 2),)), Options())
    assert facts(section, "given")["Data"] == "unusable: data: the data set is empty (0 samples)"
