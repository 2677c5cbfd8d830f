"""The environment: versions, digests, and no name of the machine."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from reportgen.experiment import Options, Weights, build
from reportgen.sections.environment import environment, weights_digest


def linear(value=0.5):
    model = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(value)
    return model


def test_the_weights_digest_is_the_hash_anyone_can_compute():
    expected = hashlib.sha256(b"weight:(1, 2):torch.float32;" + b"\x00\x00\x00\x3f" * 2).hexdigest()
    assert weights_digest(linear()) == expected


def test_one_changed_bit_changes_the_digest():
    changed = linear()
    with torch.no_grad():
        changed.weight[0, 0] = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    assert weights_digest(changed) != weights_digest(linear())
    assert weights_digest(linear(-0.0)) != weights_digest(linear(0.0))


def test_every_dtype_has_a_digest_and_the_meta_device_has_none():
    digests = {weights_digest(linear().to(dtype)) for dtype in (torch.bfloat16, torch.float16, torch.float64)}
    assert len(digests) == 3
    assert weights_digest(linear().to("meta")) is None


def facts(section, identifier):
    return {fact.label: fact.value for fact in section.block(identifier).facts}


def test_versions_seed_weights_and_command_are_there():
    experiment = build(
        linear(), weights=Weights("best.safetensors", "ab" * 32), command="reportgen generate x.toml"
    )
    section = environment(experiment, Options(seed=7))
    rows = {row.cells[0]: row.cells[1] for row in section.block("versions").rows}
    assert rows["torch"] == version("torch")
    origin = facts(section, "origin")
    assert (origin["Seed"], origin["Weights file"]) == (7, "best.safetensors")
    assert origin["Weights digest"] == weights_digest(linear())
    assert section.block("command").text == "reportgen generate x.toml"


def test_nothing_names_the_machine_or_the_user(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "name-of-the-machine")
    monkeypatch.setattr(platform, "node", lambda: "name-of-the-machine")
    monkeypatch.setenv("USER", "name-of-the-user")
    monkeypatch.setenv("LOGNAME", "name-of-the-user")
    shown = environment(build(linear()), Options()).model_dump_json()
    assert "name-of-the" not in shown
    assert str(Path.home()) not in shown


def test_logs_without_a_model_have_an_environment(tmp_path):
    section = environment(build(logs=tmp_path), Options())
    assert "Weights digest" not in facts(section, "origin")
    assert "Threads" not in facts(section, "machine")


def test_the_kernels_that_round_the_numbers_are_named():
    code = (
        "from torch import nn; from reportgen.experiment import Options, build; "
        "from reportgen.sections.environment import environment; "
        "made = environment(build(nn.Linear(2, 1)), Options(seed=0)); "
        "print({fact.label: fact.value for fact in made.block('machine').facts}['Kernels'])"
    )
    plainest = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=plainest, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() in ("DEFAULT", "NO AVX")
