"""Lines that people and well-known examples print: each number at its step, of its set, and none hidden."""

import contextlib
import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen import history
from reportgen.history.model import DUPLICATE, SUPERSEDED
from reportgen.history.readers import UnreadableError, stdout


def told(folder: Path, text: str) -> dict[str, list[tuple[int, float]]]:
    """The points of a text that is recognised, none of which is hidden behind a later one."""
    path = folder / "train.log"
    path.write_bytes(text.encode())
    assert stdout.recognise(path, path.read_bytes()) is not None
    assert stdout.read(path).warnings == ()
    (run,) = history.read([path]).runs
    hidden = DUPLICATE | SUPERSEDED
    assert not any((one.flags & hidden).any() or one.segment.any() for one in run.series.values())
    return {
        tag: list(zip(one.step.tolist(), one.value.tolist(), strict=True)) for tag, one in run.series.items()
    }


def why(folder: Path) -> str:
    return stdout.read(folder / "train.log").why


BATCHES = [(epoch, batch) for epoch in range(3) for batch in range(4)]


@pytest.mark.parametrize(
    "line",
    [
        "epoch: {e}, batch: {b}, loss: {e}.{b}",
        "[epoch {e}] batch_idx={b} loss={e}.{b}",
        "Epoch {e} | iter {b} | loss {e}.{b}",
        "Epoch {e}, Step {b}, Loss: {e}.{b}",
        "Epoch {e}/2, Step {b}/4, Loss: {e}.{b}",
        "Epoch {e} batch {b}/4 loss {e}.{b}",
        "Epoch {e}/2 | Batch {b} of 4 | loss={e}.{b}",
        "[{e},     {b}] loss: {e}.{b}",
    ],
)
def test_batches_of_an_epoch_become_steps_that_grow_over_the_run(tmp_path, line):
    found = told(tmp_path, "".join(line.format(e=e, b=b) + "\n" for e, b in BATCHES))
    loss = found.get("loss", found.get("Loss"))
    assert loss == [(4 * e + b, e + b / 10) for e, b in BATCHES]
    assert found["epoch"] == [(4 * e + b, e) for e, b in BATCHES]
    assert set(found) <= {"loss", "Loss", "epoch"}
    assert "steps counted over epochs of 4" in why(tmp_path)


def test_batches_below_a_heading_are_of_its_epoch_and_a_line_without_one_is_at_the_last(tmp_path):
    text = "".join(
        f"Epoch {e}/2\n" + "".join(f"  batch {b}: loss {e}.{b}\n" for b in (10, 20, 30)) + f"epoch {e} val loss {e}\n"
        for e in (1, 2)
    )  # fmt: skip
    found = told(tmp_path, text)
    assert found["loss"] == [(10, 1.1), (20, 1.2), (30, 1.3), (40, 2.1), (50, 2.2), (60, 2.3)]
    assert found["val loss"] == [(30, 1.0), (60, 2.0)]
    assert "epochs of 30, the largest step seen in one" in why(tmp_path)


def test_steps_that_count_over_the_run_stay_as_they_are_beside_epochs_and_batches(tmp_path):
    rows = [(e, b, 4 * e + b) for e, b in BATCHES]
    found = told(tmp_path, "".join(f"step {s} epoch {e} batch {b}/4 loss {s}.5\n" for e, b, s in rows))
    assert found["loss"] == [(s, s + 0.5) for _, _, s in rows]


def test_a_run_resumed_within_an_epoch_is_a_restart_at_its_step(tmp_path):
    rows = [*BATCHES[:7], *BATCHES[4:]]
    (tmp_path / "train.log").write_text("".join(f"epoch {e} batch {b} loss {e}.{b}\n" for e, b in rows))
    (run,) = history.read([tmp_path / "train.log"]).runs
    assert run.series["loss"].step.tolist() == [4 * e + b for e, b in rows]
    assert run.series["loss"].segment.tolist() == [0] * 7 + [1] * 8


def test_pytorchs_quickstart_counts_samples_and_tells_validation_apart(tmp_path):
    batches = range(64, 60000, 6400)
    text = "Using cpu device\n"
    for epoch in (1, 2):
        text += f"Epoch {epoch}\n-------------------------------\n"
        text += "".join(f"loss: {epoch + at / 1e6:>7f}  [{at:>5d}/60000]\n" for at in batches)
        text += f"Test Error: \n Accuracy: {50.9 + epoch:>0.1f}%, Avg loss: {2.15 / epoch:>8f} \n\n"
    found = told(tmp_path, text + "Done!\n")
    steps = [(epoch, 60000 * (epoch - 1) + at, at) for epoch in (1, 2) for at in batches]
    assert found == {
        "loss": [(step, round(epoch + at / 1e6, 6)) for epoch, step, at in steps],
        "epoch": [(step, epoch) for epoch, step, _ in steps],
        "val/Accuracy": [(57664, 51.9), (117664, 52.9)],
        "val/loss": [(57664, 2.15), (117664, 1.075)],
    }


