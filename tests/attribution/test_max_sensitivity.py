import time

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, Saliency
from captum.metrics import sensitivity_max
from looks import cheap, linear, rows_of, sight_of, tools_of
from tables import mixed
from texts import Bag
from torch import nn

from reportgen.attribution.base import Attribution, NotApplicable
from reportgen.attribution.choose import choose
from reportgen.attribution.explain import BUDGET
from reportgen.attribution.gradients import input_gradient, integrated_gradients, saliency
from reportgen.attribution.kinds import sights
from reportgen.attribution.methods import Method, suited
from reportgen.attribution.occlusion import occlusion_parts
from reportgen.attribution.sensitivity import COSTLY, DRAWS, SHARE, TIME, deltas, radius, sensitivity
from reportgen.deadline import ENDED, Deadline, Late
from reportgen.experiment import Options, build

UNTIMED = Options(timed=False)
SALIENCY = Method("Saliency", saliency, backward=1)


def moves(sight, tools):
    return torch.cat(list(deltas(sight, tools, radius(sight))))


def steady(methods, seen, experiment, deadline=None):
    tools = tools_of(experiment=experiment)
    rows = [tuple(method.make(sight, tools) for method in methods) for sight in seen]
    given = experiment, UNTIMED, tools, seen, rows, methods
    return sensitivity(*given, *([] if deadline is None else [deadline]))


@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
def test_max_sensitivity_is_captums_on_the_same_moves(digits_cnn):
    model, data = digits_cnn
    experiment = cheap(model)
    sight = sight_of(model, data[3][0][None], 3, experiment=experiment)
    delta = moves(sight, tools_of(experiment=experiment))
    theirs = sensitivity_max(
        Saliency(model).attribute, sight.values, lambda x: x + delta, n_perturb_samples=DRAWS, target=3
    )
    ours = steady([SALIENCY], [sight], experiment)
    assert ours.values[0, 0] == pytest.approx(float(theirs), rel=1e-4)
    assert ours.values[0, 0] > 0.01
    assert ours.evaluations == DRAWS


def test_max_sensitivity_of_integrated_gradients_is_captums_on_the_same_moves():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)).eval()
        values = torch.randn(1, 6)
    experiment = cheap(model)
    sight = sight_of(model, values, experiment=experiment)
    delta = moves(sight, tools_of(experiment=experiment))
    theirs = sensitivity_max(
        IntegratedGradients(model).attribute,
        values,
        lambda x: x + delta,
        n_perturb_samples=DRAWS,
        n_steps=200,
    )
    ours = steady([Method("Integrated Gradients", integrated_gradients, backward=50)], [sight], experiment)
    assert ours.values[0, 0] == pytest.approx(float(theirs), rel=1e-3)


def test_the_saliency_of_a_linear_model_does_not_move_and_its_products_do():
    model = linear(np.arange(1.0, 6))
    experiment = cheap(model)
    sight = sight_of(model, torch.ones(1, 5) + torch.arange(5), experiment=experiment)
    made = steady([SALIENCY, Method("Input × gradient", input_gradient, backward=1)], [sight], experiment)
    moved = moves(sight, tools_of(experiment=experiment)) * torch.arange(1.0, 6)
    size = float((sight.values * torch.arange(1.0, 6)).norm())
    assert made.values[0].tolist() == [0, pytest.approx(float(moved.norm(dim=1).max()) / size, rel=1e-4)]


def test_moves_are_drawn_one_by_one_within_a_fiftieth_of_the_range_of_each_sample():
    values = torch.linspace(-3, 7, 4000)[None]
    sight = sight_of(nn.Linear(4000, 1), values)
    delta = moves(sight, tools_of())
    assert float(delta.abs().max()) <= 0.2
    assert float(delta.abs().max()) > 0.199
    assert abs(float(delta.mean())) < 0.002
    assert torch.equal(delta, moves(sight, tools_of()))
    assert not torch.equal(delta, moves(sight, tools_of(seed=1)))
    assert not torch.equal(delta, moves(sight_of(nn.Linear(4000, 1), values, number=1), tools_of()))


