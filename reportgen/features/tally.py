"""Statistics of values that stream through: exact moments of all, quantiles of an even share, in bounded memory."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen.report import Histogram

if TYPE_CHECKING:
    import torch

KEPT = 16_384  # values a layer from which quantiles are read: the 1 % quantile's rank is then within 0.2 %
PIECE = 1 << 17  # values looked at together: they stay in the cache, and float32 sums of them are good
BINS = 40


@dataclass(frozen=True)
class Summary:
    """What is said of many values: `zeros` and `bad` (not finite) are shares of all, the rest is of the finite ones.

    `quantiles` are those of 1, 50 and 99 %; `norm` is the square root of the sum of squares.
    """

    count: int
    mean: float
    std: float
    low: float
    high: float
    zeros: float
    bad: float
    quantiles: tuple[float, float, float]
    norm: float

    @property
    def rms(self) -> float:
        """The root mean square of the finite values."""
        return math.hypot(self.mean, self.std)


@dataclass
class Tally:
    """Count, mean, spread and extremes of all values (pairwise, as Chan et al. 1979), and a sample of them.

    Of each of the `rows` (samples) that are to come equally many values are kept, at random places that `seed` and
    `name` decide alone; about `room` in all. Where a layer runs more often than once a sample and four times that
    many come up, half of them are dropped, and of what follows half as many taken.
    """

    name: str = ""
    seed: int = 0
    rows: int = 1
    room: int = KEPT
    count: int = 0
    zeros: int = 0
    bad: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    kept: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])
        self._each = max(1, self.room // max(1, self.rows))

    def add(self, values: torch.Tensor, rows: int = 1) -> None:
        """Add the values of `rows` samples, of any shape."""
        import torch

        flat = values.detach().reshape(-1)
        if flat.dtype not in (torch.float32, torch.float64):
            flat = flat.to(torch.float32 if flat.is_floating_point() else torch.float64)
        for piece in flat.split(PIECE):
            self._moments(piece)
        if flat.numel():
            whole = values.ndim and len(values) == rows
            self._keep(flat.reshape(rows, -1) if whole else flat[None], 1 if whole else rows)

    def _moments(self, piece: torch.Tensor) -> None:
        import torch

        self.count += piece.numel()
        low, high = (float(end) for end in torch.aminmax(piece))
        if not math.isfinite(low) or not math.isfinite(high):
            good = piece[piece.isfinite()]
            self.bad += piece.numel() - good.numel()
            if not good.numel():
                return
            piece = good
            low, high = (float(end) for end in torch.aminmax(piece))
        if max(-low, high) > 1e15 and piece.dtype == torch.float32:
            piece = piece.double()  # whose squares float32 can't hold
        self.zeros += piece.numel() - int(torch.count_nonzero(piece))
        # A third of the time of torch.var_mean.
        mean = piece.mean()
        apart = piece - mean
        self._join(piece.numel(), float(mean), float(torch.dot(apart, apart)))
        self.low, self.high = min(self.low, low), max(self.high, high)

    def _join(self, count: int, mean: float, squares: float) -> None:
        before = self.count - self.bad - count
        total, apart = before + count, mean - self.mean
        self.mean += apart * count / total
        self.squares += squares + apart**2 * before * count / total

    def _keep(self, table: torch.Tensor, rows: int) -> None:
        """Keep some of each row of a table, one of whose rows stands for that many samples."""
        import torch

        each = self._each * rows
        if table.shape[1] > each:
            places = self._random.integers(0, table.shape[1], (len(table), each))
            table = table.gather(1, torch.from_numpy(places).to(table.device))
        values = table.cpu().numpy().astype(np.float64).ravel()
        self.kept.append(values[np.isfinite(values)])
        if sum(map(len, self.kept)) > 4 * self.room:
            values = np.concatenate(self.kept)
            self.kept[:] = [values[self._random.random(len(values)) < 0.5]]
            self._each = max(1, self._each // 2)

    @property
    def sampled(self) -> bool:
        """Whether the quantiles are of some of the values only."""
        return sum(map(len, self.kept)) < self.count - self.bad

    def summary(self) -> Summary:
        """Of what was added; NaN where nothing was finite."""
        finite = self.count - self.bad
        values = np.concatenate(self.kept) if self.kept else np.zeros(0)
        quantiles = np.quantile(values, [0.01, 0.5, 0.99]).tolist() if len(values) else [math.nan] * 3
        variance = self.squares / finite if finite else math.nan
        mean, low, high = (self.mean, self.low, self.high) if finite else (math.nan,) * 3
        share = max(1, self.count)
        return Summary(
            self.count, mean, math.sqrt(variance) if finite else math.nan, low, high, self.zeros / share,
            self.bad / share, (quantiles[0], quantiles[1], quantiles[2]),
            math.sqrt(self.squares + finite * self.mean**2) if finite else math.nan,
        )  # fmt: skip

    def histogram(self, name: str) -> Histogram:
        """Shares of the kept values in 40 bins over their middle 99 %; what lies beyond is in no bin."""
        values = np.concatenate(self.kept) if self.kept else np.zeros(0)
        if not len(values):
            return Histogram(name=name, edges=(math.nan, math.nan), counts=(math.nan,))
        low, high = np.quantile(values, [0.005, 0.995]).tolist()
        if not high > low:
            low, high = float(values.min()), float(values.max())
        if not high > low:
            low, high = low - max(abs(low), 1.0) / 2, low + max(abs(low), 1.0) / 2
        counts, edges = np.histogram(values, BINS, (low, high))
        digits = 3 - math.floor(math.log10((high - low) / BINS))  # four digits of a bin's width
        return Histogram(
            name=name,
            edges=tuple(round(float(edge), digits) for edge in edges),
            counts=tuple(float(f"{count / len(values):.4g}") for count in counts),
        )
