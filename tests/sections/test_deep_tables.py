"""The tables of all tensors and all layers keep the outermost where not all can stay."""

from __future__ import annotations

import torch
from torch import nn

from reportgen.experiment import Options, build
from reportgen.sections.features import features


class Deep(nn.Module):
    """Four hundred layers in a row, then a head."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in range(400)))
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.body(x))


def test_the_table_of_all_tensors_keeps_the_head_of_a_deep_model():
    data = (torch.randn(8, 3), torch.arange(8) % 2)
    section = features(build(Deep(), data=data), Options())
    for title, name in (("weights", "head.weight"), ("activations", "head")):
        block = next(b for b in section.blocks if b.kind == "table" and b.id.startswith(f"{title}-all"))
        names = [row.cells[0] for row in block.rows]
        assert len(names) == 300
        assert name in names
        assert block.total > 300
        assert "the outermost stay, and of one level the first and the last" in block.caption
        assert names == sorted(
            names,
            key=lambda one: (
                one.startswith("head"),
                int((one + ".0").split(".")[1]) if one.startswith("body.") else -1,
            ),
        )
