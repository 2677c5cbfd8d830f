"""What a tag's name says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.history.names import parse


@pytest.mark.parametrize(
    ("tag", "metric", "role"),
    [
        ("loss", "loss", ""),
        ("val_loss", "loss", "validation"),
        ("train/loss", "loss", "train"),
        ("val/loss", "loss", "validation"),
        ("Loss/train", "Loss", "train"),
        ("Loss/val", "Loss", "validation"),
        ("loss/validation", "loss", "validation"),
        ("eval_loss", "loss", "validation"),
        ("train_loss_epoch", "loss", "train"),
        ("train/loss_step", "loss", "train"),
        ("validation/epoch_loss", "loss", "validation"),
        ("test_accuracy", "accuracy", "test"),
        ("train/box_loss", "box_loss", "train"),
        ("metrics/mAP50-95(B)", "mAP50-95(B)", "validation"),
        ("loss-val", "loss", "validation"),
        ("train", "train", "train"),
        ("", "", ""),
    ],
)
def test_metric_and_role(tag, metric, role):
    name = parse(tag)
    assert (name.metric, name.role) == (metric, role)


@pytest.mark.parametrize(
    ("tag", "direction"),
    [
        ("val_loss", "min"), ("nll", "min"), ("top5_error", "min"), ("val/rmse", "min"), ("train/box_loss", "min"),
        ("loss_scale", ""), ("loss_weight", ""), ("val_acc", "max"), ("acc@1", "max"), ("f1", "max"), ("r2", "max"),
        ("metrics/mAP50(B)", "max"), ("val/top1_acc", "max"), ("grad_norm", ""), ("temperature", ""), ("reward", ""),
        ("MulticlassAccuracy", "max"),
    ],
)  # fmt: skip
def test_direction_is_known_or_not_guessed(tag, direction):
    assert parse(tag).direction == direction


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("lr", "lr"), ("lr-Adam", "lr"), ("learning_rate", "lr"), ("train/learning_rate", "lr"), ("lr/pg0", "lr"),
        ("epoch", "axis"), ("train/epoch", "axis"), ("train/global_step", "axis"), ("eval_runtime", "upkeep"),
        ("loss", "metric"), ("clr_loss", "metric"),
    ],
)  # fmt: skip
def test_kind(tag, kind):
    assert parse(tag).kind == kind


@given(st.text(max_size=60))
def test_any_text_is_a_name(tag):
    parse(tag)


@pytest.mark.parametrize(
    ("tag", "measure"),
    [
        ("val_acc", "validation accuracy"), ("eval/accuracy", "validation accuracy"),
        ("Acc/val", "validation accuracy"), ("val/acc_top1", "validation accuracy_top1"),
        ("accel", "training accel"), ("train_acc", "training accuracy"),
        ("accuracy", "training accuracy"), ("test/Loss", "test loss"), ("vacc", "training vacc"),
    ],
)  # fmt: skip
def test_one_measure_however_it_is_spelt(tag, measure):
    assert parse(tag).measure == measure
