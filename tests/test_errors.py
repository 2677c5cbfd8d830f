"""What is said of an error can be made wherever, and whatever the error is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import reportgen
from reportgen.errors import one_line

# A user's number without a home, as containers give: neither a variable nor a line in the list of users.
NO_HOME = """
import os, pwd
os.environ.pop("HOME", None)
def unknown(*_):
    raise KeyError("getpwuid(): uid not found: 12345")
pwd.getpwuid = pwd.getpwnam = unknown
"""
# MKL ends the process where it is loaded in a folder that was deleted, so it is loaded before.
LOADED = """
import torch
torch.nn.Linear(3, 2)(torch.rand(2, 3))
"""
GONE = """
import os
os.rmdir(os.getcwd())
"""
BREAKS = """
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
import torch, reportgen
from reportgen import running
from reportgen.errors import one_line

assert one_line(ValueError("broken")) == "ValueError: broken"

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
    def forward(self, x):
        raise ValueError("broken on purpose")

report = reportgen.collect(Net(), data=(torch.rand(8, 3), torch.arange(8) % 2), samples=2)
states = {section.name: section.status for section in report.sections}
assert states["evaluation"] == states["explanations"] == "failed", states
assert states["environment"] == states["overview"] == "ok", states
assert "broken on purpose" in report.section("evaluation").reason
for suffix in ("html", "pdf", "json"):
    report.save(Path(sys.argv[1]) / f"report.{suffix}")
"""


# Python 3.13.0 imports no compiled module where "" is among the places to look in and the folder is gone.
PYTHON = (sys.executable, "-P")


class HostileError(Exception):
    def __str__(self):
        raise SystemExit("no")


class Lying(str):
    def split(self, *_):
        raise ValueError("no")

    __getitem__ = encode = replace = split


class LyingError(Exception):
    def __str__(self):
        return Lying("a lie\nin two")


class Meta(type):
    @property
    def __name__(cls):
        raise ValueError("no name")


class NamelessError(Exception, metaclass=Meta):
    pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HostileError(), "HostileError: (its message can't be shown)"),
        (LyingError(), "LyingError: a lie in two"),
        (NamelessError("x"), "NamelessError: x"),
        (ValueError("y" * 10**7), "ValueError: " + "y" * 299 + "…"),
        (ValueError("\ud800"), "ValueError: \ud800"),
    ],
    ids=lambda value: "",
)
def test_an_error_that_fights_its_own_message_is_one_line(error, said):
    assert one_line(error) == said


@pytest.mark.parametrize(
    "error", [HostileError(), LyingError(), NamelessError("x"), ValueError("\ud800")], ids=lambda value: ""
)
def test_a_section_that_raises_it_is_a_failure_and_costs_no_other(monkeypatch, error):
    import types
    from importlib.metadata import EntryPoint

    def raises(experiment, options):
        raise error

    monkeypatch.setitem(sys.modules, "hostile_section", types.SimpleNamespace(raises=raises))
    points = {
        name: EntryPoint(name, target, "x")
        for name, target in (
            ("raises", "hostile_section:raises"),
            ("environment", "reportgen.sections.environment:environment"),
        )
    }
    monkeypatch.setattr("reportgen.running.available", lambda: points)
    report = reportgen.collect(logs=Path(__file__).parent)
    assert [section.status for section in report.sections] == ["failed", "ok"]
    assert report.encode("report.html")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's")
@pytest.mark.parametrize("where", [NO_HOME, GONE, NO_HOME + GONE], ids=["no-home", "no-folder", "neither"])
def test_with_no_home_and_no_working_folder_a_model_that_raises_still_gets_its_report(tmp_path, where):
    (tmp_path / "gone").mkdir()
    (tmp_path / "out").mkdir()
    words = [*PYTHON, "-c", LOADED + where + BREAKS, str(tmp_path / "out")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=tmp_path / "gone", env=environment, capture_output=True, text=True, timeout=300,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html",
        "report.json",
        "report.pdf",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's")
@pytest.mark.parametrize("where", [NO_HOME, GONE], ids=["no-home", "no-folder"])
def test_the_command_works_there_too(tmp_path, where):
    (tmp_path / "gone").mkdir()
    (tmp_path / "exp.py").write_text(
        "import torch\nnet = torch.nn.Linear(3, 2)\ndef broken(): raise OSError('x')\n"
    )
    run = "import sys\nfrom reportgen.cli import main\nsys.exit(main(sys.argv[1:]))"
    words = [
        "generate",
        "--model",
        f"{tmp_path}/exp.py:net",
        "--out",
        f"{tmp_path}/a.json",
        "--out",
        f"{tmp_path}/a.html",
    ]
    done = subprocess.run([*PYTHON, "-c", where + run, *words], cwd=tmp_path / "gone", capture_output=True,
                          text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert reportgen.load(tmp_path / "a.json").section("architecture").status == "ok"
    (tmp_path / "gone").mkdir(exist_ok=True)
    words = ["generate", "--data", f"{tmp_path}/exp.py:broken", "--out", f"{tmp_path}/b.json"]
    done = subprocess.run([*PYTHON, "-c", where + run, *words], cwd=tmp_path / "gone", capture_output=True,
                          text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: data: {tmp_path}/exp.py:broken raised when called without arguments: OSError: x"
    ]
