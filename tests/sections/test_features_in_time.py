"""Features of a model that takes its time: samples are cut first, then parts, and the page says so."""

import time

import pytest
import torch
from slow import Slow
from torch import nn

from reportgen.experiment import Options, build
from reportgen.sections.features import features

WHY = "as many as the model's cost or the time allows"


@pytest.fixture
def looked(monkeypatch):
    def made(each, **options):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            inner = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
            data = (torch.randn(2000, 4), torch.arange(2000) % 2)
        slow = Slow(inner, each).eval()
        experiment = build(slow, data=data)
        assert len(experiment.predictions.outputs)
        start = slow.spent
        monkeypatch.setattr(time, "perf_counter", lambda: slow.spent)
        return features(experiment, Options(time_limit=300.0, **options)), slow.spent - start

    return made


def titles(section):
    return [block.title for block in section.blocks]


def test_a_slow_model_ends_in_two_minutes_on_fewer_samples_and_says_so(looked):
    section, took = looked(0.06)
    assert took < 120
    assert {"Activations: all layers", "Gradients: all tensors", "Units that stay zero"} <= set(
        titles(section)
    )
    for title in ("activations-all-layers", "units-that-stay-zero"):
        assert WHY in section.block(title).caption
    assert " of 2,000 samples, evenly from the data" in section.block("gradients-all-tensors").caption


def test_a_slower_one_leaves_parts_out_and_names_them(looked):
    section, took = looked(6.0)
    assert took < 130
    cut = section.block("what-the-time-cut")
    assert cut.error == "OutOfTime"
    assert cut.message.endswith("Attention, Token embeddings, Signals: the section's time ended")
    assert "Activations: all layers" in titles(section)


def test_without_a_clock_all_samples_are_looked_at(looked):
    section, took = looked(0.1, timed=False)
    assert took > 120
    assert "what-the-time-cut" not in [block.id for block in section.blocks]
    assert WHY not in section.block("activations-all-layers").caption
