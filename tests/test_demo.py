"""The demo trains for real."""

from __future__ import annotations

import csv

import pytest
import torch

from reportgen import demo


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo.prepare(folder, say=lambda line: None)


def test_it_reads_scans_it_has_not_seen(prepared):
    model = prepared[1]["model"].eval()
    images, targets = prepared[1]["data"].tensors
    with torch.no_grad():
        accuracy = (model(images).argmax(1) == targets).float().mean()
    assert accuracy > 0.9
    assert len(images) == 360
    assert len(demo.training_data()) == 1437


def test_the_csv_tells_of_a_loss_that_falls(prepared):
    with next(prepared[0].rglob("metrics.csv")).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == demo.EPOCHS
    assert float(rows[-1]["val_loss"]) < float(rows[0]["val_loss"]) / 3


def test_no_name_of_the_machine_is_in_the_files(prepared):
    names = sorted(path.name for path in prepared[0].rglob("*") if path.is_file())
    assert names == ["events.out.tfevents.digits", "metrics.csv", "weights.safetensors"]


def test_the_network_keeps_the_shapes_it_promises():
    model = demo.DigitsResNet().eval()
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert model.layers[2](torch.zeros(2, 16, 8, 8)).shape == (2, 32, 4, 4)
