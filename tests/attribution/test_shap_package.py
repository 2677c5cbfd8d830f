import numpy as np
import pytest
import shap  # noqa: F401 - these tests are to fail, not to be passed over, where it is missing
import state
import torch
from looks import rows_of
from tables import NAMES, mixed
from torch import nn

from reportgen.attribution.base import Attribution, Missing
from reportgen.attribution.choose import choose
from reportgen.attribution.kinds import kind_of, sights
from reportgen.attribution.methods import suited
from reportgen.attribution.shap_package import ADDITIVITY
from reportgen.experiment import Options, build

METHODS = ("shap-gradient", "shap-kernel", "shap-permutation")


def explained(experiment, number, methods=METHODS, share=0.3):
    subjects, _ = choose(experiment, 1, [number])
    seen = sights(experiment, subjects)
    row = rows_of(experiment, Options(), seen, suited(kind_of(experiment), methods), share)[0]
    return seen[0], {made.method: made for made in row}


def test_a_linear_model_gets_weight_times_distance_from_the_mean_of_the_fifty_rows():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, rows = nn.Linear(4, 1), torch.randn(50, 4)
    experiment = build(model, data=(rows, torch.zeros(50, 1)), task="regression")
    _, made = explained(experiment, 3)
    expected = (model.weight[0] * (rows[3] - rows.mean(0))).detach().double().numpy()
    assert made["SHAP Kernel"].values == pytest.approx(expected, abs=1e-5)
    assert made["SHAP Permutation"].values == pytest.approx(expected, abs=1e-5)
    assert made["SHAP Gradient"].values == pytest.approx(expected, abs=0.15)


def test_the_values_and_the_expected_value_add_up_to_the_output(cancer_mlp):
    model, data, _ = cancer_mlp
    experiment = build(model, data=data)
    sight, made = explained(experiment, 40)
    output = float(sight.score.numbers(sight.values, 1)[0])
    places = np.arange(50) * 569 // 50
    with torch.no_grad():
        expected = float(model(data.tensors[0][places])[:, sight.subject.target.column].mean())
    for name in ("SHAP Kernel", "SHAP Permutation"):
        assert made[name].values.sum() + expected == pytest.approx(output, abs=1e-2)
        assert made[name].trust[ADDITIVITY] < 1e-3
    # By chance draws: within what 200 of them allow, and the error is told.
    off = abs(made["SHAP Gradient"].values.sum() + expected - output)
    assert made["SHAP Gradient"].trust[ADDITIVITY] == pytest.approx(off / abs(output - expected), rel=1e-3)
    assert off < 2


def test_all_features_have_a_share_not_ten_alone(cancer_mlp):
    model, data, _ = cancer_mlp
    _, made = explained(build(model, data=data), 40, ("shap-kernel",))
    assert np.count_nonzero(made["SHAP Kernel"].values) == 30


def test_categories_are_replaced_by_other_categories_and_have_no_gradient():
    model, data = mixed()
    _, made = explained(build(model, data=data, feature_names=NAMES), 5)
    assert made["SHAP Kernel"].values == pytest.approx(made["SHAP Permutation"].values, abs=0.02)
    assert made["SHAP Gradient"].unknown.tolist() == [False] * 4 + [True] * 2


def test_pictures_are_explained_by_gradients(digits_cnn):
    model, data = digits_cnn
    sight, made = explained(build(model, data=data), 12, METHODS)
    assert list(made) == ["SHAP Gradient"]
    assert made["SHAP Gradient"].values.shape == sight.shape == (8, 8)


def test_nothing_is_left_on_the_model_nor_in_the_generators(cancer_mlp):
    model, data, _ = cancer_mlp
    experiment = build(model, data=data)
    explained(experiment, 1)  # what importing shap and numba changes is not meant here
    before = (state.of_model(model), state.of_process(), state.bytes_of(data.tensors[0]))
    hooks = [len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules()]
    _, made = explained(experiment, 2)
    assert all(isinstance(one, Attribution) for one in made.values())
    assert (state.of_model(model), state.of_process(), state.bytes_of(data.tensors[0])) == before
    assert [len(m._forward_hooks) + len(m._backward_hooks) for m in model.modules()] == hooks
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_that_the_caller_keeps_stay(cancer_mlp):
    model, data, _ = cancer_mlp
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    try:
        explained(build(model, data=data), 2, ("shap-gradient",))
        assert all(bool((parameter.grad == 1).all()) for parameter in model.parameters())
    finally:
        for parameter in model.parameters():
            parameter.grad = None


def test_the_same_seed_gives_the_same(cancer_mlp):
    model, data, _ = cancer_mlp
    experiment = build(model, data=data)
    first, again = (explained(experiment, 2)[1] for _ in range(2))
    for name in first:
        assert first[name].values.tolist() == again[name].values.tolist()


def test_without_data_a_reason_is_given(cancer_mlp):
    model, data, _ = cancer_mlp
    experiment = build(model, example_inputs=data.tensors[0][:1], task="classification")
    _, made = explained(experiment, 0, ("shap-kernel",))
    assert made["SHAP Kernel"] == Missing("SHAP Kernel", "no data, whose samples stand in for what is hidden")
