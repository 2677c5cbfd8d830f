"""What training programs print: their lines as they print them, what is left out, and the user's own pattern."""

import contextlib
import io
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen import history
from reportgen.errors import InputError
from reportgen.history.model import Reading
from reportgen.history.readers import UnreadableError, stdout
from reportgen.logs import compiled

TITAN = (
    "[rank0]:[titan] 2024-08-20 12:00:{second:02},250 - root - INFO - \x1b[31mstep: {step:2}  "
    "\x1b[32mloss: {loss:7.4f}  \x1b[38;2;1;2;3mgrad_norm: 1.2  "
    "\x1b[34mmemory: 20.12GiB(21%)  tps: 21,234  mfu: 1%\x1b[39m\n"
)


def log(folder: Path, text: str | bytes, name: str = "train.log") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def points(reading: Reading) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: list(zip(one.step.tolist(), one.value.tolist(), strict=True))
        for tag, one in reading.points.items()
    }


def told(folder: Path, text: str) -> dict[str, list[tuple[int, float]]]:
    """The points of a text that is recognised."""
    path = log(folder, text)
    assert stdout.recognise(path, path.read_bytes()) is not None
    return points(stdout.read(path))


def test_torchtitan_colours_commas_times_and_validation(tmp_path):
    text = "".join(TITAN.format(second=s, step=s, loss=8 - s) for s in range(1, 6))
    text += (
        "[rank0]:[titan] 2024-08-20 12:01:00,000 - root - INFO - validate step:  5  loss:  7.5  tps: 3,000\n"
    )
    path = log(tmp_path, "Starting job: Llama 3\n" + text)
    reading = stdout.read(path)
    found = points(reading)
    assert found["loss"] == [(s, 8.0 - s) for s in range(1, 6)]
    assert found["tps"] == [(s, 21234.0) for s in range(1, 6)]
    assert found["memory"][0] == (1, 20.12)
    assert found["val/loss"] == [(5, 7.5)]
    assert reading.points["loss"].wall[0] == 1724155201.25
    assert reading.why.startswith("pattern 'torchtitan' matches 6 of 7 lines; 'step and values' matched")


def test_torchtune(tmp_path):
    text = "".join(f"Step {s} | loss:{s / 4} lr:2e-05 tokens_per_second_per_gpu:1234.5 \n" for s in (1, 2))
    assert told(tmp_path, text) == {
        "loss": [(1, 0.25), (2, 0.5)],
        "lr": [(1, 2e-05), (2, 2e-05)],
        "tokens_per_second_per_gpu": [(1, 1234.5), (2, 1234.5)],
    }


def test_steps_within_epochs_are_counted_over_them(tmp_path):
    text = "".join(f"Epoch [{e}/2], Step [{s}/600], Loss: {e}.{s}\n" for e in (1, 2) for s in (100, 200, 600))
    found = told(tmp_path, text)
    assert found["Loss"] == [
        (100, 1.1), (200, 1.2), (600, 1.6), (700, 2.1), (800, 2.2), (1200, 2.6)
    ]  # fmt: skip
    assert "steps counted over epochs of 600" in stdout.read(tmp_path / "train.log").why


def test_epochs_that_differ_in_length_are_said(tmp_path):
    path = log(tmp_path, "Epoch [1/2], Step [5/10], Loss: 1\nEpoch [2/2], Step [5/12], Loss: 1\n")
    assert stdout.read(path).warnings == (
        "epochs differ in length (10, 12 steps): steps counted over them are not exact",
    )


