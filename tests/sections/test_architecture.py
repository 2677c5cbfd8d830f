"""The Architecture section: its blocks, its numbers, its findings."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import state
import torch
from architectures import Broken, Choosing, Named, ResNet50, TiedHead
from networks import DigitsCNN
from torch import nn

from reportgen.collecting import collect
from reportgen.experiment import Experiment, Options, build
from reportgen.report import Section
from reportgen.sections.architecture import architecture

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


def section(model: nn.Module, **given: object) -> Section:
    made = architecture(build(model.eval(), **given), Options())  # type: ignore[arg-type]
    again = Section.model_validate_json(made.model_dump_json())
    assert again == made
    return made


def fact(made: Section, label: str) -> object:
    return next(fact for fact in made.block("totals").facts if fact.label == label)


def rules(made: Section) -> dict[str, str]:
    return {finding.rule: finding.message for finding in made.findings}


def test_blocks_come_in_order_and_facts_have_their_labels() -> None:
    made = section(ResNet50(), example_inputs=torch.zeros(1, 3, 224, 224))
    assert [block.kind for block in made.blocks] == [
        "facts",
        "graph",
        "table",
        "table",
        "bars",
        "bars",
        "bars",
        "code",
        "text",
        "text",
    ]
    assert made.summary == "ResNet50: 25.6 M parameters in 126 layers, 8.18 GFLOPs a sample."
    assert {fact.label: fact.value for fact in made.block("totals").facts} == {
        "Parameters": 25_557_032,
        "Trainable parameters": 25_557_032,
        "Buffers": 53_173,
        "Size on disk": 4 * (25_557_032 + 53_120) + 8 * 53,
        "FLOPs a sample": 8_178_368_512,
        "Activation memory a sample": 3 * 4 * 256 * 56 * 56,
        "Captured with": "fake tensors",
    }
    assert fact(made, "FLOPs a sample").note == "known for 54 of 54 operations; 1 multiply-add = 2 FLOPs"
    assert made.findings == ()


def test_table_is_a_tree_whose_shares_sum_to_one() -> None:
    table = section(DigitsCNN(), example_inputs=torch.zeros(4, 1, 8, 8)).block("layers")
    rows = {row.id: row for row in table.rows}
    assert [rows[name].level for name in ("root", "block1", "block1.conv1")] == [0, 1, 2]
    names = [column.name for column in table.columns]
    cells = dict(zip(names, rows["block2.conv1"].cells, strict=True))
    assert cells == {
        "Layer": "conv1", "Type": "Conv2d", "Settings": "16→32, 3×3, stride 2, padding 1", "Input": "16×8×8",
        "Output": "32×4×4", "Own": 4608, "Parameters": 4608, "Share": 4608 / 20_594, "Trained": "yes",
        "FLOPs": 2 * 4608 * 16, "Activations": 4 * 32 * 16, "dtype": "float32", "Calls": 1, "Notes": "",
    }  # fmt: skip
    share = names.index("Share")
    assert sum(row.cells[share] for row in table.rows if row.level == 1) == pytest.approx(1)


def test_flops_of_a_batch_are_given_for_one_sample() -> None:
    one = fact(section(DigitsCNN(), example_inputs=torch.zeros(1, 1, 8, 8)), "FLOPs a sample")
    four = fact(section(DigitsCNN(), example_inputs=torch.zeros(4, 1, 8, 8)), "FLOPs a sample")
    assert four.value == one.value
    assert four.note.endswith("a batch of 4 divided by 4")


def test_torchinfos_double_counting_is_said_with_its_numbers() -> None:
    made = section(TiedHead(), example_inputs=torch.zeros(1, 5, dtype=torch.long))
    assert fact(made, "Parameters").value == 343_041
    assert "Total params: 349,440" in made.block("torchinfo").text
    assert made.block("torchinfo").folded
    said = made.block("torchinfo-differences").text
    assert said.startswith(
        "torchinfo counts 349,440 parameters, 6,399 more than the 343,041 here: it counts tied"
    )
    assert "leaves out 1 held by" in said
    tied = rules(made)["the same tensor is registered under two names; it is counted once"]
    assert tied == "1 parameter (6,400 values) is tied: head.weight to embed.weight."


def test_error_of_torchinfo_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchinfo

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no\nsummary")

    monkeypatch.setattr(torchinfo, "summary", fails)
    made = section(DigitsCNN(), example_inputs=torch.zeros(1, 1, 8, 8))
    assert (
        made.block("torchinfo").text == "torchinfo could not summarise this model: RuntimeError: no summary"
    )


def test_no_model_is_empty_and_no_input_is_static() -> None:
    empty = architecture(build(data=torch.zeros(3, 4)), Options())
    assert (empty.status, empty.reason) == ("empty", "no model was given")
    made = section(TiedHead())
    assert fact(made, "Captured with").value == "static table"
    assert fact(made, "FLOPs a sample").value is None
    assert fact(made, "FLOPs a sample").note == "no input was given, so nothing was run"
    assert made.block("graph").kind == "text"
    assert made.summary == "TiedHead: 343 k parameters in 3 layers; FLOPs unknown."


def test_a_forward_pass_that_raises_is_named_with_its_layer() -> None:
    made = section(Broken(), example_inputs=X)
    failure = made.block("failure")
    assert made.status == "ok"
    assert failure.message.endswith("(2x8 and 7x2); raised in tail.0 (Linear).")
    assert failure.hint
    assert (made.findings[0].severity, made.findings[0].evidence) == ("serious", "architecture/failure")
    assert [row.id for row in made.block("layers").rows] == ["root", "head", "tail", "tail.0"]
    assert made.block("graph").kind == "graph"


def test_findings_have_their_numbers_and_lead_to_a_block() -> None:
    model = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 100), nn.Linear(100, 3), nn.Softmax(dim=0)
    )
    model[0].weight.data[0, 0] = float("nan")
    model[3].bias.data[1] = float("inf")
    model[2].requires_grad_(False)
    made = section(model, example_inputs=X, task="classification")
    assert [finding.message for finding in made.findings] == [
        "2 of 8 parameter tensors hold NaN or infinity: 0.weight, 3.bias.",
        "The output comes from a Softmax over dimension 0, the batch, so a sample's 3 scores are no "
        "distribution over the classes.",
        "1 layer has a bias that the batch norm after it cancels (8 parameters): 0.",
        "900 of 1,259 parameters (71.49 %) are frozen, in 2.",
        "2 (Linear) holds 71.49 % of the parameters: 900 of 1,259.",
        "2 (Linear) takes 70.67 % of the FLOPs: 3.2 kFLOPs of 4.53 kFLOPs.",
        "2 (Linear) makes 81.97 % of the activations: 800 B of 976 B.",
    ]
    assert [f.severity for f in made.findings] == ["serious", "serious", *5 * ["info"]]
    blocks = {f"architecture/{block.id}" for block in made.blocks}
    assert {finding.evidence for finding in made.findings} <= blocks


def test_parameters_that_never_run_and_modules_in_plain_lists_are_findings() -> None:
    idle = [f for f in section(Choosing(), example_inputs=X.abs()).findings if f.severity == "warning"]
    assert [f.message for f in idle] == [
        "2 parameter tensors (20 values, 50 % of all) were not used in the traced forward pass: "
        "down.weight, down.bias."
    ]
    model = Named()
    hidden = [f.message for f in section(model, example_inputs={"x": X, "mask": X}).findings]
    assert hidden[0] == (
        "1 layer with 20 parameters is held in a plain list or dict, unseen by parameters() and "
        "state_dict(): hidden[0]."
    )


def test_infinity_in_a_buffer_is_a_mask_and_nan_is_not() -> None:
    model = DigitsCNN()
    model.register_buffer("mask", torch.full((3,), float("-inf")))
    assert section(model, example_inputs=torch.zeros(1, 1, 8, 8)).findings == ()
    model.block1.bn1.running_mean[0] = float("nan")
    assert section(model, example_inputs=torch.zeros(1, 1, 8, 8)).findings[0].message == (
        "1 of 13 buffers holds NaN: block1.bn1.running_mean."
    )


def test_more_than_two_thousand_rows_are_folded_and_said_to_be() -> None:
    model = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(800)), nn.Tanh())
    table = section(model).block("layers")
    assert [row.id for row in table.rows] == ["root", "0", "0.0", "0.1", "800"]
    assert table.rows[1].cells[-1] == "× 800 (to 799), figures of one"
    assert table.total == 2402
    assert "equal neighbours are shown once" in table.caption


@pytest.mark.parametrize("model", [DigitsCNN(), Broken(), Named()], ids=["whole", "broken", "named"])
def test_the_model_is_left_as_it_was(model: nn.Module) -> None:
    inputs = torch.zeros(1, 1, 8, 8) if isinstance(model, DigitsCNN) else {"x": X, "mask": X}
    experiment = build(model, example_inputs=inputs)
    before = state.of_model(model)
    architecture(experiment, Options())
    assert state.of_model(model) == before


def test_two_processes_give_the_same_bytes() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import torch; from networks import DigitsCNN\n"
        "from reportgen.experiment import build, Options\n"
        "from reportgen.sections.architecture import architecture\n"
        "torch.manual_seed(0)\n"
        "made = architecture(build(DigitsCNN(), example_inputs=torch.zeros(1, 1, 8, 8)), Options())\n"
        "sys.stdout.write(made.model_dump_json())\n"
    )
    tests = str(Path(__file__).parents[1])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, tests],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for seed in ("1", "2")
    ]
    outputs = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 1000


def test_an_experiment_with_a_model_alone_is_enough() -> None:
    made = architecture(Experiment(title="", model=nn.Linear(2, 3)), Options())
    assert made.summary == "Linear: 9 parameters in 1 layer; FLOPs unknown."


@pytest.mark.parametrize(
    ("part", "name", "other"),
    [
        ("torchinfo_text.torchinfo_blocks", "torchinfo", "autograd"),
        ("autograd.autograd_blocks", "autograd", "torchinfo"),
    ],
)
def test_a_part_that_raises_costs_none_of_the_others(
    part: str, name: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no part")

    monkeypatch.setattr(f"reportgen.trace.{part}", fails)
    made = section(DigitsCNN(), example_inputs=torch.zeros(1, 1, 8, 8))
    failed = made.block(name)
    assert (failed.kind, failed.error, failed.message) == ("failure", "ZeroDivisionError", "no part")
    assert made.block(other).kind != "failure"
    assert made.block("layers").rows


def test_time_that_runs_out_in_torchinfo_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchinfo

    monkeypatch.setattr(torchinfo, "summary", lambda *_, **__: time.sleep(30))
    report = collect(
        DigitsCNN(), example_inputs=torch.zeros(1, 1, 8, 8), sections=["architecture"], time_limit=4.0
    )
    made = report.sections[0]
    assert made.status == "ok"
    assert made.block("layers").rows
    assert made.block("torchinfo").error == "OutOfTime"
    assert made.block("autograd") is None
    assert not report.provenance.reproducible


def test_counts_of_layers_on_the_page_agree_or_say_what_they_count() -> None:
    model = nn.Sequential(
        nn.Sequential(nn.Linear(4, 8), nn.ReLU()),
        nn.Sequential(nn.Linear(8, 8), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(8, 2),
    )
    made = section(model, example_inputs=torch.zeros(1, 4))
    assert "parameters in 6 layers" in made.summary
    table = made.block("layers")
    assert table.caption.startswith("9 modules in order of registration: 6 layers, 3 that hold others.")
    assert len(table.rows) == 9
    bars = made.block("parameters-by-block")
    assert bars.caption == "3 of the 4 blocks of the model; the other has none; each once."
    assert len(bars.labels) == 3


@pytest.mark.filterwarnings("ignore")
def test_the_headline_of_a_quantized_model_has_its_packed_weights() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.rnn, self.head = (
                nn.Embedding(20, 8),
                nn.LSTM(8, 6, batch_first=True),
                nn.Linear(6, 3),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.rnn(self.table(x))[0][:, -1])

    model = Reads()
    count = sum(parameter.numel() for parameter in model.parameters())
    small = torch.ao.quantization.quantize_dynamic(model, {nn.LSTM, nn.Linear}, dtype=torch.qint8)
    report = collect(
        small, example_inputs=torch.zeros(1, 5, dtype=torch.long), sections=["overview", "architecture"]
    )
    made = report.section("architecture")
    assert fact(made, "Parameters").value == count
    assert f"{count - 160:,} of them packed weights of quantized layers" in fact(made, "Parameters").note
    headline = {one.label: one.value for one in report.section("overview").block("headline").facts}
    assert headline["Parameters"] == count
    matrices = 4 * 6 * (8 + 6) + 6 * 3
    assert headline["Size on disk"] == 4 * 160 + matrices + 4 * (count - 160 - matrices)
    said = made.block("torchinfo-differences").text
    assert f"the {count:,} here" in said
    assert "that quantized layers hold packed" in said
