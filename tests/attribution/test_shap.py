from itertools import permutations

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, KernelShap
from captum.testing.helpers.basic_models import BasicModel_MultiLayer
from looks import sight_of, tools_of
from tables import mixed
from texts import Bag
from torch import nn

from reportgen.attribution.choose import choose
from reportgen.attribution.explain import run
from reportgen.attribution.kinds import sights
from reportgen.attribution.methods import Method
from reportgen.attribution.shap import (
    ADDITIVITY,
    SHAP_STABILITY,
    SHAP_SUM,
    coalitions,
    gradient_shap,
    kernel_shap,
    places,
    shapley,
)
from reportgen.experiment import build


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3)).eval()


def by_definition(score, parts):
    """Each part's mean effect over all orders in which the parts can appear."""
    values = np.zeros(parts)
    orders = list(permutations(range(parts)))
    for order in orders:
        shown = np.zeros(parts)
        for part in order:
            before = score(shown)
            shown[part] = 1
            values[part] += score(shown) - before
    return values / len(orders)


def test_few_parts_get_their_exact_shapley_values(network):
    values = torch.linspace(-1, 2, 5)[None]
    made = kernel_shap(sight_of(network, values, 1), tools_of(size=8))

    def score(shown):
        with torch.no_grad():
            return float(network(values * torch.tensor(shown, dtype=torch.float32))[0, 1])

    assert made.values == pytest.approx(by_definition(score, 5), abs=1e-5)
    assert made.settings == "all 30 coalitions of places"
    assert made.trust[SHAP_SUM] < 1e-6
    assert SHAP_STABILITY not in made.trust  # nothing is drawn


def test_the_published_network_gets_the_published_values():
    """captum publishes KernelShap [76.67, 196.67, 116.67] for this network and input."""
    sight = sight_of(BasicModel_MultiLayer(), torch.tensor([[20.0, 50.0, 30.0]]))
    assert kernel_shap(sight, tools_of()).values == pytest.approx([76.6667, 196.6667, 116.6667], abs=1e-3)


def test_the_regression_is_that_of_captum_on_the_same_masks():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 1))
        seen = []

        def score(x):
            seen.append(x.detach().numpy().copy())
            with torch.no_grad():
                return model(x)[:, 0]

        theirs = KernelShap(score).attribute(torch.ones(1, 12), n_samples=200)[0].numpy()
    masks = np.concatenate(seen)
    with torch.no_grad():
        scores = model(torch.tensor(masks))[:, 0].double().numpy()
    high, low = scores[masks.all(axis=1)][0], scores[~masks.any(axis=1)][0]
    inside = masks.any(axis=1) & ~masks.all(axis=1)
    ours = shapley(masks[inside], np.ones(inside.sum()), scores[inside], high, low)
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_drawn_coalitions_come_in_pairs_and_never_show_all_or_nothing():
    masks, weights = coalitions(20, 300, [0, 1])
    assert masks.shape == (300, 20)
    assert (masks[::2] == ~masks[1::2]).all()
    assert set(masks.sum(axis=1)) <= set(range(1, 20))
    assert set(weights) == {1.0}
    again, _ = coalitions(20, 300, [0, 1])
    assert (masks == again).all()


def test_many_parts_are_near_their_shapley_values_and_add_up():
    """Of an additive model with pairs: a part's value is its weight and half of each pair's."""
    rng = np.random.default_rng(0)
    weights, pairs = torch.tensor(rng.normal(size=16)), torch.tensor(rng.normal(size=8))

    class Pairs(nn.Module):
        def forward(self, x):
            x = x.double()
            return (x @ weights + (x[:, ::2] * x[:, 1::2]) @ pairs)[:, None]

    made = kernel_shap(sight_of(Pairs(), torch.ones(1, 16)), tools_of())
    expected = weights.numpy() + np.repeat(pairs.numpy(), 2) / 2
    assert made.values == pytest.approx(expected, abs=1e-6)
    assert made.trust[SHAP_STABILITY] == pytest.approx(1)
    assert made.values.sum() == pytest.approx(float(weights.sum() + pairs.sum()))


def test_one_part_gets_the_whole_difference():
    sight = sight_of(nn.Linear(1, 1), torch.tensor([[2.0]]))
    made = kernel_shap(sight, tools_of())
    assert made.values[0] == pytest.approx(2 * sight.score.experiment.model.weight.item(), abs=1e-6)


def test_gradient_shap_against_the_data_is_near_captums_of_very_many_points(network):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rows = torch.randn(25, 5)
    experiment = build(network, data=(rows, torch.zeros(25, dtype=torch.long)))
    values = torch.linspace(-1, 2, 5)[None]
    sight = sight_of(network, values, 2, experiment=experiment)
    made = gradient_shap(sight, tools_of(size=7, experiment=experiment))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        np.random.seed(0)
        theirs = GradientShap(network).attribute(values, rows, n_samples=40_000, target=2)[0].numpy()
    assert made.values == pytest.approx(theirs, abs=0.1 * float(np.abs(theirs).max()))
    assert made.baseline == "25 samples of the data"
    with torch.no_grad():
        difference = float(network(values)[0, 2] - network(rows)[:, 2].mean())
    error = abs(made.values.sum() - difference) / abs(difference)
    assert made.trust[ADDITIVITY] == pytest.approx(error, abs=1e-4)


