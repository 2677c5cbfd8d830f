"""Exported programs: the same trace as that of the module they were made from, without its class."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from architectures import Custom, ResNet50, TiedHead
from networks import DigitsCNN
from torch import nn

from reportgen.data import Inputs
from reportgen.programs import load
from reportgen.trace import Trace, picture, table, trace


class Mixed(nn.Module):
    """A layer called twice, recurrence, attention, keyword inputs and outputs in a dict and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(8, 8)
        self.relu = nn.ReLU()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.lstm = nn.LSTM(8, 6, batch_first=True)

    def forward(self, x: torch.Tensor, *, scale: torch.Tensor) -> dict[str, object]:
        x = self.relu(self.body(self.relu(self.body(x)))) * scale
        y, _ = self.lstm(self.encoder(x))
        return {"logits": y, "aux": [x]}


def export(model: nn.Module, inputs: Inputs, **more: object) -> torch.export.ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model.eval(), inputs.args, dict(inputs.kwargs), **more)


def both(model: nn.Module, inputs: Inputs, **more: object) -> tuple[Trace, Trace]:
    return trace(export(model, inputs, **more)), trace(model.eval(), inputs)


def calls(seen: Trace) -> dict[str, tuple[str, int]]:
    return {path: (found[0].type, len(found)) for path, found in seen.calls.items() if path}


IMAGES = Inputs((torch.zeros(2, 1, 8, 8),), {})
MIXED = Inputs((torch.zeros(2, 5, 8),), {"scale": torch.ones(1)})
TOKENS = Inputs((torch.zeros(1, 3, dtype=torch.long),), {})


@pytest.mark.parametrize(("model", "inputs"), [(DigitsCNN(), IMAGES), (Mixed(), MIXED), (TiedHead(), TOKENS)])
def test_a_program_is_seen_as_its_module_is(model: nn.Module, inputs: Inputs) -> None:
    program, module = both(model, inputs)
    assert (program.how, program.error) == ("program", "")
    assert program.totals.parameters == module.totals.parameters
    assert program.totals.trainable == module.totals.trainable
    assert program.flops == module.flops
    assert program.batch == module.batch
    assert program.reached == module.reached
    theirs = calls(module)
    assert {path: seen for path, seen in calls(program).items() if path in theirs} == theirs
    assert {layer.path for layer in module.layers} >= {layer.path for layer in program.layers}


def test_resnet50_as_a_program_has_its_published_numbers_and_a_picture() -> None:
    program, module = both(ResNet50(), Inputs((torch.zeros(1, 3, 224, 224),), {}))
    assert (program.totals.parameters, program.flops) == (25_557_032, 8_178_368_512)
    assert program.peak == module.peak
    drawn, same = picture(program), picture(module)
    assert drawn is not None
    assert same is not None
    assert {(node.label, node.detail) for node in drawn.nodes} >= {
        (node.label, node.detail) for node in same.nodes if node.family == "conv"
    }
    settings = {layer.path: layer.settings for layer in program.layers if layer.family == "conv"}
    assert settings == {layer.path: layer.settings for layer in module.layers if layer.family == "conv"}
    assert len(table(program).rows) == len(program.layers)


def test_tied_weights_are_counted_once_also_after_saving(tmp_path: Path) -> None:
    program = export(TiedHead(), TOKENS)
    torch.export.save(program, tmp_path / "tied.pt2")
    for one in (program, load(tmp_path / "tied.pt2")):
        assert trace(one).totals.parameters == 343_041


def test_free_sizes_are_those_of_the_example() -> None:
    free = {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1, max=64)},)}
    program, module = both(DigitsCNN(), IMAGES, **free)
    assert (program.flops, program.batch) == (module.flops, 2)


def test_a_saved_program_needs_no_class(tmp_path: Path) -> None:
    torch.export.save(export(Custom(), Inputs((torch.zeros(2, 4),), {})), tmp_path / "net.pt2")
    code = (
        "import sys; from pathlib import Path\n"
        "from reportgen.programs import load; from reportgen.trace import trace\n"
        "seen = trace(load(Path(sys.argv[1])))\n"
        "print(seen.how, seen.layers[0].type, seen.flops, 'architectures' in sys.modules)\n"
    )
    words = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "net.pt2")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["program", "Custom", str(2 * 2 * 2 * 4 * 4), "False"], done.stderr
