"""Of what is told layer by layer, or series by series, the outermost stay where not all can."""

from __future__ import annotations

import numpy as np
from series import run

from reportgen.history.layers import families, heat
from reportgen.history.model import History
from reportgen.sections import _logs


def test_a_heat_map_of_layers_over_time_keeps_the_head():
    tags = [*(f"body.{at}.weight" for at in range(200)), "head.weight"]
    (family,) = families(run(**{f"grad_norm__{tag}": np.ones(5) for tag in tags}))
    block = heat(family)
    assert len(block.row_labels) == 80
    assert block.row_labels[0] == "body.0.weight"
    assert block.row_labels[-2:] == ("body.199.weight", "head.weight")
    assert "80 of 201 layers: the outermost stay, and of one level the first and the last" in block.caption


def test_the_table_of_all_series_keeps_the_plain_ones_of_every_run():
    many = {f"grad_norm__body.{at}.weight": [1.0, 2.0] for at in range(1500)}
    runs = tuple(run(name, **many, loss=[1.0, 2.0]) for name in ("first", "second"))
    block = _logs.every_series(History(runs=runs, sources=()))
    assert len(block.rows) == 1000
    assert block.total == 3002
    assert [row.cells[1] for row in block.rows if row.cells[0] == "loss"] == ["first", "second"]
    assert "the outermost stay" in block.caption
