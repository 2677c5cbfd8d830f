"""Tokens blocks: the pieces of a text as they stand in it, their weights in steps of one scale."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from reportgen.render.figures.base import Columns
from reportgen.report import Tokens
from reportgen.units import shorten, show

STEPS = 5  # to either side of zero
_FIRST = 1500  # characters that are seen before the rest is folded away
_LINE = 60  # characters that a line's end counts for
_ROWS = 120  # of the table behind it
_NAMED = 5  # pieces that are named on either side
# What turns the direction of the text after it, or breaks its line: shown, so that it turns nothing.
_TURNS = re.compile("[\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Piece:
    """A piece of text, its step on the diverging scale (-5 to 5) and its weight written out."""

    text: str
    step: int
    weight: str


@dataclass(frozen=True)
class Words:
    """Pieces to show at once, to fold away, and how many are left out.

    `direction` is the one that the text begins in, rtl or ltr. `limit` is the weight at the ends of the scale, ""
    where no weight differs from zero; `beyond` counts the weights past it. `most` are the strongest pieces with
    their weights: those for, and those against.
    """

    first: tuple[Piece, ...]
    rest: tuple[Piece, ...]
    left_out: int
    direction: str
    limit: str
    beyond: int
    most: tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]


def words(block: Tokens, limit: int, *, folds: bool) -> Words:
    """The block's pieces, at most `limit` of them, on the scale that it states or on that of its largest weight."""
    top = _top(block)
    pieces = [
        Piece(_plain(token), _step(weight, top), show(weight))
        for token, weight in zip(block.tokens[:limit], block.weights[:limit], strict=True)
    ]
    cut = _fold(pieces) if folds else len(pieces)
    beyond = sum(abs(weight) > top * (1 + 1e-6) for weight in block.weights) if top else 0
    return Words(
        tuple(pieces[:cut]),
        tuple(pieces[cut:]),
        len(block.tokens) - len(pieces),
        _direction(block.tokens),
        show(float(f"{top:.3g}")) if top else "",
        beyond,
        (_most(block, 1), _most(block, -1)),
    )


def _top(block: Tokens) -> float:
    if block.limit is not None and math.isfinite(block.limit):
        return block.limit
    return max((abs(weight) for weight in block.weights if math.isfinite(weight)), default=0.0)


def _step(weight: float, top: float) -> int:
    if math.isnan(weight) or not top:
        return 0
    return round(STEPS * max(-1.0, min(1.0, weight / top)))


def _direction(tokens: tuple[str, ...]) -> str:
    """By the first letter that has a direction, as a browser finds it."""
    found = (unicodedata.bidirectional(letter) for token in tokens for letter in token)
    return "rtl" if next((kind for kind in found if kind in ("L", "R", "AL")), "L") != "L" else "ltr"


def _plain(token: str) -> str:
    return _TURNS.sub(lambda found: f"\\u{ord(found[0]):04x}", token)


def _fold(pieces: list[Piece]) -> int:
    """After how many pieces a long text folds; never for the sake of a few."""
    sizes = [len(piece.text) + 1 + _LINE * piece.text.count("\n") for piece in pieces]
    if sum(sizes) <= 1.3 * _FIRST:
        return len(pieces)
    seen = 0
    for at, size in enumerate(sizes):
        seen += size
        if seen > _FIRST:
            return at + 1
    return len(pieces)


def _most(block: Tokens, sign: int) -> tuple[tuple[str, str], ...]:
    found = [at for at, weight in enumerate(block.weights) if sign * weight > 0]
    strongest = sorted(found, key=lambda at: -abs(block.weights[at]))[:_NAMED]
    return tuple((shorten(_seen(block.tokens[at]), 24), show(block.weights[at])) for at in strongest)


def _seen(token: str) -> str:
    """A piece by itself, the white space at its ends and its line ends visible."""
    text = _plain(token).replace("\n", "↵").replace("\t", "⇥")
    bare = text.strip(" ")
    before = len(text) - len(text.lstrip(" "))
    return "␣" * before + bare + "␣" * (len(text) - before - len(bare))


def table(block: Tokens) -> Columns:
    """One row a piece; of a long text those that weigh most, in the order of the text."""
    total = len(block.tokens)
    kept = list(range(total))
    if total > _ROWS:
        sizes = [abs(weight) if not math.isnan(weight) else 0.0 for weight in block.weights]
        kept = sorted(sorted(kept, key=lambda at: -sizes[at])[:_ROWS])
    rows = [[str(at + 1), _seen(block.tokens[at]), show(block.weights[at])] for at in kept]
    return Columns(["place", "token", "weight"], rows, total, "those that weigh most")
