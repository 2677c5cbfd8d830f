"""Diagnoses in words: real training runs that overfit and diverge, the table of rules, and any series at all."""

import csv
import re

import numpy as np
import pytest
import torch
from curves import history, series
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reportgen.history import read
from reportgen.history.assemble import run_of
from reportgen.history.charts import charts_of
from reportgen.history.curves import block
from reportgen.history.findings import RULES, check, diagnoses, findings, findings_of
from reportgen.history.model import History, Points, Reading, Run


def told(*logs_or_history):
    (given,) = logs_or_history
    found = given if isinstance(given, History) else read([given])
    return findings(found, charts_of(found))


def digits(noise, size=100, wanted=400):
    """`size` digits to train on, a share of their labels wrong, and `wanted` others to validate on."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(0)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    images, labels = torch.tensor(images[order] / 16, dtype=torch.float32), torch.tensor(labels[order])
    wrong = torch.tensor(rng.random(size) < noise)
    trained = torch.where(wrong, torch.tensor(rng.integers(0, 10, size)), labels[:size])
    return images[:size], trained, images[size : size + wanted], labels[size : size + wanted]


def trained(path, lr, epochs, noise=0.3, hidden=64):
    """A real run: a small perceptron, its losses an epoch in a CSV file."""
    torch.manual_seed(0)
    x, y, other_x, other_y = digits(noise)
    model = torch.nn.Sequential(torch.nn.Linear(64, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "loss", "val_loss"])
        for epoch in range(epochs):
            loss = torch.nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                other = torch.nn.functional.cross_entropy(model(other_x), other_y)
            writer.writerow([epoch, loss.item(), other.item()])
    return path


def logged(path, column):
    with path.open(encoding="utf-8") as file:
        return np.array([float(row[column]) for row in csv.DictReader(file)])


def test_a_real_run_on_noisy_labels_overfits(tmp_path):
    log = trained(tmp_path / "log.csv", lr=0.3, epochs=120)
    lowest = int(np.argmin(logged(log, "val_loss")))
    (finding,) = [one for one in told(log) if one.severity != "info"]
    assert finding.rule.startswith("overfit: ")
    step = int(re.search(r"rises after epoch (\d+) ", finding.message)[1])
    assert abs(step - lowest) <= 3
    assert finding.message.endswith("n = 120) while training loss still falls.")


def test_a_real_run_that_learns_warns_of_nothing(tmp_path):
    log = trained(tmp_path / "log.csv", lr=0.02, epochs=60, noise=0)
    assert [one for one in told(log) if one.severity != "info"] == []


def test_a_real_run_with_a_huge_learning_rate_diverges(tmp_path):
    log = trained(tmp_path / "log.csv", lr=1e6, epochs=60)
    values = logged(log, "loss")
    assert values[-1] > 1e5 > values[0]
    (finding,) = [one for one in told(log) if one.rule.startswith("median of the last 10 %")]
    assert finding.message.startswith(
        "loss ends higher than it began: first 2.316, median of the last 10 % of 60 "
    )


def test_a_real_run_that_overflows_is_serious(tmp_path):
    log = trained(tmp_path / "log.csv", lr=1e30, epochs=20)
    finding = told(log)[0]
    first = int(np.flatnonzero(~np.isfinite(logged(log, "loss")))[0])
    assert finding.severity == "serious"
    assert f"first at epoch {first}, and stays so to the end" in finding.message


def spiky(n=300):
    values = 2 + np.random.default_rng(0).normal(0, 0.05, n)
    values[200:203] += 5
    return values


def test_a_finding_has_its_numbers_its_steps_and_its_evidence():
    seconds = np.full(300, 0.5)
    seconds[99] = 300
    wall = 1e9 + np.cumsum(seconds)
    made = told(
        history(loss=series(spiky(), wall=wall), data_time=series(np.where(np.arange(300) == 99, 270, 0.01)))
    )
    spike, slow = made[:2]
    assert re.fullmatch(
        r"loss spikes once in 300 points, at step 20[012]: \d\.\d+, \d+ MAD above the median before "
        r"\(\d\.\d+\), back at step 203\.",
        spike.message,
    )
    assert (spike.severity, spike.evidence) == ("info", "training/loss")
    assert slow.message == (
        "1 of 299 intervals between points of loss took more than 10 times the median 500 ms a step; the longest "
        "5 min, up to step 99; 4.99 min lost in all, 66.7 % of the time; data_time is 90 % of them."
    )
    assert slow.rule.startswith("slow steps: ")


def test_evaluation_pauses_are_said_in_the_table_and_not_found():
    seconds = np.full(200, 0.5)
    seconds[10::20] = 60
    wall = 1e9 + np.cumsum(seconds)
    values = np.random.default_rng(0).normal(size=200)
    evaluated = series(values[:10], steps=np.arange(10, 200, 20), wall=wall[10::20] - 1, tag="val/loss")
    given = history(train__loss=series(values, wall=wall), val__loss=evaluated)
    checked = check(given, charts_of(given))
    assert not [one for one in findings_of(checked) if one.rule.startswith("slow steps")]
    row = rows(checked)["slow steps"]
    assert row[1:3] == (
        1,
        "10 intervals in which validation was logged, 9.92 min beyond the usual in all, not judged",
    )


def rows(checked):
    return {row.cells[0]: row.cells for row in diagnoses(checked).rows}


def test_the_table_names_every_rule_with_its_result_and_what_could_not_be_judged():
    rates = series(np.where(np.arange(60) < 30, 0.1, 0.01))
    given = history(loss=series(np.linspace(3, 1, 60)), val_loss=series([3, 2, 1, 2, 3, 4]), lr=rates)
    checked = check(given, charts_of(given))
    table = rows(checked)
    assert len(table) == len(RULES)
    few = "loss: 60 points, 100 needed; val_loss: 6 points, 100 needed"
    assert table["spikes"][1:4] == (0, "nothing to judge", few)
    assert table["slow steps"][1:4] == (0, "nothing to judge", "the run: no times in the log")
    assert table["overfitting or validation worsened"][1:4] == (
        0,
        "nothing to judge",
        "val_loss: 6 points, 8 needed",
    )
    assert table["learning-rate schedule"][2] == "lr: steps, from 0.1 to 0.01"
    assert table["non-finite values"][1:4] == (3, "nothing found", "–")
    bases = [table[name][4].partition(":")[0] for name in ("non-finite values", "plateau", "spikes")]
    assert bases == ["counted", "information", "simulated"]
    assert diagnoses(checked).folded


def test_rules_of_unknown_error_rates_never_warn():
    worse = 1 + np.arange(40.0) ** 2
    given = history(loss=series(worse), val_loss=series(worse[::-1]), lr=series(np.ones(40)))
    checked = check(given, charts_of(given))
    loose = [one for each in checked if each.rule.basis == "information" for one in each.findings]
    assert {one.severity for one in loose} == {"info"}
    assert [one.message for one in loose] == [
        "loss ends higher than it began: first 1, median of the last 10 % of 40 points 1,408.",
        "val_loss is best at its last point, 1 at step 39, and its last half falls (p < .001, n = 40): it may still "
        "be improving.",
    ]  # fmt: skip


def test_five_of_a_kind_are_told_and_the_others_counted():
    curves = {f"loss{place}": series([1.0, np.nan, 1.0]) for place in range(9)}
    made = told(History(runs=(Run("run", curves),)))
    assert len(made) == 6
    assert made[-1].message.startswith("4 more series or files have the like: ")


floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
counts = st.integers(0, 130)


@settings(max_examples=30, deadline=None)
@given(st.data(), counts, st.sampled_from(["step", "epoch", "row", "point"]), st.booleans())
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_any_series_at_all_is_judged_without_an_error(data, count, axis, ordered):
    values = data.draw(arrays(np.float64, count, elements=floats))
    wall = data.draw(arrays(np.float64, count, elements=floats))
    steps = data.draw(arrays(np.int64, count, elements=st.integers(0, 2**40) | st.integers(0, 200)))
    points = Points(np.sort(steps) if ordered else steps, wall, values, np.zeros(count, np.int32))
    tags = ("loss", "val_loss", "lr", "grad_norm/a", "grad_norm", "data_time")
    given = History(runs=(run_of("run", [Reading(dict.fromkeys(tags, points), axis=axis)]),))
    checked = check(given, charts_of(given))
    assert len(diagnoses(checked).rows) == len(RULES)
    assert diagnoses(checked).model_dump_json()


def test_the_evidence_is_a_block_of_the_section():
    given = history(loss=series(spiky()))
    charts = charts_of(given)
    assert {one.evidence for one in findings(given, charts)} <= {
        f"training/{block(chart).id}" for chart in charts
    }


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (
            range(65, 300, 22),
            "11 times in 300 points, every 22 steps, as a small last batch of each epoch would, the ",
        ),
        (
            [65, 131, 153, 241],
            "4 times in 300 points, every 22 steps (4 of 9 such steps), as a small last batch ",
        ),
        ([65, 131, 152, 241], "4 times in 300 points, the largest at "),
    ],
)
def test_spikes_that_recur_say_at_which_period(places, said):
    values = 2 + np.random.default_rng(0).normal(0, 0.05, 300)
    values[list(places)] += 4
    given = history(loss=series(values))
    (found,) = [one for one in findings(given, charts_of(given)) if "spikes" in one.message]
    assert found.message.startswith(f"loss spikes {said}")
    assert found.severity == "info"


def test_a_loss_that_does_not_come_back_from_its_spike_is_a_warning():
    values = 2 + np.random.default_rng(0).normal(0, 0.05, 300)
    values[200:] += 5
    given = history(loss=series(values))
    found = [one for one in findings(given, charts_of(given)) if "spikes" in one.message]
    assert [one.severity for one in found] == ["warning"]
