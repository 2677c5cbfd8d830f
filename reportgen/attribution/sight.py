"""One sample as every method looks at it: what may change, what stands for its absence, and the score."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.attribution.base import NotApplicable, Score
from reportgen.attribution.choose import Subject
from reportgen.deadline import Late

if TYPE_CHECKING:
    import torch

    from reportgen.attribution.table import Table
    from reportgen.experiment import Experiment


MOST_PARTS = 4096  # that are hidden one by one: what that takes is the square of their number
MOST_SOLVED = 512  # parts of one regression, whose work is the cube of their number


@dataclass(frozen=True)
class Baseline:
    """What stands for the absence of the input: `values` like the sight's, and what they are called."""

    values: torch.Tensor
    said: str


@dataclass(frozen=True)
class Parts:
    """The input in parts that make sense to a person: `numbers` of the sight's shape, from 0 on.

    What is numbered -1 is never hidden: padding, or the marks a tokenizer adds. `how` says how it was parted.
    """

    numbers: np.ndarray
    how: str

    @property
    def count(self) -> int:
        """How many parts there are."""
        return int(self.numbers.max(initial=-1)) + 1

    def spread(self, weights: np.ndarray) -> np.ndarray:
        """A weight a part (count,) at each of its places; zero where nothing is hidden."""
        return np.append(weights, 0.0)[self.numbers]


@dataclass(frozen=True)
class Sight:
    """A subject as a method sees it.

    `values` (1, ...) is what may change: pixels (1, C, H, W), features (1, F), embeddings (1, L, D), a waveform
    (1, T) or (1, C, T), a spectrogram (1, F, T) or (1, C, F, T). An attribution has one number a place: the
    shape of `values[0]` without its axis `folded` (channels, embedding dimensions), over which it is summed.
    `baseline` stands for absence; `other` is a second one, for what depends on the choice. `parts` are what the
    methods that hide the input hide together. `rigid` says why the values have no gradient, where they have none.
    `table` knows the features of a table's row. `smooth` is the sight for what takes gradients, where some places
    have none: there these are held, and named in its `unknown`.
    """

    subject: Subject
    score: Score
    values: torch.Tensor
    folded: int | None
    baseline: Baseline
    other: Baseline
    parts: Parts
    rigid: str = ""
    table: Table | None = None
    smooth: Sight | None = None
    unknown: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an attribution."""
        sizes = list(self.values.shape[1:])
        if self.folded is not None:
            del sizes[self.folded]
        return tuple(sizes)

    @property
    def counted(self) -> np.ndarray:
        """bool of `shape`: the places that belong to a part, which alone can be compared; padding does not."""
        return self.parts.numbers >= 0

    def parted(self, most: int = MOST_PARTS) -> int:
        """How many parts may be hidden. Raises NotApplicable where there is none, or more than `most`."""
        if not self.parts.count:
            raise NotApplicable("there is no part that may be hidden")
        if self.parts.count > most:
            said = f"{self.parts.count:,} parts, of which {most:,} at most are hidden one by one in the time there is"
            raise NotApplicable(said)
        return self.parts.count

    def shown(self, kept: np.ndarray, baseline: Baseline | None = None) -> torch.Tensor:
        """Values (n, ...) in which the places that are not `kept`, bool (n, *shape), are the baseline's."""
        import torch

        mask = torch.from_numpy(np.ascontiguousarray(kept)).to(self.values.device)
        if self.folded is not None:
            mask = mask.unsqueeze(1 + self.folded)
        return torch.where(mask, self.values, (baseline or self.baseline).values)

    def hidden(
        self, masks: np.ndarray, size: int, baseline: Baseline | None = None, least: int | None = None
    ) -> np.ndarray:
        """Scores float64 (n,) with the parts shown whose mask (n, parts) is true, `size` at a time.

        With `least`, fewer where the time ends: those of the first masks, so many at the least. Raises Late.
        """
        scores = []
        for start in range(0, len(masks), size):
            held = np.ones((len(masks[start : start + size]), 1), bool)
            kept = np.concatenate([masks[start : start + size].astype(bool), held], axis=1)
            try:
                scores.append(self.score.numbers(self.shown(kept[:, self.parts.numbers], baseline), size))
            except Late:
                if least is None or start < least:
                    raise
                break
        return np.concatenate(scores) if scores else np.zeros(0)

    def fold(self, made: Any, *, sizes: bool = False) -> np.ndarray:
        """Attributions (1, ...) of `values` as float64 of `shape`: their sum over the folded axis.

        With `sizes` the largest of them, for what has no sign.
        """
        numbers = made.detach()[0].cpu().double().numpy()
        if self.folded is None:
            return np.abs(numbers) if sizes else numbers
        return np.abs(numbers).max(axis=self.folded) if sizes else numbers.sum(axis=self.folded)

    def differentiable(self) -> torch.Tensor:
        """The values, where they have a gradient. Raises NotApplicable for whole numbers and for categories."""
        if self.rigid:
            raise NotApplicable(self.rigid)
        if not self.values.is_floating_point():
            kind = str(self.values.dtype).removeprefix("torch.")
            raise NotApplicable(f"the input is {kind}, which has no gradient")
        if self.unknown is not None and self.unknown.all():
            raise NotApplicable("every feature is a category or a whole number, which has no gradient")
        return self.values


@dataclass(frozen=True)
class Tools:
    """What a method may use: how many samples run at once forward and with gradients, and the seed.

    `layers`: names of those that the user wants to look at, () for a choice of the method's own.
    """

    experiment: Experiment
    forward: int
    gradient: int
    seed: int
    share: float = 1.0  # of the perturbations a method would make, as the budget allows
    layers: tuple[str, ...] = ()

    def seeds(self, sight: Sight, run: int = 0) -> list[int]:
        """Where the random choices for this sample start, the same whatever ran before."""
        return [self.seed, sight.subject.number, run]

    def generator(self, sight: Sight, run: int = 0) -> torch.Generator:
        """A generator of torch's own for this sample, on the CPU so that every device draws the same."""
        import torch

        state = np.random.SeedSequence(self.seeds(sight, run)).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state >> np.uint64(1)))

    @contextlib.contextmanager
    def steady(self, sight: Sight) -> Iterator[None]:
        """A model that draws at random draws the same for this sample, whatever ran before."""
        from reportgen.guard import seeded

        with seeded(self.seed + sight.subject.number):
            yield
