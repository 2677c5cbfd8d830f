"""DVCLive's folder, written by DVCLive itself."""

import math
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from reportgen import history

SCRIPT = """
import math
from dvclive import Live
for resume, start in ((False, 0), (True, 10)):
    with Live("deep/dvclive", save_dvc_exp=False, dvcyaml=None, resume=resume) as live:
        live.log_params({"lr": 0.1, "opt": {"name": "adam", "betas": [0.9, 0.99]}, "eps": 1e-8})
        for i in range(start, start + 10):
            live.log_metric("train/loss", 1 / (i + 1), timestamp=True)
            live.log_metric("odd", [math.nan, math.inf, -math.inf, 0.0][i % 4])
            live.log_metric("ü/plots/metrics/a,b;c.d", 1e300 * i)
            live.log_metric("epoch", i // 2)
            live.next_step()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("live")
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVCLIVE_LOGLEVEL": "ERROR"}
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=path, env=environment, check=True, timeout=120)
    return path


def test_every_point_is_the_one_that_was_logged(folder):
    (run,) = history.read([folder]).runs
    steps = np.arange(20)
    expected = {
        "train/loss": 1 / (steps + 1),
        "odd": np.array([math.nan, math.inf, -math.inf, 0.0])[steps % 4],
        "ü/plots/metrics/a,b;c.d": 1e300 * steps,
        "epoch": steps // 2,
    }
    assert set(run.series) == set(expected)
    for tag, values in expected.items():
        np.testing.assert_array_equal(run.series[tag].value, np.array(values, float))
        np.testing.assert_array_equal(run.series[tag].step, steps)
    assert (run.series["train/loss"].wall > 1.6e9).all()
    assert (run.series["train/loss"].wall < 1e10).all()
    assert np.isnan(run.series["odd"].wall).all()


def test_the_run_is_the_folder_and_its_params_are_the_settings(folder):
    (run,) = history.read([folder]).runs
    assert run.name == "deep/dvclive"
    assert run.settings == {"lr": 0.1, "opt.name": "adam", "opt.betas": "[0.9, 0.99]", "eps": 1e-8}


def test_each_file_is_read_as_what_it_is(folder):
    formats = {source.path.rpartition("/")[2]: source.format for source in history.read([folder]).sources}
    assert formats == {
        "a,b;c.d.tsv": "DVCLive",
        "epoch.tsv": "DVCLive",
        "loss.tsv": "DVCLive",
        "odd.tsv": "DVCLive",
        "metrics.json": "DVCLive",
        "params.yaml": "hyper-parameters",
    }


def test_the_name_stays_the_path_where_the_folder_or_a_part_of_it_is_given(folder, tmp_path):
    inside = folder / "deep" / "dvclive"
    assert set(history.read([inside]).runs[0].series) == {
        "train/loss",
        "odd",
        "ü/plots/metrics/a,b;c.d",
        "epoch",
    }
    assert set(history.read([inside / "plots" / "metrics" / "train"]).runs[0].series) == {"train/loss"}
    assert set(history.read([inside / "plots" / "metrics" / "odd.tsv"]).runs[0].series) == {"odd"}
    alone = tmp_path / "plots" / "metrics" / "x"  # a folder of that name above it, and no metrics.json
    shutil.copytree(inside / "plots", alone / "plots")
    assert "train/loss" in history.read([alone]).runs[0].series


def test_half_lines_cost_themselves_alone(tmp_path):
    path = tmp_path / "plots" / "metrics" / "loss.tsv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"step\tloss\r\n0\t1.5\r\n1\r\nx\t2\r\n3\tword\r\n4\t2.5\r\n5\t3")
    (source,) = history.read([tmp_path]).sources
    series = history.read([tmp_path]).runs[0].series["loss"]
    assert (series.step.tolist(), series.value.tolist()) == ([0, 4], [1.5, 2.5])
    assert source.damaged == 3
    assert source.warnings == (
        "line 3 is no point: left out, and any like it",
        "the last line, 7, is cut off and left out: still being written?",
    )


@pytest.mark.parametrize(
    "content",
    [b"step\tloss\n", b"step\tloss\n\0\0\0", b"step\tloss\n1e999\t2\n", b"step\ta\tb\tc\n1\t2\t3\t4\n"],
)
def test_a_table_without_a_point_is_one_line(tmp_path, content):
    path = tmp_path / "plots" / "metrics" / "loss.tsv"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (source,) = history.read([tmp_path]).sources
    assert source.warnings[0].startswith("no points found: expected a header with step and value")


def test_another_tsv_is_still_a_table(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "loss.tsv").write_text("epoch\tloss\n1\t2\n")
    assert history.read([tmp_path]).sources[0].format == "table"
