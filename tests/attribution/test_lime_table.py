import numpy as np
import pytest
import torch
from looks import tools_of
from sklearn.datasets import load_iris
from torch import nn

from reportgen.attribution.base import NotApplicable, Target
from reportgen.attribution.choose import Subject
from reportgen.attribution.kinds.table import sights
from reportgen.attribution.lime import R2, STABILITY
from reportgen.attribution.lime_table import lime_table
from reportgen.data import Inputs
from reportgen.experiment import build


def explain(model, values, background, *, seed=0, size=256, column=0):
    experiment = build(model.eval(), data=(torch.tensor(background, dtype=torch.float32),), modality="table")
    subject = Subject(0, Inputs((values,), {}), Target("", column), "sample 0", "")
    return lime_table(
        sights(experiment, [subject])[0], tools_of(size=size, seed=seed, share=0.5, experiment=experiment)
    )


@pytest.fixture
def background():
    return np.random.default_rng(0).normal(size=(200, 4)) * [1, 5, 0.1, 0] + [0, 10, 3, 7]


def test_a_linear_model_is_recovered_with_r2_of_one(background):
    model = nn.Linear(4, 1)
    values = torch.tensor([[1.0, 12.0, 3.2, 7.0]])
    made = explain(model, values, background)
    difference = values[0].double().numpy() - background.mean(0)
    assert made.trust[R2] == pytest.approx(1, abs=1e-3)
    assert made.trust[STABILITY] > 0.9
    assert made.values == pytest.approx(
        model.weight[0].detach().double().numpy() * difference, rel=0.03, abs=1e-3
    )


def test_surrogates_are_added_until_the_rankings_settle_and_no_more_than_eight(background):
    easy = nn.Linear(4, 1)
    with torch.no_grad():
        easy.weight[:] = torch.tensor([[3.0, 0.1, 4.0, 0.0]])
    values = torch.tensor([[1.0, 12.0, 3.2, 7.0]])
    made = explain(easy, values, background)
    assert made.settings == "2 × 500 perturbations, until the values settled"
    assert made.evaluations == 1000

    class Flat(nn.Module):
        def forward(self, x):
            return torch.sin(1e4 * x).sum(1, keepdim=True)

    made = explain(Flat(), values, background)
    assert made.settings == "2 × 2,000 perturbations, as many as there may be, before the values settled"
    assert made.evaluations == 4000
    assert made.trust[STABILITY] < 0.95


def test_a_constant_column_is_not_moved_and_counts_nothing(background):
    class Wild(nn.Module):
        def forward(self, x):
            assert float((x[:, 3] - 7).abs().max()) < 1e-3
            return x.sum(1, keepdim=True)

    made = explain(Wild(), torch.tensor([[1.0, 12.0, 3.2, 7.0]]), background)
    assert made.values[3] == 0
    assert made.trust[R2] == pytest.approx(1, abs=1e-3)


def test_a_background_that_does_not_vary_says_so(background):
    with pytest.raises(NotApplicable, match="one and the same value in 2 samples"):
        explain(nn.Linear(4, 1), torch.ones(1, 4), np.ones((2, 4)))


def test_petal_length_and_width_decide_iris():
    found = load_iris()
    table, targets = torch.tensor(found.data, dtype=torch.float32), torch.tensor(found.target)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(table), targets).backward()
            optimizer.step()
    made = explain(model, table[[140]], found.data, column=2)
    assert set(np.argsort(-np.abs(made.values))[:2]) == {2, 3}


def test_the_same_seed_gives_the_same_whatever_the_global_generators_say(background):
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    values = torch.tensor([[1.0, 12.0, 3.2, 7.0]])
    first = explain(model, values, background)
    np.random.seed(99)
    state = np.random.get_state()[1].tolist()
    assert explain(model, values, background).values.tolist() == first.values.tolist()
    assert np.random.get_state()[1].tolist() == state
    assert explain(model, values, background, seed=5).values.tolist() != first.values.tolist()


def test_nothing_is_written_to_stderr(background, capfd):
    explain(nn.Linear(4, 1), torch.tensor([[1.0, 12.0, 3.2, 7.0]]), background)
    assert capfd.readouterr() == ("", "")
