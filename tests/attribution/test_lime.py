import numpy as np
import pytest
import torch
from captum.testing.helpers.basic_models import BasicModel_MultiLayer
from lime.lime_image import LimeImageExplainer
from looks import sight_of, tools_of
from skimage.data import astronaut
from torch import nn

from reportgen.attribution.kinds.image import segment
from reportgen.attribution.lime import R2, STABILITY, lime, solve
from reportgen.attribution.trust import spearman


def explain(model, values, segments, seed=0, share=1.0, size=64):
    return lime(sight_of(model, values, parts=segments), tools_of(size=size, seed=seed, share=share))


@pytest.fixture
def additive():
    """A model that adds up its pixels, weighted."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    model[1].weight.data = torch.linspace(-1, 1, 16)[None] * 3
    return model


PIXELS = np.arange(16).reshape(4, 4)


def test_an_additive_model_is_recovered(additive, monkeypatch):
    monkeypatch.setattr(
        "reportgen.attribution.lime.SETTLED", 2.0
    )  # to the end of the budget: 2 × 400 perturbations
    made = explain(additive, torch.ones(1, 1, 4, 4), PIXELS, share=1.25)
    assert made.evaluations == 800
    expected = additive[1].weight.detach().double().numpy().reshape(4, 4)
    assert made.trust[R2] > 0.999
    assert made.trust[STABILITY] > 0.999
    assert made.values == pytest.approx(expected, rel=0.1, abs=0.02)
    assert spearman(made.values, expected) == pytest.approx(1)


def test_an_additive_model_is_ranked_rightly_where_the_rankings_settled_early(additive):
    made = explain(additive, torch.ones(1, 1, 4, 4), PIXELS)
    assert made.evaluations == 400
    assert "until the values settled" in made.settings
    assert spearman(made.values, additive[1].weight.detach().numpy().reshape(4, 4)) == pytest.approx(1)


def test_a_segment_that_nothing_reads_weighs_nothing(additive):
    additive[1].weight.data[0, 5] = 0
    made = explain(additive, torch.ones(1, 1, 4, 4), PIXELS)
    assert abs(made.values[1, 1]) < 0.02 * np.abs(made.values).max()


def test_the_solver_agrees_with_limes_own_image_explainer(additive):
    """The masks that lime draws are read off the pictures it has classified: ones, hidden by zeros."""
    model = nn.Sequential(additive, nn.Tanh()).eval()
    masks, scores = [], []

    def classify(pictures):
        shown = np.stack(pictures)[..., 0].reshape(-1, 16)
        with torch.no_grad():
            made = model(torch.tensor(shown, dtype=torch.float32)).double().numpy()
        masks.append(shown)
        scores.append(made)
        return made

    theirs = LimeImageExplainer(random_state=0).explain_instance(
        np.ones((4, 4, 3)),
        classify,
        labels=(0,),
        hide_color=0,
        num_samples=300,
        segmentation_fn=lambda picture: PIXELS,
    )
    ours, fit = solve(np.concatenate(masks), np.concatenate(scores)[:, 0])
    expected = dict(theirs.local_exp[0])
    assert ours == pytest.approx([expected[i] for i in range(16)], abs=1e-9)
    assert 0.5 < fit < 0.999
    assert fit == pytest.approx(
        theirs.score if isinstance(theirs.score, float) else theirs.score[0], abs=1e-9
    )


def test_the_published_network_is_ranked_as_by_captum():
    """captum publishes Lime [73.37, 193.33, 113.33] and occlusion [80, 200, 120] for this network and input."""
    values = torch.tensor([[20.0, 50.0, 30.0]]).reshape(1, 1, 1, 3)
    model = nn.Sequential(nn.Flatten(), BasicModel_MultiLayer())
    made = explain(model, values, np.arange(3)[None], share=60)
    assert made.values[0] == pytest.approx([76.7, 196.7, 116.7], rel=0.06)


def test_the_same_seed_gives_the_same_and_another_another(additive):
    values = torch.ones(1, 1, 4, 4)
    model = nn.Sequential(additive, nn.ReLU())
    model[0][1].bias.data += 2
    first, again = (explain(model, values, PIXELS) for _ in range(2))
    other = explain(model, values, PIXELS, seed=1)
    assert first.values.tolist() == again.values.tolist()
    assert first.values.tolist() != other.values.tolist()


def test_neither_the_batch_nor_the_global_generators_change_a_thing(additive):
    values = torch.ones(1, 1, 4, 4)
    first = explain(additive, values, PIXELS, size=7)
    torch.manual_seed(5)
    np.random.seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    assert explain(additive, values, PIXELS, size=400).values == pytest.approx(first.values, abs=1e-6)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == numpy_state


def test_nothing_is_written_to_stderr(additive, capfd):
    explain(additive, torch.ones(1, 1, 4, 4), PIXELS)
    assert capfd.readouterr() == ("", "")


def test_a_photograph_gets_many_segments_and_small_ones_a_grid():
    photo, how = segment(astronaut()[::4, ::4].copy())
    assert photo.shape == (128, 128)
    assert 16 <= photo.max() + 1 <= 60
    assert "SLIC" in how
    assert sorted(np.unique(photo)) == list(range(photo.max() + 1))
    small, how = segment(np.zeros((8, 8), np.uint8))
    assert small.max() == 63
    assert how == "a grid of 8 × 8 segments"


@pytest.mark.parametrize("shape", [(32, 32), (64, 64, 3), (3, 40), (1, 1), (28, 28)])
def test_a_picture_without_structure_still_gets_segments_that_tell_where(shape):
    segments, _ = segment(np.zeros(shape, np.uint8))
    pixels = shape[0] * shape[1]
    assert segments.shape == shape[:2]
    assert len(np.unique(segments)) == segments.max() + 1
    assert segments.max() + 1 >= min(16, pixels)


def test_lime_stops_once_two_runs_rank_alike_and_says_so(additive):
    made = explain(additive, torch.ones(1, 1, 4, 4), PIXELS)
    assert made.settings == "2 × 200 perturbations of places, until the values settled"
    assert made.evaluations == 400


def test_lime_that_never_settles_ends_with_its_budget_and_says_so():
    class Rough(nn.Module):
        """No part has a weight of its own: the parity of the parts that are shown."""

        def forward(self, x):
            return torch.cos(torch.pi * x.flatten(1).sum(dim=1, keepdim=True))

    made = explain(Rough(), torch.ones(1, 1, 4, 4), PIXELS)
    assert made.settings == "2 × 320 perturbations of places, the budget, before the values settled"
    assert made.trust[STABILITY] < 0.95