def test_timm_validation_is_the_mean_of_its_last_batch_at_the_step_it_was_made(tmp_path):
    text = (
        "Train: 0 [   0/1251 (  0%)]  Loss: 6.937 (6.94)  Time: 4.512s,  226.95/s  LR: 1.000e-06  Data: 1.01 (1.01)\n"
        "Train: 0 [  50/1251 (  4%)]  Loss: 6.9 (6.93)  Time: 0.512s,  226.95/s  LR: 1.000e-06  Data: 0.01 (0.02)\n"
        "Test: [   0/48]  Time: 2.012 (2.012)  Loss:   6.91 (  6.92)  Acc@1:  0.30 (  0.25)\n"
        "Test: [  48/48]  Time: 0.1 (0.2)  Loss:   6.81 (  6.82)  Acc@1:  0.50 (  0.45)\n"
        "Train: 1 [   0/1251 (  0%)]  Loss: 6.7 (6.7)  Time: 4.512s  LR: 2.000e-01  Data: 1.01 (1.01)\n"
        "Test: [  48/48]  Time: 0.1 (0.2)  Loss:   5.81 (  5.82)  Acc@1:  9.50 (  9.45)\n"
    )
    found = told(tmp_path, text)
    assert found["train/Loss"] == [(0, 6.937), (50, 6.9), (1251, 6.7)]
    assert found["train/LR"] == [(0, 1e-06), (50, 1e-06), (1251, 0.2)]
    assert found["val/Acc@1"] == [(50, 0.45), (1251, 9.45)]
    assert found["epoch"] == [(0, 0), (50, 0), (1251, 1)]
    (run,) = history.read([tmp_path / "train.log"]).runs
    assert not any(series.segment.any() for series in run.series.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Epoch: [0][  10/5005]\tTime  0.4 ( 0.5)\tLoss 6.5e+00 (7.0e+00)\tAcc@1   0.00 (  0.10)\n"
            "Epoch: [1][  10/5005]\tTime  0.4 ( 0.5)\tLoss 6.25e+00 (7.0e+00)\tAcc@1   0.50 (  0.10)\n",
            {"Loss": [(10, 6.5), (5015, 6.25)], "Acc@1": [(10, 0.0), (5015, 0.5)]},
        ),
        (
            "Epoch: [0]  [ 0/1000]  eta: 0:10:00  lr: 0.1  img/s: 12.3  loss: 6.9 (6.91)  max mem: 123\n"
            "Epoch: [0]  [10/1000]  eta: 0:09:00  lr: 0.1  img/s: 12.3  loss: 6.8 (6.91)  max mem: 123\n",
            {"loss": [(0, 6.9), (10, 6.8)], "lr": [(0, 0.1), (10, 0.1)], "max mem": [(0, 123), (10, 123)]},
        ),
        (
            "2023/01/01 12:00:00 - mmengine - INFO - Epoch(train)  [1][ 50/1000]  lr: 1e-02  eta: 1:23  loss: 2.3\n"
            "2023/01/01 12:00:00 - mmengine - INFO - Epoch(train)  [2][ 50/1000]  lr: 1e-02  eta: 1:23  loss: 2.1\n"
            "2023/01/01 12:01:00 - mmengine - INFO - Epoch(val) [2][50/50]    accuracy/top1: 70.5  time: 0.02\n",
            {"train/loss": [(50, 2.3), (1050, 2.1)], "val/accuracy/top1": [(1050, 70.5)]},
        ),
        (
            "2020-10-01 12:00:00 | INFO | train_inner | epoch 001:    100 / 1000 loss=8.1, wps=12345, num_updates=100\n"
            "2020-10-01 12:10:00 | INFO | train | epoch 001 | loss 7.9 | ppl 250 | num_updates 1000\n"
            "2020-10-01 12:11:00 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 7.2 | num_updates 1000\n",
            {"train_inner/loss": [(100, 8.1)], "train/loss": [(1000, 7.9)], "val/loss": [(1000, 7.2)]},
        ),
        (
            "step 0: train loss 10.9, val loss 10.8\niter 0: loss 10.95, time 1200.50ms, mfu -100.00%\n"
            "iter 10: loss 9.5, time 12ms, mfu 1.25%\n",
            {"train loss": [(0, 10.9)], "val loss": [(0, 10.8)], "loss": [(0, 10.95), (10, 9.5)],
             "mfu": [(0, -100.0), (10, 1.25)]},
        ),
        (
            "epoch 3: train loss 0.12, val loss 0.2\nepoch 4: train loss 0.11, val loss 0.19\n",
            {"train loss": [(3, 0.12), (4, 0.11)], "val loss": [(3, 0.2), (4, 0.19)]},
        ),
        (
            "Epoch: 001 | Train Loss: 0.5 | Val Acc: 97.5%\nEpoch: 002 | Train Loss: 0.4 | Val Acc: 98.5%\n",
            {"Train Loss": [(1, 0.5), (2, 0.4)], "Val Acc": [(1, 97.5), (2, 98.5)]},
        ),
        (
            "[Epoch 1/5] loss=nan acc=0.9\n[Epoch 2/5] loss=-inf acc=0.91\n",
            {"loss": [(1, math.nan), (2, -math.inf)], "acc": [(1, 0.9), (2, 0.91)]},
        ),
        (
            " 10%|█  | 1/10 [00:00<00:00, 9it/s, loss=0.5]\r 20%|██ | 2/10 [00:00<00:00, 9it/s, loss=0.4]\n",
            {"loss": [(1, 0.5), (2, 0.4)]},
        ),
    ],
    ids=["imagenet", "torchvision", "mmengine", "fairseq", "nanogpt", "plain", "bars", "non-finite", "tqdm"],
)  # fmt: skip
def test_other_programs(tmp_path, text, expected):
    found = told(tmp_path, text)
    for tag, rows in expected.items():
        assert str(found[tag]) == str([(step, float(value)) for step, value in rows])  # nan equals nan so


