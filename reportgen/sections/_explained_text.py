"""Explained texts: for each sample its pieces coloured by every method, and the words that count over all samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, Missing
from reportgen.attribution.kinds.text import read
from reportgen.attribution.sight import Sight
from reportgen.report import Block, Text, Tokens
from reportgen.sections._by_sample import SAMPLES, heading
from reportgen.sections._explained_image import rounded
from reportgen.sections._made import took
from reportgen.sections._words import gathered, words
from reportgen.units import plural, shorten, show
from reportgen.vocabulary import Reading

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

LONGEST = 200  # pieces of a text that are shown
WIDEST = 60  # letters of a piece that are shown


def draw(told: Told) -> list[Block]:
    """What is explained; a group of coloured texts a sample; the words of all samples; what could not be made."""
    tokenizer = told.experiment.tokenizer
    named = (
        f"Tokens by {tokenizer.said}."
        if tokenizer is not None
        else "Tokens by number: no tokenizer was given."
    )
    joined = "Methods that hide words give all tokens of a word, or of a stretch of words, the weight of the whole."
    text = f"{told.about}\n\n{named} {joined} Padding is not shown."
    blocks: list[Block] = [Text(title="What is explained", text=text)]
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
    return [
        Tokens(
            title=f"{subject.name.capitalize()}, {made.method}",
            group=SAMPLES,
            choice=heading(sight),
            joined=True,
            caption=_caption(told, sight, made, f"{part}; colours to {_reach(made, weights[made.method])}"),
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
    return (
        f"{made.method} of the score of {sight.subject.target.name}: {made.settings}{against}, "
        f"seed {told.seed}{took(made)}. {shown[0].upper()}{shown[1:]}."
    )


def _missing(told: Told) -> list[Block]:
    """Why methods gave nothing, each reason once, of all methods that share it."""
    lost: dict[str, dict[str, list[str]]] = {}
    for sight, row in zip(told.sights, told.rows, strict=True):
        for made in row:
            if isinstance(made, Missing):
                lost.setdefault(made.reason, {}).setdefault(made.method, []).append(sight.subject.name)
    if not lost:
        return []
    lines = []
    for reason, named in lost.items():
        sharing: dict[tuple[str, ...], list[str]] = {}
        for method, names in named.items():
            sharing.setdefault(tuple(names), []).append(method)
        which = [
            f"{', '.join(methods)} ({'all samples' if len(names) == len(told.sights) else ', '.join(names)})"
            for names, methods in sharing.items()
        ]
        lines.append(f"{'; '.join(which)}: {reason}.")
    return [Text(title="What could not be made", text="\n\n".join(lines))]
