"""The example for tables: a small network trained on the breast-cancer measurements of scikit-learn."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

EPOCHS, BATCH, HELD_OUT, SEED = 60, 32, 171, 0
FACTS = {
    "Purpose": "tells malignant from benign breast tumours by 30 measurements of cell nuclei",
    "Data": "Breast Cancer Wisconsin (Diagnostic), 569 samples (Street, Wolberg and Mangasarian 1993), as "
    "scikit-learn ships it",
    "Held out": f"{HELD_OUT} samples drawn at random, which the report is about",
    "Limits": "an example to read reports by, no medical device",
}


class CancerMLP(nn.Module):
    """30 standardised measurements to the scores of malignant and benign."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(30, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 30) to logits (n, 2)."""
        return self.head(self.layers(x))


def prepare(folder: Path = Path("out/examples/table")) -> dict[str, Any]:
    """Train into `folder`, logs and weights included, and return the arguments for `collect`."""
    from safetensors.torch import save_file

    from reportgen.experiment import Weights
    from reportgen.loading import sha256

    found = load_breast_cancer()
    order = np.random.default_rng(SEED).permutation(len(found.data))
    kept, held = order[:-HELD_OUT], order[-HELD_OUT:]
    # The statistics of the training part alone, as in use.
    mean, std = found.data[kept].mean(axis=0), found.data[kept].std(axis=0)
    inputs = torch.tensor((found.data - mean) / std, dtype=torch.float32)
    targets = torch.tensor(found.target, dtype=torch.int64)
    model = _train(folder / "runs" / "cancer", inputs, targets, kept, held)
    path = folder / "weights.safetensors"
    save_file(model.state_dict(), path)
    return {
        "model": model,
        "data": (inputs[held], targets[held]),
        "logs": folder / "runs",
        "class_names": [str(name) for name in found.target_names],
        "feature_names": [str(name) for name in found.feature_names],
        "normalization": (mean.tolist(), std.tolist()),
        "title": "Breast cancer",
        "facts": FACTS,
        "seed": SEED,
        "weights": Weights(path.name, sha256(path)),
    }


def _train(
    folder: Path, inputs: torch.Tensor, targets: torch.Tensor, kept: np.ndarray, held: np.ndarray
) -> CancerMLP:
    from tensorboardX import SummaryWriter

    folder.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second thread gains so small a network nothing
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = CancerMLP()
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
        with (folder / "metrics.csv").open("w", newline="") as file, SummaryWriter(str(folder)) as events:
            table = csv.writer(file)
            table.writerow(["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"])
            for epoch in range(1, EPOCHS + 1):
                model.train()
                for part in torch.from_numpy(kept)[torch.randperm(len(kept))].split(BATCH):
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(model(inputs[part]), targets[part]).backward()
                    optimizer.step()
                row = [
                    *_measure(model, inputs[kept], targets[kept]),
                    *_measure(model, inputs[held], targets[held]),
                ]
                for tag, value in zip(
                    ("loss/train", "accuracy/train", "loss/val", "accuracy/val"), row, strict=True
                ):
                    events.add_scalar(tag, value, epoch)
                table.writerow([epoch, *(f"{value:.6g}" for value in row)])
    torch.set_num_threads(threads)
    for written in folder.glob("events.out.tfevents.*"):
        # The writer puts the machine's name into the file's; a report that is shown around need not.
        written.replace(folder / "events.out.tfevents.cancer")
    return model.eval()


@torch.no_grad()
def _measure(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """Loss and accuracy."""
    model.eval()
    scores = model(inputs)
    return float(nn.functional.cross_entropy(scores, targets)), float(
        (scores.argmax(1) == targets).float().mean()
    )
