import time

import numpy as np
import pytest
import torch
from looks import sight_of, tools_of
from slow import Slow
from torch import nn

from reportgen.attribution.explain import until
from reportgen.attribution.gradients import integrated_gradients
from reportgen.attribution.lime import lime
from reportgen.attribution.pace import measure
from reportgen.attribution.shap import coalitions, gradient_shap, kernel_shap, shapley
from reportgen.deadline import ENDED, Deadline, Late


class Rough(nn.Module):
    """No part has a weight of its own: the parity of the parts that are shown."""

    def forward(self, x):
        return torch.cos(torch.pi * x.flatten(1).sum(dim=1, keepdim=True))


@pytest.fixture
def seen(monkeypatch):
    """A sight of a model that takes a second a sample, until so many seconds have passed."""

    def made(model, values, seconds):
        slow = Slow(model, 1.0)
        monkeypatch.setattr(time, "perf_counter", lambda: slow.spent)
        return until(sight_of(slow, values), Deadline(seconds))

    return made


def test_lime_keeps_what_it_has_when_the_time_ends_and_of_too_few_says_nothing(seen):
    made = lime(seen(Rough(), torch.ones(1, 1, 4, 4), 120), tools_of(size=8))
    assert made.late
    assert made.evaluations == 120
    assert made.settings == f"2 × 60 perturbations of places, until {ENDED}, before the values settled"
    with pytest.raises(Late):
        lime(seen(Rough(), torch.ones(1, 1, 4, 4), 90), tools_of(size=8))
    whole = lime(seen(Rough(), torch.ones(1, 1, 4, 4), 1e9), tools_of(size=8))
    assert whole.evaluations == 640
    assert not whole.late


def test_lime_of_a_costly_model_keeps_to_the_plan():
    made = lime(sight_of(Rough(), torch.ones(1, 1, 4, 4)), tools_of(share=0.2))
    assert made.evaluations == 2 * 160


def test_kernel_shap_keeps_whole_pairs_of_coalitions_of_four_a_part_at_least(seen):
    model = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))
    made = kernel_shap(seen(model, torch.ones(1, 16), 90), tools_of(size=5))
    assert made.late
    assert made.settings == f"88 coalitions of places, until {ENDED}"
    masks, weights = coalitions(16, 320, [0, 0])
    with torch.no_grad():
        scores = model(torch.tensor(masks[:88], dtype=torch.float32))[:, 0].double().numpy()
        ends = model(torch.stack([torch.ones(16), torch.zeros(16)]))[:, 0].tolist()
    assert made.values == pytest.approx(shapley(masks[:88], weights[:88], scores, *ends), abs=1e-5)
    with pytest.raises(Late):
        kernel_shap(seen(model, torch.ones(1, 16), 60), tools_of(size=5))


def test_gradients_keep_their_first_round(seen):
    class Steep(nn.Module):
        def forward(self, x):
            return torch.tanh(300 * (x - 0.4321)).sum(dim=1, keepdim=True)

    for method, needed in ((integrated_gradients, 70), (gradient_shap, 55)):
        made = method(seen(Steep(), torch.ones(1, 1), needed), tools_of(size=5))
        assert made.late
        assert made.settings.endswith(f", until {ENDED}")
        assert np.isfinite(made.values).all()
        with pytest.raises(Late):
            method(seen(Steep(), torch.ones(1, 1), 30), tools_of(size=5))


def test_no_batch_takes_much_longer_than_five_seconds(seen):
    pace = measure(seen(nn.Linear(4, 2), torch.ones(1, 4), 1e9), timed=True)
    assert (pace.forward, pace.gradient) == (5, 5)
