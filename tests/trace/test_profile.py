"""Measured time: of every run, by layer, and the sum of the parts is the whole."""

from __future__ import annotations

import time

import pytest
import state
import torch
from architectures import Broken
from networks import DigitsCNN
from torch import nn

from reportgen.experiment import Options, build
from reportgen.report import Bars, Block, Table, Text
from reportgen.trace import trace
from reportgen.trace.profile import OUTSIDE, WARM_UP, measure, profile_blocks

X = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
NAP = 0.02


class Slow(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(NAP)
        return x + 1


class Counting(nn.Sequential):
    """Says how often it ran."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        RUNS.append(1)
        return super().forward(x)


RUNS: list[int] = []


def blocks(model: nn.Module, example: torch.Tensor = X) -> list[Block]:
    experiment = build(model.eval(), example_inputs=example)
    return profile_blocks(trace(experiment.model, experiment.example), experiment, Options(profile=True))


def test_a_slow_layer_comes_first_with_the_time_that_it_took() -> None:
    bars, table = blocks(nn.Sequential(nn.Linear(4, 4), Slow(), nn.Linear(4, 2)))
    assert isinstance(bars, Bars)
    assert isinstance(table, Table)
    assert bars.labels[0] == "1"
    assert bars.values[0] >= NAP
    assert bars.low[0] <= bars.values[0] <= bars.high[0]
    first = dict(zip([column.name for column in table.columns], table.rows[0].cells, strict=True))
    assert (first["Layer"], first["Type"], first["Calls"]) == ("1", "Slow", 1)
    assert first["Share"] > 0.8
    assert sum(row.cells[6] for row in table.rows) == pytest.approx(1)


def test_layers_and_what_is_outside_of_them_make_the_whole_of_every_run() -> None:
    model = DigitsCNN().eval()
    experiment = build(model, example_inputs=torch.zeros(2, 1, 8, 8))
    seen = trace(model, experiment.example)
    with torch.no_grad():
        measured = measure(seen, model, experiment.example)
    for at, whole in enumerate(measured.total):
        assert sum(spent[at] for spent in measured.own.values()) == pytest.approx(whole)
    leaves = {layer.path for layer in seen.layers if layer.leaf and seen.calls.get(layer.path)}
    assert set(measured.own) == leaves | {OUTSIDE}
    assert all(value > 0 for spent in measured.own.values() for value in spent)


def test_the_runs_that_the_caption_names_were_made() -> None:
    model = Counting(nn.Linear(4, 2)).eval()
    experiment = build(model, example_inputs=X)
    seen = trace(model, experiment.example)
    RUNS.clear()
    bars, _ = profile_blocks(seen, experiment, Options(profile=True))
    count = (len(RUNS) - WARM_UP) // 2
    assert bars.caption.startswith(f"Medians of {count} runs after {WARM_UP} to warm up")
    assert f"{torch.get_num_threads()} torch thread" in bars.caption


def test_a_layer_called_twice_counts_both_calls() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slow = Slow()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.slow(self.slow(x))

    bars, table = blocks(Twice())
    assert bars.values[0] >= 2 * NAP
    assert table.rows[0].cells[2] == 2


def test_the_model_and_the_process_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    model.add_module("</script> <b>", nn.Linear(4, 2))
    before = state.of_model(model.eval())
    blocks(model)
    assert state.of_model(model) == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert not torch.autograd._profiler_enabled()


def test_what_can_not_be_measured_is_one_line_with_the_reason() -> None:
    def said(model: nn.Module, example: torch.Tensor = X) -> str:
        (note,) = blocks(model, example)
        assert isinstance(note, Text)
        return note.text

    assert "no forward pass ran to its end" in said(Broken())
    assert "scripted" in said(torch.jit.script(nn.Sequential(nn.Linear(4, 2)).eval()))
    with torch.device("meta"):
        assert "meta device" in said(nn.Linear(4, 2), torch.zeros(1, 4))
