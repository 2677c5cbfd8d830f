"""One feature, word or place that holds nearly all of the attribution is found; what is spread is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from reportgen import collect
from reportgen.attribution.base import Attribution
from reportgen.attribution.concentration import concentration


def rows_of(*maps):
    """A row a sample, by two methods that agree and one that is spread."""
    spread = np.ones_like(maps[0])
    return [(Attribution("A", one, True, ""), Attribution("B", -one, True, ""), Attribution("C", spread, True, ""))
            for one in maps]  # fmt: skip


def leaked(weight):
    """Rows of ten features, whose fourth decides, and a model that reads it with so much weight."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(80, 10, generator=random)
    model = nn.Linear(10, 2)
    with torch.no_grad():
        model.weight.copy_(torch.full((2, 10), 0.05))
        model.weight[1, 3], model.weight[0, 3] = weight, -weight
        model.bias.zero_()
        return model, (x, model(x).argmax(dim=1))


def said(report):
    return [
        one.message
        for one in report.section("explanations").findings
        if "nearly all of the attribution" in one.message
    ]


def test_a_feature_that_gives_the_label_away_is_named_with_its_share_its_samples_and_the_methods():
    model, data = leaked(5.0)
    names = [f"f{at}" for at in range(10)]
    (message,) = said(collect(model, data=data, feature_names=names, sections=["explanations"]))
    assert message.startswith("The feature 'f3' holds nearly all of the attribution")
    assert "Integrated Gradients" in message


def test_features_that_share_the_work_are_no_finding():
    model, data = leaked(0.1)
    assert said(collect(model, data=data, sections=["explanations"])) == []


def test_a_watermark_is_found_by_its_place_in_the_picture():
    random = torch.Generator().manual_seed(0)
    pictures = torch.rand(12, 1, 32, 32, generator=random) * 0.2
    labels = torch.arange(12) % 2
    pictures[labels == 1, :, 24:28, 4:8] += 0.8

    class Watermark(nn.Module):
        def forward(self, x):
            marked = x[:, 0, 24:28, 4:8].mean(dim=(1, 2)) - 0.5
            return torch.stack([-8 * marked, 8 * marked], dim=1)

    report = collect(Watermark(), data=(pictures, labels), sections=["explanations"])
    (message,) = said(report)
    assert message.startswith("One place of the input (rows ")
    assert "columns" in message


def test_too_few_samples_places_or_methods_say_nothing():
    alone = np.array([0.0, 0.0, 9.0, 0.1, 0.1])
    owners = [range(5)] * 8
    assert concentration(rows_of(*[alone] * 8), owners).key == 2
    assert concentration(rows_of(*[alone] * 3), owners[:3]) is None
    assert concentration([row[:1] for row in rows_of(*[alone] * 8)], owners) is None
    assert concentration(rows_of(*[alone[:3]] * 8), [range(3)] * 8) is None
    assert concentration(rows_of(*[np.roll(alone, at) for at in range(8)]), owners) is None
    assert concentration([], owners) is None


def test_what_the_places_of_a_word_hold_counts_together_and_padding_does_not():
    values = np.array([3.0, 3.0, 3.0, 0.1, 0.1, 0.1, 50.0])
    owners = [["leak", "leak", "leak", "a", "b", "c", None]] * 4
    made = concentration(rows_of(*[values] * 4), owners)
    assert (made.key, made.methods, made.samples, made.total) == ("leak", ("A", "B"), 4, 4)
    assert made.share == pytest.approx(9 / 9.3)


@pytest.mark.parametrize("size", [8, 9, 31, 64])
def test_a_window_is_a_quarter_along_each_axis_whatever_the_size(size):
    values = np.zeros((size, size))
    values[size // 2 : size // 2 + max(1, size // 8), 1] = 1.0
    made = concentration(rows_of(*[values] * 4), None)
    assert made.share > 0.9
    assert concentration(rows_of(*[np.ones((size, size))] * 4), None) is None


class Rounded(nn.Module):
    """A sum of rounded inputs, which move the score and have no gradient."""

    def __init__(self, cut):
        super().__init__()
        self.inner, self.cut = nn.Linear(6, 2), cut

    def forward(self, x):
        x = (x * 4).round()
        return self.inner(x.detach() if self.cut else x)


@pytest.mark.parametrize("cut", [True, False])
def test_that_the_model_passes_no_gradient_is_said_once_for_all_methods_and_samples(cut):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, data = Rounded(cut), (torch.randn(40, 6), torch.arange(40) % 2)
    report = collect(model, data=data, sections=["explanations"])
    section = report.section("explanations")
    (message,) = [one.message for one in section.findings if "pass no gradient" in one.message]
    assert "Saliency, SmoothGrad, Input × gradient, Integrated Gradients" in message
    assert "does not require grad" not in report.to_json()
    sound = collect(nn.Linear(6, 2), data=data, sections=["explanations"]).section("explanations")
    assert not [one for one in sound.findings if "pass no gradient" in one.message]