def test_hugging_face_dicts_as_both_versions_print_them(tmp_path):
    text = (
        "{'loss': 1.25, 'grad_norm': nan, 'learning_rate': 5e-05, 'epoch': 0.1}\n"
        "  1%|1   | 1/3 [00:01<00:01, 1it/s]{'loss': '1.125', 'learning_rate': '4e-05', 'epoch': '0.2'}\n"
        "{'eval_loss': 2.0, 'eval_runtime': 3.2, 'epoch': 1.0}\n"
        "{'train_runtime': 12.5, 'train_loss': 1.0, 'epoch': 1.0}\n"
    )
    assert told(tmp_path, text)["loss"] == [(0, 1.25), (1, 1.125)]
    reading = stdout.read(tmp_path / "train.log")
    assert reading.summary["train_runtime"] == 12.5
    assert "train_loss" not in reading.points
    assert points(reading)["eval_loss"] == [(2, 2.0)]


def test_real_tqdm_bars_of_epochs_end_in_their_last_state(tmp_path):
    from tqdm import tqdm

    out = io.StringIO()
    for epoch in range(3):
        with tqdm(range(10), desc=f"Epoch {epoch}", file=out, mininterval=0, ncols=120) as bar:
            for step in bar:
                bar.set_postfix(loss=f"{epoch + step / 16:.4f}")
    found = told(tmp_path, out.getvalue())
    assert found == {"loss": [(epoch, epoch + 9 / 16) for epoch in range(3)]}
    assert (
        "states of progress bars replaced by the last of the epoch" in stdout.read(tmp_path / "train.log").why
    )


