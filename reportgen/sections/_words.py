"""Which words count most over all explained texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution
from reportgen.attribution.sight import Sight
from reportgen.report import Block, Column, Row, Table
from reportgen.units import plural, shorten
from reportgen.vocabulary import Reading

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

FEW = 4  # samples from which on words are counted over all
TOP = 20  # words of the table


def gathered(made: Attribution, sight: Sight, of: np.ndarray, count: int) -> np.ndarray:
    """Weights (count,) of what `of` (tokens,) puts together, none where it is -1.

    The sum over the tokens, the largest where there is no sign; of a method that gives all tokens of a part the
    weight of the part, that weight.
    """
    numbers = sight.parts.numbers
    whole = all(np.ptp(made.values[numbers == part]) == 0 for part in range(sight.parts.count))
    join = np.mean if whole else np.sum if made.signed else np.max
    weights = np.zeros(count)
    for piece in np.unique(of[of >= 0]):
        weights[piece] = join(made.values[of == piece])
    return weights


@dataclass
class Use:
    """Where a word stands, and its weights by method there."""

    samples: list[int] = field(default_factory=list)
    weights: dict[str, list[float]] = field(default_factory=dict)

    def size(self, method: str) -> float:
        """The sum of |weight|."""
        return float(np.abs(self.weights.get(method, [])).sum())


def words(told: Told, readings: Sequence[Reading]) -> list[Block]:
    """The words with the largest sums of |weight| over the samples, by each signed method; from 4 samples on."""
    done = [made for row in told.rows for made in row if isinstance(made, Attribution)]
    signed = {made.method for made in done if made.signed}
    methods = [name for name in told.methods if name in signed]
    if len(readings) < FEW or not methods:
        return []
    uses = _uses(told, readings)
    by = "Integrated Gradients" if "Integrated Gradients" in methods else methods[0]
    order = sorted(uses, key=lambda word: (-float(f"{uses[word].size(by):.5g}"), word))[:TOP]
    columns = [Column(name="Word"), Column(name="Samples", unit="count"), Column(name="Times", unit="count")]
    for name in methods:
        columns += [
            Column(name=f"{name}, mean", unit="exact", note="mean weight, with its sign"),
            Column(name=f"{name}, mean size", unit="exact", note="mean of |weight|"),
        ]
    return [
        Table(
            title="Words that count over the samples",
            caption=f"The {len(order)} of {plural(len(uses), 'word')} in {plural(len(readings), 'sample')} with the "
            f"largest sum of |weight| by {by}; a weight speaks for (+) or against (-) what is explained of its own "
            f"sample. Without regard to capitals and the punctuation about words. Seed {told.seed}.",
            columns=tuple(columns),
            rows=tuple(_row(word, uses[word], methods) for word in order),
            total=len(uses),
        )
    ]


def _uses(told: Told, readings: Sequence[Reading]) -> dict[str, Use]:
    uses: dict[str, Use] = {}
    for at, (sight, row, reading) in enumerate(zip(told.sights, told.rows, readings, strict=True)):
        names = [plain(word) for word in reading.words]
        for word in names:
            uses.setdefault(word, Use()).samples.append(at)
        for made in row:
            if isinstance(made, Attribution) and made.signed:
                found = gathered(made, sight, np.asarray(reading.word_of), len(names))
                for word, weight in zip(names, found, strict=True):
                    uses[word].weights.setdefault(made.method, []).append(float(weight))
    return {word: use for word, use in uses.items() if word}


def _row(word: str, use: Use, methods: Sequence[str]) -> Row:
    cells: list[str | int | float | None] = [shorten(word), len(set(use.samples)), len(use.samples)]
    for name in methods:
        known = use.weights.get(name)
        for value in (np.mean(known), np.abs(known).mean()) if known else (None, None):
            cells.append(None if value is None else float(f"{value:.4g}"))
    return Row(cells=tuple(cells))


def plain(word: str) -> str:
    """A word without regard to capitals and to punctuation at its ends; as it is where nothing else is left."""
    kept = [at for at, letter in enumerate(word) if letter.isalnum()]
    if not kept:
        return word
    last = kept[-1]
    while last + 1 < len(word) and unicodedata.category(word[last + 1]).startswith("M"):
        last += 1
    return word[kept[0] : last + 1].casefold()
