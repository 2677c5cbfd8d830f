"""Explained texts: for each sample its pieces coloured by every method, and the words that count over all samples."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Missing
from reportgen.attribution.kinds.text import read
from reportgen.attribution.sight import Sight
from reportgen.report import Block, Column, Row, Table, Text, Tokens
from reportgen.sections._explained_image import rounded
from reportgen.units import plural, shorten, show
from reportgen.vocabulary import Reading

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

LONGEST = 200  # pieces of a text that are shown
WIDEST = 60  # letters of a piece that are shown
FEW = 4  # samples from which on words are counted over all
TOP = 20  # words of that table


def draw(told: Told) -> list[Block]:
    """What is explained; a group of coloured texts a sample; the words of all samples; what could not be made."""
    tokenizer = told.experiment.tokenizer
    named = (
        f"Tokens by {tokenizer.said}."
        if tokenizer is not None
        else "Tokens by number: no tokenizer was given."
    )
    blocks: list[Block] = [Text(title="What is explained", text=f"{told.about}\n\n{named}")]
    readings = [read(told.experiment, sight.subject.inputs) for sight in told.sights]
    for sight, row, reading in zip(told.sights, told.rows, readings, strict=True):
        blocks += _sample(told, sight, [made for made in row if isinstance(made, Attribution)], reading)
    return [*blocks, *words(told, readings), *_missing(told)]


# --- one sample ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """The pieces that are shown of a text: words of characters, else tokens; `of` (tokens,) the piece of each."""

    pieces: tuple[str, ...]
    of: np.ndarray

    @classmethod
    def of_reading(cls, reading: Reading) -> Shown:
        """Words where the tokens are characters, which no one reads one by one."""
        of = np.asarray(reading.piece_of)
        if not reading.letters:
            return cls(reading.pieces, of)
        texts = [""] * len(reading.words)
        for piece, word in sorted(set(zip(reading.piece_of, reading.word_of, strict=True))):
            if word >= 0:
                texts[word] += reading.pieces[piece]
        return cls(tuple(texts), np.asarray(reading.word_of))


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


def _sample(told: Told, sight: Sight, row: list[Attribution], reading: Reading) -> list[Block]:
    subject, shown = sight.subject, Shown.of_reading(reading)
    count = len(shown.pieces)
    if not row or not count:
        return []
    weights = {made.method: gathered(made, sight, shown.of, count) for made in row}
    start, stop = _window(list(weights.values()), count)
    noun = "word" if reading.letters else "token"
    part = f"{noun}s {start + 1:,} to {stop:,} of {count:,}" if stop - start < count else plural(count, noun)
    texts = [_short(text) for text in shown.pieces[start:stop]]
    first, last = ["… "] * (start > 0), [" …"] * (stop < count)
    why = f" – {subject.why}" if subject.why else ""
    return [
        Tokens(
            title=f"{subject.name.capitalize()}, {made.method}",
            group=f"{subject.name.capitalize()}: {subject.said}{why}",
            caption=_caption(told, sight, made, f"{part}, to {_reach(made, weights[made.method])}"),
            tokens=(*first, *texts, *last),
            weights=tuple(
                rounded(float(weight))
                for weight in (*(0.0 for _ in first), *weights[made.method][start:stop], *(0.0 for _ in last))
            ),
            width="full",
        )
        for made in row
    ]


def _window(weights: list[np.ndarray], count: int) -> tuple[int, int]:
    """Where the stretch with the largest weights begins and ends, each method's weights measured by its largest."""
    if count <= LONGEST:
        return 0, count
    total = sum(np.abs(one) / (np.abs(one).max() or 1.0) for one in weights)
    sums = np.convolve(total, np.ones(LONGEST), "valid").round(6)
    start = int(sums.argmax())
    return start, start + LONGEST


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else f"{' ' * text[0].isspace()}{shorten(text.strip(), WIDEST)}"


def _reach(made: Attribution, weights: np.ndarray) -> str:
    top = show(float(f"{np.abs(weights).max():.3g}"))
    return f"±{top}" if made.signed else top


