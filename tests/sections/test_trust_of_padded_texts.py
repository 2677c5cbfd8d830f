from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from reportgen.experiment import Options, build
from reportgen.sections.explanations import explanations

LENGTH, PADDED = 12, 128
NAMES = ("lime", "kernelshap", "saliency", "input-gradient", "integrated-gradients", "occlusion")


class Reader(nn.Module):
    """What each token says beside the mean of all, added up; padding, token 0, says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(60, 6, padding_idx=0)
        self.inner, self.head = nn.Linear(12, 16), nn.Linear(16, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        shown = (torch.arange(ids.shape[1]) < LENGTH)[None, :, None]
        tokens = self.embed(ids) * shown
        mean = (tokens.sum(dim=1, keepdim=True) / LENGTH).expand_as(tokens)
        return self.head((torch.tanh(self.inner(torch.cat([tokens, mean], dim=2))) * shown).sum(dim=1))


@pytest.fixture(scope="module")
def sections():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Reader().eval()
        ids = torch.randint(1, 60, (20, LENGTH))
    options = Options(samples=2, timed=False, methods=NAMES)
    long = torch.cat([ids, torch.zeros(20, PADDED - LENGTH, dtype=torch.long)], dim=1)
    return [
        explanations(build(model, data=(given, torch.arange(20) % 2), modality="text"), options)
        for given in (ids, long)
    ]


@pytest.mark.parametrize("title", ["agreement-between-methods", "overlap-of-what-counts-most"])
def test_padding_that_the_model_ignores_changes_no_agreement(sections, title):
    short, long = (np.array(section.block(title).values, float) for section in sections)
    assert np.isfinite(short).all()
    assert long == pytest.approx(short, abs=1e-6)
    assert "12" in sections[1].block("overlap-of-what-counts-most").caption
    assert "128" not in sections[1].block("overlap-of-what-counts-most").caption


def test_nor_what_is_left_of_the_maps_with_random_parameters(sections):
    short, long = (
        [row.cells for row in section.block("with-random-parameters").rows] for section in sections
    )
    for left, right in zip(short, long, strict=True):
        assert right[0] == left[0]
        assert right[1::2][:2] == pytest.approx(left[1::2][:2], abs=1e-6)
    assert [found.message for found in sections[1].findings] == [
        found.message for found in sections[0].findings
    ]
