import pytest
import torch
from looks import sight_of
from torch import nn

from reportgen.attribution.pace import LIMIT, measure, probe, weigh


@pytest.fixture
def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()


def test_without_a_clock_the_same_model_gets_the_same_pace(network):
    sight = sight_of(network, torch.rand(1, 3, 64, 64))
    assert measure(sight, timed=False) == measure(sight, timed=False)
    assert measure(sight, timed=False).channels_last == (True, True)


def test_with_a_clock_the_pace_stays_within_the_limit_of_memory(network):
    sight = sight_of(network, torch.rand(1, 3, 64, 64))
    made = measure(sight, timed=True)
    working, kept = weigh(sight)
    assert 1 <= made.forward <= 64
    assert made.forward * working <= LIMIT
    assert made.gradient * kept <= LIMIT


def test_a_large_picture_gets_a_small_batch(network):
    small, large = (
        measure(sight_of(network, torch.rand(1, 3, side, side)), timed=False) for side in (32, 512)
    )
    assert small.forward > large.forward >= 1
    assert small.gradient >= large.gradient >= 1


def test_the_weight_is_that_of_the_layers_by_hand():
    """A convolution reads 3 x 16 x 16 numbers and writes 8 x 16 x 16; a backward pass keeps what ReLU made."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
    working, kept = weigh(sight_of(model, torch.rand(1, 3, 16, 16)))
    assert working == (8 + 8) * 16 * 16 * 4
    assert 8 * 16 * 16 * 4 <= kept <= (3 + 8) * 16 * 16 * 4


def test_a_model_that_mixes_its_batch_is_run_one_at_a_time_and_it_is_said():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten())
    made = measure(sight_of(model, torch.rand(1, 1, 6, 6)), timed=False)
    assert (made.forward, made.gradient) == (1, 1)
    assert "depends on what else is in its batch" in made.notes[0]


def test_a_model_that_draws_at_random_is_found_out():
    class Noisy(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x, 0.5, training=True)

    made = measure(sight_of(Noisy(), torch.ones(1, 12)), timed=False)
    assert "Two forward passes of the same input differ" in made.notes[0]
    assert made.forward > 1


def test_what_a_state_adds_to_a_large_score_is_seen_against_what_the_input_moves():
    class Counting(nn.Module):
        step = 0.001

        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return 100 + x + self.step * self.calls

    class Still(Counting):
        step = 0.0

    made = measure(sight_of(Counting(), torch.full((1, 4), 0.05)), timed=False)
    assert "the model draws at random or keeps a state" in made.notes[0]
    for size in (0.0, 0.05):
        assert measure(sight_of(Still(), torch.full((1, 4), size)), timed=False).notes == ()
    assert measure(sight_of(Counting(), torch.full((1, 4), 50.0)), timed=False).notes == ()


def test_a_model_that_views_its_pictures_flat_gets_them_contiguous():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            return self.conv(x).view(len(x), -1)

    made = measure(sight_of(Flat(), torch.rand(1, 3, 16, 16)), timed=False)
    assert made.channels_last == (False, False)
    assert made.notes == ()


def test_a_model_that_takes_one_sample_alone_is_given_one():
    class Single(nn.Module):
        def forward(self, x):
            assert len(x) == 1
            return x.sum(dim=1, keepdim=True)

    made = measure(sight_of(Single(), torch.rand(1, 5)), timed=True)
    assert (made.forward, made.gradient, made.notes) == (1, 1, ())


def test_whole_numbers_and_models_without_gradients_get_a_forward_pace():
    class Bytes(nn.Module):
        def forward(self, x):
            return x.float().mean(dim=(2, 3))

    whole = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    for timed in (False, True):
        assert measure(sight_of(Bytes(), whole), timed=timed).gradient == 1


def test_probes_lie_between_the_sample_and_its_baseline():
    sight = sight_of(nn.Linear(2, 1), torch.tensor([[3.0, 6.0]]))
    assert torch.allclose(probe(sight, 3), torch.tensor([[3.0, 6.0], [2.0, 4.0], [1.0, 2.0]]))
