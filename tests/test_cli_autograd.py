"""--autograd and --layer with a name that no layer has: a mistake where it can be told, else a line in the report."""

from pathlib import Path

import pytest
import torch

from reportgen import load
from reportgen.cli import main

EXP = """
import torch
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
x = torch.zeros(2, 3)
"""


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("exp.py").write_text(EXP)
    inputs = ("--example-inputs", "exp.py:x", "--section", "architecture", "--out", "report.json")
    return lambda model, name: ("generate", "--model", model, "--autograd", name, *inputs)


def test_a_wrong_layer_is_one_line_with_names_near_it_and_nothing_is_written(words, capsys):
    assert main(words("exp.py:net", "00")) == 2
    said = capsys.readouterr().err.splitlines()
    assert "error: autograd: got '00', expected the name of a layer" in said
    assert "hint: near it: 0" in said
    assert not Path("report.json").exists()


def test_a_wrong_layer_of_a_program_is_said_in_the_summary(words, capsys):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()).eval()
    torch.export.save(torch.export.export(model, (torch.zeros(2, 3),)), "net.pt2")
    assert main(words("net.pt2", "nowhere")) == 0
    assert "Autograd graph: autograd: got 'nowhere', expected the name of a layer" in capsys.readouterr().out


def test_layers_are_named_on_the_command_line_one_a_flag(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("exp.py").write_text(EXP + "data = torch.randn(40, 3), torch.arange(40) % 2\n")
    words = [
        "generate",
        "--model",
        "exp.py:net",
        "--data",
        "exp.py:data",
        "--section",
        "features",
        "--out",
        "r.json",
    ]
    assert main([*words, "--layer", "0", "--layer", "1"]) == 0
    drawn = load("r.json").section("features").block("activations-distributions")
    assert [histogram.name for histogram in drawn.histograms] == ["0", "1"]
    assert main([*words, "--layer", "net.0"]) == 2
    assert "error: layers: got 'net.0', expected the name of a layer" in capsys.readouterr().err.splitlines()
