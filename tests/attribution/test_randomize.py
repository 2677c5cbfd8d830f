from dataclasses import replace

import numpy as np
import pytest
import state
import torch
from looks import rows_of, sight_of, tools_of
from scipy.stats import spearmanr
from tables import mixed
from torch import nn
from torch.nn.utils import parametrizations

from reportgen.attribution.base import Attribution, Missing, NotApplicable
from reportgen.attribution.choose import choose
from reportgen.attribution.gradients import input_gradient
from reportgen.attribution.kinds import sights
from reportgen.attribution.methods import Method, suited
from reportgen.attribution.occlusion import occlusion_parts
from reportgen.attribution.randomize import Randomised, accustom, copied, edges, randomise, randomised
from reportgen.experiment import Experiment, Options, build
from reportgen.guard import untouched
from reportgen.sections._randomized import findings, lowest


def whole(model):
    return Experiment(title="", model=model)


def run(methods, model, values, kind="image", **given):
    experiment = whole(model.eval())
    experiment.__dict__["operations"] = 1
    tools = tools_of(experiment=experiment)
    seen = [sight_of(model, values, experiment=experiment, number=at, **given) for at in range(2)]
    rows = [tuple(method.make(sight, tools) for method in methods) for sight in seen]
    return randomised(experiment, Options(timed=False), tools, seen, rows, methods, kind)


def test_the_model_is_left_alone_and_its_copy_is_not(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    subjects, _ = choose(experiment, 2)
    seen, methods = sights(experiment, subjects), suited("image")
    rows = rows_of(experiment, Options(), seen, methods, 0.2)
    with untouched(model):
        before = state.of_model(model), state.of_process()["torch"], state.of_process()["numpy"]
        made = randomised(
            experiment, Options(timed=False), tools_of(experiment=experiment), seen, rows, methods, "image"
        )
        after = state.of_model(model), state.of_process()["torch"], state.of_process()["numpy"]
    # What captum's look at the gradients leaves on the trained model is not this look's: there is none on it.
    assert after == before
    assert np.isfinite(made.same).all()
    assert made.same[:, 1].mean() < 0.5  # saliency of a trained network is not that of an untrained one
    assert made.numbers == (0, 1)


def test_every_parameter_is_drawn_anew_also_where_no_layer_does_it():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.normed = parametrizations.weight_norm(nn.Linear(6, 6))
            self.bare = nn.Parameter(torch.linspace(3, 5, 4000))
            self.fc = nn.Linear(6, 6)

        def forward(self, x):
            return self.fc(self.normed(x)) * self.bare.mean()

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Mixed()
    drawn = copied(whole(model))
    randomise(drawn, [0])
    assert all(
        not torch.equal(one, two) and bool(two.isfinite().all())
        for one, two in zip(model.parameters(), drawn.parameters(), strict=True)
    )
    size = float(model.bare.detach().square().mean().sqrt())
    assert float(drawn.bare.detach().square().mean().sqrt()) == pytest.approx(size, rel=0.05)
    assert abs(float(drawn.bare.detach().mean())) < 0.3
    assert float(drawn.fc.weight.detach().abs().max()) <= 6**-0.5  # as nn.Linear draws its own
    again, other = copied(whole(model)), copied(whole(model))
    randomise(again, [0])
    randomise(other, [1])
    assert torch.equal(again.fc.weight, drawn.fc.weight)
    assert not torch.equal(other.fc.weight, drawn.fc.weight)


def test_the_score_of_a_deep_copy_with_batch_norms_still_hangs_on_the_input():
    def block():
        return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), *(block() for _ in range(40)), nn.Flatten(), nn.Linear(144, 2)
        )
        values = torch.rand(1, 1, 8, 8)
    sight = sight_of(model.eval(), values)
    randomise(model, [0])
    masks = np.random.default_rng(0).random((4, 8, 8)) < 0.5
    assert np.ptp(sight.score.numbers(sight.shown(masks), 4)) < 1e-6
    accustom(model, sight, tools_of(model))
    assert np.ptp(sight.score.numbers(sight.shown(masks), 4)) > 1e-2
    assert not any(module.training for module in model.modules())


def test_a_map_of_the_edges_is_the_control_and_does_not_hang_on_the_model():
    def edged(sight, tools):
        return Attribution("Edges", edges(sight), False, "")

    def flat(sight, tools):
        return Attribution("Flat", np.ones(sight.shape), False, "")

    def signed(sight, tools):
        return Attribution("Signed", -edges(sight), True, "")

    with torch.random.fork_rng():
        torch.manual_seed(0)
        values = torch.rand(1, 3, 9, 9)
    model = nn.Sequential(nn.Flatten(), nn.Linear(243, 2))
    made = run([Method("Edges", edged), Method("Flat", flat), Method("Signed", signed)], model, values)
    for table in (made.same, made.control):
        assert table[:, [0, 2]] == pytest.approx(np.ones((2, 2)))
        assert np.isnan(table[:, 1]).all()
    assert [finding.message.split(" hardly")[0] for finding in findings(made, "image")] == [
        "The maps of Edges",
        "The maps of Signed",
    ]
    assert "rank correlation 1 on 2 samples; with the picture's edges (Sobel's filter) 1" in (
        findings(made, "image")[0].message
    )


def test_sobel_finds_the_edge_of_a_step_and_nothing_else():
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1
    found = edges(sight_of(nn.Flatten(), step))
    assert (found[:, 3:5] > 0.5).all()
    assert np.abs(np.delete(found, (3, 4), axis=1)).max() < 1e-9


