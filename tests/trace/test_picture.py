"""The graph of a trace: repeats once, within its budget, true edges."""

from __future__ import annotations

import pytest
import torch
from architectures import Branches, Broken, ResNet50
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import DigitsCNN
from torch import nn

from reportgen.data import Inputs
from reportgen.report import Graph
from reportgen.trace import picture, table, trace
from reportgen.trace.repeats import Repeats


def drawn(model: nn.Module, *args: object) -> Graph:
    graph = picture(trace(model.eval(), Inputs(args, {})))
    assert graph is not None
    return graph


def test_skip_connections_are_seen_and_edges_carry_shapes_without_the_batch() -> None:
    graph = drawn(DigitsCNN(), torch.randn(1, 1, 8, 8))
    named = {node.id: (node.cluster, node.label) for node in graph.nodes}
    labels = {cluster.id: cluster.label for cluster in graph.clusters}
    adds = [node for node in graph.nodes if node.label == "add"]
    assert [labels[node.cluster] for node in adds] == ["block1 Residual", "block2 Residual"]
    into = {(named[edge.source][1], edge.label) for edge in graph.edges if edge.target == adds[1].id}
    assert into == {("bn2", "32×4×4"), ("shortcut", "32×4×4")}
    assert {"conv", "norm", "activation", "dropout", "linear", "input", "output"} <= {
        n.family for n in graph.nodes
    }
    assert "Branches meet at 2 of the nodes drawn." in graph.summary


def test_every_node_leads_to_a_row_of_the_table() -> None:
    for model in (DigitsCNN(), nn.Sequential(nn.Conv2d(1, 1, 1))):
        seen = trace(model.eval(), Inputs((torch.randn(1, 1, 8, 8),), {}))
        graph, rows = picture(seen), {row.id for row in table(seen).rows}
        assert graph is not None
        assert {node.row for node in graph.nodes} <= rows


def test_equal_layers_are_drawn_once() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    graph = drawn(nn.TransformerEncoder(layer, 6, enable_nested_tensor=False), torch.randn(2, 5, 8))
    assert [(c.label, c.times) for c in graph.clusters] == [("layers.0-5 TransformerEncoderLayer", 6)]
    assert sum(node.label == "self_attn" for node in graph.nodes) == 1
    assert "6 × (layers.0 TransformerEncoderLayer)" in graph.summary


def test_a_pattern_of_several_layers_is_drawn_once() -> None:
    model = nn.Sequential(*(part for _ in range(4) for part in (nn.Linear(4, 4), nn.ReLU(), nn.Dropout())))
    graph = drawn(model, torch.randn(2, 4))
    assert [(cluster.label, cluster.times) for cluster in graph.clusters] == [("0-9", 4)]
    assert [node.detail for node in graph.nodes[1:-1]] == ["Linear 4→4", "ReLU", "Dropout p 0.5"]


def test_an_odd_block_stays_apart() -> None:
    blocks = [nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 4)]
    graph = drawn(nn.Sequential(*blocks), torch.randn(2, 4))
    assert [(node.label, node.times) for node in graph.nodes[1:-1]] == [("0-1", 2), ("2", 1), ("3", 1)]


def test_equal_blocks_that_hang_together_otherwise_stay_apart() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = self.parts[0](x)
            second = self.parts[1](first)
            return self.parts[3](second) + self.parts[2](first)

    assert all(node.times == 1 for node in drawn(Dense(), torch.randn(2, 4)).nodes if node.label == "parts.2")


