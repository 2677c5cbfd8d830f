"""Two files that tell the same of one run are one run, and its metrics are read once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from series import points
from tensorboardX import SummaryWriter

from reportgen import history
from reportgen.history.agreement import agree
from reportgen.history.charts import charts_of


def trainer_output(folder, losses, shown):
    """What Hugging Face's Trainer leaves: its state in a checkpoint, and event files below runs/."""
    rows = [{"step": at * 10, "epoch": at / 4, "loss": loss} for at, loss in enumerate(losses, 1)]
    rows.append({"step": 200, "epoch": 5.0, "eval_loss": 0.5})
    (folder / "checkpoint-200").mkdir(parents=True)
    state = {"global_step": 200, "max_steps": 200, "log_history": rows}
    (folder / "checkpoint-200" / "trainer_state.json").write_text(json.dumps(state))
    with SummaryWriter(str(folder / "runs" / "Nov25_host")) as writer:
        for at, loss in enumerate(shown, 1):
            writer.add_scalar("train/loss", loss, at * 10)
            writer.add_scalar("train/epoch", at / 4, at * 10)
        writer.add_scalar("eval/loss", 0.5, 200)
        writer.add_scalar("train/train_loss", 1.0, 200)
        writer.add_scalar("train/train_runtime", 12.5, 200)


LOSSES = [round(2 / at, 4) for at in range(1, 21)]


def test_the_trainers_state_and_its_event_files_are_one_run(tmp_path):
    trainer_output(tmp_path / "out", LOSSES, LOSSES)
    (run,) = history.read([tmp_path]).runs
    assert run.name == "out"
    assert set(run.series) == {"train/loss", "train/epoch", "eval/loss"}
    assert run.summary == {"train_loss": 1.0, "train_runtime": 12.5}
    assert np.allclose(run.series["train/loss"].value, LOSSES)
    assert run.state == "finished"
    told = {source.format: source.why for source in history.read([tmp_path]).sources}
    assert "already read from another file of the run" in told["Hugging Face trainer state"]


def test_event_files_that_tell_something_else_stay_a_run_of_their_own(tmp_path):
    trainer_output(tmp_path / "out", LOSSES, [3 * loss for loss in LOSSES])
    assert [run.name for run in history.read([tmp_path]).runs] == ["out", "out/runs/Nov25_host"]


def test_metrics_of_one_folder_that_differ_are_both_kept(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        for at in range(10):
            writer.add_scalar("train/loss", 1 / (1 + at), at)
    rows = [f"{at},{2 / (1 + at)}" for at in range(10)]
    (tmp_path / "metrics.csv").write_text("\n".join(["step,loss", *rows]) + "\n")
    (run,) = history.read([tmp_path]).runs
    assert set(run.series) == {"train/loss", "loss"}


def test_results_beside_hyper_parameters_are_told(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        for at in range(10):
            writer.add_scalar("loss", 1 / (1 + at), at)
        writer.add_hparams({"lr": 0.1}, {"hparam/accuracy": 0.75})
    found = history.read([tmp_path])
    assert len(found.runs) == 1
    notes = [note for source in found.sources for note in source.notes]
    assert notes == ["results beside the hyper-parameters: hparam/accuracy 0.75"]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (points([1.0, 2.0, 3.0]), True),
        (points([1.00001, 2.0, 3.0]), True),
        (points([1.0, 2.0, 3.1]), False),
        (points([1.0, 2.0, 3.0], [10, 11, 12]), False),
        (points([3.0, 9.0], [2, 7]), True),
        (points([np.nan, 2.0, 3.0]), False),
    ],
)
def test_two_curves_agree_where_they_hold_the_same_at_the_steps_that_they_share(other, same):
    assert agree(points([1.0, 2.0, 3.0]), other) is same


def test_curves_that_were_logged_for_one_chart_share_it(tmp_path):
    with SummaryWriter(str(tmp_path)) as writer:
        for at in range(20):
            writer.add_scalar("lr", 0.1 / (1 + at), at)
            writer.add_scalars("Loss/all", {"gen": 1 / (1 + at), "disc": 2 / (1 + at)}, at)
    charts = {
        chart.title: [curve.series.tag for curve in chart.curves]
        for chart in charts_of(history.read([tmp_path]))
    }
    assert sorted(charts["Loss/all"]) == ["Loss/all/disc", "Loss/all/gen"]
