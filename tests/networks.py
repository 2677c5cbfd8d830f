"""Small networks for the tests, really trained on real data and texts that ship with scikit-learn and NumPy."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from importlib import import_module

import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from torch import nn
from torch.nn import functional
from torch.utils.data import TensorDataset


class Residual(nn.Module):
    """Two convolutions beside a 1x1 shortcut; the last ReLU is functional."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return functional.relu(inner + self.shortcut(x))


class DigitsCNN(nn.Module):
    """A residual network with batch norm and dropout for 1 x 8 x 8 pictures of ten digits."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, 1, 1)
        self.relu = nn.ReLU()
        self.block1 = Residual(16, 16, 1)
        self.block2 = Residual(16, 32, 2)
        self.drop = nn.Dropout(0.3)
        self.fc1 = nn.Linear(32, 24)
        self.fc2 = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block2(self.block1(self.relu(self.stem(x)))).mean(dim=(2, 3))
        return self.fc2(self.drop(self.relu(self.fc1(x))))


def train(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, loss: nn.Module, epochs: int
) -> nn.Module:
    """Adam on whole-number batches; the caller's generator is left as it was. Returns the model in eval mode.

    In one thread: sums that several share round differently, and after some epochs that is another network.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.set_num_threads(1)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(epochs):
            for part in torch.randperm(len(inputs)).split(128):
                optimizer.zero_grad()
                loss(model(inputs[part]), targets[part]).backward()
                optimizer.step()
    torch.set_num_threads(threads)
    optimizer.zero_grad(set_to_none=True)
    return model.eval()


def digits() -> tuple[DigitsCNN, TensorDataset]:
    """A network trained on the first 1,300 digits, and the other 497."""
    images, labels = load_digits(return_X_y=True)
    pictures = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    targets = torch.tensor(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DigitsCNN()
    train(model, pictures[:1300], targets[:1300], nn.CrossEntropyLoss(), 4)
    return model, TensorDataset(pictures[1300:], targets[1300:])


def mlp(before: int, after: int) -> nn.Sequential:
    """A network of one hidden layer for tables."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(before, 32), nn.ReLU(), nn.Linear(32, after))


def cancer() -> tuple[nn.Module, TensorDataset, list[str]]:
    """A classifier of two classes on 30 standardised features, its data and their names."""
    found = load_breast_cancer()
    table = torch.tensor((found.data - found.data.mean(0)) / found.data.std(0), dtype=torch.float32)
    targets = torch.tensor(found.target)
    model = train(mlp(30, 2), table, targets, nn.CrossEntropyLoss(), 10)
    return model, TensorDataset(table, targets), [str(name) for name in found.feature_names]


def diabetes() -> tuple[nn.Module, TensorDataset, list[str]]:
    """A regression on 10 features, its data and their names."""
    found = load_diabetes()
    table = torch.tensor(found.data / found.data.std(0), dtype=torch.float32)
    targets = torch.tensor(found.target, dtype=torch.float32)[:, None]
    model = train(mlp(10, 1), table, targets, nn.MSELoss(), 30)
    return model, TensorDataset(table, targets), list(found.feature_names)


class WordConvolution(nn.Module):
    """Words as vectors, a convolution over three neighbours, the largest value of each channel, classes."""

    def __init__(self, words: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, 16, padding_idx=0)
        self.conv = nn.Conv1d(16, 24, 3, padding=1)
        self.head = nn.Linear(24, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found = torch.relu(self.conv(self.embed(ids).transpose(1, 2)))
        return self.head(found.masked_fill((ids == 0)[:, None], 0).amax(dim=2))


def docstrings() -> tuple[nn.Module, TensorDataset, list[str], list[str]]:
    """Which part of NumPy a dozen words of its documentation are from.

    Returns the network, trained on every other stretch of words; the other stretches; the vocabulary; the classes.
    """
    names = ["fft", "linalg", "polynomial", "random"]
    stretches = []
    for label, name in enumerate(names):
        module = import_module(f"numpy.{name}")
        texts = [inspect.getdoc(getattr(module, item)) or "" for item in sorted(module.__all__)]
        words = re.findall(r"[a-z]+", " ".join(texts).lower())[: 12 * 300]
        stretches += [(words[start : start + 12], label) for start in range(0, len(words), 12)]
    counts = Counter(word for words, _ in stretches for word in words)
    vocabulary = ["[PAD]", "[UNK]", *sorted(word for word, count in counts.items() if count > 2)]
    number = {word: at for at, word in enumerate(vocabulary)}
    rows = [[number.get(word, 1) for word in words] + [0] * (12 - len(words)) for words, _ in stretches]
    ids, labels = torch.tensor(rows), torch.tensor([label for _, label in stretches])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = WordConvolution(len(vocabulary), len(names))
    train(model, ids[::2], labels[::2], nn.CrossEntropyLoss(), 15)
    return model, TensorDataset(ids[1::2], labels[1::2]), vocabulary, names


class RowsTransformer(nn.Module):
    """Two layers of attention over the eight rows of a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Linear(8, 16)
        self.place = nn.Parameter(torch.randn(8, 16) / 4)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(16, 10)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.lift(rows) + self.place).mean(dim=1))


def rows_transformer() -> tuple[nn.Module, TensorDataset]:
    """A transformer that reads digits row by row, trained on the first 1,300, and the other 497."""
    images, labels = load_digits(return_X_y=True)
    rows, targets = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 8, 8), torch.tensor(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RowsTransformer()
    train(model, rows[:1300], targets[:1300], nn.CrossEntropyLoss(), 6)
    return model, TensorDataset(rows[1300:], targets[1300:])


class PixelTokens(nn.Module):
    """The mean of token vectors, and a linear layer; token 0 fills up."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(1 + 64 * 17, 12, padding_idx=0)
        self.head = nn.Linear(12, 10)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.tokens(ids).sum(dim=1) / 8)


def pixel_tokens() -> tuple[nn.Module, TensorDataset]:
    """A model trained on digits as 64 tokens, a pixel's place and grey each (1 + 17 * place + grey); the other 497."""
    images, labels = load_digits(return_X_y=True)
    ids = torch.tensor(images).long() + 17 * torch.arange(64) + 1
    targets = torch.tensor(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = PixelTokens()
    train(model, ids[:1300], targets[:1300], nn.CrossEntropyLoss(), 6)
    return model, TensorDataset(ids[1300:], targets[1300:])


RATE, TONES = 8000, (300, 1000, 2500)


def tones() -> tuple[nn.Module, TensorDataset]:
    """A network of one convolution trained to tell sines of three pitches, of any phase and in noise, apart."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(240) % 3
    pitch = torch.tensor(TONES)[labels][:, None] * (0.95 + 0.1 * torch.rand(240, 1, generator=generator))
    phase = 6.28 * torch.rand(240, 1, generator=generator)
    clips = torch.sin(6.2832 * pitch * torch.arange(2000) / RATE + phase)
    clips = (clips + 0.3 * torch.randn(clips.shape, generator=generator))[:, None]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv1d(1, 8, 33, 4), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3)
        )
    return train(model, clips, labels, nn.CrossEntropyLoss(), 15), TensorDataset(clips, labels)
