"""Results that were logged with the hyper-parameters stand beside them, and are drawn where no metric is better."""

from __future__ import annotations

from dataclasses import replace

import pytest
from series import run
from torch.utils.tensorboard import SummaryWriter

from reportgen import history
from reportgen.history.comparison import comparison
from reportgen.history.parallel import parallel
from reportgen.history.results import leading_result, result, result_names
from reportgen.history.verdict import verdict


def judged(runs):
    return [verdict(one, (), 0.0) for one in runs]


def made(name, summary, settings=(), **curves):
    return replace(run(name, **curves), summary=summary, settings=dict(settings))


@pytest.fixture
def sweep(tmp_path):
    """Eight runs as torch writes them: a curve of training each, and results given to `add_hparams`."""
    for at in range(8):
        with SummaryWriter(str(tmp_path / f"run_{at}")) as writer:
            for step in range(5):
                writer.add_scalar("train/loss", 1 / (1 + step), step)
            writer.add_hparams({"lr": 2.0**-at}, {"hparam/loss": 0.125 * at, "hparam/acc": abs(at - 3) / 8})
    return history.read([tmp_path]).runs


def test_results_of_add_hparams_are_columns_beside_the_hyper_parameters(sweep):
    table = comparison(sweep, judged(sweep))
    assert [column.name for column in table.columns] == [
        "Run", "lr", "hparam/loss", "hparam/acc", "Best train/loss", "at", "Last", "Time",
    ]  # fmt: skip
    assert [column.note for column in table.columns[2:4]] == ["result", "result"]
    assert [row.cells[:4] for row in table.rows] == [
        (f"run_{at}", 2.0**-at, 0.125 * at, abs(at - 3) / 8) for at in range(8)
    ]
    assert "Results are values that were logged for a whole run" in table.caption


def test_a_result_is_drawn_where_only_training_has_curves(sweep):
    block = parallel(sweep, judged(sweep))
    assert [axis.name for axis in block.axes] == ["lr", "hparam/acc"]
    assert block.axes[1].values == tuple(abs(at - 3) / 8 for at in range(8))
    assert block.best == 7


def test_a_best_of_validation_is_drawn_before_a_result():
    runs = [made(f"r{at}", {"test_acc": 0.5}, {"lr": at}, val__loss=[1.0, 0.5 + at / 16]) for at in range(8)]
    assert [axis.name for axis in parallel(runs, judged(runs)).axes] == ["lr", "val/loss"]


def test_a_result_that_fewer_than_eight_runs_hold_is_not_drawn(sweep):
    runs = [*sweep[:7], replace(sweep[7], summary={})]
    assert leading_result(runs, 8) is None
    assert [axis.name for axis in parallel(runs, judged(runs)).axes] == ["lr", "train/loss"]


def test_upkeep_axes_and_the_last_values_of_curves_are_no_results():
    summary = {
        "train_runtime": 9.0,
        "epoch": 3,
        "val_loss": 0.5,
        "total_flos": 1e9,
        "best_acc": 0.75,
        "odd": 2.0,
    }
    runs = [made("a", summary, val_loss=[1.0, 0.5]), made("b", {"best_acc": float("nan")})]
    assert result_names(runs) == ["best_acc", "odd"]
    assert [result(one, "best_acc") for one in runs] == [0.75, None]
    table = comparison(runs, judged(runs))
    assert [row.cells[1:3] for row in table.rows] == [(0.75, 2.0), (None, None)]


def test_many_results_are_cut_and_counted():
    runs = [made(name, {f"r{at}": float(at) for at in range(9)}) for name in "ab"]
    table = comparison(runs, judged(runs))
    assert [column.name for column in table.columns][1:7] == [f"r{at}" for at in range(6)]
    assert "3 more results are left out: r6, r7, r8." in table.caption