def test_pytorchs_transfer_tutorial_is_by_epoch(tmp_path):
    text = "".join(
        f"Epoch {e}/1\n----------\ntrain Loss: 0.6{e} Acc: 0.7{e}\nval Loss: 0.2{e} Acc: 0.9{e}\n\n" for e in (0, 1)
    )  # fmt: skip
    assert told(tmp_path, text + "Best val Acc: 0.91\n") == {
        "train/Loss": [(0, 0.6), (1, 0.61)],
        "train/Acc": [(0, 0.7), (1, 0.71)],
        "val/Loss": [(0, 0.2), (1, 0.21)],
        "val/Acc": [(0, 0.9), (1, 0.91)],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "it=0 loss=1.2 lr=0.1\nit=1 loss=1.1 lr=0.01\n",
            {"loss": [(0, 1.2), (1, 1.1)], "lr": [(0, 0.1), (1, 0.01)]},
        ),
        ("[12/100] loss 0.3\n[13/100] loss 0.25\n", {"loss": [(12, 0.3), (13, 0.25)]}),
        ("2024-01-01 10:00:00 - INFO - [ 9/10] acc=0.3\n[10/10] acc=0.5\n", {"acc": [(9, 0.3), (10, 0.5)]}),
        (
            "step 250: train loss 2.1000, val loss 2.2000\niter 250: loss 4.2000, time 123.40ms, mfu 10.00%\n"
            "iter 260: loss 4.1000, time 123.50ms, mfu 10.10%\n",
            {"train loss": [(250, 2.1)], "val loss": [(250, 2.2)], "loss": [(250, 4.2), (260, 4.1)],
             "time": [(250, 123.4), (260, 123.5)], "mfu": [(250, 10.0), (260, 10.1)]},
        ),
        (
            "".join(f"[{i}]\ttrain-rmse:0.4{i}\teval-rmse:0.5{i}\n" for i in (0, 1)),
            {"train-rmse": [(0, 0.4), (1, 0.41)], "eval-rmse": [(0, 0.5), (1, 0.51)]},
        ),
        (
            "[LightGBM] [Info] Total Bins 99\n[10]\tvalid_0's auc: 0.9\n[20]\tvalid_0's auc: 0.91\n",
            {"val/auc": [(10, 0.9), (20, 0.91)]},
        ),
        (
            "".join(f"[{i}]\ttraining's l2: 0.{i}\tvalid_1's l2: 0.5{i}\n" for i in (1, 2)),
            {"train/l2": [(1, 0.1), (2, 0.2)], "val/l2": [(1, 0.51), (2, 0.52)]},
        ),
        (
            "".join(f"[{i}]\tvalid_0's l2: 0.{i}\tvalid_1's l2: 0.5{i}\n" for i in (1, 2)),
            {"val_0/l2": [(1, 0.1), (2, 0.2)], "val_1/l2": [(1, 0.51), (2, 0.52)]},
        ),
        (
            "Train Epoch 1: loss 0.5\nVal Epoch 1: loss 0.6\nTrain Epoch 2: loss 0.4\nVal Epoch 2: loss 0.5\n",
            {"train/loss": [(1, 0.5), (2, 0.4)], "val/loss": [(1, 0.6), (2, 0.5)]},
        ),
        (
            "epoch     train_loss  valid_loss  accuracy  time    \n"
            "Epoch 1/2 : |----------| 0.00% [0/10 00:00<?]\n"
            "0         0.800000    0.700000    0.500000  00:11     \n"
            "1         0.600000    nan         0.750000  01:02:10     \n",
            {"train_loss": [(0, 0.8), (1, 0.6)], "valid_loss": [(0, 0.7), (1, float("nan"))],
             "accuracy": [(0, 0.5), (1, 0.75)], "time": [(0, 11), (1, 3730)]},
        ),
        (
            "  epoch    train_loss    valid_acc    valid_loss     dur\n"
            "-------  ------------  -----------  ------------  ------\n"
            "      1        \x1b[36m0.6868\x1b[0m       0.6100        0.6740  0.0442\n"
            "      2        0.6706       0.6950        0.6579  0.0331\n",
            {"train_loss": [(1, 0.6868), (2, 0.6706)], "valid_acc": [(1, 0.61), (2, 0.695)],
             "valid_loss": [(1, 0.674), (2, 0.6579)], "dur": [(1, 0.0442), (2, 0.0331)]},
        ),
    ],
    ids=["it", "[k/n]", "[k/n] dated", "nanogpt", "xgboost", "lightgbm", "lightgbm both", "lightgbm sets", "sets",
         "fastai", "skorch"],
)  # fmt: skip
def test_each_number_is_at_its_step_and_of_its_set(tmp_path, text, expected):
    found = told(tmp_path, text)
    wanted = {tag: [(step, float(value)) for step, value in rows] for tag, rows in expected.items()}
    assert str(found) == str(wanted)  # nan equals nan so


