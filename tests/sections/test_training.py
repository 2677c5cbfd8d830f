"""The section on training: from real logs to blocks and findings, without a model."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboardX import SummaryWriter

from reportgen.experiment import Experiment, Options
from reportgen.history import HistoryError
from reportgen.report import Section
from reportgen.sections.training import training


def section(*logs: Path) -> Section:
    made = training(Experiment(title="test", logs=logs), Options())
    for finding in made.findings:
        name, _, block = finding.evidence.partition("/")
        assert name == "training"
        assert made.block(block) is not None, finding
    return Section.model_validate_json(made.model_dump_json())


def facts(made: Section) -> dict[str, object]:
    return {fact.label: fact.value for fact in made.block("totals").facts}


def table(path: Path, **columns) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *columns])
        for epoch, row in enumerate(zip(*columns.values(), strict=True)):
            writer.writerow([epoch, *row])
    return path


EPOCHS = np.arange(30)
FALLING = 2 * np.exp(-EPOCHS / 8)
RISING = 0.5 + np.exp(-EPOCHS / 4) + np.clip(EPOCHS - 12, 0, None) * 0.03


@pytest.fixture
def overfit(tmp_path) -> Path:
    columns = {
        "loss": FALLING,
        "val_loss": RISING,
        "accuracy": 1 - FALLING / 4,
        "val_accuracy": 1 - RISING / 4,
    }
    return table(tmp_path / "run" / "history.csv", **columns, lr=0.1 * 0.8**EPOCHS)


def test_train_and_validation_share_a_chart_and_the_learning_rate_has_its_own(overfit):
    made = section(overfit)
    charts = [block for block in made.blocks if block.kind == "curves"]
    assert [chart.id for chart in charts] == ["loss", "learning-rate", "accuracy"]
    assert [line.name for line in charts[0].series] == ["loss", "val_loss"]
    assert charts[0].x_label == "Epoch"
    assert charts[0].series[1].y[3] == pytest.approx(RISING[3], rel=1e-6)
    assert [chart.log_y for chart in charts] == [False, True, False]
    assert charts[1].marks == ()
    assert [chart.strip for chart in charts] == [False, True, False]


def test_best_validation_point_is_marked_by_direction(overfit):
    made = section(overfit)
    lowest = int(RISING.argmin())
    (mark,) = made.block("loss").marks
    assert (mark.x, mark.y) == (lowest, pytest.approx(RISING.min(), rel=1e-6))
    (mark,) = made.block("accuracy").marks
    assert (mark.x, mark.y) == (lowest, pytest.approx((1 - RISING / 4).max(), rel=1e-6))
    assert facts(made)["Best validation metric"] == pytest.approx((1 - RISING / 4).max(), rel=1e-6)
    note = next(fact.note for fact in made.block("totals").facts if fact.label == "Best validation metric")
    assert note == f"val_accuracy, highest of 30 points, at epoch {lowest}"


def test_unknown_direction_is_not_guessed(tmp_path):
    made = section(table(tmp_path / "h.csv", val_reward=[1, 2, 3], grad_norm=[3, 2, 1]))
    assert all(block.marks == () for block in made.blocks if block.kind == "curves")
    assert facts(made)["Best validation metric"] is None
    assert facts(made)["Training time"] is None


def test_overfitting_is_a_finding_with_its_numbers(overfit):
    made = section(overfit)
    (finding,) = made.findings
    assert finding.severity == "warning"
    assert finding.evidence == "training/loss"
    assert finding.message.startswith("val_loss rises after epoch ")
    assert finding.message.endswith("n = 30) while training loss still falls.")
    assert "sigma" in finding.rule
    assert finding.message.rstrip(".") in made.summary


def test_event_files_give_times_and_smoothed_curves(tmp_path):
    rng = np.random.default_rng(0)
    with SummaryWriter(str(tmp_path / "run")) as writer:
        for step in range(3000):
            writer.add_scalar(
                "loss/train", math.exp(-step / 900) + 0.2 * rng.random(), step, walltime=1e9 + step / 10
            )
            if step % 100 == 99:
                writer.add_scalar("loss/val", math.exp(-step / 900), step, walltime=1e9 + step / 10)
    made = section(tmp_path / "run")
    assert facts(made)["Training time"] == pytest.approx(299.9, abs=0.01)
    assert facts(made)["Points"] == 3030
    assert facts(made)["Last step"] == 2999
    raw, smoothed, validation = made.block("loss").series
    assert [line.role for line in (raw, smoothed, validation)] == ["faint", "line", "line"]
    assert raw.group == smoothed.group != validation.group
    assert len(raw.x) <= 1000
    assert (smoothed.smooths, smoothed.weight, smoothed.x) == (raw.name, 0.98, raw.x)
    assert raw.times[:2] == (0.0, pytest.approx(raw.x[1] / 10))
    assert {line.run for line in (raw, smoothed, validation)} == {"run"}
    assert len(validation.x) == 30
    caption = made.block("loss").caption
    assert "3,030 logged points in 2 series." in caption
    assert "first, last, lowest and highest of each of 250 pixel columns" in caption
    assert "weight 0.98" in caption
    assert [finding.message for finding in made.findings] == [
        "loss/val is best at its last point, 0.03571 at step 2,999, and its last half falls (p < .001, n = 30): it "
        "may still be improving."
    ]


def test_epochs_are_where_the_log_says_and_between_them_in_proportion(tmp_path):
    path = tmp_path / "log.jsonl"
    rows = [{"step": step, "loss": 1 / (step + 1)} | ({"epoch": step // 10} if step % 10 == 0 else {})
            for step in range(26)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (line,) = section(path).block("loss").series
    assert line.epochs[:21] == pytest.approx([step / 10 for step in range(21)])
    assert all(math.isnan(epoch) for epoch in line.epochs[21:])
    assert line.times == ()


def test_non_finite_values_restarts_and_duplicates_are_found(tmp_path):
    with SummaryWriter(str(tmp_path / "run")) as writer:
        for step in [*range(20), *range(12, 30)]:
            writer.add_scalar("loss", math.nan if step >= 25 else 1 / (step + 1), step)
        for step in (1, 2, 2, 3):
            writer.add_scalar("speed", 1.0, step)
    made = section(tmp_path / "run")
    told = {finding.message: finding for finding in made.findings}
    assert list(told) == [
        "loss is NaN or infinite at 5 of 30 points (16.67 %), first at step 25, and stays so to the end; the 20 "
        "values before go from 0.04 to 0.1667, the last is 0.04.",
        "loss starts again once, first at step 12: 8 of 38 points replaced by later ones.",
        "speed has 1 point of 4 at steps logged again later; the last of each is drawn.",
    ]
    assert [finding.severity for finding in told.values()] == ["serious", "warning", "warning"]
    chart = made.block("loss")
    assert [(line.role, len(line.x)) for line in chart.series] == [("faint", 8), ("line", 30)]
    assert [(mark.x, mark.label) for mark in chart.marks if mark.y is None] == [(12, "restart")]
    assert sum(math.isnan(value) for value in chart.series[1].y) == 5


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (1, "val_loss was logged once: no course to judge."),
        (4, "val_loss was logged 4 times: too few points to judge its course."),
    ],
)
def test_too_little_validation_is_said(tmp_path, count, message):
    made = section(few(tmp_path / "log.jsonl", count))
    assert [(f.severity, f.message) for f in made.findings] == [("info", message)]


def test_what_could_not_be_judged_is_in_the_table_of_rules(tmp_path):
    made = section(few(tmp_path / "log.jsonl", 7))
    assert made.findings == ()
    rows = {row.cells[0]: row.cells for row in made.block("diagnoses").rows}
    assert rows["overfitting or validation worsened"][1:4] == (
        0,
        "nothing to judge",
        "val_loss: 7 points, 8 needed",
    )
    assert rows["non-finite values"][1:4] == (2, "nothing found", "–")


def few(path: Path, count: int) -> Path:
    rows = [{"step": s, "loss": 1 + 0.1 * (s % 2)} for s in range(20)]
    rows += [{"step": s, "val_loss": 1 + 0.1 * (s % 2)} for s in range(20, 20 + count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_runs_are_drawn_beside_each_other_up_to_a_limit(tmp_path):
    for run in range(10):
        table(tmp_path / f"run{run}" / "metrics.csv", loss=FALLING, val_loss=FALLING + run)
    made = section(tmp_path)
    chart = made.block("loss")
    assert [line.name for line in chart.series][:3] == ["run0: loss", "run0: val_loss", "run1: loss"]
    assert len(chart.series) == 16
    assert "8 of 10 runs drawn" in chart.caption
    assert facts(made)["Runs"] == 10
    assert len(made.block("series").rows) == 20


def test_the_best_metric_is_the_best_of_all_runs_drawn_or_not(tmp_path):
    for run in range(10):
        table(tmp_path / f"run{run}" / "metrics.csv", loss=FALLING, val_accuracy=RISING * 0.05 * run)
    made = section(tmp_path)
    fact = next(fact for fact in made.block("totals").facts if fact.label == "Best validation metric")
    assert fact.value == pytest.approx(float(RISING.max()) * 0.45)
    assert fact.note.endswith("of run9")
    assert made.block("accuracy").marks[0].label.startswith("best drawn ")
    assert "of run9" in made.block("accuracy").marks[0].label
    drawn = {line.run for line in made.block("accuracy").series}
    assert drawn == {f"run{run}" for run in range(2, 10)}  # the best eight of ten


def test_a_finished_table_without_a_last_line_end_is_read_to_its_end(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss,val_loss\n1,3,3\n2,2,2\n3,1,1")
    made = section(log)
    assert facts(made)["Best validation metric"] == 1
    assert facts(made)["Last epoch"] == 3
    assert "1 in 'val_loss' at epoch 3, may be cut off" in " ".join(f.message for f in made.findings)


def test_evaluation_sets_join_the_loss(tmp_path):
    rows = [{"step": s, "loss": 3 / s} for s in range(1, 11)]
    rows += [{"step": s, "eval_squad_loss": 4 / s, "eval_nli_loss": 5 / s} for s in (5, 10)]
    (tmp_path / "trainer_state.json").write_text(
        json.dumps({"log_history": [*rows, {"step": 10, "train_runtime": 60.0}]})
    )
    made = section(tmp_path)
    assert [line.name for line in made.block("loss").series] == ["loss", "eval_squad_loss", "eval_nli_loss"]
    assert facts(made)["Training time"] == 60.0


def test_every_file_is_told_with_its_format_and_reason(overfit):
    (overfit.parent / "broken.csv").write_text("a,b\n")
    made = section(overfit.parent)
    rows = [row.cells for row in made.block("sources").rows]
    assert rows[0][:2] == ("broken.csv", "not read")
    assert rows[1][:5] == ("history.csv", "table", "header has 'epoch'", "run", 150)
    (failure,) = [block for block in made.blocks if block.kind == "failure"]
    assert failure.message.startswith("broken.csv: not recognised: expected one of")
    assert "broken.csv" in made.findings[-1].message


def test_nothing_to_say_says_why(tmp_path):
    assert (section().status, section().reason) == ("empty", "no logs were given")
    assert section(tmp_path).reason == "no log file is in what was given as logs"
    (tmp_path / "events.out.tfevents.1").write_bytes(b"rubbish")
    made = section(tmp_path)
    assert made.status == "empty"
    assert made.reason == "none of 1 file given as logs holds a curve"
    assert [block.kind for block in made.blocks] == ["failure", "table"]
    with pytest.raises(HistoryError):
        section(tmp_path / "nowhere")


def test_hostile_tags_are_only_text(tmp_path):
    tags = ["<script>alert(1)</script>", "a" * 10_000, "totals", "series", "\x1b[31m\u202e", "loss\0", "=1+1"]
    with SummaryWriter(str(tmp_path / "run")) as writer:
        for step in range(3):
            for tag in tags:
                writer._get_file_writer().add_summary(summary(tag, step), step)
    made = section(tmp_path / "run")
    charts = [block for block in made.blocks if block.kind == "curves"]
    assert len(charts) == len(tags)
    assert all(len(line.name) <= 100 for chart in charts for line in chart.series)


def summary(tag: str, value: float):
    from tensorboardX.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def test_same_bytes_from_two_processes_and_no_torch(overfit):
    script = (
        "import sys, pathlib; from types import SimpleNamespace as N; "
        "from reportgen.sections.training import training; "
        "given = N(logs=(pathlib.Path(sys.argv[1]),), log_pattern='', fetch=None); "
        "made = training(given, N(seed=0, now=0.0, time_limit=300, timed=False, step=lambda *a: None)); "
        "print(made.model_dump_json(), 'torch' in sys.modules, 'pandas' in sys.modules)"
    )
    outs = [
        subprocess.run(
            [sys.executable, "-c", script, str(overfit.parent)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert outs[0] == outs[1]
    assert outs[0].endswith(" False False\n")


def wide(path: Path, names: list[str], change=lambda at: 1.0) -> Path:
    """A log of many metrics that each fall, or stay as they are where `change` is 0."""
    rows = [
        {
            "step": step,
            "loss": 1 / (1 + step),
            "lr": 0.1,
            **{n: at + change(at) / (1 + step) for at, n in enumerate(names)},
        }
        for step in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_many_metrics_stand_under_headings_and_those_far_down_are_folded(tmp_path):
    names = [f"env{group}/reward_{at}" for group in range(7) for at in range(10)] + ["alone/x", "plain"]
    made = section(wide(tmp_path / "log.jsonl", names))
    charts = {block.id: block for block in made.blocks if block.kind == "curves"}
    assert charts["loss"].width == "full"
    groups = [block.group for block in charts.values() if block.group]
    assert list(dict.fromkeys(groups)) == [*(f"env{group}" for group in range(7)), "Others", "Never changing"]
    folded = {block.group for block in charts.values() if block.group and block.folded}
    assert folded == {"env3", "env4", "env5", "env6", "Others", "Never changing"}
    assert charts["env0-reward-0"].width == "third"


def test_metrics_that_never_change_come_last_and_are_left_out_first(tmp_path):
    names = [f"m{at}" for at in range(120)]
    made = section(wide(tmp_path / "log.jsonl", names, lambda at: at % 2))
    drawn = [block for block in made.blocks if block.kind == "curves"]
    assert len(drawn) == 80
    assert all(block.group == "Never changing" and block.folded for block in drawn[-19:])
    assert "42 charts not drawn" in made.block("not-drawn").text
    table = made.block("series")
    assert len(table.rows) == 122


def test_layer_by_layer_norms_are_a_heat_map_and_no_lines(tmp_path):
    names = [f"grad_norm/layer{at}" for at in range(5)]
    made = section(wide(tmp_path / "log.jsonl", names))
    assert [block.title for block in made.blocks if block.kind == "heatmap"] == ["Gradient norm by layer"]
    assert not [block.id for block in made.blocks if block.kind == "curves" and "grad" in block.id]


def test_runs_of_several_seeds_are_compared_with_their_mean_and_band(tmp_path):
    rng = np.random.default_rng(0)
    for lr in (0.1, 0.2):
        for seed in range(4):
            folder = tmp_path / f"lr{lr}-seed{seed}"
            table(folder / "metrics.csv", val_loss=1 / (1 + EPOCHS) + rng.normal(0, 0.01, 30) + lr)
            (folder / "hparams.yaml").write_text(f"lr: {lr}\nseed: {seed}\nopt: sgd\n")
    made = section(tmp_path)
    assert len(made.block("runs").rows) == 8
    compared = made.block("comparison")
    assert [column.name for column in compared.columns][:4] == ["Run", "lr", "seed", "Best val_loss"]
    assert [axis.name for axis in made.block("parallel").axes] == ["lr", "seed", "val_loss"]
    (over,) = [block for block in made.blocks if "mean over seeds" in block.title]
    assert [line.name for line in over.series] == ["lr 0.1", "lr 0.2"]
    assert all(
        low < y < high
        for line in over.series
        for low, y, high in zip(line.low, line.y, line.high, strict=True)
    )
    assert [row.cells for row in made.block("settings").rows] == [("opt", "sgd")]


def test_wall_times_give_the_time_of_a_step(tmp_path):
    rows = [{"step": at, "loss": 1 / (1 + at), "wall_time": 1.7e9 + at * 0.5} for at in range(40)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    chart = section(tmp_path).block("time-a-step")
    assert set(chart.series[0].y) == {0.5}
    assert "39 intervals; median 500 ms" in chart.caption
