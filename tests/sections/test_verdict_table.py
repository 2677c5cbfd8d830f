"""The verdicts in a table: a state a run, and by which sign it is told once for all that share it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tensorboardX import SummaryWriter

from reportgen.experiment import Experiment, Options
from reportgen.history.model import Run
from reportgen.history.verdict import verdict
from reportgen.report import Table
from reportgen.sections._runs import verdict_table
from reportgen.sections.training import training

UNKNOWN = "these logs do not say whether a run has ended"


def table(*signs: tuple[str, str]) -> Table:
    """Of runs of these states and signs."""
    plain = verdict(Run("run", {}), (), 0.0)
    return verdict_table(
        [replace(plain, run=f"r{at}", state=state, why=why) for at, (state, why) in enumerate(signs)]
    )


def states(made: Table) -> list[object]:
    return [row.cells[1] for row in made.rows]


def test_what_all_runs_share_is_said_once(tmp_path):
    for at in range(30):
        with SummaryWriter(str(tmp_path / f"run{at}")) as writer:
            for step, value in enumerate(np.linspace(1, 0, 5)):
                writer.add_scalar("loss", value, step)
    made = training(Experiment(title="test", logs=(tmp_path,)), Options()).block("runs")
    assert isinstance(made, Table)
    assert states(made) == ["no end recorded"] * 30
    assert made.caption.endswith(f" No end recorded: {UNKNOWN}.")


def test_one_run_has_its_sign_in_the_caption_too():
    made = table(("diverged", "loss is not finite from step 20 to the end"))
    assert states(made) == ["diverged"]
    assert made.caption.endswith(" Diverged: loss is not finite from step 20 to the end.")


def test_each_state_has_its_own_sign():
    made = table(*[("finished", "the log says so")] * 2, ("no end recorded", UNKNOWN))
    assert states(made) == ["finished", "finished", "no end recorded"]
    assert made.caption.endswith(f" Finished: the log says so. No end recorded: {UNKNOWN}.")


def test_a_run_that_differs_from_the_others_of_its_state_keeps_its_sign():
    made = table(*[("no end recorded", UNKNOWN)] * 9, ("no end recorded", "the last record is not whole"))
    assert states(made) == ["no end recorded"] * 9 + ["no end recorded: the last record is not whole"]
    assert made.caption.endswith(f" No end recorded: {UNKNOWN}.")


def test_where_all_signs_differ_each_stands_with_its_run():
    made = table(("diverged", "loss from step 2"), ("diverged", "loss from step 9"))
    assert states(made) == ["diverged: loss from step 2", "diverged: loss from step 9"]
    assert "Diverged" not in made.caption