def test_lightgbms_best_iteration_is_of_the_whole_run_and_no_restart(tmp_path):
    text = "".join(f"[{i}]\tvalid_0's auc: 0.9{i}\n" for i in (10, 20, 30))
    text += "Early stopping, best iteration is:\n[25]\tvalid_0's auc: 0.95\n"
    assert told(tmp_path, text) == {"val/auc": [(10, 0.91), (20, 0.92), (30, 0.93)]}
    assert stdout.read(tmp_path / "train.log").summary == {"best iteration": 25, "best val/auc": 0.95}


def test_imagenet_example_validation_is_the_running_mean_of_its_last_batch(tmp_path):
    text = ""
    for e in (0, 1):
        text += "".join(
            f"Epoch: [{e}][{b:3d}/196]\tTime  0.100 (  0.200)\t"
            f"Loss {6 - e}.{b}e+00 (7.0000e+00)\tAcc@1   {e}.10 (  0.20)\n"
            for b in (1, 11)
        )
        text += "".join(
            f"Test: [{b:2d}/49]\tTime  0.1 ( 0.1)\tLoss 6.0 (6.{b})\tAcc@1 1.0 (1.{e})\n" for b in (1, 41)
        )
        text += f" *   Acc@1 1.{e}00 Acc@5 5.100\n"
    found = told(tmp_path, text)
    assert found["Loss"] == [(1, 6.1), (11, 6.11), (197, 5.1), (207, 5.11)]
    assert found["Acc@1"] == [(1, 0.1), (11, 0.1), (197, 1.1), (207, 1.1)]
    assert found["val/Loss"] == [(11, 6.41), (207, 6.41)]
    assert found["val/Acc@1"] == [(11, 1.0), (207, 1.1)]


def test_real_tqdm_bars_one_an_epoch_count_on_and_those_of_validation_stand_at_the_step(tmp_path):
    from tqdm import tqdm

    out = io.StringIO()
    for epoch in range(3):
        for name, count in (("train", 5), ("val", 2)):
            bar = tqdm(total=count, desc=name, file=out, mininterval=0, ncols=120)
            for batch in range(count):
                bar.update(1)
                bar.set_postfix(loss=f"{epoch + batch / 16:.4f}")
            bar.close()
    assert told(tmp_path, out.getvalue()) == {
        "train/loss": [(5 * epoch + batch + 1, epoch + batch / 16) for epoch in range(3) for batch in range(5)],
        "val/loss": [(5 * epoch + 5, epoch + 1 / 16) for epoch in range(3)],
    }  # fmt: skip


