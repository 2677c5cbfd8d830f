"""Logs as the frameworks themselves write them: every number comes back."""

import csv
import math

import numpy as np
import pytest

from reportgen import history


def test_lightnings_csv_logger(tmp_path):
    from lightning.pytorch import loggers

    rng = np.random.default_rng(0)
    losses = rng.normal(size=50).tolist()
    losses[7], losses[8] = math.nan, math.inf
    for version in (0, 1):
        logger = loggers.CSVLogger(tmp_path, flush_logs_every_n_steps=10)
        logger.log_hyperparams({"lr": 0.1})
        for step, loss in enumerate(losses):
            logger.log_metrics({"train_loss": loss, "epoch": step // 10}, step)
            if step % 10 == 9:  # a new key: the file is written anew with another header
                logger.log_metrics({"val_loss": loss / 2 + version, "epoch": step // 10}, step)
        logger.save()
    found = history.read([tmp_path])
    assert [run.name for run in found.runs] == ["lightning_logs/version_0", "lightning_logs/version_1"]
    for version, run in enumerate(found.runs):
        assert run.series["train_loss"].step.tolist() == list(range(50))
        assert np.array_equal(run.series["train_loss"].value, losses, equal_nan=True)
        assert run.series["val_loss"].value.tolist() == [losses[s] / 2 + version for s in range(9, 50, 10)]
    sources = [source for source in found.sources if source.points]
    assert [source.why.split(":")[0] for source in sources] == ["Lightning CSVLogger"] * 2
    assert not any(source.warnings for source in sources)


def test_transformers_trainer_state(tmp_path):
    from transformers import trainer_callback

    state = trainer_callback.TrainerState()
    rows = [{"loss": 2.0 / step, "learning_rate": 1e-5 * step, "grad_norm": math.nan, "epoch": step / 10, "step": step}
            for step in range(1, 41)]  # fmt: skip
    for upto in (20, 40):
        folder = tmp_path / f"checkpoint-{upto}"
        folder.mkdir()
        state.log_history = [*rows[:upto], {"eval_loss": 1.0, "epoch": upto / 10, "step": upto}]
        state.global_step, state.epoch = upto, upto / 10
        state.save_to_json(str(folder / "trainer_state.json"))
    state.log_history = [
        *state.log_history,
        {"train_runtime": 12.5, "train_loss": 1.5, "epoch": 4.0, "step": 40},
    ]
    state.save_to_json(str(tmp_path / "trainer_state.json"))
    found = history.read([tmp_path])
    (run,) = found.runs
    assert run.series["loss"].value.tolist() == [row["loss"] for row in rows]
    assert run.series["loss"].step.tolist() == list(range(1, 41))
    assert np.isnan(run.series["grad_norm"].value).all()
    assert run.series["eval_loss"].value.tolist() == [1.0]
    assert run.summary["train_runtime"] == 12.5
    assert "train_loss" not in run.series


@pytest.mark.parametrize("separator", [",", ";"])
def test_keras_csv_logger(tmp_path, separator, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    logger = keras.callbacks.CSVLogger(str(tmp_path / "training.log"), separator=separator)
    # Validation every other epoch: the cells between say NA.
    model.fit(rng.normal(size=(64, 2)), np.ones((64, 1)), epochs=4, verbose=0, callbacks=[logger],
              validation_data=(rng.normal(size=(8, 2)), np.ones((8, 1))), validation_freq=2)  # fmt: skip
    found = history.read([tmp_path])
    (run,), (source,) = found.runs, found.sources
    assert source.format == "table"
    with (tmp_path / "training.log").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter=separator))
    assert len(rows) == 4
    for tag in ("loss", "mae", "val_loss", "val_mae"):
        series = run.series.get(tag)
        written = [(int(row["epoch"]), float(row[tag])) for row in rows if row[tag] not in ("", "NA")]
        assert series is not None
        assert list(zip(series.step.tolist(), series.value.tolist(), strict=True)) == written
        assert series.axis == "epoch"


def test_ultralytics_layout_as_its_documentation_shows_it(tmp_path):
    folder = tmp_path / "train3"
    folder.mkdir()
    (folder / "results.csv").write_text(
        "epoch,time,train/box_loss,train/cls_loss,train/dfl_loss,metrics/precision(B),metrics/recall(B),"
        "metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss,val/cls_loss,val/dfl_loss,lr/pg0,lr/pg1,lr/pg2\n"
        "1,4.11,1.3,1.6,1.2,0.6,0.5,0.57,0.42,1.1,1.0,1.1,0.003,0.003,0.003\n"
        "2,7.91,1.2,1.5,1.1,0.7,0.6,0.67,0.52,1.0,0.9,1.0,0.006,0.006,0.006\n",
        encoding="utf-8",
    )
    (source,) = history.read([tmp_path]).sources
    assert source.why == "Ultralytics: header starts with 'epoch' and has train/*_loss"
    (run,) = history.read([tmp_path]).runs
    assert run.series["metrics/mAP50-95(B)"].value.tolist() == [0.42, 0.52]
    assert run.series["train/box_loss"].step.tolist() == [1, 2]
