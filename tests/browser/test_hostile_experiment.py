"""An experiment whose every name is an attack: it comes out as text, nothing runs, no request leaves."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import reportgen

ATTACKS = (
    "</script><script>window.pwned = 1</script>",
    '<img src=x onerror="window.pwned = 1">',
    "\" onmouseover='window.pwned = 1' x=\"",
    "{{ 7 * 7 }}{% raise %}",
    "javascript:window.pwned=1",
    "$x^{\\frac",
    "</title><style>*{display:none}</style>",
    "<!-- ]]> &lt;svg onload=window.pwned=1&gt;",
    "שלום \u202e مرحبا 日本語 👩‍👩‍👧 ﷽",
    "nul \x00 bell \x07 escape \x1b[31m lone \ud800",
    "http://127.0.0.1:9/leak.png",
    "x" * 10_000,
)


class Hostile(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential()
        for attack in ATTACKS[:-1]:
            self.body.add_module(attack.replace(".", "·"), nn.Linear(6, 6))
        self.body.add_module(ATTACKS[-1], nn.ReLU())
        self.head = nn.Linear(6, len(ATTACKS))

    def forward(self, x):
        return self.head(self.body(x))


Hostile.__name__ = Hostile.__qualname__ = ATTACKS[0]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    run = folder / "runs" / '<script>window.pwned = 1<／script> & "quotes" \''
    run.mkdir(parents=True)
    with (run / "<img src=x onerror=alert(1)>.csv").open("w", newline="", errors="surrogatepass") as file:
        rows = csv.writer(file)
        rows.writerow(["step", *(attack.replace("\x00", "") for attack in ATTACKS)])
        rows.writerows([step, *(step / (i + 1) for i in range(len(ATTACKS)))] for step in range(1, 9))
    torch.manual_seed(0)
    x = torch.rand(24, 6)
    report = reportgen.collect(
        Hostile(),
        data=TensorDataset(x, torch.arange(24) % len(ATTACKS)),
        logs=folder / "runs",
        class_names=ATTACKS,
        feature_names=ATTACKS[-6:],
        title=ATTACKS[0] + ATTACKS[1],
        facts={attack: attack for attack in ATTACKS},
        samples=2,
        command=ATTACKS[0],
    )
    assert not report.failed, report.failed
    return report, report.save(folder / "report.html"), report.save(folder / "report.pdf")


@pytest.mark.parametrize("policy", [True, False], ids=["with its policy", "were the policy ignored"])
def test_nothing_of_it_runs_and_no_request_leaves(hostile, tmp_path, watched, policy):
    page = hostile[1].read_text("utf-8")
    if not policy:
        assert page.count("Content-Security-Policy") == 1
        page = page.replace("Content-Security-Policy", "X-Ignored")
    target = tmp_path / "page.html"
    target.write_text(page, "utf-8")
    tab = watched(target)
    tab.mouse.move(300, 300)
    tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    tab.evaluate("document.querySelectorAll('*').forEach(part => part.dispatchEvent(new Event('mouseover')))")
    assert tab.evaluate("window.pwned") is None
    assert tab.locator("h1").inner_text() == ATTACKS[0] + ATTACKS[1]
    assert tab.locator("main").is_visible()


def test_every_name_is_on_the_page_as_text(hostile, watched):
    text = watched(hostile[1]).evaluate("document.body.textContent")
    for attack in (*ATTACKS[:9], ATTACKS[11]):
        assert attack in text
    assert "nul \\x00 bell \\x07 escape \\x1b[31m lone \\ud800" in text


def test_it_reads_back_whole(hostile):
    report, page, pdf = hostile
    assert reportgen.load(page) == report
    assert reportgen.load(pdf) == report
    assert json.loads(report.to_json())["title"] == ATTACKS[0] + ATTACKS[1]
