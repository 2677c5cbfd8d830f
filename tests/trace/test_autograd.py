"""torchviz's graph as a block: the nodes that autograd has, by their names; a note where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import state
import torch
from architectures import Custom, ResNet50, TiedHead
from graphviz import Digraph
from hypothesis import given
from hypothesis import strategies as st
from networks import DigitsCNN
from torch import nn

from reportgen.collecting import collect
from reportgen.errors import InputError
from reportgen.experiment import Options, build
from reportgen.report import Block, Failure, Graph, Text
from reportgen.trace import trace
from reportgen.trace.autograd import autograd_blocks, read
from reportgen.trace.tensors import tensors

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
IMAGE = torch.zeros(1, 1, 8, 8)


def blocks(model: nn.Module, example: object, **options: object) -> Block:
    experiment = build(model.eval(), example_inputs=example)
    made = autograd_blocks(trace(experiment.model, experiment.example), experiment, Options(**options))
    assert len(made) == 1
    return made[0]


def graph(model: nn.Module, example: object, **options: object) -> Graph:
    made = blocks(model, example, **options)
    assert isinstance(made, Graph), made
    return made


def walked(outputs: list[torch.Tensor]) -> int:
    """The functions that a backward pass goes through."""
    known, waiting = set(), [output.grad_fn for output in outputs]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in known:
            known.add(node)
            waiting += [inner for inner, _ in node.next_functions]
    return len(known)


def families(made: Graph) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in made.nodes:
        found.setdefault(node.family, []).append(node.label)
    return found


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (Custom(), X),
        (TiedHead(), torch.zeros(1, 3, dtype=torch.long)),
        (nn.Sequential(nn.LSTM(4, 3, 2)), torch.zeros(2, 5, 4)),
        (nn.MultiheadAttention(4, 2, batch_first=True), (X[None], X[None], X[None])),
    ],
)
def test_operations_are_those_of_autograd_and_every_parameter_is_named(
    model: nn.Module, example: object
) -> None:
    made = graph(model, example)
    found = families(made)
    args = example if isinstance(example, tuple) else (example,)
    out = model.eval()(*args)
    assert len(found["operation"]) == walked(tensors(out))
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert sorted(found["parameter"]) == sorted(names)
    assert found["output"]


def test_parameters_lead_to_their_layers_rows_and_say_their_shapes() -> None:
    made = graph(TiedHead(), torch.zeros(1, 3, dtype=torch.long))
    nodes = {node.label: node for node in made.nodes}
    assert (nodes["body.weight"].row, nodes["body.weight"].detail) == ("body", "(5260, 64)")
    assert nodes["scale"].row == "scale"


def test_one_layer_is_drawn_with_what_goes_into_it() -> None:
    made = graph(ResNet50(), torch.zeros(1, 3, 64, 64), autograd="layer1.1")
    found = families(made)
    assert found["input"] == ["input 1"]
    assert "conv1.weight" in found["parameter"]
    assert all(node.row.startswith("layer1.1.") for node in made.nodes if node.family == "parameter")
    assert "layer1.1" in made.caption


def test_attributes_and_saved_tensors_are_shown_where_they_are_asked_for() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.LeakyReLU(0.25))
    plain = graph(model, X)
    assert "saved tensor" not in families(plain)
    shown = graph(model, X, show_attrs=True, show_saved=True)
    assert "saved tensor" in families(shown)
    leaky = next(node for node in shown.nodes if node.label.startswith("LeakyRelu"))
    assert "negative_slope: 0.25" in leaky.detail.splitlines()


def test_a_graph_too_large_to_read_is_a_note_that_names_a_layer_that_is_not() -> None:
    model, example = ResNet50(), torch.zeros(1, 3, 64, 64)
    note = blocks(model, example)
    assert isinstance(note, Text)
    assert note.text.startswith("The autograd graph has 337 nodes; more than 120 can't be read.")
    name = note.text.partition("--autograd ")[2].partition(" ")[0]
    assert isinstance(blocks(model, example, autograd=name), Graph)


def test_ten_thousand_layers_are_a_note_and_no_recursion() -> None:
    note = blocks(nn.Sequential(*(nn.Identity() for _ in range(2)), *(nn.Tanh() for _ in range(10_000))), X)
    assert isinstance(note, Text)
    long = nn.Sequential(nn.Linear(4, 4), *(nn.Tanh() for _ in range(10_000)))
    assert "10,0" in blocks(long, X).text


def test_a_layer_that_is_not_there_is_one_line_with_the_near_ones() -> None:
    made = blocks(ResNet50(), torch.zeros(1, 3, 64, 64), autograd="layer1.9")
    assert isinstance(made, Failure)
    assert made.message == "autograd: got 'layer1.9', expected the name of a layer"
    assert "layer1.0" in made.hint


def test_what_has_no_graph_says_why() -> None:
    class Off(nn.Linear):
        @torch.no_grad()
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)

    class Idle(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self[0](x)

    assert "no output is connected" in blocks(Off(4, 2), X).text
    assert "never ran" in blocks(Idle(nn.Linear(4, 2), nn.Linear(4, 2)), X, autograd="1").text
    assert "no forward pass" in blocks(nn.Linear(5, 2), X).text
    with torch.device("meta"):
        assert isinstance(blocks(nn.Linear(4, 2), torch.zeros(1, 4)), Graph)


def test_the_model_is_left_as_it_was() -> None:
    model = DigitsCNN().eval()
    before = state.of_model(model)
    graph(model, IMAGE, autograd="block1")
    assert state.of_model(model) == before
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"])
    | st.sampled_from(['"', "\\", "<", ">", "-", "[", "]", "="]),
    min_size=1,
    max_size=30,
)


@given(TEXTS, TEXTS)
def test_names_come_back_as_they_were_whatever_is_in_them(one: str, other: str) -> None:
    dot = Digraph()
    dot.node("1", f"{one}\n (3, 4)", fillcolor="lightblue")
    dot.node("2", f"{other}\n (5)", fillcolor="orange")
    dot.edge("1", "2", dir="none")
    nodes, edges = read(dot.body, lambda name: name)
    assert [node.id for node in nodes] == ["a0", "a1"]
    assert [(edge.source, edge.target) for edge in edges] == [("a0", "a1")]
    assert nodes[0].row == one.strip()
    assert nodes[0].detail == "(3, 4)"


def test_two_processes_make_the_same_graph() -> None:
    code = (
        "import torch; from networks import DigitsCNN; from reportgen.experiment import Options, build\n"
        "from reportgen.trace import trace; from reportgen.trace.autograd import autograd_blocks\n"
        "torch.manual_seed(0); e = build(DigitsCNN().eval(), example_inputs=torch.zeros(1, 1, 8, 8))\n"
        "made = autograd_blocks(trace(e.model, e.example), e, Options(autograd='block1', show_saved=True))\n"
        "print(made[0].model_dump_json())\n"
    )
    path = {"PYTHONPATH": str(Path(__file__).parents[1])}
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True, text=True, check=True, env={**os.environ, **path, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "77")
    }  # fmt: skip
    assert len(found) == 1
    assert len(found.pop()) > 1000


def test_a_wrong_name_is_a_mistake_before_any_section_runs() -> None:
    ran: list[object] = []
    with pytest.raises(InputError, match="got 'befor', expected the name of a layer") as raised:
        collect(Custom(), example_inputs=X, autograd="befor", progress=ran.append)
    assert "near it: before" in raised.value.hint
    assert not ran


@pytest.mark.parametrize("kind", ["TorchScript", "an exported program"])
def test_layers_of_programs_are_said_to_have_no_graph_of_their_own(kind: str) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU()).eval()
    given = torch.jit.script(model) if kind == "TorchScript" else torch.export.export(model, (X,))
    report = collect(
        given, example_inputs=X if kind == "TorchScript" else None, autograd="0", sections=["architecture"]
    )
    made = report.sections[0].block("autograd")
    assert made.text == f"There is no graph of 0: in {kind} no layer can be run by itself."
