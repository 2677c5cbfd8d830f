import pytest
import torch
from captum.testing.helpers.basic_models import BasicModel_ConvNet_One_Conv, BasicModel_MultiLayer
from looks import sight_of, tools_of
from torch import nn
from torch.nn import functional

from reportgen.attribution.cam import cam, grad_cam
from reportgen.attribution.gradients import (
    COMPLETENESS,
    input_gradient,
    integrated_gradients,
    saliency,
    smooth_grad,
)


class Functional(nn.Module):
    def __init__(self, twin: nn.Sequential) -> None:
        super().__init__()
        self.first, self.last = twin[0], twin[2]

    def forward(self, x):
        return self.last(functional.relu(self.first(x)))


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3)).eval()


@pytest.mark.parametrize("inplace", [False, True])
def test_grad_cam_gives_the_values_that_captum_publishes(inplace):
    model = BasicModel_ConvNet_One_Conv(inplace=inplace)
    values = torch.arange(16.0).reshape(1, 1, 4, 4)
    made = cam(sight_of(model, values).score, values, model.conv1)
    assert made.tolist() == [[11.25, 13.5], [20.25, 22.5]]


def test_grad_cam_is_enlarged_to_the_picture_and_never_negative():
    model = BasicModel_ConvNet_One_Conv()
    values = torch.arange(16.0).reshape(1, 1, 4, 4)
    made = grad_cam(sight_of(model, values), tools_of(model))
    assert made.values.shape == (4, 4)
    assert made.values.min() >= 0
    assert made.values[0, 0] == 11.25
    assert made.values[3, 3] == 22.5
    assert made.settings == "layer conv1, 2 × 2"


def test_grad_cam_looks_at_the_last_named_layer_that_gives_maps():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.ReLU(),
        nn.Conv2d(2, 2, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2, 2),
    )
    seen = sight_of(model, torch.rand(1, 1, 6, 6))
    said = {
        layers: grad_cam(seen, tools_of(model, layers=layers)).settings
        for layers in ((), ("0",), ("0", "1"), ("1", "0", "5"), ("3", "5"))
    }
    assert said == {
        (): "layer 2, 2 × 2",
        ("0",): "layer 0, 4 × 4",
        ("0", "1"): "layer 1, 4 × 4",
        ("1", "0", "5"): "layer 0, 4 × 4",
        # No maps among them: the layer is found.
        ("3", "5"): "layer 2, 2 × 2 (of 3, 5, which were named, none gives maps)",
    }


def test_saliency_of_the_published_network_is_its_slope():
    model = BasicModel_MultiLayer()
    values = torch.tensor([[20.0, 50.0, 30.0]])
    assert saliency(sight_of(model, values), tools_of()).values.tolist() == [4.0, 4.0, 4.0]


def test_saliency_takes_the_largest_over_the_channels():
    weights = torch.tensor([1.0, -3.0, 2.0]).reshape(1, 3, 1, 1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False))
    model[1].weight.data = weights.expand(1, 3, 2, 2).reshape(1, 12).clone()
    values = torch.rand(1, 3, 2, 2)
    assert saliency(sight_of(model, values), tools_of()).values.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_integrated_gradients_add_up_to_the_difference_of_the_scores(network):
    values, baseline = torch.linspace(-1, 2, 5)[None], torch.zeros(1, 5)
    made = integrated_gradients(sight_of(network, values, 1), tools_of(size=8))
    with torch.no_grad():
        difference = float(network(values)[0, 1] - network(baseline)[0, 1])
    assert made.values.sum() == pytest.approx(difference, rel=0.01)
    assert made.trust[COMPLETENESS] == pytest.approx(
        abs(made.values.sum() - difference) / abs(difference), abs=1e-5
    )


def test_integrated_gradients_of_a_linear_model_are_weight_times_difference():
    model = nn.Linear(3, 1)
    values, baseline = torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([[0.5, 0.0, 0.0]])
    made = integrated_gradients(sight_of(model, values, baseline=baseline), tools_of(size=16))
    expected = (model.weight * (values - baseline))[0].detach().double().numpy()
    assert made.values == pytest.approx(expected, abs=1e-6)
    assert made.trust[COMPLETENESS] < 1e-4


def test_integrated_gradients_do_not_depend_on_the_batch_that_the_steps_are_run_in(network):
    sight = sight_of(network, torch.linspace(-1, 2, 5)[None])
    one = integrated_gradients(sight, tools_of(size=1))
    all_at_once = integrated_gradients(sight, tools_of(size=500))
    assert one.values == pytest.approx(all_at_once.values, abs=1e-6)


