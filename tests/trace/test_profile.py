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
        measured = measure(seen, model, experiment.example, seed=0)
    for at, whole in enumerate(measured.total):
        parts = sum(spent[at] for spent in measured.own.values()) + measured.rest[at]
        assert parts == pytest.approx(whole)
    leaves = {layer.path for layer in seen.layers if layer.leaf and seen.calls.get(layer.path)}
    assert set(measured.own) >= leaves
    assert all(value > 0 for path in leaves for value in measured.own[path])
    assert {path: count for path, count in measured.calls.items() if path in leaves} == {
        path: len(seen.calls[path]) for path in leaves
    }


def test_what_a_forward_does_itself_is_the_time_of_its_layer() -> None:
    class Napping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(NAP)
            return self.inner(x) + x

    bars, _ = blocks(nn.Sequential(nn.Linear(4, 4), Napping()))
    assert bars.labels[0] == "1 (itself)"
    assert bars.values[0] >= NAP


def test_names_of_layers_and_ranges_of_the_models_own_change_nothing() -> None:
    class Forging(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.profiler.record_function("reportgen run"), torch.profiler.record_function("0"):
                time.sleep(NAP)
            return x * 2

    model = nn.Sequential(nn.Linear(4, 4))
    model.add_module(OUTSIDE, Forging())
    bars, table = blocks(model)
    assert bars.labels[0] == OUTSIDE
    assert bars.values[0] >= NAP
    assert [row.cells[0] for row in table.rows].count(OUTSIDE) == 2
    assert table.rows[-1].cells[3] < NAP


def test_layers_in_a_plain_list_are_watched_too() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.items = [Slow()]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.items[0](x)

    bars, _ = blocks(Listed())
    assert bars.labels[0] == "items[0]"


def test_a_pass_that_is_too_slow_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reportgen.trace.profile.SLOWEST", NAP / 2)
    (note,) = blocks(nn.Sequential(Slow()))
    assert "one pass takes" in note.text


def test_a_profiler_that_runs_already_is_left_alone() -> None:
    with torch.autograd.profiler.profile(use_kineto=False) as outer:
        (note,) = blocks(nn.Sequential(nn.Linear(4, 2)))
        torch.ones(2).cos()
    assert "running already" in note.text
    assert any(event.name == "aten::cos" for event in outer.function_events)


def test_the_runs_that_the_caption_names_were_made() -> None:
    model = Counting(nn.Linear(4, 2)).eval()
    experiment = build(model, example_inputs=X)
    seen = trace(model, experiment.example)
    RUNS.clear()
    bars, _ = profile_blocks(seen, experiment, Options(profile=True))
    count = (len(RUNS) - WARM_UP - 1) // 2
    assert len(RUNS) == WARM_UP + 1 + 2 * count
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
