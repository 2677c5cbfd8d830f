"""--autograd with a name that no layer has: a mistake where it can be told beforehand, else a line in the summary."""

from pathlib import Path

import pytest
import torch

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
