"""trace(): how it was captured, what it saw, and that it leaves nothing behind."""

from __future__ import annotations

import logging
import sys

import pytest
import state
import torch
from architectures import Branches, Broken, Choosing, Custom, Named, TiedHead
from captum.testing.helpers import basic_models
from networks import DigitsCNN
from torch import nn

import reportgen
from reportgen.data import Inputs
from reportgen.trace import picture, table, trace
from reportgen.trace.findings import findings
from reportgen.trace.steps import Trace
from reportgen.trace.tensors import Producers

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


def traced(model: nn.Module, *args: object, **kwargs: object) -> Trace:
    return trace(model.eval(), Inputs(args, kwargs))


def links(seen: Trace) -> set[tuple[str, str]]:
    def name(index: int) -> str:
        step = seen.steps[index]
        return step.path if step.kind == "call" else step.name

    return {(name(link.source), name(link.target)) for link in seen.links}


def test_residual_network_is_captured_with_fake_tensors_and_links_go_where_the_tensors_went() -> None:
    seen = traced(DigitsCNN(), torch.randn(1, 1, 8, 8))
    assert (seen.how, seen.failures, seen.complete) == ("fake", (), True)
    assert {("block1.bn2", "add"), ("block1.shortcut", "add"), ("add", "relu")} <= links(seen)
    assert seen.calls["relu"][1].inputs[0].shape == (1, 24)
    assert len(seen.calls["relu"]) == 2


def test_both_branches_of_an_identity_come_from_the_tensor_itself() -> None:
    assert {("stem", "short"), ("stem", "long"), ("long", "add"), ("short", "add")} <= links(
        traced(Branches(), X)
    )


def test_in_place_work_is_the_producer_of_what_it_overwrote() -> None:
    class Buffer(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = torch.zeros(2, 4)
            out[:, 0] = x[:, 0].exp()
            return out.view(4, 2).relu_()

    assert links(traced(Buffer(), X)) == {
        ("x", "exp"),
        ("exp", "assign"),
        ("assign", "relu"),
        ("relu", "output"),
    }


def test_what_comes_from_weights_and_constants_alone_is_no_step() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (self.scale.exp() + torch.arange(4))

    seen = traced(Scaled(), X)
    assert [step.name for step in seen.steps if step.kind == "op"] == ["mul"]
    assert seen.used == {"scale"}


def test_custom_autograd_function_does_not_cut_the_flow() -> None:
    assert links(traced(Custom(), X)) == {
        ("x", "before"),
        ("before", "mul"),
        ("mul", "after"),
        ("after", "output"),
    }


def test_flow_that_depends_on_values_falls_back_to_one_real_pass_and_says_why() -> None:
    seen = traced(Choosing(), X.abs())
    assert (seen.how, seen.complete) == ("real", True)
    assert "DataDependentOutputException" in seen.failures[0]
    assert "up" in seen.calls
    assert "down" not in seen.calls


def test_error_half_way_leaves_the_first_part_and_names_the_layer(capfd: pytest.CaptureFixture[str]) -> None:
    model = Broken()
    before = state.of_model(model.eval())
    seen = traced(model, X)
    assert (seen.how, seen.complete, seen.error_path) == ("real", False, "tail.0")
    assert "mat1 and mat2" in seen.error
    assert ("head", "relu") in links(seen)
    assert (seen.flops, seen.peak) == (None, None)
    assert state.of_model(model) == before
    assert capfd.readouterr().err == ""
    assert not logging.getLogger("torch._subclasses.fake_tensor").disabled


def test_keyword_inputs_dict_outputs_and_modules_in_a_plain_list() -> None:
    model = Named()
    seen = traced(model, X, mask=torch.ones(2, 4))
    assert [step.name for step in seen.steps if step.kind == "input"] == ["x", "mask"]
    assert [step.name for step in seen.steps if step.kind == "output"] == ["logits", "aux[0]"]
    assert {("mul", "hidden[0]"), ("mask", "mul"), ("add", "aux[0]")} <= links(seen)
    assert not seen.by_path["hidden[0]"].registered
    assert seen.totals.parameters == sum(p.numel() for p in model.parameters()) == 20
    assert seen.parameters_by_path[""] == 20


@pytest.mark.parametrize(
    "model", [Named(), Choosing(), Branches(), Broken(), DigitsCNN()], ids=lambda m: type(m).__name__
)
def test_the_model_comes_out_as_it_went_in(model: nn.Module) -> None:
    before, process = state.of_model(model.eval()), state.of_process()
    held = {name: dict(vars(module)) for name, module in model.named_modules()}
    inputs = Inputs((X,), {"mask": X} if isinstance(model, Named) else {})
    bytes_before = state.bytes_of(X)
    trace(model, inputs)
    assert state.of_model(model) == before
    assert {name: dict(vars(module)) for name, module in model.named_modules()} == held
    assert state.bytes_of(X) == bytes_before
    assert state.of_process() == process


def test_no_input_gives_the_layers_alone() -> None:
    seen = trace(TiedHead(), None)
    assert (seen.how, seen.steps, seen.flops) == ("static", (), None)
    assert seen.totals.parameters == 343_041


def test_model_on_the_meta_device_runs_on_meta_tensors() -> None:
    with torch.device("meta"):
        model, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU()), torch.randn(3, 4)
    seen = traced(model, x)
    assert (seen.how, seen.flops) == ("meta", 3 * 2 * 4 * 8)