def test_parallel_heads_are_one_node_with_the_common_source() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Linear(4, 4)
            self.heads = nn.ModuleList(nn.Linear(4, 3) for _ in range(5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            return torch.cat([head(x) for head in self.heads], dim=1)

    graph = drawn(Heads(), torch.randn(2, 4))
    assert [(node.label, node.times) for node in graph.nodes] == [
        ("x", 1), ("stem", 1), ("heads.0-4", 5), ("cat", 1), ("output", 1),
    ]  # fmt: skip
    assert [(edge.source, edge.target) for edge in graph.edges] == [
        (a.id, b.id) for a, b in zip(graph.nodes, graph.nodes[1:], strict=False)
    ]


def test_resnet_50_fits_and_shows_both_kinds_of_block() -> None:
    graph = drawn(ResNet50(), torch.empty(1, 3, 224, 224))
    assert len(graph.nodes) <= 60
    assert [cluster.times for cluster in graph.clusters if "Bottleneck" in cluster.label] == [1, 2]
    assert sum(node.label == "add" for node in graph.nodes) == 2


def test_chain_of_a_thousand_is_one_node_and_of_a_thousand_unlike_layers_within_the_budget() -> None:
    graph = drawn(nn.Sequential(*(nn.Linear(4, 4) for _ in range(1000))), torch.randn(1, 4))
    assert [(node.label, node.times) for node in graph.nodes[1:-1]] == [("0-999", 1000)]
    unlike = drawn(nn.Sequential(*(nn.Dropout(i / 1000) for i in range(1000))), torch.randn(1, 4))
    assert len(unlike.nodes) <= 60
    assert any(node.label.endswith("more") and node.detail.endswith("Dropout") for node in unlike.nodes)
    assert len(unlike.edges) == len(unlike.nodes) - 1


def test_work_grows_in_proportion_to_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    alike = Repeats._alike

    def counting(self: Repeats, *siblings: int) -> bool:
        nonlocal compared
        compared += 1
        return alike(self, *siblings)

    monkeypatch.setattr(Repeats, "_alike", counting)
    work = []
    for depth in (100, 200, 400):
        compared = 0
        parts = (nn.Dropout((i % 7) / 10) if i % 3 else nn.ReLU() for i in range(depth))
        drawn(nn.Sequential(*parts), torch.randn(1, 4))
        work.append(compared / depth)
    assert max(work) < 1.2 * min(work), work


def test_functions_on_one_sample_are_a_picture_too() -> None:
    class Functions(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for step in range(200):
                x = (x * step).sin() if step % 3 else x.flip(1)
            return x

    assert 3 <= len(drawn(Functions(), torch.randn(1, 4)).nodes) <= 60


def test_the_part_before_an_error_is_drawn() -> None:
    graph = drawn(Broken(), torch.randn(2, 4))
    assert [node.label for node in graph.nodes] == ["x", "head", "relu", "0"]
    assert "did not end" in graph.caption


def test_an_unused_layer_is_not_drawn() -> None:
    assert "unused" not in {node.label for node in drawn(Branches(), torch.randn(2, 4)).nodes}


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a" * 10_000, "root", "\x1b[31m\u202e", "1" * 9000]
)
def test_hostile_names_are_text(name: str) -> None:
    model = nn.Sequential()
    model.add_module(name, nn.Linear(4, 4))
    model.add_module("tail", nn.Linear(4, 4))
    seen = trace(model.eval(), Inputs((torch.randn(1, 4),), {}))
    graph = picture(seen)
    assert graph is not None
    assert all(len(node.label) <= 80 for node in graph.nodes)
    rows = [row.id for row in table(seen).rows]
    assert len(set(rows)) == len(rows) == 3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_folded_repeats_stand_for_every_layer_exactly_once(kinds: list[int]) -> None:
    makers = (lambda: nn.ReLU(), lambda: nn.Tanh(), lambda: nn.Linear(4, 4), lambda: nn.Dropout())
    graph = drawn(nn.Sequential(*(makers[kind]() for kind in kinds)), torch.randn(1, 4))
    times = {cluster.id: cluster.times for cluster in graph.clusters}
    inner = [node for node in graph.nodes if node.family not in ("input", "output")]
    assert sum(node.times * times.get(node.cluster, 1) for node in inner) == len(kinds)