def test_a_feature_that_nothing_reads_gets_zero(network):
    network[0].weight.data[:, 1] = 0
    sight = sight_of(network, torch.ones(1, 5))
    assert integrated_gradients(sight, tools_of()).values[1] == 0
    assert saliency(sight, tools_of()).values[1] == 0


def test_a_functional_relu_and_a_module_give_the_same(network):
    twin = Functional(network)
    values = torch.linspace(-2, 1, 5)[None]
    for method in (saliency, integrated_gradients):
        left = method(sight_of(network, values), tools_of()).values
        right = method(sight_of(twin, values), tools_of()).values
        assert left.tolist() == right.tolist()


def test_a_model_that_writes_to_its_input_can_be_explained():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 1))
    values = torch.tensor([[1.0, -1.0]])
    made = saliency(sight_of(model, values), tools_of())
    assert made.values[1] == 0
    assert values.tolist() == [[1.0, -1.0]]


def test_nothing_is_left_on_the_model_or_the_input(network):
    values, baseline = torch.ones(1, 5), torch.zeros(1, 5)
    keys = {name: sorted(module.__dict__) for name, module in network.named_modules()}
    state = torch.get_rng_state()
    sight = sight_of(network, values, baseline=baseline)
    saliency(sight, tools_of())
    integrated_gradients(sight, tools_of())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert not values.requires_grad
    assert not baseline.requires_grad
    assert {name: sorted(module.__dict__) for name, module in network.named_modules()} == keys
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_the_score_of_the_first_of_two_classes_is_the_negative_of_the_one_output():
    model = nn.Linear(2, 1)
    values = torch.tensor([[1.0, 2.0]])
    assert sight_of(model, values, sign=-1).score(values).item() == -model(values).item()


def test_input_times_gradient_of_a_linear_model_is_weight_times_input():
    model = nn.Linear(3, 1)
    values = torch.tensor([[1.0, 2.0, -1.0]])
    made = input_gradient(sight_of(model, values), tools_of())
    assert made.values == pytest.approx((model.weight * values)[0].tolist(), abs=1e-6)


def test_smooth_grad_is_the_mean_gradient_under_noise_of_a_share_of_the_range():
    """Of x^3 the mean gradient under noise of deviation s is 3 (x^2 + s^2)."""

    class Cube(nn.Module):
        def forward(self, x):
            return (x**3).sum(dim=1, keepdim=True)

    values = torch.cat([torch.tensor([[-1.0, 3.0]]), torch.linspace(0, 2, 4000)[None]], dim=1)
    made = smooth_grad(sight_of(Cube(), values), tools_of(size=8))
    expected = (3 * (values[0] ** 2 + (0.15 * 4) ** 2)).double().numpy()
    assert made.values.mean() == pytest.approx(expected.mean(), rel=0.02)
    assert made.settings == "25 samples with noise of 15% of the range"


def test_smooth_grad_depends_on_its_seed_alone(network):
    sight = sight_of(network, torch.linspace(-1, 2, 5)[None])
    first = smooth_grad(sight, tools_of(size=25)).values
    torch.manual_seed(11)
    assert smooth_grad(sight, tools_of(size=4)).values == pytest.approx(first, abs=1e-7)
    assert smooth_grad(sight, tools_of(seed=1)).values.tolist() != first.tolist()


def test_steps_are_added_where_fifty_miss_completeness_and_only_within_the_budget():
    class Steep(nn.Module):
        def forward(self, x):
            return torch.tanh(300 * (x - 0.4321)).sum(dim=1, keepdim=True)

    sight = sight_of(Steep(), torch.ones(1, 1))
    made = integrated_gradients(sight, tools_of())
    steps = int(made.settings.split()[0])
    assert made.settings == f"{steps} steps (50 missed completeness by over 1 %)"
    assert 50 < steps < 120
    # Each halving takes twenty steps and three scores, and drops ten steps.
    assert made.evaluations == 50 + 8 + 23 * (steps - 50) // 10
    assert made.values[0] == pytest.approx(2, rel=0.01)
    assert made.trust[COMPLETENESS] < 0.01
    poor = integrated_gradients(sight, tools_of(share=0.1))
    assert poor.settings == "50 steps"
    assert poor.trust[COMPLETENESS] > 0.01
