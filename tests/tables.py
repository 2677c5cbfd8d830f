"""A table of numbers and categories in two tensors, from real data, and a network really trained on it."""

from __future__ import annotations

import numpy as np
import torch
from networks import train
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import TensorDataset

NAMES = ["age", "bmi", "bp", "s1", "sex", "s5 band"]


class Mixed(nn.Module):
    """Four numbers and two embedded categories to one value."""

    def __init__(self) -> None:
        super().__init__()
        self.sex, self.band = nn.Embedding(2, 2), nn.Embedding(3, 3)
        self.net = nn.Sequential(nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        embedded = [self.sex(codes[:, 0]), self.band(codes[:, 1])]
        return self.net(torch.cat([numbers, *embedded], dim=1))


class Joined(nn.Module):
    """A `Mixed` that is given one tensor, for `train`."""

    def __init__(self, inner: Mixed) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x[:, :4], x[:, 4:].long())


def mixed() -> tuple[Mixed, TensorDataset]:
    """The diabetes data: age, bmi, blood pressure and s1 standardised, sex and s5 in three bands as codes."""
    table, targets = load_diabetes(return_X_y=True)
    numbers = torch.tensor(table[:, [0, 2, 3, 4]] / table.std(axis=0)[0], dtype=torch.float32)
    bands = np.digitize(table[:, 8], np.quantile(table[:, 8], [1 / 3, 2 / 3]))
    codes = torch.tensor(np.stack([table[:, 1] > 0, bands], axis=1).astype(np.int64))
    values = torch.tensor((targets - targets.mean()) / targets.std(), dtype=torch.float32)[:, None]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Mixed()
    train(Joined(model), torch.cat([numbers, codes.float()], dim=1), values, nn.MSELoss(), 30)
    return model, TensorDataset(numbers, codes, values)