def test_maps_on_an_empty_ground_are_alike_for_any_weights_and_the_control_says_so():
    def product(sight, tools):
        weights = sight.score.experiment.model[0].weight.detach()
        return Attribution("Product", (weights * sight.values)[0].double().numpy(), True, "")

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(400, 1))
        empty = torch.where(torch.arange(400) % 2 == 0, 0.0, torch.rand(400))
        even = torch.ones(400)
    method = [Method("Product", product)]
    made = run(method, model, empty[None], kind="table")
    assert (made.same > 0.8).all()
    drawn = copied(whole(model))
    randomise(drawn, [*tools_of().seeds(sight_of(model, even[None], number=1)), 2])
    maps = [(one[0].weight.detach()[0] * empty).abs().double().numpy() for one in (model, drawn)]
    assert made.same[1, 0] == pytest.approx(spearmanr(*maps).statistic, abs=1e-6)
    assert made.control[1, 0] == pytest.approx(spearmanr(maps[0], empty.numpy()).statistic, abs=1e-6)
    assert "with the size of the input's values 0.9" in findings(made, "table")[0].message
    # Where nothing is empty the map follows the weights, of which none are left.
    made = run(method, model, even[None], kind="table")
    assert (np.abs(made.same) < 0.2).all()
    assert findings(made, "table") == []


def test_what_has_no_gradient_is_held_on_the_copy_too_and_left_out_of_the_comparison():
    model, data = mixed()
    experiment = build(model, data=data)
    seen, given = sights(experiment, choose(experiment, 1)[0]), []

    def gradient(sight, tools):
        given.append(sight)
        return input_gradient(sight, tools)

    methods = [
        Method("Input × gradient", gradient, backward=1),
        Method("Occlusion", occlusion_parts, parted=1),
    ]
    rows = rows_of(experiment, Options(), seen, methods)
    tools = tools_of(experiment=experiment)
    made = randomised(experiment, Options(timed=False), tools, seen, rows, methods, "table")
    learned, drawn = given
    assert drawn.unknown.tolist() == [False] * 4 + [True] * 2
    assert drawn.score.experiment.model is not model
    # The codes are the sample's whatever values are put in, and so are those of the baseline.
    assert torch.equal(drawn.baseline.values[0, 4:], drawn.values[0, 4:])
    moved = drawn.values + torch.tensor([0.0, 0, 0, 0, 1, 1])
    assert torch.equal(drawn.score(moved), drawn.score(drawn.values))
    maps = [np.abs(input_gradient(sight, tools).values[:4]) for sight in (learned, drawn)]
    assert made.same[0, 0] == pytest.approx(spearmanr(*maps).statistic, abs=1e-9)
    assert np.isfinite(made.same[0, 1])


def test_few_places_or_one_sample_are_alike_by_chance_and_no_finding():
    def product(sight, tools):
        values = sight.score.experiment.model[0].weight.detach().abs().sum(dim=0) * sight.values[0]
        return Attribution("Product", values.double().numpy(), True, "")

    methods, alike = [Method("Product", product)], 0
    for seed in range(40):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
            made = run(methods, model, torch.rand(1, 3), kind="table")
        alike += int(made.same.mean() > 0.8)
        assert findings(made, "table") == []
    assert alike > 2
    steep = nn.Sequential(nn.Linear(400, 1))
    made = run(methods, steep, torch.logspace(-9, 9, 400)[None], kind="table")
    assert len(findings(made, "table")) == 1
    one = replace(made, same=made.same[:1], control=made.control[:1], parts=made.parts[:1])
    assert findings(one, "table") == []
    assert findings(replace(made, same=np.where([[True], [False]], made.same, np.nan)), "table") == []


def test_a_method_that_gives_nothing_on_the_copy_is_unknown():
    calls = []

    def once(sight, tools):
        calls.append(sight)
        if len(calls) > 2:
            raise RuntimeError("no")
        return Attribution("Once", np.arange(4.0), True, "")

    made = run([Method("Once", once)], nn.Linear(4, 2), torch.rand(1, 4), kind="table")
    assert np.isnan(made.same).all()
    assert np.isfinite(made.control).all()
    assert findings(made, "table") == []


class Locked(nn.Linear):
    def __deepcopy__(self, memo):
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Flatten(), "the model has no parameters"),
        (Locked(2, 2), "the model can't be copied"),
        (nn.Linear(20_000, 20_000, device="meta"), "too large to copy"),
    ],
)
def test_where_there_can_be_no_copy_one_line_says_why(model, said):
    with pytest.raises(NotApplicable, match=said):
        copied(whole(model))


def test_a_costly_model_is_not_run_again():
    experiment = whole(nn.Linear(2, 2))
    experiment.__dict__["operations"] = int(6e12)
    row = (Missing("a", ""),)
    with pytest.raises(NotApplicable, match="cost leaves no room"):
        randomised(
            experiment, Options(timed=False), tools_of(), [sight_of(nn.Linear(2, 2), torch.ones(1, 2))], [row],
            [Method("a", lambda sight, tools: None, backward=50)], "table",
        )  # fmt: skip


def test_a_likeness_that_few_places_bring_by_chance_is_no_finding():
    def seen(same, parts):
        table = np.array([[same], [same]])
        return findings(Randomised(("A",), (0, 1), 2, table, table, np.full((2, 1), parts)), "table")

    assert seen(0.85, 6) == []
    assert len(seen(0.85, 600)) == 1
    assert len(seen(1.0, 6)) == 1
    # Fisher's z by hand: two samples of 30 parts.
    assert lowest(0.9, np.array([30, 30])) == pytest.approx(np.tanh(np.arctanh(0.9) - 1.645 / 54**0.5))
