import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from captum.testing.helpers.basic_models import BasicModel_MultiLayer
from looks import sight_of, tools_of
from torch import nn

from reportgen.attribution.occlusion import occlusion_parts, occlusion_windows


@pytest.mark.parametrize("sides", [(16, 24), (30, 30), (5, 9)])
def test_windows_are_those_of_captum_at_any_size(sides):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
        values = torch.rand(1, 3, *sides)
    baseline = values.mean(dim=(2, 3), keepdim=True).expand_as(values)
    made = occlusion_windows(sight_of(model, values, 1, baseline=baseline), tools_of(size=5))
    window = tuple(-(-side // 8) for side in sides)
    theirs = Occlusion(model).attribute(values, (3, *window), (3, *window), baseline, target=1)
    assert made.values == pytest.approx(theirs[0, 0].numpy(), abs=1e-6)
    rows, columns = (-(-side // step) for side, step in zip(sides, window, strict=True))
    assert made.settings == f"{rows} × {columns} windows of {window[0]} × {window[1]}"
    assert made.evaluations == rows * columns + 1


def test_the_published_network_gets_the_published_values():
    """captum publishes occlusion [80, 200, 120] for this network and input."""
    sight = sight_of(BasicModel_MultiLayer(), torch.tensor([[20.0, 50.0, 30.0]]))
    assert occlusion_parts(sight, tools_of()).values.tolist() == [80.0, 200.0, 120.0]


def test_what_is_never_hidden_gets_zero():
    parts = np.array([-1, 0, 0, 1])
    made = occlusion_parts(sight_of(nn.Linear(4, 1), torch.ones(1, 4), parts=parts), tools_of())
    assert made.values[0] == 0
    assert made.values[1] == made.values[2]
    assert made.evaluations == 3
