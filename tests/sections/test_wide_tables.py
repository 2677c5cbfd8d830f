"""A table of many columns is explained by what grows as it does; what would grow faster is left out, and it is said."""

from __future__ import annotations

import torch
from torch import nn

from reportgen import collect


def test_methods_whose_work_is_a_power_of_the_columns_say_why_they_are_left_out():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, data = nn.Linear(5000, 2), (torch.randn(12, 5000), torch.arange(12) % 2)
    report = collect(model, data=data, samples=2, sections=["explanations"])
    section = report.section("explanations")
    assert section.status == "ok"
    said = {
        row.cells[2]: " ".join(str(cell) for cell in row.cells[3:])
        for row in section.block("each-explanation").rows
    }
    assert "5,000 parts, of which 512 at most" in said["KernelShap"]
    assert "5,000 features, of which 1,024 at most" in said["LIME"]
    assert "5,000 parts, of which 4,096 at most" in said["Occlusion"]
    assert "nothing" not in said["Integrated Gradients"]