def test_scripted_model_shows_its_operations_and_its_layers() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 8), nn.ReLU()).eval())
    seen = trace(scripted, Inputs((X,), {}))
    assert [layer.type for layer in seen.layers] == ["Sequential", "Linear", "ReLU"]
    assert [step.name for step in seen.steps if step.kind == "op"] == ["addmm", "relu"]
    assert seen.flops == 2 * 2 * 4 * 8


def test_compiled_model_is_looked_at_uncompiled() -> None:
    compiled = torch.compile(nn.Sequential(nn.Linear(4, 8), nn.ReLU()).eval())
    seen = trace(compiled, Inputs((X,), {}))
    assert (seen.how, [layer.path for layer in seen.layers]) == ("fake", ["", "0", "1"])


@pytest.mark.parametrize(
    ("model", "args"),
    [
        (basic_models.BasicModel_ConvNet(), (torch.randn(2, 1, 10, 10),)),
        (basic_models.BasicModel_ConvNet_MaxPool3d(), (torch.randn(2, 1, 10, 10, 10),)),
        (basic_models.BasicModel_MultiLayer(), (torch.randn(2, 3),)),
        (basic_models.BasicModel_MultiLayer_MultiInput(), (*(torch.randn(2, 3) for _ in range(3)), 2)),
        (basic_models.BasicModel_MultiLayer_TupleInput(), (tuple(torch.randn(2, 3) for _ in range(3)),)),
        (basic_models.BasicModelWithReusedModules(), (torch.randn(2, 3),)),
        (basic_models.BasicEmbeddingModel(), (torch.zeros(2, 4).long(), torch.zeros(2, 4).long())),
        (basic_models.ReLULinearModel(), (torch.randn(2, 3), torch.randn(2, 3))),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)  # fmt: skip
def test_models_of_another_library(model: nn.Module, args: tuple[object, ...]) -> None:
    seen = traced(model, *args)
    assert seen.complete, seen.failures
    assert seen.totals.parameters == sum(p.numel() for p in model.parameters())
    ends = {link.target for link in seen.links}
    assert all(step.index in ends for step in seen.steps if step.kind == "output")
    expected = tuple(model(*args).shape) if isinstance(model(*args), torch.Tensor) else None
    assert expected in (None, seen.steps[seen.root or 0].outputs[0].shape)


class Loop(nn.Module):
    def __init__(self, times: int) -> None:
        super().__init__()
        self.layer, self.relu, self.head, self.times = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2), times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = self.relu(self.layer(x)) + torch.sin(x)
        return self.head(x)


@pytest.mark.parametrize("most", [1, 2, 12, 13, 14])
def test_a_long_pass_is_cut_in_its_picture_and_counted_to_its_end(most: int) -> None:
    inputs = Inputs((X,), {})
    whole, cut = trace(Loop(20).eval(), inputs), trace(Loop(20).eval(), inputs, most_steps=most)
    assert (whole.cut, cut.cut) == (0, most)
    assert len(cut.steps) <= most + 5
    assert (cut.flops, cut.peak, cut.known) == (whole.flops, whole.peak, whole.known)
    assert cut.flops_by_path == whole.flops_by_path
    assert cut.made_by_path == whole.made_by_path
    assert [row.cells for row in table(cut).rows] == [row.cells for row in table(whole).rows]
    drawn = picture(cut)
    assert drawn is not None
    assert f"The picture is cut: the pass went on after {most:,} steps" in drawn.caption
    assert [finding.message for finding in findings(cut, Loop(20))] == []


def test_storages_that_are_gone_are_forgotten_and_the_peak_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = Inputs((X,), {})
    whole = trace(Loop(50).eval(), inputs)
    known: list[int] = []
    forget = Producers.forget_dead

    def watched(self: Producers) -> list[int]:
        dead = forget(self)
        known.append(len(self))
        return dead

    monkeypatch.setattr(Producers, "forget_dead", watched)
    monkeypatch.setattr("reportgen.trace.recorder.SWEEP", 10)
    swept = trace(Loop(50).eval(), inputs)
    assert known
    assert (swept.peak, swept.flops, swept.links) == (whole.peak, whole.flops, whole.links)


def test_a_model_that_nests_as_deep_as_python_allows_is_traced() -> None:
    model: nn.Module = nn.Linear(4, 4)
    for _ in range(200):
        model = nn.Sequential(model, nn.ReLU())
    limit = sys.getrecursionlimit()
    seen = traced(model, X)
    assert (seen.how, seen.error) == ("fake", "")
    assert picture(seen) is not None
    assert len(table(seen).rows) == 401
    assert sys.getrecursionlimit() == limit


def test_a_compiled_module_inside_runs_uncompiled_and_has_no_name_of_its_own() -> None:
    def never(*_: object) -> object:
        raise AssertionError("compiled")

    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.compile(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), backend=never)
            self.head = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(x))

    model = Inside()
    before = state.of_model(model.eval())
    report = reportgen.collect(model, example_inputs=X, sections=["architecture"], profile=True)
    assert report.failed == ()
    made = report.sections[0]
    assert [row.id for row in made.block("layers").rows] == ["root", "body", "body.0", "body.1", "head"]
    assert "_orig_mod" not in made.block("graph").model_dump_json() + made.block("autograd").model_dump_json()
    assert made.block("layers").rows[1].cells[1] == "Sequential"
    assert state.of_model(model) == before
