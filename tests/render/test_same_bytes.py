"""Same report, same bytes, in any process; and one process that draws graphs and writes PDFs survives it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def run(code: str, **environment: str) -> str:
    path = {"PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **path, **environment},
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout


def test_two_processes_with_different_hash_seeds_write_the_same_bytes():
    code = (
        "import hashlib\n"
        "import samples\n"
        "from reportgen.render import data, html, pdf\n"
        "for encode in (html.encode, pdf.encode, data.encode):\n"
        "    print(hashlib.sha256(encode(samples.report(), None)).hexdigest())\n"
    )
    first, second = run(code, PYTHONHASHSEED="1"), run(code, PYTHONHASHSEED="4242", TZ="Asia/Tokyo")
    assert first.count("\n") == 3
    assert first == second


@pytest.mark.parametrize("order", ["html pdf html pdf", "pdf html pdf"])
def test_a_graph_and_a_pdf_in_one_process_both_ways_round(order):
    """Graphviz and WeasyPrint in one process crash or hang; here the layout is a child's."""
    code = (
        "import samples\n"
        "from reportgen.render import html, pdf\n"
        "from reportgen.report import Graph\n"
        "report = samples.one(samples.report().section('architecture').block('the-network'))\n"
        f"for name in {order!r}.split():\n"
        "    print(len({'html': html, 'pdf': pdf}[name].encode(report, None)) > 10_000)\n"
    )
    assert run(code).split() == ["True"] * len(order.split())


def test_reports_are_rendered_and_read_back_without_torch(tmp_path):
    code = (
        "import sys\n"
        "import samples\n"
        "from reportgen.archive import load\n"
        "for suffix in ('html', 'pdf', 'json'):\n"
        f"    load(samples.report().save({str(tmp_path / 'report')!r} + '.' + suffix))\n"
        "print('torch' in sys.modules, 'pygraphviz' in sys.modules)\n"
    )
    assert run(code).split() == ["False", "False"]


def test_json_alone_needs_no_drawing_library():
    code = (
        "import sys\n"
        "import samples\n"
        "from reportgen.render import data\n"
        "data.encode(samples.empty(), None)\n"
        "print([name for name in ('matplotlib', 'seaborn', 'pandas', 'weasyprint', 'jinja2') if name in sys.modules])\n"
    )
    assert run(code).strip() == "[]"
