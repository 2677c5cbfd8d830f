"""What is said first of several runs: the best of all of them, whatever each calls its metric."""

from __future__ import annotations

import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger
from tensorboardX import SummaryWriter

from reportgen.experiment import Experiment, Options
from reportgen.report import Curves, Facts, Section, Table
from reportgen.sections.overview import headline
from reportgen.sections.training import training

RISING = np.linspace(0.5, 0.875, 4)


def events(path, **tags):
    with SummaryWriter(str(path)) as writer:
        for tag, values in tags.items():
            for step, value in enumerate(values):
                writer.add_scalar(tag.replace("__", "/"), value, step)


def csv(path, **tags):
    logger = CSVLogger(str(path), name="", version="")
    for step, row in enumerate(zip(*tags.values(), strict=True)):
        logger.log_metrics(dict(zip(tags, row, strict=True)), step)
    logger.save()


def section(path) -> Section:
    return training(Experiment(title="test", logs=(path,)), Options())


def best(made: Section):
    facts = made.block("totals")
    assert isinstance(facts, Facts)
    return next(fact for fact in facts.facts if fact.label == "Best validation metric")


@pytest.fixture
def mixed(tmp_path):
    """Three spellings of one metric, the highest in the run that comes last."""
    events(tmp_path / "a", train__loss=1 - RISING, eval__accuracy=RISING)
    csv(tmp_path / "b", val_acc=RISING + 0.03125)
    events(tmp_path / "c", val__acc=RISING + 0.0625)
    return tmp_path


def test_acc_and_accuracy_are_one_metric_and_the_best_of_all_runs_leads(mixed):
    made = section(mixed)
    assert (best(made).value, best(made).note) == (0.9375, "val/acc, highest of 4 points, at step 3 of c")
    assert "best val/acc 0.9375 at step 3 of c;" in made.summary
    chip = next(fact for fact in headline({"training": made}) if fact.label == "Best validation metric")
    assert (chip.value, chip.note.endswith("of c")) == (0.9375, True)


def test_acc_and_accuracy_share_a_chart_and_a_column(mixed):
    made = section(mixed)
    chart, table = made.block("accuracy"), made.block("comparison")
    assert isinstance(chart, Curves)
    assert isinstance(table, Table)
    assert [line.name for line in chart.series] == ["a: eval/accuracy", "b: val_acc", "c: val/acc"]
    assert table.columns[1].name == "Best validation accuracy"
    assert [row.cells[1] for row in table.rows] == [0.875, 0.90625, 0.9375]
    assert "different metrics" not in table.caption


def test_where_runs_log_other_metrics_the_headline_says_of_how_many_it_is(mixed):
    csv(mixed / "d", val_loss=RISING, loss=RISING)
    events(mixed / "e", val__f1=RISING + 1)
    assert best(section(mixed)).note == (
        "val/acc, highest of 4 points, at step 3 of c; best of 3 of 5 runs; the others log other metrics"
    )


def test_a_run_whose_values_are_all_nan_holds_no_value(tmp_path):
    events(tmp_path / "a", val__acc=RISING)
    events(tmp_path / "b", val__acc=RISING * np.nan)
    assert best(section(tmp_path)).note.endswith("best of 1 of 2 runs; the others hold no value of it")


def test_without_accuracy_the_metric_of_most_runs_leads(tmp_path):
    events(tmp_path / "a", val__f1=RISING)
    for name in "bcd":
        events(tmp_path / name, val__recall=RISING - 0.25)
    assert best(section(tmp_path)).note.startswith(
        "val/recall, highest of 4 points, at step 3 of b; best of 3 of 4"
    )


def test_the_best_mark_names_the_run_as_its_line_does(tmp_path):
    for version in (0, 1):
        csv(tmp_path / "lightning_logs" / f"version_{version}", val_acc=RISING + version / 16)
    chart = section(tmp_path).block("accuracy")
    assert isinstance(chart, Curves)
    assert [line.name for line in chart.series] == ["version_0", "version_1"]
    assert [mark.label for mark in chart.marks] == ["best 0.9375 at step 3 of version_1"]


def test_one_run_is_not_named(tmp_path):
    events(tmp_path / "only", val__acc=RISING)
    made = section(tmp_path / "only")
    assert best(made).note == "val/acc, highest of 4 points, at step 3"
    assert "at step 3; " in made.summary
