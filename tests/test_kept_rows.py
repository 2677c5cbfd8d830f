"""Of a long table the shallow rows stay, and of one level its first and its last."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reportgen import collect
from reportgen.kept_rows import kept_rows
from reportgen.render import html
from reportgen.render.figures.curves import table
from reportgen.report import Curves, Series


@given(st.lists(st.integers(0, 5), max_size=80), st.integers(1, 40))
def test_a_row_is_left_out_only_where_no_deeper_one_stays(levels, limit):
    kept = kept_rows(levels, limit)
    assert kept == sorted(set(kept))
    assert len(kept) == min(limit, len(levels))
    left = [levels[at] for at in range(len(levels)) if at not in kept]
    assert not left or max((levels[at] for at in kept), default=0) <= min(left)


def test_of_a_level_that_does_not_fit_the_first_and_the_last_stay():
    assert kept_rows([0, *[1] * 1000], 5) == [0, 1, 2, 999, 1000]


class Deep(nn.Module):
    """A thousand layers of no two shapes, then a head."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*(nn.Linear(3 + at % 2, 4 - at % 2, bias=at % 3 > 0) for at in range(1000)))
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.body(x))


def test_a_model_of_a_thousand_layers_keeps_its_head_on_the_page():
    report = collect(Deep(), example_inputs=torch.zeros(1, 3), sections=["architecture"])
    rows = report.section("architecture").block("layers").rows
    page = html.encode(report, None).decode()
    assert any(row.id == "head" or str(row.cells[0]).startswith("head") for row in rows)
    cells = page.split("<tbody>", 1)[1]
    assert ">head<" in cells or ">head " in cells or "head (" in cells


def test_the_points_of_a_short_line_all_stay_in_the_table_behind_the_chart():
    train = Series(name="train", x=tuple(range(1000)), y=(1.0,) * 1000)
    validation = Series(name="validation", x=tuple(range(83, 1000, 83)), y=(2.0,) * 12)
    shown = table(Curves(title="Loss", series=(train, validation), x_label="step", y_label="loss"), 40)
    assert len(shown.rows) == 40
    assert [row[2] for row in shown.rows if row[2]] == ["2"] * 12
    assert shown.rows[0][0] == "0"
    assert shown.rows[-1][0] == "999"
    assert shown.total == 1000
