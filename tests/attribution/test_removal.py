from dataclasses import replace

import numpy as np
import pytest
import torch
from looks import rows_of, sight_of, tools_of
from torch import nn

from reportgen.attribution import removal as looked
from reportgen.attribution.base import Attribution, Missing
from reportgen.attribution.choose import choose
from reportgen.attribution.explain import BUDGET
from reportgen.attribution.kinds import sights
from reportgen.attribution.methods import suited
from reportgen.attribution.removal import Effort, effort, mean_known, rank, removal
from reportgen.deadline import Deadline
from reportgen.experiment import Experiment, Options, build
from reportgen.sections._removal import findings


class Weighted(nn.Module):
    """The weighted sum of the input's places."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights))

    def forward(self, x):
        return (x * self.weights).flatten(1).sum(dim=1, keepdim=True)


def by(name, values, signed=True):
    return Attribution(name, np.array(values, np.float64), signed, "")


def curves_of(model, rows, values=None, *, kind="table", baseline=None, other=None, parts=None, samples=1):
    values = torch.ones(1, 4) if values is None else values
    tools = tools_of(model, 7)
    seen = [
        sight_of(
            model, values, baseline=baseline, other=other, parts=parts, number=at, experiment=tools.experiment
        )
        for at in range(samples)
    ]
    tools.experiment.__dict__["operations"] = 1
    made = removal(tools.experiment, Options(timed=False), tools, seen, [tuple(rows)] * samples, kind)
    assert made is not None
    return made


def test_the_curves_of_a_linear_model_are_known_by_hand():
    best, worst = by("best", [4, 3, 2, 1]), by("worst", [1, 2, 3, 4])
    made = curves_of(Weighted([4.0, 3.0, 2.0, 1.0]), [best, worst])
    grid = np.linspace(0, 1, 21)
    steps = np.linspace(0, 1, 5)
    for (way, at), line in {
        (0, 0): [1, 0.6, 0.3, 0.1, 0],
        (0, 1): [1, 0.9, 0.7, 0.4, 0],
        (1, 0): [0, 0.4, 0.7, 0.9, 1],
        (1, 1): [0, 0.1, 0.3, 0.6, 1],
    }.items():
        assert made.curves[0, 0, way, at] == pytest.approx(np.interp(grid, steps, line), abs=1e-6)
        assert made.areas[0, 0, way, at] == pytest.approx(0.25 * (0.5 + sum(line[1:4])), abs=1e-6)
    assert made.areas[0, 0, 0, 0] == pytest.approx(0.375)
    random = made.random_areas[0, 0]
    assert (random >= 0.375 - 1e-6).all()
    assert (random <= 0.625 + 1e-6).all()
    # Each model run counts once: two ends, and three inner cuts of seven orders, both ways.
    assert made.evaluations == 2 + 3 * 7 * 2


def test_the_best_order_is_ahead_of_random_the_reversed_is_behind_and_random_is_neither():
    weights = np.arange(40.0)
    chance = np.random.default_rng(5).normal(size=40)
    rows = [by("best", weights), by("reversed", -weights), by("chance", chance)]
    made = curves_of(Weighted(weights.astype(np.float32)), rows, torch.ones(1, 40), samples=8)
    as_good = mean_known(made.as_good)[0]
    assert (as_good[:, 0] == 0).all()
    assert (as_good[:, 1] == 1).all()
    assert ((as_good[:, 2] > 0) & (as_good[:, 2] < 1)).all()
    by_hand = (made.random_areas[:, 0, 0] < made.areas[:, 0, 0, 2:]).mean()
    assert as_good[0, 2] == pytest.approx(by_hand)
    assert [finding.message.split(" is ")[0] for finding in findings(made)] == [
        "The order of reversed",
        "The order of chance",
    ]
    assert "100 % of the random orders did as well on 8 samples" in findings(made)[0].message


def test_hiding_what_the_model_ignores_changes_nothing():
    blind = curves_of(Weighted([0.0, 0.0, 1.0, 1.0]), [by("blind", [4, 3, 2, 1])])
    line = blind.curves[0, 0, 0, 0]
    assert line[:11] == pytest.approx(np.ones(11))
    assert line[-1] == 0


def test_signed_values_rank_by_value_and_others_by_size():
    ties, numbers = np.arange(4), np.arange(4)
    assert rank(by("", [-9, 0, 2, 1]), numbers, ties).tolist() == [3, 2, 0, 1]
    assert rank(by("", [-9, 0, 2, 1], signed=False), numbers, ties).tolist() == [0, 3, 1, 2]
    unknown = replace(by("", [-9, 0, 2, 1]), unknown=np.array([False, False, True, False]))
    assert rank(unknown, numbers, ties).tolist() == [2, 1, 3, 0]
    assert rank(by("", [1, 1, 1, 1]), numbers, np.array([3, 1, 0, 2])).tolist() == [3, 1, 0, 2]


def test_a_part_counts_with_the_sum_of_its_places_and_what_is_never_hidden_stays():
    seen = []

    class Spy(Weighted):
        def forward(self, x):
            seen.append(x.detach().clone())
            return super().forward(x)

    parts = np.array([-1, 0, 0, 1])
    assert rank(by("", [9, 1, 1, 1.5]), parts, np.arange(2)).tolist() == [0, 1]
    repeated = replace(by("", [9, 1, 1, 1.5]), shared=parts)
    assert rank(repeated, parts, np.arange(2)).tolist() == [1, 0]
    made = curves_of(Spy([1.0, 1.0, 1.0, 1.0]), [by("a", [9, 1, 1, 1.5])], parts=parts)
    shown = torch.cat(seen)
    assert (shown[:, 0] == 1).all()
    assert (shown[:, 1] == shown[:, 2]).all()
    assert np.interp(0.5, np.linspace(0, 1, 21), made.curves[0, 0, 0, 0]) == pytest.approx(1 / 3)


def test_pictures_lose_pixels_by_rank_whatever_their_parts():
    values = torch.arange(16.0).reshape(1, 1, 4, 4) + 1
    one_part = np.zeros((4, 4), int)
    attribution = by("a", values[0, 0].numpy())
    made = curves_of(Weighted(torch.ones(1, 4, 4)), [attribution], values, kind="image", parts=one_part)
    whole = np.arange(16, 0, -1).cumsum() / 136
    assert made.areas[0, 0, 1, 0] == pytest.approx((whole.sum() - 0.5) / 16)


@pytest.mark.parametrize(("sign", "column", "width"), [(1, 2, 3), (1, 0, 1), (-1, 0, 1)])
def test_the_score_is_the_probability_of_the_target_where_there_are_classes(sign, column, width):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(4, width).eval()
        values = torch.randn(1, 4)
    experiment = build(model, example_inputs=torch.randn(8, 4) * 9, task="classification")
    seen = sight_of(model, values, column, sign=sign, experiment=experiment)
    made = removal(
        experiment,
        Options(timed=False),
        tools_of(experiment=experiment),
        [seen],
        [(by("a", [1, 2, 3, 4]),)],
        "table",
    )
    with torch.no_grad():
        ends = model(torch.cat([values, torch.zeros(1, 4)]))
    expected = ends.softmax(dim=1)[:, column] if width > 1 else (sign * ends).sigmoid()[:, 0]
    assert made.classes
    assert made.curves[0, 0, 0, 0, [0, -1]] == pytest.approx(expected.numpy(), abs=1e-6)


def test_an_equal_second_baseline_an_equal_score_and_a_missing_method_are_unknown():
    rows = [by("a", [4, 3, 2, 1]), Missing("b", "no luck")]
    made = curves_of(Weighted([4.0, 3.0, 2.0, 1.0]), rows, other=torch.zeros(1, 4))
    assert np.isfinite(made.areas[0, 0, :, 0]).all()
    assert np.isnan(made.areas[0, 1]).all()
    assert np.isnan(made.areas[0, :, :, 1]).all()
    flat = curves_of(Weighted([1.0, 1.0, 1.0, 1.0]), rows, other=torch.full((1, 4), 1.0))
    assert np.isnan(flat.areas[0, 1]).all()
    assert np.isnan(curves_of(Weighted([0.0] * 4), rows).areas).all()
    assert findings(curves_of(Weighted([0.0] * 4), rows)) == []


def test_the_budget_cuts_samples_first_then_steps_and_orders_then_all():
    experiment = Experiment(title="")
    full = 2 * (2 * (9 + 5) * 19 + 2)
    coarse = 2 * (2 * (9 + 3) * 9 + 2)

    def with_passes(passes):
        experiment.__dict__["operations"] = int(looked.SHARE * BUDGET["cpu"] / passes)
        return effort(experiment, 9, 8)

    assert with_passes(full * 20) == Effort(8, 20, 5)
    assert with_passes(full * 3.5) == Effort(3, 20, 5)
    assert with_passes(full * 0.9) == Effort(1, 10, 3)
    assert with_passes(coarse * 0.9) == Effort(0, 10, 3)
    assert effort(experiment, 9, 64).samples == 0
    experiment.__dict__["operations"] = 0
    assert effort(experiment, 9, 64) == Effort(8, 20, 5)


def test_the_clock_cuts_samples_only_where_it_may(monkeypatch):
    monkeypatch.setattr(looked, "TIME", 0.0)
    model, row = Weighted([4.0, 3.0, 2.0, 1.0]), (by("a", [4, 3, 2, 1]),)
    tools = tools_of(model)
    tools.experiment.__dict__["operations"] = 0
    seen = [sight_of(model, torch.ones(1, 4), number=at) for at in range(4)]
    made = [
        removal(tools.experiment, Options(), tools, seen, [row] * 4, "table", Deadline(60.0, timed))
        for timed in (True, False)
    ]
    assert [one.effort.samples for one in made] == [1, 4]
    assert [one.numbers for one in made] == [(0,), (0, 1, 2, 3)]


def test_the_same_seed_gives_the_same_curves_however_large_the_batch(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    subjects, _ = choose(experiment, 2)
    seen = sights(experiment, subjects)
    rows = rows_of(experiment, Options(), seen, suited("image")[1:3], 1.0)
    many, few = (
        removal(
            experiment, Options(timed=False), tools_of(size=size, experiment=experiment), seen, rows, "image"
        )
        for size in (256, 5)
    )
    assert many.areas == pytest.approx(few.areas, abs=1e-5)
    assert many.random_areas == pytest.approx(few.random_areas, abs=1e-5)


def test_integrated_gradients_of_a_trained_network_are_ahead_of_random_under_both_baselines(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    subjects, _ = choose(experiment, 6)
    seen = sights(experiment, subjects)
    rows = rows_of(experiment, Options(), seen, suited("image")[2:3], 1.0)
    made = removal(experiment, Options(), tools_of(experiment=experiment), seen, rows, "image")
    assert made.classes
    assert (mean_known(made.as_good)[:, :, 0] < 0.1).all()
    assert (made.curves <= 1).all()
    assert findings(made) == []


def test_one_sample_or_few_places_say_too_little_for_a_finding():
    worst = by("worst", np.arange(6.0))
    heavy = Weighted(np.arange(6, 0, -1).astype(np.float32))
    values = torch.ones(1, 6)
    assert findings(curves_of(heavy, [worst], values, samples=2)) == []
    assert len(findings(curves_of(heavy, [worst], values, samples=3))) == 1
    light = Weighted([4.0, 3.0, 2.0, 1.0])
    assert findings(curves_of(light, [by("worst", [1, 2, 3, 4])], samples=3)) == []


@pytest.mark.parametrize("seed", range(16))
def test_an_exact_explanation_of_a_linear_regression_beats_every_random_order(seed):
    random = np.random.default_rng(seed)
    weights, count = random.normal(size=12), 8
    model = Weighted(weights.astype(np.float32))
    tools = tools_of(model)
    tools.experiment.__dict__["operations"] = 1
    seen, rows = [], []
    for number in range(count):
        values = torch.tensor(random.normal(size=(1, 12)), dtype=torch.float32)
        seen.append(sight_of(model, values, number=number, experiment=tools.experiment))
        rows.append((by("exact", weights * values[0].numpy()),))
    made = removal(tools.experiment, Options(timed=False), tools, seen, rows, "table")
    assert set(np.unique(made.directions[:, 0])) <= {-1.0, 1.0}
    assert (mean_known(made.as_good)[0] == 0).all()
    assert findings(made) == []


def test_what_lowers_the_score_is_ranked_first_where_it_is_below_the_baseline():
    ties, numbers = np.arange(4), np.arange(4)
    assert rank(by("", [-9, 0, 2, 1]), numbers, ties, -1.0).tolist() == [0, 1, 3, 2]
    assert rank(by("", [-9, 0, 2, 1], signed=False), numbers, ties, -1.0).tolist() == [0, 3, 1, 2]


def test_a_sample_that_scores_as_its_baseline_leaves_nothing_to_measure():
    model = Weighted([1.0, 1.0, 1.0, 1.0])
    end = torch.tensor([[1.0, 1.0, 1.0, 1.00001]])
    made = curves_of(model, [by("a", [1, 1, 1, 1])], baseline=end, other=torch.zeros(1, 4))
    assert made.directions[0, 1] == 1
    assert np.isnan(made.directions[0, 0])
    assert np.isnan(made.areas[0, 0]).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_rare_class_detector_explained_exactly_is_no_finding(seed):
    random = np.random.default_rng(seed)
    weights = np.concatenate([random.normal(size=6) * 2, np.zeros(6)]).astype(np.float32)
    model = nn.Linear(12, 1)
    model.weight.data, model.bias.data = torch.tensor(weights)[None], torch.tensor([-6.0])
    data = torch.tensor(random.normal(size=(40, 12)), dtype=torch.float32)
    experiment = build(model, example_inputs=data, task="classification")
    experiment.__dict__["operations"] = 1
    tools, seen, rows = tools_of(experiment=experiment), [], []
    for number in range(8):
        values = data[number : number + 1]
        seen.append(sight_of(model, values, sign=-1, number=number, experiment=experiment))
        rows.append((by("exact", -weights * values[0].numpy()),))
    made = removal(experiment, Options(timed=False), tools, seen, rows, "table")
    assert made.classes
    assert findings(made) == []


def test_orders_drawn_by_chance_are_found():
    random = np.random.default_rng(0)
    weights = random.normal(size=20)
    found = 0
    for _ in range(40):
        rows = [by("chance", random.normal(size=20))]
        found += bool(
            findings(curves_of(Weighted(weights.astype(np.float32)), rows, torch.ones(1, 20), samples=8))
        )
    assert found >= 1