def test_real_tqdm_loops_lose_no_epoch(tmp_path):
    from tqdm import tqdm

    out = io.StringIO()
    for epoch in range(3):
        bar = tqdm(range(5), file=out, mininterval=0, ncols=120)
        for batch in bar:
            bar.set_postfix(loss=f"{epoch + batch / 16:.4f}")
    (loss,) = told(tmp_path, out.getvalue()).values()
    assert [step for step, _ in loss] == list(range(1, 16))
    # A bar shows what was set last, before or behind its step.
    assert all(value in ((s - 1) // 5 + (s - 1) % 5 / 16, (s - 1) // 5 + min(s - 5 * ((s - 1) // 5), 4) / 16)
               for s, value in loss)  # fmt: skip


def test_numbered_lines_that_start_again_at_their_end_count_on(tmp_path):
    text = "".join(f"[{at}/100] loss {epoch}.{at}\n" for epoch in range(3) for at in range(0, 100, 25))
    loss = told(tmp_path, text)["loss"]
    assert loss == [(100 * e + at, float(f"{e}.{at}")) for e in range(3) for at in range(0, 100, 25)]
    assert "counted on where they start again behind their end, 2 times" in why(tmp_path)


def test_numbered_lines_that_start_again_before_their_end_are_a_restart(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("".join(f"[{at}/100] loss {at}\n" for at in (*range(1, 9), *range(5, 12))))
    (run,) = history.read([path]).runs
    assert run.series["loss"].segment.tolist() == [0] * 8 + [1] * 7


def test_lightnings_bar_as_it_prints_it(tmp_path):
    text = "Sanity Checking DataLoader 0: 100%|██████████| 2/2 [00:00<00:00, 900.0it/s]\r"
    for e in range(3):
        val = "" if e == 0 else f", val_loss=0.{e}5, train_loss_epoch=0.{e}4"
        text += "".join(f"Epoch {e}:  {p}%|███       | {p // 10}/10 [00:00<00:00, 99.12it/s, v_num=0, "
                        f"train_loss_step={e}.{p}{val}]\r" for p in (10, 50, 100))  # fmt: skip
        text += "\nValidation DataLoader 0: 100%|██████████| 8/8 [00:00<00:00, 1469.37it/s]\x1b[A\n"
        text += (
            f"Epoch {e}: 100%|██████████| 10/10 [00:00<00:00, 99.1it/s, v_num=0, train_loss_step={e}.100, "
            f"val_loss=0.{e + 1}5, train_loss_epoch=0.{e + 1}4]\n"
        )
    assert told(tmp_path, text) == {
        "train_loss_step": [(e, e + 0.1) for e in range(3)],
        "val_loss": [(0, 0.15), (1, 0.25), (2, 0.35)],
        "train_loss_epoch": [(0, 0.14), (1, 0.24), (2, 0.34)],
    }


@pytest.mark.parametrize(
    "text",
    [
        "epoch name size\n1 2 3\n2 3 4\n",
        "[1] Installing collected packages\n[2] Done: 3\n",
        "[1/3] Building image\n[2/3] Pushing image 12\n",
        "make it 3 times\nit: 5\n",
        "Epoch 1\nEpoch 2\nEpoch 3\n",
        "epoch loss\n",
    ],
)
def test_other_text_is_not_taken_for_a_log(tmp_path, text):
    path = tmp_path / "x.log"
    path.write_text(text)
    assert stdout.recognise(path, path.read_bytes()) is None


HOSTILE = ["[1/2] ", "[1] a:", "a's ", "valid_0's ", "batch 1/", "epoch loss ", "epoch a", "it=", "Accuracy: ",
           "loss: [1/", "train ", "val epoch ", "Epoch 1 ", " ", "[ ", "-.", "it=1 loss ", "1 "]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_line_takes_a_known_pattern_long(piece):
    line = (piece * 4096)[:4090]
    start = time.perf_counter()
    tally = stdout._Tally()
    tally.add(line)
    tally.add(f"epoch 1 loss {line}"[:4096])
    tally.add(f"[1] loss: {line}"[:4096])
    assert time.perf_counter() - start < 1.0


SCRAPS = st.sampled_from(
    ["epoch", "Epoch 1", "batch ", "it=", "[", "]", "1/2", "[1/2]", "[1]\t", "valid_0's ", "loss", ": ", "1", " ", "\n",
     "\r", "epoch loss\n", "1 0.5\n", "00:11", "best iteration is:\n", "Accuracy: 5%, Avg loss: 1\n", "9" * 14,
     "100%|██| 2/2 [0<0, loss=1]\r", "train ", "val ", "nan", "e9", ","]
)  # fmt: skip


@given(st.lists(SCRAPS | st.text(max_size=3), max_size=60).map("".join))
def test_scraps_of_such_lines_never_raise_anything_but_unreadable(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("log") / "train.log"
    path.write_bytes(text.encode())
    stdout.recognise(path, path.read_bytes())
    with contextlib.suppress(UnreadableError):
        stdout.read(path)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 50)), min_size=2, max_size=40, unique=True).map(
        sorted
    )
)
def test_steps_of_any_batches_in_order_never_go_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("log") / "train.log"
    path.write_text("".join(f"epoch {e} batch {b} loss {e}.{b}\n" for e, b in rows))
    loss = stdout.read(path).points["loss"]
    steps = loss.step.tolist()
    assert loss.value.tolist() == [float(f"{e}.{b}") for e, b in rows]
    # Where no epoch starts below the last one's end, batches may as well be steps of the run.
    assert steps == sorted(steps)
