"""The picture of a graph is the same, byte for byte, in any process, locale and with any fonts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
CODE = """
import hashlib, sys, torch
from architectures import ResNet50
from reportgen.data import Inputs
from reportgen.render import html
from reportgen.report import Provenance, Report, Section
from reportgen.trace import picture, trace
graph = picture(trace(ResNet50().eval(), Inputs((torch.zeros(1, 3, 64, 64),), {})))
section = Section(name="architecture", title="Architecture", blocks=(graph,))
made = Report(title="T", created="2025-03-14T09:26:00+00:00", sections=(section,), provenance=Provenance(generator="g"))
page = html.encode(made, None).decode()
drawn = page[page.index('<svg xmlns'):page.index('</svg>', page.index('class="node"'))]
print(len(drawn), hashlib.sha256(drawn.encode()).hexdigest(), drawn.count('class="node"'))
"""


def fonts(folder: Path, *places: str) -> str:
    """A font configuration that knows these folders alone."""
    folder.mkdir()
    lines = "".join(f"<dir>{place}</dir>" for place in places)
    path = folder / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
        f"<fontconfig>{lines}<cachedir>{folder / 'cache'}</cachedir></fontconfig>"
    )
    return str(path)


def test_two_processes_and_two_font_sets_give_the_same_picture(tmp_path: Path) -> None:
    empty = tmp_path / "no fonts"
    empty.mkdir()
    settings = [
        {"PYTHONHASHSEED": "1", "FONTCONFIG_FILE": fonts(tmp_path / "none", str(empty)), "LC_ALL": "C"},
        {
            "PYTHONHASHSEED": "99",
            "FONTCONFIG_FILE": fonts(tmp_path / "all", "/usr/share/fonts", "/Library/Fonts"),
            "LC_ALL": "C.UTF-8",
            "TZ": "Asia/Tokyo",
        },
    ]
    found = []
    for more in settings:
        environment = {**os.environ, "PYTHONPATH": str(TESTS), **more}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CODE], capture_output=True, text=True, env=environment
        )
        assert done.returncode == 0, done.stderr[-1500:]
        found.append(done.stdout.split())
    assert found[0] == found[1]
    assert int(found[0][0]) > 10_000
    assert int(found[0][2]) > 30