def _caption(told: Told, sight: Sight, made: Attribution, shown: str) -> str:
    against = f" against {made.baseline}" if made.baseline else ""
    # Under SOURCE_DATE_EPOCH the same inputs give the same bytes, which no clock does.
    timed = made.seconds > 0 and not os.environ.get("SOURCE_DATE_EPOCH")
    took = f", {show(float(f'{made.seconds:.2g}'), 's')}" if timed else ""
    return (
        f"{made.method} of the score of {sight.subject.target.name}: {made.settings}{against}, "
        f"seed {told.seed}{took}. {shown[0].upper()}{shown[1:]}."
    )


# --- all samples -----------------------------------------------------------------------------------------


def words(told: Told, readings: list[Reading]) -> list[Block]:
    """The words with the largest sums of |weight| over the samples, by each signed method; from 4 samples on."""
    methods = [
        name
        for name in told.methods
        if any(
            isinstance(made, Attribution) and made.method == name and made.signed
            for row in told.rows
            for made in row
        )
    ]
    if len(readings) < FEW or not methods:
        return []
    uses: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for at, (sight, row, reading) in enumerate(zip(told.sights, told.rows, readings, strict=True)):
        weights = {
            made.method: gathered(made, sight, np.asarray(reading.word_of), len(reading.words))
            for made in row
            if isinstance(made, Attribution) and made.signed
        }
        for place, word in enumerate(reading.words):
            one = {name: float(found[place]) for name, found in weights.items()}
            uses.setdefault(plain(word), []).append((at, one))
    by = "Integrated Gradients" if "Integrated Gradients" in methods else methods[0]
    totals = {word: sum(abs(one.get(by, 0.0)) for _, one in found) for word, found in uses.items() if word}
    order = sorted(totals, key=lambda word: (-round(totals[word], 6), word))
    columns = [Column(name="Word"), Column(name="Samples", unit="count"), Column(name="Times", unit="count")]
    for name in methods:
        columns += [
            Column(name=f"{name}, mean", unit="exact", note="mean weight, with its sign"),
            Column(name=f"{name}, mean size", unit="exact", note="mean of |weight|"),
        ]
    rows = []
    for word in order[:TOP]:
        cells: list[str | int | float | None] = [
            shorten(word),
            len({at for at, _ in uses[word]}),
            len(uses[word]),
        ]
        for name in methods:
            known = [one[name] for _, one in uses[word] if name in one]
            cells += [_rough(np.mean(known)), _rough(np.abs(known).mean())] if known else [None, None]
        rows.append(Row(cells=tuple(cells)))
    return [
        Table(
            title="Words that count over the samples",
            caption=f"The {len(rows)} of {plural(len(totals), 'word')} in {plural(len(readings), 'sample')} with the "
            f"largest sum of |weight| by {by}; a weight speaks for (+) or against (-) what is explained of its own "
            f"sample. Without regard to capitals and the punctuation about words. Seed {told.seed}.",
            columns=tuple(columns),
            rows=tuple(rows),
            total=len(totals),
        )
    ]


def plain(word: str) -> str:
    """A word without regard to capitals and to punctuation at its ends; as it is where nothing else is left."""
    first = next((at for at, letter in enumerate(word) if letter.isalnum()), None)
    if first is None:
        return word
    last = next(at for at in range(len(word) - 1, -1, -1) if word[at].isalnum() or word[at] > "\u02ff")
    return word[first : last + 1].casefold()


def _rough(value: float) -> float:
    return float(f"{float(value):.4g}")


def _missing(told: Told) -> list[Block]:
    """Why methods gave nothing, each reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for sight, row in zip(told.sights, told.rows, strict=True):
        for made in row:
            if isinstance(made, Missing):
                reasons.setdefault((made.method, made.reason), []).append(sight.subject.name)
    if not reasons:
        return []
    lines = [
        f"{method}: {reason} ({f'all {len(names)} samples' if len(names) == len(told.sights) > 1 else ', '.join(names)})."
        for (method, reason), names in reasons.items()
    ]
    return [Text(title="What could not be made", text="\n\n".join(lines))]