def test_points_are_added_where_fifty_do_not_add_up_and_only_within_the_budget():
    class Steep(nn.Module):
        def forward(self, x):
            return torch.tanh(300 * (x - 0.4321)).sum(dim=1, keepdim=True)

    rows = torch.linspace(-4, 0.43, 25)[:, None]
    experiment = build(Steep(), data=(rows, torch.zeros(25, 1)), task="regression")
    sight = sight_of(Steep(), torch.ones(1, 1), experiment=experiment)
    made = gradient_shap(sight, tools_of(experiment=experiment))
    points = int(made.settings.split()[0])
    assert made.settings == f"{points} points (50 missed additivity by over 5 %)"
    assert points in (100, 150, 200)
    assert made.evaluations == points + 26
    assert made.trust[ADDITIVITY] < 0.05 or points == 200
    poor = gradient_shap(sight, tools_of(experiment=experiment, share=0.2))
    assert poor.settings == "50 points"
    assert poor.trust[ADDITIVITY] > 0.05


def test_each_way_and_all_together_have_even_places_in_each_round():
    shifts = (np.random.default_rng(0).permutation(25) + 0.5) / 25
    first, second = places(shifts, 2, 0), places(shifts, 2, 1)
    assert np.diff(first, axis=0) == pytest.approx(0.5)
    assert np.sort(first.ravel()) == pytest.approx((np.arange(50) + 0.5) / 50)
    assert np.diff(np.sort(np.concatenate([first, second]), axis=0), axis=0) == pytest.approx(0.25)
    assert [round(float(places(np.zeros(1), 1, number)[0, 0]), 3) for number in range(5)] == [
        0, 0.5, 0.25, 0.75, 0.125,
    ]  # fmt: skip


def test_gradients_against_the_data_add_up_on_digits(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    seen = sights(experiment, choose(experiment, 8)[0])
    missed = []
    for sight in seen:
        made = gradient_shap(sight, tools_of(experiment=experiment))
        # Beside what the values move: where they cancel out, their sum is small, and so is what it is compared with.
        error = made.trust[ADDITIVITY]
        missed.append(error * abs(made.values.sum()) / abs(1 - error) / np.abs(made.values).sum())
    assert max(missed) < 0.05


def test_rows_of_a_table_are_the_references_with_categories_as_in_the_sample():
    model, data = mixed()
    experiment = build(model, data=data)
    whole = sights(experiment, choose(experiment, 1)[0])[0]
    made = run(Method("GradientShap", gradient_shap, backward=50), whole, tools_of(experiment=experiment))
    assert made.baseline == "25 samples of the data, the rest as in the sample"
    chosen = [at * len(data) // 25 for at in range(25)]
    own = data.tensors[1][[whole.subject.number]]
    with torch.no_grad():
        held = model(data.tensors[0][chosen], own.expand(25, -1))[:, 0].double()
        high = model(data.tensors[0][[whole.subject.number]], own)[0, 0].double()
    difference = float(high - held.mean())
    assert made.trust[ADDITIVITY] == pytest.approx(
        abs(made.values.sum() - difference) / abs(difference), abs=1e-4
    )
    assert made.values[4:].tolist() == [0, 0]


def test_a_table_of_numbers_is_explained_against_its_rows():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model, rows = nn.Linear(4, 1), torch.randn(100, 4)
    experiment = build(model, data=(rows, model(rows).detach()))
    sight = sights(experiment, choose(experiment, 1)[0])[0]
    made = gradient_shap(sight, tools_of(experiment=experiment))
    expected = model.weight[0] * (rows[sight.subject.number] - rows[::4].mean(dim=0))
    assert made.values == pytest.approx(expected.detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("shape", [(30_000,), (2, 30_000), (30_000, 2)])
def test_long_clips_are_explained_against_clips_of_the_data(shape):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        clips = torch.randn(5, *shape)
        model = nn.Sequential(nn.Flatten(), nn.Linear(clips[0].numel(), 2)).eval()
    experiment = build(model, data=(clips, torch.arange(5) % 2), sample_rate=8000)
    sight = sights(experiment, choose(experiment, 1)[0])[0]
    made = gradient_shap(sight, tools_of(experiment=experiment))
    assert made.baseline == "5 samples of the data"
    weights = model[1].weight[sight.subject.target.column].reshape(shape)
    products = (weights * (clips[sight.subject.number] - clips.mean(dim=0))).detach()[None]
    assert made.values == pytest.approx(sight.fold(sight.score.feed.split(products)), abs=1e-5)


def test_texts_keep_their_baseline():
    ids = torch.randint(5, 50, (6, 8), generator=torch.Generator().manual_seed(0))
    experiment = build(Bag().eval(), data=(ids, torch.zeros(6, dtype=torch.long)))
    sight = sights(experiment, choose(experiment, 1)[0])[0]
    assert (
        gradient_shap(sight, tools_of(experiment=experiment)).baseline
        == sight.baseline.said
        == "zero vectors"
    )


def test_gradient_shap_of_a_linear_model_is_exact_and_the_batch_changes_nothing():
    model = nn.Linear(3, 1)
    values, baseline = torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([[0.5, 0.0, 0.0]])
    sight = sight_of(model, values, baseline=baseline)
    made = gradient_shap(sight, tools_of(size=16))
    assert made.values == pytest.approx((model.weight * (values - baseline))[0].tolist(), abs=1e-6)
    assert (made.baseline, made.settings) == ("given", "50 points")
    assert gradient_shap(sight, tools_of(size=3)).values == pytest.approx(made.values, abs=1e-6)
