"""The example for sound: a small 1-D CNN trained on recordings of the ten spoken digits, made many by augmentation."""

from __future__ import annotations

import csv
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

RATE, LENGTH = 8000, 8000  # Hz, samples
EPOCHS, BATCH, TRAINED, HELD_OUT, SEED = 10, 32, 1200, 300, 0
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PACKAGE = "asterisk-core-sounds-en-wav"
INSIDE = Path("usr/share/asterisk/sounds/en_US_f_Allison/digits")
FACTS = {
    "Purpose": "tells which of ten digits is spoken in one second of sound; an example to read reports by",
    "Data": f"ten recordings, one a digit, by one voice (Allison Smith), 8 kHz, from Debian's package {PACKAGE}; "
    f"{TRAINED:,} clips for training and {HELD_OUT} for validation are made of them by shifting in time, changing "
    "speed, loudness and adding noise",
    "Held out": "other random shifts, speeds, loudness and noise (up to four times the voice's power) of the SAME ten "
    "recordings: no other speaker and no other recording, so the accuracy says nothing of either",
    "Limits": "heard one voice say each word once; what it takes for the word may be what this one recording "
    "happens to hold",
    "Licence": "recordings: copyright 2003-2010 Allison Smith (Digium, Inc.), CC BY-SA 3.0, "
    "https://creativecommons.org/licenses/by-sa/3.0/; the spectrograms and waves shown here are adaptations of them "
    "under the same licence; network: Apache-2.0",
}


class SpokenDigits(nn.Module):
    """One second of sound to the scores of ten words."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 24, 64, stride=8, padding=32), nn.BatchNorm1d(24), nn.ReLU(),
            nn.Conv1d(24, 32, 16, stride=4, padding=8), nn.BatchNorm1d(32), nn.ReLU(),
            nn.Conv1d(32, 48, 8, stride=4, padding=4), nn.BatchNorm1d(48), nn.ReLU(),
            nn.Conv1d(48, 64, 8, stride=2, padding=4), nn.BatchNorm1d(64), nn.ReLU(),
        )  # fmt: skip
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(64, len(WORDS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, samples) to logits (n, 10)."""
        return self.head(self.dropout(self.layers(x.unsqueeze(1)).mean(dim=2)))


def prepare(folder: Path = Path("out/examples/audio")) -> dict[str, Any]:
    """Train into `folder`, logs and weights included, and return the arguments for `collect`."""
    from safetensors.torch import save_file

    from reportgen.experiment import Weights
    from reportgen.loading import sha256

    words = recordings(folder)
    held = augmented(words, HELD_OUT, seed=SEED + 1, quietest=-6.0)
    model = _train(folder / "runs" / "digits", augmented(words, TRAINED, seed=SEED, quietest=5.0), held)
    path = folder / "weights.safetensors"
    save_file(model.state_dict(), path)
    return {
        "model": model,
        "data": held,
        "logs": folder / "runs",
        "class_names": list(WORDS),
        "sample_rate": RATE,
        "title": "Spoken digits",
        "facts": FACTS,
        "seed": SEED,
        "weights": Weights(path.name, sha256(path)),
    }


def recordings(folder: Path) -> list[np.ndarray]:
    """The ten recordings, float32 in -1..1: from the installed package, or from a download unpacked in `folder`.

    Raises RuntimeError where there is neither.
    """
    place = next((root / INSIDE for root in (Path("/"), folder / "clips") if (root / INSIDE).is_dir()), None)
    if place is None:
        place = _unpacked(folder / "clips") / INSIDE
    return [_read(place / f"{number}.wav") for number in range(len(WORDS))]


def _unpacked(folder: Path) -> Path:
    """The package's files, fetched and unpacked without installing it."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise RuntimeError(
            f"the recordings come from Debian's package {PACKAGE}: install it, or run on Debian"
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "-q", PACKAGE], check=True, cwd=folder, capture_output=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeError(
            f"{PACKAGE} could not be fetched: {said[-1] if said else 'no reason given'}"
        ) from error
    for archive in folder.glob(f"{PACKAGE}_*.deb"):
        subprocess.run(["dpkg", "-x", str(archive.resolve()), str(folder.resolve())], check=True)
    return folder


def _read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise RuntimeError(f"{path.name}: expected 16-bit mono at {RATE} Hz")
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def augmented(
    words: list[np.ndarray], count: int, *, seed: int, quietest: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` clips (n, samples) and their words (n,), each word as often: at other speeds, places and loudness.

    Noise is added at `quietest` to 30 dB below the word's mean power.
    """
    rng = np.random.default_rng(seed)
    clips = np.zeros((count, LENGTH), np.float32)
    labels = np.arange(count) % len(words)
    for clip, label in zip(clips, labels, strict=True):
        word = words[label] / np.abs(words[label]).max()
        speed = rng.uniform(0.92, 1.15)
        said = np.interp(np.arange(0, len(word) - 1, speed), np.arange(len(word)), word)[:LENGTH]
        at = rng.integers(0, LENGTH - len(said) + 1)
        clip[at : at + len(said)] = said
        power = float((said**2).mean()) * 10 ** (-rng.uniform(quietest, 30) / 10)
        clip += rng.standard_normal(LENGTH).astype(np.float32) * np.sqrt(power)
        clip *= rng.uniform(0.3, 1.0)
    return torch.from_numpy(clips), torch.from_numpy(labels)


Set = tuple[torch.Tensor, torch.Tensor]


def _train(folder: Path, kept: Set, held: Set) -> SpokenDigits:
    from tensorboardX import SummaryWriter

    folder.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second thread gains so small a network little
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = SpokenDigits()
        optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=1e-2)
        steps = EPOCHS * -(-len(kept[0]) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        with (folder / "metrics.csv").open("w", newline="") as file, SummaryWriter(str(folder)) as events:
            table = csv.writer(file)
            table.writerow(["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy"])
            for epoch in range(1, EPOCHS + 1):
                train = _epoch(model, kept, optimizer, schedule)
                row = [*train, *_measure(model, held)]
                tags = ("loss/train", "accuracy/train", "loss/val", "accuracy/val")
                for tag, value in zip(tags, row, strict=True):
                    events.add_scalar(tag, value, epoch)
                events.add_scalar("lr", schedule.get_last_lr()[0], epoch)
                table.writerow([epoch, *(f"{value:.6g}" for value in row)])
    torch.set_num_threads(threads)
    for written in folder.glob("events.out.tfevents.*"):
        # The writer puts the machine's name into the file's; a report that is shown around need not.
        written.replace(folder / "events.out.tfevents.digits")
    return model.eval()


def _epoch(model: SpokenDigits, kept: Set, optimizer: Any, schedule: Any) -> tuple[float, float]:
    """Train once over the clips; the mean loss and accuracy on the way."""
    model.train()
    clips, labels = kept
    total = right = 0.0
    for part in torch.randperm(len(clips)).split(BATCH):
        scores = model(clips[part])
        loss = nn.functional.cross_entropy(scores, labels[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total += float(loss.detach()) * len(part)
        right += float((scores.argmax(1) == labels[part]).sum())
    return total / len(clips), right / len(clips)


@torch.no_grad()
def _measure(model: SpokenDigits, held: Set) -> tuple[float, float]:
    """Loss and accuracy."""
    model.eval()
    scores = model(held[0])
    loss = nn.functional.cross_entropy(scores, held[1])
    return float(loss), float((scores.argmax(1) == held[1]).float().mean())