def test_features_of_a_table_move_by_their_own_ranges_and_categories_are_held():
    model, data = mixed()
    experiment = build(model, data=data)
    seen = sights(experiment, choose(experiment, 1)[0])
    given = []

    def gradient(sight, tools):
        given.append(sight)
        return input_gradient(sight, tools)

    methods = [
        Method("Input × gradient", gradient, backward=1),
        Method("Occlusion", occlusion_parts, parted=1),
    ]
    rows = rows_of(experiment, UNTIMED, seen, methods)
    made = sensitivity(experiment, UNTIMED, tools_of(experiment=experiment), seen, rows, methods)
    assert (made.values > 0).all()
    first, *others = given
    assert len(others) == DRAWS
    ranges = np.ptp(data.tensors[0].numpy(), axis=0)
    for sight in others:
        delta = (sight.values - first.values)[0].numpy()
        assert not delta[4:].any()
        assert (np.abs(delta[:4]) <= 0.0201 * ranges).all()
        assert (delta[:4] != 0).all()
        assert torch.equal(sight.baseline.values, first.baseline.values)


def test_the_vectors_of_a_text_move():
    tokens = torch.randint(5, 50, (12, 9), generator=torch.Generator().manual_seed(0))
    experiment = build(Bag(), data=(tokens, torch.arange(12) % 2))
    seen = sights(experiment, choose(experiment, 1)[0])
    assert seen[0].values.is_floating_point()
    methods = suited("text", ("input-gradient", "lime"))
    rows = rows_of(experiment, UNTIMED, seen, methods)
    made = sensitivity(experiment, UNTIMED, tools_of(experiment=experiment), seen, rows, methods)
    assert (made.values > 0).all()
    assert (made.values < 1).all()


def test_what_can_not_move_a_little_is_said():
    whole_numbers = sight_of(nn.Flatten(), torch.ones(1, 3, dtype=torch.int64))
    with pytest.raises(NotApplicable, match="the values are int64, of which none can move a little"):
        radius(whole_numbers)
    with pytest.raises(NotApplicable, match="no range of values"):
        radius(sight_of(nn.Flatten(), torch.ones(1, 3)))
    experiment = build(nn.Linear(3, 2), example_inputs=torch.rand(1, 3))
    with pytest.raises(NotApplicable, match="no data, whose ranges say"):
        radius(sights(experiment, choose(experiment, 1)[0])[0])


def test_a_map_of_zeros_and_one_that_is_lost_on_the_way_are_unknown():
    model = nn.Sequential(nn.Linear(3, 1), nn.Threshold(1e9, 0.0))
    experiment = cheap(model)
    calls = []

    def once(sight, tools):
        calls.append(sight)
        if len(calls) > 1:
            raise RuntimeError("no")
        return Attribution("Once", np.ones(3), True, "")

    steady_one = Method("Steady", lambda sight, tools: Attribution("Steady", np.ones(3), True, ""))
    made = steady(
        [SALIENCY, Method("Once", once), steady_one], [sight_of(model, torch.eye(3)[:1])], experiment
    )
    assert np.isnan(made.values[0, :2]).all()
    assert made.values[0, 2] == 0
    assert made.why == {
        "Saliency": "the map is zero all over",
        "Once": "of the moved sample: RuntimeError: no",
    }


def test_methods_that_cost_too_much_are_left_out_and_the_others_are_measured():
    model = linear(np.ones(3))
    experiment = cheap(model)
    seen = [sight_of(model, torch.eye(3)[:1], number=at, experiment=experiment) for at in range(4)]
    slow = Method("Slow", lambda sight, tools: Attribution("Slow", np.ones(3), True, ""), forward=1000)
    experiment.__dict__["operations"] = int(SHARE * BUDGET["cpu"] / 150)
    made = steady([slow, SALIENCY], seen, experiment)
    assert made.why == {"Slow": COSTLY}
    assert made.numbers == (0, 2)
    assert made.values[:, 1].tolist() == [0, 0]
    experiment.__dict__["operations"] = int(BUDGET["cpu"])
    with pytest.raises(NotApplicable, match="cost leaves no room"):
        steady([slow, SALIENCY], seen, experiment)


def test_the_time_that_ends_costs_what_is_not_made_yet(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    model = linear(np.ones(3))
    experiment = cheap(model)
    seen = [sight_of(model, torch.eye(3)[:1], number=at, experiment=experiment) for at in range(2)]

    def takes(name, seconds):
        def make(sight, tools):
            clock[0] += seconds
            return Attribution(name, np.ones(3), True, "")

        return Method(name, make, forward=int(seconds))

    made = steady([takes("Slow", 5.0), takes("Quick", 1.0)], seen, experiment, deadline=Deadline(30.0 / TIME))
    assert (made.numbers, made.wanted, made.lost) == ((0,), 2, True)
    assert made.why == {"Slow": ENDED}
    assert made.values[0, 1] == 0
    with pytest.raises(Late):
        steady([takes("Slow", 5.0)], seen, experiment, deadline=Deadline(20.0))