@pytest.mark.parametrize("verbose", [1, 2])
def test_real_keras_prints_are_its_history(tmp_path, verbose, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras
    import numpy as np

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        kept = model.fit(
            rng.normal(size=(64, 2)), np.ones((64, 1)), validation_split=0.25, epochs=4, verbose=verbose
        )
    found = told(tmp_path, out.getvalue())
    assert set(found) == set(kept.history) == {"loss", "mae", "val_loss", "val_mae"}
    for tag, values in kept.history.items():
        assert [step for step, _ in found[tag]] == [1, 2, 3, 4]
        assert [value for _, value in found[tag]] == pytest.approx(values, abs=6e-5)


def test_a_known_program_beats_the_pattern_for_any_and_both_are_told(tmp_path):
    path = log(tmp_path, "Step 1 | loss:2.0 lr:1e-5\nStep 2 | loss:1.0 lr:1e-5\nstep 2 val loss: 3.0\n")
    assert stdout.recognise(path, path.read_bytes()) == "pattern 'torchtune' matches 2 of its first 3 lines"
    assert stdout.read(path).why == (
        "pattern 'torchtune' matches 2 of 3 lines; 'step and values' matched 3 of the first 3"
    )


@pytest.mark.parametrize(
    "text", ["", "loss", "requirements\ntorch==2.6\nnumpy\n", "0 0.5 0.5 0.1\n" * 50, "step one of three\n" * 9,
             "the epoch of 3 losses\n", "epoch 1 loss 0.5\n", "\0\1step 1 loss 2\nstep 2 loss 1\n"],
)  # fmt: skip
def test_other_text_is_not_taken_for_a_log(tmp_path, text):
    path = log(tmp_path, text)
    assert stdout.recognise(path, path.read_bytes()) is None


def test_log_after_a_long_banner_is_found_where_the_file_is_named(tmp_path):
    text = "compiling kernel\n" * 20_000 + "".join(f"step {s}: loss {s}.5\n" for s in range(9))
    path = log(tmp_path, text)
    assert history.read([path]).points == 9
    assert history.read([tmp_path]).points == 0


def test_long_lines_are_left_out_and_counted(tmp_path):
    path = log(tmp_path, "step 1 loss 2\n" + "x" * 3_000_000 + "\n" + "y" * 5000 + "\nstep 2 loss 1\n")
    reading = stdout.read(path)
    assert points(reading) == {"loss": [(1, 2.0), (2, 1.0)]}
    assert reading.warnings == ("2 lines of more than 4,096 characters left out",)
    assert reading.damaged == 2


def test_last_line_without_its_end_is_kept_and_said(tmp_path):
    reading = stdout.read(log(tmp_path, "step 1 loss 2\nstep 2 loss 1.2"))
    assert points(reading) == {"loss": [(1, 2.0), (2, 1.2)]}
    assert reading.warnings == (
        "line 2 has no line end, its last number may be cut off: still being written?",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_shells_write(tmp_path, encoding):
    path = log(tmp_path, "step 1 loss 2 β\nstep 2 loss 1 β\n".encode(encoding))
    assert points(stdout.read(path)) == {"loss": [(1, 2.0), (2, 1.0)]}
    assert stdout.recognise(path, path.read_bytes()) is not None


def test_restart_of_a_program_is_a_segment(tmp_path):
    text = "".join(f"step {s} loss {s}\n" for s in (*range(5), *range(3, 8)))
    (run,) = history.read([log(tmp_path, text)]).runs
    assert run.series["loss"].segment.tolist() == [0] * 5 + [1] * 5


def test_log_beside_a_table_is_the_same_run(tmp_path):
    log(tmp_path, "step 1 train loss 2\nstep 2 train loss 1\n")
    log(tmp_path, "step,val_acc\n1,0.5\n2,0.6\n", "metrics.csv")
    (run,) = history.read([tmp_path]).runs
    assert list(run.series) == ["val_acc", "train loss"]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
PRINTS = {
    "torchtitan": "[rank0]: step: {step:2}  loss: {a:8}  tps: {b:,}  mfu: 1.5%",
    "torchtune": "Step {step} | loss:{a} tps:{b} mfu:1.5",
    "nanoGPT": "iter {step}: loss {a}, tps {b}ms, mfu 1.5%",
    "Epoch [1/10]": "Epoch [{step}/999999], loss: {a}, tps: {b}, mfu: 1.5",
    "step and values": "INFO global_step={step} loss={a} tps={b} mfu=1.5",
}


@given(
    st.sampled_from(sorted(PRINTS)),
    st.lists(st.tuples(NUMBERS, NUMBERS.map(lambda v: round(v, 3))), min_size=2, max_size=30),
)
def test_every_number_printed_is_read_back(tmp_path_factory, name, rows):
    text = "".join(PRINTS[name].format(step=s + 1, a=a, b=b) + "\n" for s, (a, b) in enumerate(rows))
    path = log(tmp_path_factory.mktemp("log"), text)
    reading = stdout.read(path)
    assert reading.why.startswith(f"pattern {name!r} matches {len(rows)} of {len(rows)} lines")
    found = points(reading)
    assert found["loss"] == [(s + 1, a) for s, (a, _) in enumerate(rows)]
    assert found["tps"] == [(s + 1, b) for s, (_, b) in enumerate(rows)]
    assert found["mfu"] == [(s + 1, 1.5) for s in range(len(rows))]


SCRAPS = st.sampled_from(
    ["step", " ", "1", "loss", ":", "=", "epoch", "[", "]", "(", ")", "/", "|", "%|", "━", " - ", "'", "{", "}",
     "\x1b[31m", "\b", "\r", "\n", "1,000", "nan", "-", "e", ".5", "Train: ", "9" * 30, "Epoch ", "'epoch': "]
)  # fmt: skip


@given(st.lists(SCRAPS | st.text(max_size=3), max_size=60).map("".join))
def test_scraps_of_log_lines_never_raise_anything_but_unreadable(tmp_path_factory, text):
    path = log(tmp_path_factory.mktemp("log"), text)
    stdout.recognise(path, path.read_bytes())
    with contextlib.suppress(UnreadableError):
        stdout.read(path)


@given(st.binary(max_size=300))
def test_rubbish_never_raises_anything_but_unreadable(tmp_path_factory, data):
    path = log(tmp_path_factory.mktemp("log"), data)
    stdout.recognise(path, data)
    with contextlib.suppress(UnreadableError):
        stdout.read(path)


@given(st.integers(0, 400))
def test_a_log_cut_anywhere_keeps_every_whole_line(tmp_path_factory, size):
    text = "".join(f"step {s}: loss {s + 0.125}\n" for s in range(20))[:size]
    whole = text.count("\n")
    path = log(tmp_path_factory.mktemp("log"), text)
    try:
        found = points(stdout.read(path)).get("loss", [])
    except UnreadableError:
        assert whole == 0
        return
    assert found[:whole] == [(s, s + 0.125) for s in range(whole)]


HOSTILE = ["a b ", "loss ", "step 1 ", "loss 1 ", "( ", "a.b", "1/1 - ", "'a': ", "0%|", "{'a': 'epoch': ", "━",
           "1,", "9", "epoch 1 loss a ", "Epoch [1/1]", "Test [", "a a", "loss=", "-"]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_line_takes_a_known_pattern_long(tmp_path, piece):
    line = (piece * 4096)[:4090]
    start = time.perf_counter()
    tally = stdout._Tally()
    tally.add(line)
    tally.add(f"epoch 1 loss {line}"[:4096])
    assert time.perf_counter() - start < 1.0


def test_users_pattern_reads_what_its_groups_name(tmp_path):
    text = "".join(f"<{s}> {s / 8} took 1,200 at 2024-01-01T00:00:{s:02}.5\n" for s in range(5)) + "rest\n"
    path = log(tmp_path, text, "odd.weird")
    pattern = r"<(?P<step>\d+)> (?P<my_loss>\S+) took (?P<rate>\S+) at (?P<time>\S+)"
    found = history.read([path], pattern=pattern)
    (source,) = found.sources
    assert source.why == "the pattern given matches 5 of 6 lines"
    series = found.runs[0].series
    assert series["my_loss"].value.tolist() == [s / 8 for s in range(5)]
    assert series["rate"].value.tolist() == [1200.0] * 5
    assert series["my_loss"].wall.tolist() == [1704067200.5 + s for s in range(5)]


def test_users_pattern_by_epoch_and_values_that_are_no_numbers(tmp_path):
    path = log(tmp_path, "e1 l=0.5\ne2 l=oops\ne3 l=0,25\ne4 l=1_0\ne5 l=nan\n")
    reading = stdout.reader(compiled(r"e(?P<epoch>\d+) l=(?P<loss>\S+)")).read(path)
    assert isinstance(reading, Reading)
    assert reading.axis == "epoch"
    assert str(points(reading)["loss"]) == str([(1, 0.5), (5, math.nan)])
    assert reading.warnings == ("3 values are no number and left out, first 'oops' for 'loss'",)


def test_users_pattern_that_matches_nothing_is_said(tmp_path):
    log(tmp_path, "step 1 loss 2\nstep 2 loss 1\n")
    log(tmp_path, "step,val_acc\n1,0.5\n", "metrics.csv")
    found = history.read([tmp_path], pattern="zzz(?P<loss>.)")
    assert [run.name for run in found.runs] != []
    assert ("the pattern given matches no line of any file",) in [source.warnings for source in found.sources]


def test_users_pattern_with_repeats_in_repeats_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(stdout, "_PATIENCE", 0.3)
    path = log(tmp_path, "a" * 60 + "!\n")
    start = time.perf_counter()
    (source,) = history.read([f"stdout={path}"], pattern=r"(?P<loss>(a+)+)$").sources[:1]
    assert time.perf_counter() - start < 3
    assert "the pattern given took more than 0.3 s" in source.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "is no regular expression"),
        ("loss", "names no value"),
        (r"(?P<step>\d+)", "names no value"),
        ("(?P<1>a)", "is no regular expression"),
        ("a{99999999999999}", "is no regular expression"),
    ],
)
def test_bad_pattern_is_one_line(tmp_path, pattern, said):
    with pytest.raises(InputError, match=said) as raised:
        history.read([log(tmp_path, "x")], pattern=pattern)
    assert "\n" not in str(raised.value)
    assert "named groups, as in" in raised.value.hint + str(raised.value)


def test_pytorchs_mnist_example_counts_samples_over_epochs(tmp_path):
    path = tmp_path / "train.log"
    lines = [
        f"Train Epoch: {epoch} [{at * 640}/60000 ({at * 640 // 600}%)]\tLoss: {1 / (epoch * 100 + at):.6f}"
        for epoch in (1, 2)
        for at in range(94)
    ]
    path.write_text("\n".join(lines) + "\n")
    lines.insert(94, "Test set: Average loss: 0.0574, Accuracy: 9750/10000 (98%)")
    path.write_text("\n".join(lines) + "\n")
    (run,) = history.read([path]).runs
    assert run.series["val/loss"].value.tolist() == [0.0574]
    assert run.series["val/Accuracy"].value.tolist() == [0.975]
    loss = run.series["train/Loss"]
    assert loss.step.tolist() == [epoch * 60000 + at * 640 for epoch in (0, 1) for at in range(94)]
    assert not loss.flags.any()
