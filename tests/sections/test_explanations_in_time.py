import dataclasses
import time

import pytest
import torch
from slow import Slow
from torch import nn

import reportgen
from reportgen.attribution import explain, methods
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
    monkeypatch.setattr(explain, "TIME", 1e-11)
    report = reportgen.collect(**given, sections=["explanations"], samples=3)
    section = report.sections[0]
    cut = section.block("what-the-time-cut")
    assert cut.message == "1 of 3 samples, not by all methods: the section's time ended"
    assert cut.message in section.block("explained-samples").text
    assert not report.provenance.reproducible
    assert report.provenance.notes == ("explanations ran out of time, which another machine may not",)


def test_where_bytes_must_be_the_same_no_clock_decides(given, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(explain, "TIME", 1e-11)
    one, two = (reportgen.collect(**given, sections=["explanations"], samples=2).to_json() for _ in range(2))
    assert one == two
    assert "the section's time ended" not in one


def test_a_model_that_draws_at_random_is_a_finding(given):
    class Noisy(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(given["model"](x), 0.5, training=True)

    options = dataclasses.replace(Options(samples=1), timed=False)
    section = explanations(build(Noisy(), data=given["data"]), options)
    assert section.findings[0].message.startswith("Two forward passes of the same input differ by up to")


@pytest.fixture
def slow(monkeypatch):
    def made(model, data, each, **options):
        slow = Slow(model, each)
        experiment = build(slow.eval(), data=data)
        assert experiment.task  # what is looked up once is looked up before the clock starts
        assert len(experiment.predictions.outputs)
        start = slow.spent
        monkeypatch.setattr(time, "perf_counter", lambda: slow.spent)
        section = explanations(experiment, Options(time_limit=300.0, **options))
        return section, slow.spent - start

    return made


def cuts(section):
    return {
        block.title: block.message
        for block in section.blocks
        if block.kind == "failure" and block.error == "OutOfTime"
    }


ENDED = "the section's time ended"


def test_a_slow_model_ends_within_two_minutes_and_what_is_left_out_is_said(given, slow):
    section, took = slow(given["model"], given["data"], 0.01, samples=8)
    assert took < 120
    assert cuts(section) == {
        "What the time cut": f"3 of 8 samples: {ENDED}",
        "Partial dependence: what the time cut": f"1 of 4 features: {ENDED}",
    }


def test_a_slower_one_tells_less_and_still_says_so(given, slow):
    section, took = slow(given["model"], given["data"], 0.04, samples=2)
    assert took < 120
    assert cuts(section) == {
        "What the time cut": f"1 of 2 samples, not by all methods: {ENDED}",
        "Over the whole data: not shown": f"nothing: {ENDED}",
        "With random parameters": f"nothing: {ENDED}",
    }
    assert section.block("how-far-to-trust-them").rows


def test_without_a_clock_a_slow_model_gets_all_of_it(given, slow):
    section, took = slow(given["model"], given["data"], 0.02, samples=2, timed=False)
    assert took > 120
    assert cuts(section) == {}


def test_pictures_of_a_slow_model_end_in_time_too(slow):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        data = (torch.rand(40, 1, 8, 8), torch.arange(40) % 2)
    section, took = slow(model, data, 0.02, samples=2)
    assert took < 120
    assert cuts(section)


@pytest.mark.parametrize("each", [0.08, 1.0])
def test_a_model_of_a_second_a_pass_ends_in_time_with_the_cheapest_methods(slow, each):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        data = (torch.rand(40, 1, 8, 8), torch.arange(40) % 2)
    section, took = slow(model, data, each, samples=2)
    assert took < 120
    said = cuts(section)["What the time cut"]
    assert said.startswith("1 of 2 samples")
    table = section.block("each-explanation")
    # In the order of the page, whatever was run first.
    order = [row.cells[2] for row in table.rows]
    assert order == [method.name for method in methods.suited("image")]
    lost = {row.cells[2] for row in table.rows if row.cells[3] == f"nothing: {ENDED}"}
    assert {"Saliency", "Input × gradient", "Grad-CAM", "Occlusion"}.isdisjoint(lost)
    assert ("LIME" in lost) is (each == 1.0)
    if each < 1:
        caption = section.block("explained-samples").caption
        assert f"until {ENDED}" in caption
        assert "less of" in said
