"""Runs beside each other: what differs, what is a seed, and the mean and spread over seeds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from series import points, run

from reportgen.history.comparison import (
    band,
    comparison,
    differing,
    same_metric,
    seed_groups,
    settings_table,
)
from reportgen.history.parallel import parallel
from reportgen.history.verdict import verdict


def made(name, settings, last=0.5):
    values = np.linspace(0.1, last, 10)
    return replace(run(name, val__accuracy=values), settings=settings)


def compared(runs):
    return [verdict(one, (), 0.0) for one in runs]


def test_only_what_differs_is_compared_and_names_of_places_never():
    runs = [
        made(f"r{at}", {"lr": 10.0**-at, "epochs": 5, "log_dir": f"runs/{at}", "run_name": f"r{at}"})
        for at in range(3)
    ]
    assert differing(runs) == ["lr"]
    table = comparison(runs, compared(runs))
    assert [column.name for column in table.columns] == [
        "Run",
        "lr",
        "Best val/accuracy",
        "at",
        "Last",
        "Time",
    ]
    assert table.rows[1].cells == ("r1", 0.1, 0.5, 9, 9, None)


def test_a_setting_that_a_run_lacks_is_unknown_there():
    runs = [made("a", {"lr": 0.1, "opt": "sgd"}), made("b", {"opt": "adam"}), made("c", {"lr": 0.2})]
    cells = [row.cells[1:3] for row in comparison(runs, compared(runs)).rows]
    assert cells == [(0.1, "sgd"), (None, "adam"), (0.2, "–")]


def test_one_run_is_compared_with_nothing():
    assert comparison([made("a", {})], compared([made("a", {})])) is None


def test_runs_that_differ_in_their_seed_alone_are_a_group():
    runs = [made(f"{lr}-{seed}", {"lr": lr, "seed": seed}) for lr in (0.1, 0.2) for seed in range(3)]
    assert [[one.name for one in group] for group in seed_groups(runs)] == [
        ["0.1-0", "0.1-1", "0.1-2"],
        ["0.2-0", "0.2-1", "0.2-2"],
    ]


def test_without_settings_the_names_tell_the_seed():
    runs = [made(name, {}) for name in ("base-seed1", "base-seed2", "wide_seed=1", "loss3", "loss4")]
    assert [[one.name for one in group] for group in seed_groups(runs)] == [["base-seed1", "base-seed2"]]


def test_the_band_is_mean_and_sample_deviation_where_all_have_a_value():
    one, two, three = (
        run(f"s{at}", loss=points([1.0 + at, 2.0 + at, 4.0 * at + 1], [0, 10, 20 + (at == 2)]))
        for at in range(3)
    )
    (curves,) = same_metric([one, two, three])
    found = band(curves)
    assert found.x.tolist() == [0, 10]
    assert found.mean.tolist() == [2.0, 3.0]
    assert found.deviation.tolist() == [1.0, 1.0]
    assert found.seeds == 3


def test_values_that_are_not_finite_are_in_no_mean():
    (curves,) = same_metric([run("a", loss=[1.0, math.nan, 3.0, 4.0]), run("b", loss=[3.0, 2.0, 3.0, 4.0])])
    assert band(curves).x.tolist() == [0, 2, 3]


@pytest.mark.parametrize("count", [7, 8])
def test_parallel_coordinates_are_drawn_from_eight_runs_on(count):
    runs = [
        made(f"r{at}", {"lr": 10.0**-at, "opt": "sgd" if at % 2 else "adam"}, 0.5 + at / 100)
        for at in range(count)
    ]
    block = parallel(runs, compared(runs))
    if count < 8:
        assert block is None
        return
    assert [axis.name for axis in block.axes] == ["lr", "opt", "val/accuracy"]
    assert block.axes[0].log
    assert block.axes[1].labels == ("adam", "sgd")
    assert block.best == 7


def test_settings_are_shown_as_logged():
    table = settings_table([made("a", {"lr": 0.1, "amp": True, "name": "x" * 500})])
    assert table.rows[0].cells == ("lr", 0.1)
    assert table.rows[1].cells == ("amp", True)
    assert len(table.rows[2].cells[1]) == 300
    assert settings_table([made("a", {})]) is None


def test_of_several_runs_the_settings_that_they_share_are_shown():
    runs = [made(f"r{at}", {"lr": at, "opt": "sgd", "clip": 1.0}) for at in range(3)]
    assert [row.cells for row in settings_table(runs).rows] == [("opt", "sgd"), ("clip", 1.0)]
    runs.append(made("r3", {"lr": 3, "opt": "sgd"}))
    assert [row.cells[0] for row in settings_table(runs).rows] == ["opt"]
