"""Models that break a naive explainer: each gets right values or a note, and comes out as it went in."""

import random

import numpy as np
import pytest
import state
import torch
from looks import sight_of, tools_of
from torch import nn
from torch.nn import functional

from reportgen.attribution import explain as module
from reportgen.attribution.base import Attribution, Missing
from reportgen.attribution.choose import choose
from reportgen.attribution.explain import explain, prepare, run
from reportgen.attribution.kinds import kind_of, sights
from reportgen.attribution.methods import suited
from reportgen.attribution.pace import Pace
from reportgen.deadline import ENDED, Deadline
from reportgen.experiment import Options, build
from reportgen.guard import untouched

SILENT = Options(samples=1, timed=False)


def explained(model, data, options=SILENT, **said):
    """What each method gives for the first sample, by name, under the guard; the model must come out untouched."""
    before, process = state.of_model(model), state.of_process()
    with torch.inference_mode(False), untouched(model, *data, seed=0), torch.enable_grad():
        experiment = build(model, data=data, **said)
        subjects, _ = choose(experiment, options.samples)
        ready = prepare(experiment, options, sights(experiment, subjects), 1.0)
        rows = explain(options, ready, suited(kind_of(experiment)))
    assert state.of_model(model) == before
    assert state.of_process() == process
    return {made.method: made for made in rows[0]}, ready


def pictures(count=6):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return torch.rand(count, 1, 8, 8), torch.tensor([0, 1] * (count // 2))


class Small(nn.Module):
    """Two convolutions and a ReLU between them, written in several ways that all compute the same."""

    def __init__(self, way="module"):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.first, self.second = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.head = nn.Linear(4, 2)
        self.one, self.two = nn.ReLU(inplace=way == "in place"), nn.ReLU(inplace=way == "in place")
        self.way = way

    def forward(self, x):
        if self.way == "writes":
            x.mul_(1.0).clamp_(min=-9.0)
        one = functional.relu if self.way == "functional" else self.one
        two = {"functional": functional.relu, "reused": self.one}.get(self.way, self.two)
        x = two(self.second(one(self.norm(self.first(x))))).mean(dim=(2, 3))
        logits = self.head(x)
        return {"hidden": x, "logits": logits} if self.way == "dict" else logits


@pytest.fixture(scope="module")
def plain():
    made, _ = explained(Small().eval(), pictures())
    assert all(isinstance(outcome, Attribution) for outcome in made.values())
    return made


@pytest.mark.parametrize("way", ["functional", "reused", "in place", "writes", "dict", "train", "frozen"])
def test_however_the_model_is_written_the_values_are_those_of_the_plain_one(way, plain):
    model = Small(way).train(way == "train")
    if way == "frozen":
        model.requires_grad_(False)
    made, ready = explained(model, pictures())
    assert ready.notes == ()
    assert list(made) == list(plain)
    for name, outcome in made.items():
        assert isinstance(outcome, Attribution), (name, outcome)
        assert outcome.values == pytest.approx(plain[name].values, abs=1e-5), name


def test_what_was_made_in_inference_mode_is_explained_through_a_copy(plain):
    with torch.inference_mode():
        model = Small().eval()
        data = tuple(tensor.clone() for tensor in pictures())
    assert next(model.parameters()).is_inference()
    made, _ = explained(model, data)
    for name, outcome in made.items():
        assert outcome.values == pytest.approx(plain[name].values, abs=1e-5), name


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_weight_norm_changes_no_value(norm, plain):
    model = Small().eval()
    norm(model.first)
    made, _ = explained(model, pictures())
    for name, outcome in made.items():
        assert outcome.values == pytest.approx(plain[name].values, abs=1e-4), name


def test_a_forward_pass_that_draws_at_random_is_said_and_still_gives_the_same_twice():
    class Noisy(Small):
        def forward(self, x):
            return super().forward(functional.dropout(x, 0.3, training=True))

    one, ready = explained(Noisy().eval(), pictures())
    two, _ = explained(Noisy().eval(), pictures())
    assert "Two forward passes of the same input differ" in ready.notes[0]
    assert all(one[name].values.tolist() == two[name].values.tolist() for name in one)


class Drawing(Small):
    """Draws from NumPy's and Python's own generators."""

    def forward(self, x):
        return super().forward(x) + 0.1 * float(np.random.rand()) + random.random()


def test_what_a_model_draws_by_numpy_and_python_is_the_same_whatever_ran_before():
    model = Drawing().eval()
    sight = sight_of(model, pictures()[0][:1])
    tools = tools_of(model)
    occlusion = next(method for method in suited("image") if method.name == "Occlusion")
    random.seed(1)
    np.random.seed(1)
    one = run(occlusion, sight, tools)
    before = state.of_process()
    two = run(occlusion, sight, tools)
    assert one.values.tolist() == two.values.tolist()
    assert state.of_process() == before


def test_whole_numbers_get_what_needs_no_gradient_and_the_reason_for_the_rest():
    class Bytes(Small):
        def forward(self, x):
            return super().forward(x.float() / 255)

    values, targets = pictures()
    made, _ = explained(Bytes().eval(), ((values * 255).to(torch.uint8), targets), modality="image")
    without = [name for name, outcome in made.items() if isinstance(outcome, Missing)]
    assert without == ["GradientShap", "Saliency", "SmoothGrad", "Input × gradient", "Integrated Gradients"]
    assert made["Saliency"].reason == "the input is uint8, which has no gradient"
    assert made["Occlusion"].values.any()


def test_several_outputs_are_explained_by_the_one_that_predictions_are_read_from():
    class Two(Small):
        def forward(self, x):
            logits = super().forward(x)
            return logits, x.mean()

    made, _ = explained(Two().eval(), pictures())
    assert all(isinstance(outcome, Attribution) for outcome in made.values())


def test_a_batch_norm_without_statistics_is_explained_one_at_a_time_and_it_is_said():
    model = Small().eval()
    model.norm = nn.BatchNorm2d(4, track_running_stats=False).eval()
    made, ready = explained(model, pictures())
    assert (ready.tools.forward, ready.tools.gradient) == (1, 1)
    assert "depends on what else is in its batch" in ready.notes[0]
    whole = made["Occlusion"]
    with torch.no_grad():
        number = ready.sights[0].values
        hidden = number.clone()
        hidden[0, 0, 3, 3] = number.mean()
        column = ready.sights[0].subject.target.column
        expected = float(model(number)[0, column] - model(hidden)[0, column])
    assert whole.values[3, 3] == pytest.approx(expected, abs=1e-5)


def test_when_the_time_ends_the_other_samples_are_cut(monkeypatch):
    clock = iter(range(0, 100_000, 3))
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(module, "measure", lambda sight, **how: Pace(8, 8))
    model, data = Small().eval(), pictures()
    experiment = build(model, data=data)
    subjects, _ = choose(experiment, 4)
    methods = suited("image")
    told = Options(samples=4, timed=True)
    ready = prepare(experiment, told, sights(experiment, subjects), 1.0)
    rows = explain(told, ready, methods, Deadline(400.0))
    assert 1 <= len(rows) < 4
    short = explain(told, ready, methods, Deadline(10.0))
    assert len(short) == 1
    # The cheapest is made, whatever it takes; the dearest is not.
    assert isinstance(short[0][[method.name for method in methods].index("Saliency")], Attribution)
    assert short[0][0] == Missing("LIME", ENDED)
    assert len(explain(SILENT, ready, methods, Deadline(10.0, timed=False))) == 4
