"""The time of a step is the wall clock between neighbouring points, restarts apart."""

from __future__ import annotations

import numpy as np
from series import points, run

from reportgen.history.pace import pace


def test_seconds_a_step_are_differences_of_the_wall_clock():
    step = np.arange(0, 200, 10)
    found = pace(run(loss=points(np.ones(20), step, 1e9 + step * 0.25)))
    assert np.allclose(found.seconds, 0.25)
    assert found.x.tolist() == step[1:].tolist()
    assert found.median == 0.25


def test_the_densest_series_is_taken():
    often = points(np.ones(100), wall=1e9 + np.arange(100))
    seldom = points(np.ones(10), np.arange(0, 100, 10), 1e9 + np.arange(0, 100, 10))
    assert pace(run(seldom=seldom, often=often)).tag == "often"


def test_a_pause_at_a_restart_is_no_steps_time():
    step = np.array([*range(10), *range(5, 20)])
    wall = 1e9 + np.array([*range(10), *range(1000, 1015)], float)
    assert pace(run(loss=points(np.ones(25), step, wall))).seconds.max() == 1.0


def test_there_is_no_pace_without_times_or_where_all_was_written_at_once():
    assert pace(run(loss=np.ones(50))) is None
    assert pace(run(loss=points(np.ones(50), wall=np.full(50, 1e9)))) is None
    assert pace(run(loss=points(np.ones(5), wall=1e9 + np.arange(5.0)))) is None
