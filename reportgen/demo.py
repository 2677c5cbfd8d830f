"""A real network trained on real digits in a few seconds, so that the first report needs nothing."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

EPOCHS = 12
HELD_OUT = 360
FACTS = {
    "Purpose": "Shows what a report looks like: reads one handwritten digit from an 8×8 scan.",
    "Data": "Optical recognition of handwritten digits (Alpaydin and Kaynak, UCI, 1998), as shipped with "
    "scikit-learn: 1,797 scans by 13 writers, the last 360 held out for validation.",
    "Licence": "Data CC BY 4.0; network Apache-2.0.",
    "Limits": "Trained for seconds on 13 writers' digits; not for any other scan, size or writer.",
}


class Block(nn.Module):
    """Two 3×3 convolutions with batch norm about a skip connection (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, H, W) to (n, outputs, H / stride, W / stride)."""
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.relu(y + self.skip(x))


class DigitsResNet(nn.Module):
    """A residual CNN for 8×8 greyscale digits: 10 scores."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.layers = nn.Sequential(Block(16, 16), Block(16, 16), Block(16, 32, stride=2), Block(32, 32))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, 8, 8) in 0..1 to (n, 10) logits."""
        x = self.pool(self.layers(self.stem(x)))
        return self.head(self.dropout(x.flatten(1)))


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The 1,797 scans, float32 (n, 1, 8, 8) in 0..1, and their digits, int64 (n,)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16
    return images, torch.tensor(found.target, dtype=torch.int64)


def validation_data() -> Dataset[Any]:
    """The last 360 scans, in part by writers whom the others know nothing of."""
    images, targets = digits()
    return TensorDataset(images[-HELD_OUT:], targets[-HELD_OUT:])


def training_data() -> Dataset[Any]:
    """The other 1,437 scans."""
    images, targets = digits()
    return TensorDataset(images[:-HELD_OUT], targets[:-HELD_OUT])


def train(folder: Path, *, seed: int = 0, say: Callable[[str], None] = print) -> DigitsResNet:
    """Train for real, writing event files and a CSV to `folder` as any training does."""
    threads = torch.get_num_threads()
    # A network this small gains nothing from a second thread, and loses much where another program wants it.
    torch.set_num_threads(1)
    try:
        return _train(folder, seed, say)
    finally:
        torch.set_num_threads(threads)


def _train(folder: Path, seed: int, say: Callable[[str], None]) -> DigitsResNet:
    from tensorboardX import SummaryWriter

    torch.manual_seed(seed)
    model = DigitsResNet()
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(training_data(), batch_size=64, shuffle=True, generator=order)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=EPOCHS * len(loader))
    held_out = validation_data()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.csv").open("w", newline="") as file, SummaryWriter(str(folder)) as events:
        table = csv.writer(file)
        table.writerow(["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"])
        step = 0
        for epoch in range(1, EPOCHS + 1):
            model.train()
            seen = right = 0
            total = 0.0
            for images, targets in loader:
                loss, correct, norm = _step(model, images, targets, optimizer)
                events.add_scalar("lr", schedule.get_last_lr()[0], step)
                events.add_scalar("loss/train", loss, step)
                events.add_scalar("gradient_norm", norm, step)
                schedule.step()
                step, seen, right, total = (
                    step + 1,
                    seen + len(targets),
                    right + correct,
                    total + loss * len(targets),
                )
            val_loss, val_accuracy = _validate(model, held_out)
            events.add_scalar("loss/val", val_loss, step)
            events.add_scalar("accuracy/train", right / seen, step)
            events.add_scalar("accuracy/val", val_accuracy, step)
            rate = schedule.get_last_lr()[0]
            row = [total / seen, right / seen, val_loss, val_accuracy, rate]
            table.writerow([epoch, *(f"{value:.6g}" for value in row)])
            say(f"epoch {epoch:>2}/{EPOCHS}  loss {total / seen:.3f}  validation accuracy {val_accuracy:.3f}")
    for written in folder.glob("events.out.tfevents.*"):
        # The writer puts the machine's name into the file's; a report that is shown around need not.
        written.replace(folder / "events.out.tfevents.digits")
    return model


def _step(
    model: nn.Module, images: torch.Tensor, targets: torch.Tensor, optimizer: torch.optim.Optimizer
) -> tuple[float, int, float]:
    """One step: the loss before it, how many were right, and the gradient's norm."""
    scores = model(images)
    loss = nn.functional.cross_entropy(scores, targets)
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return float(loss.detach()), int((scores.argmax(1) == targets).sum()), float(norm)


@torch.no_grad()
def _validate(model: nn.Module, held_out: Dataset[Any]) -> tuple[float, float]:
    model.eval()
    images, targets = next(_batches(held_out))
    scores = model(images)
    loss = nn.functional.cross_entropy(scores, targets)
    return float(loss), float((scores.argmax(1) == targets).float().mean())


def _batches(held_out: Dataset[Any]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    yield from DataLoader(held_out, batch_size=512)


def prepare(folder: Path, *, seed: int = 0, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Train into `folder`, keep the weights there, and return the arguments for `collect`."""
    from safetensors.torch import save_file

    from reportgen.experiment import Weights
    from reportgen.loading import sha256

    model = train(folder / "runs" / "digits", seed=seed, say=say)
    path = folder / "weights.safetensors"
    save_file(model.state_dict(), path)
    return {
        "model": model,
        "data": validation_data(),
        "logs": folder / "runs",
        "class_names": [str(digit) for digit in range(10)],
        "title": "Handwritten digits",
        "facts": FACTS,
        "seed": seed,
        "weights": Weights(path.name, sha256(path)),
    }
