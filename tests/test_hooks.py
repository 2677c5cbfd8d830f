import pytest
import torch
from torch import nn

from reportgen.experiment import build
from reportgen.hooks import convolutions, hidden, outputs_of, running_order, watching


def test_layers_come_in_the_order_in_which_they_run_each_once(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    names = [
        name for name, _ in running_order(experiment, experiment.require_forward(), (nn.Linear, nn.ReLU))
    ]
    assert names == ["relu", "fc1", "fc2"]


def test_a_shortcut_is_no_part_of_the_main_path(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    names = [name for name, _ in convolutions(experiment, experiment.require_forward())]
    assert names == ["stem", "block1.conv1", "block1.conv2", "block2.conv1", "block2.conv2"]


def test_a_convolution_down_to_one_pixel_is_no_map():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 4, 6), nn.Flatten())
    experiment = build(model, example_inputs=torch.rand(1, 1, 8, 8))
    assert [name for name, _ in convolutions(experiment, experiment.require_forward())] == ["0"]


def test_an_output_is_kept_as_it_was_though_the_next_layer_writes_over_it():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True))
    model[0].weight.data, model[0].bias.data = -torch.ones(2, 2), torch.zeros(2)
    experiment = build(model, example_inputs=torch.ones(1, 2))
    assert outputs_of(experiment, experiment.require_forward(), ["0"])["0"].tolist() == [[-2.0, -2.0]]


def test_hooks_are_gone_after_an_exception():
    model = nn.Linear(2, 2)
    with pytest.raises(ZeroDivisionError), watching(model, (nn.Linear,), lambda *seen: 1 / 0):
        model(torch.ones(1, 2))
    assert not model._forward_hooks


def test_keyword_inputs_are_seen():
    class Keyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 1)

        def forward(self, x):
            return self.inner(input=x)

    seen = []
    model = Keyword()
    with watching(
        model, (nn.Linear,), lambda name, module, given, out: seen.append((name, tuple(given.shape)))
    ):
        model(torch.ones(3, 2))
    assert seen == [("inner", (3, 2))]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_scripted_modules_are_passed_over_and_said_to_be_hidden():
    scripted = torch.jit.script(nn.Linear(2, 2))
    model = nn.Sequential(scripted, nn.Linear(2, 2))
    seen = []
    with watching(model, (nn.Module,), lambda name, *rest: seen.append(name)):
        model(torch.ones(1, 2))
    assert seen == ["1", ""]
    assert (
        hidden(build(model, example_inputs=torch.ones(1, 2))) == "a scripted model's layers can't be watched"
    )
    assert hidden(build(model[1], example_inputs=torch.ones(1, 2))) == ""
