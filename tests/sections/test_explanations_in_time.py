import dataclasses

import pytest
import torch
from torch import nn

import reportgen
from reportgen.attribution import explain
from reportgen.experiment import Options, build
from reportgen.sections.explanations import explanations


@pytest.fixture
def given():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).eval()
        return {"model": model, "data": (torch.randn(30, 4), torch.arange(30) % 2)}


def test_what_the_time_cut_is_said_and_the_report_is_not_reproducible(given, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(explain, "SECONDS", 1e-9)
    report = reportgen.collect(**given, sections=["explanations"], samples=3)
    section = report.sections[0]
    cut = section.block("what-the-time-cut")
    assert cut.message == "1 of 3 samples, not by all methods: the time for explanations ended"
    assert cut.message in section.block("explained-samples").text
    assert not report.provenance.reproducible
    assert report.provenance.notes == ("explanations ran out of time, which another machine may not",)


def test_where_bytes_must_be_the_same_no_clock_decides(given, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(explain, "SECONDS", 1e-9)
    one, two = (reportgen.collect(**given, sections=["explanations"], samples=2).to_json() for _ in range(2))
    assert one == two
    assert "the time for explanations ended" not in one


def test_a_model_that_draws_at_random_is_a_finding(given):
    class Noisy(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(given["model"](x), 0.5, training=True)

    options = dataclasses.replace(Options(samples=1), timed=False)
    section = explanations(build(Noisy(), data=given["data"]), options)
    assert section.findings[0].message.startswith("Two forward passes of the same input differ by up to")
