"""What the ids of a text stand for: the texts of tokens, which are marks, and how they join to words."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

RARE = 0.005  # share of a vocabulary's tokens that shows how it marks the ends of words

_NAMES = {
    "pad": "pad", "padding": "pad", "unk": "unk", "unknown": "unk", "oov": "unk", "cls": "cls", "sep": "sep",
    "mask": "mask", "s": "bos", "bos": "bos", "sos": "bos", "/s": "eos", "eos": "eos", "endoftext": "eos",
}  # fmt: skip
_BRACKETED = re.compile(r"^(?:\[(\w+)\]|<\|?(/?\w+)\|?>)$")
_BARE = re.compile(r"^(PAD|UNK|CLS|SEP|MASK|BOS|EOS)$")
_BYTE = re.compile(r"^<0x([0-9A-F]{2})>$")

# How the styles are marked where nothing else is stated.
_MARKS = {"wordpiece": "##", "metaspace": "▁", "ended": "</w>", "joined": "@@", "delimited": "|"}

# Scripts that put no spaces between words: every character may begin one.
_SPACELESS = re.compile(
    "[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff\U00020000-\U0003ffff]"
)


def _letters() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for (Radford et al. 2019).

    Bytes with a visible sign are themselves; the others are numbered from U+0100 on.
    """
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + i): byte for i, byte in enumerate(unseen)}


_LETTERS = _letters()


@dataclass(frozen=True)
class Reading:
    """Token ids as text.

    `pieces` have their own spaces; a token whose bytes are part of a character shares its piece with the next.
    `piece_of` (tokens,) is the piece of each, -1 for padding. `words` are the words in order, `word_of` (tokens,)
    the word of each, -1 for padding and marks. `marks`: which pieces are special tokens. `letters`: whether
    the tokens are characters, or parts of one.
    """

    pieces: tuple[str, ...]
    piece_of: tuple[int, ...]
    words: tuple[str, ...]
    word_of: tuple[int, ...]
    marks: frozenset[int]
    letters: bool


@dataclass(frozen=True)
class Vocabulary:
    """The texts of token ids, where they are known.

    `said` is what it is, for a reader. `text` gives a token as the vocabulary writes it, or None. `roles`: the ids of
    "pad", "unk", "cls", "sep", "mask", "bos", "eos". `special`: all ids that are no text. `style`: how words are
    marked, as it was stated or by `style_of`; "" where only the tokens at hand can tell. `mark`: the letters that mark
    them, "" for the usual ones.
    """

    said: str = ""
    text: Callable[[int], str | None] = lambda number: None
    roles: Mapping[str, int] = field(default_factory=dict)
    special: frozenset[int] = frozenset()
    style: str = ""
    mark: str = ""

    @classmethod
    def of(
        cls,
        tokens: Mapping[int, str],
        said: str,
        roles: Mapping[str, int] | None = None,
        special: Collection[int] = (),
        stated: tuple[str, str] | None = None,
    ) -> Vocabulary:
        """Of all tokens by id; their roles are seen from their names where none are given.

        `stated`: the style and the mark, where the tokenizer says them itself.
        """
        known = dict(named(tokens) if roles is None else roles)
        marks = frozenset(special) | {number for role, number in known.items() if role != "unk"}
        plain = (text for number, text in tokens.items() if number not in marks | {known.get("unk")})
        style, mark = stated or (style_of(plain), "")
        return cls(said, tokens.get, known, marks - {known.get("unk", -1)}, style, mark)

    def name(self, number: int) -> str:
        """The token's text as a reader would write it, `token 12` where it is unknown."""
        text = self.text(number)
        if text is None:
            return f"token {number}"
        if self.style == "bytes" and number not in self.special:
            whole = self._bytes(text)
            return whole.decode("utf-8", "replace") if whole is not None else text
        return text

    def read(self, ids: Sequence[int], absent: Collection[int] = ()) -> Reading:
        """These ids as text; the places `absent` hold padding."""
        texts = {number: self.text(number) for number in set(ids) - self.special}
        style = self.style or style_of(text for text in texts.values() if text is not None)
        decode = codecs.getincrementaldecoder("utf-8")("replace")
        pieces: list[str] = []
        piece_of: list[int] = []
        marks, open_ended = set(), False
        for place, number in enumerate(ids):
            if place in absent:
                piece_of.append(-1)
                continue
            if number in self.special and pieces and open_ended:
                pieces[-1], open_ended = pieces[-1] + decode.decode(b"", final=True), False
            if number in self.special:
                marks.add(len(pieces))
                made = f" {self.name(number)}"
            else:
                made = decode.decode(self._spaced(texts[number], number, style))
            if open_ended:
                pieces[-1] += made
            else:
                pieces.append(made)
            piece_of.append(len(pieces) - 1)
            open_ended = bool(decode.getstate()[0])
        if open_ended:
            pieces[-1] += decode.decode(b"", final=True)
        word_of_piece, words = _words(pieces, marks)
        lengths = [len(piece.strip()) for at, piece in enumerate(pieces) if at not in marks]
        return Reading(
            tuple(pieces),
            tuple(piece_of),
            words,
            tuple(-1 if piece < 0 else word_of_piece[piece] for piece in piece_of),
            frozenset(marks),
            style in ("raw", "bytes", "delimited") and bool(lengths) and max(lengths) <= 1,
        )

    def _spaced(self, text: str | None, number: int, style: str) -> bytes:
        """A token in UTF-8 with the spaces that belong to it."""
        if text is None or number == self.roles.get("unk"):
            alone = style == "raw" and number == self.roles.get("unk")
            return (self.name(number) if alone else f" {self.name(number)}").encode("utf-8", "replace")
        if style == "bytes":
            ended = bool(self.mark) and text.endswith(self.mark)  # as CLIP marks the ends of words
            text = text.removesuffix(self.mark) if ended else text
            whole = self._bytes(text)
            return (text.encode("utf-8", "replace") if whole is None else whole) + b" " * ended
        byte = _BYTE.match(text) if style == "metaspace" else None
        if byte:
            return bytes([int(byte[1], 16)])
        return _written(text, style, self.mark or _MARKS.get(style, "")).encode("utf-8", "replace")

    def _bytes(self, text: str) -> bytes | None:
        return bytes(_LETTERS[letter] for letter in text) if all(map(_LETTERS.__contains__, text)) else None


def _written(text: str, style: str, mark: str) -> str:
    if style == "metaspace":
        return text.replace(mark, " ")
    if style == "wordpiece":
        return text[len(mark) :] if text.startswith(mark) and len(text) > len(mark) else f" {text}"
    if style == "ended":
        return f"{text.removesuffix(mark)} " if text.endswith(mark) else text
    if style == "joined":
        return text.removesuffix(mark) if text.endswith(mark) else f"{text} "
    if style == "delimited":
        return " " if text == mark else text
    return text if style == "raw" else f" {text}"


def named(tokens: Mapping[int, str]) -> dict[str, int]:
    """The tokens with a role that their names tell: [PAD], <unk>, </s>, or, without brackets, PAD."""
    bracketed: dict[str, int] = {}
    bare: dict[str, int] = {}
    for number, text in tokens.items():
        if found := _BRACKETED.match(text):
            role = _NAMES.get((found[1] or found[2]).lower())
            if role:
                bracketed.setdefault(role, number)
        elif _BARE.match(text):
            bare.setdefault(_NAMES[text.lower()], number)
    return bracketed if set(bracketed) - {"unk"} else bare | bracketed


def style_of(tokens: Iterable[str]) -> str:
    """How these tokens say where words begin or end.

    "wordpiece": ##ing goes on; "bytes": Ġ is a space, in bytes written as letters; "metaspace": ▁ is a space;
    "ended": </w> ends a word; "joined": @@ goes on; "raw": spaces are in the tokens, or they are characters;
    "words": each is a word. Only stated, never guessed: "delimited": | stands between words.
    """
    known = list(tokens)
    enough = max(1, RARE * len(known))
    tests: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("wordpiece", lambda text: text.startswith("##") and len(text) > 2),
        ("bytes", lambda text: text.startswith("Ġ") and len(text) > 1),
        ("metaspace", lambda text: text.startswith("▁") and len(text) > 1),
        ("ended", lambda text: text.endswith("</w>") and len(text) > 4),
        ("joined", lambda text: text.endswith("@@") and len(text) > 2),
    )
    for style, test in tests:
        if sum(map(test, known)) >= enough:
            return style
    characters = sum(len(text) == 1 for text in known) > 0.9 * len(known)
    return "raw" if characters or any(text != text.strip() for text in known) else "words"


def _words(pieces: Sequence[str], marks: Collection[int]) -> tuple[list[int], tuple[str, ...]]:
    """The word of each piece, -1 for marks, and the words."""
    word_of: list[int] = []
    words: list[str] = []
    for at, piece in enumerate(pieces):
        if at in marks:
            word_of.append(-1)
            continue
        if not at or at - 1 in marks or _begins(pieces[at - 1], piece):
            words.append("")
        words[-1] += piece
        word_of.append(len(words) - 1)
    return word_of, tuple(" ".join(word.split()) for word in words)


def _begins(before: str, piece: str) -> bool:
    """Whether a word begins with this piece, after the piece before."""
    if not piece or not before or before.isspace():
        return False
    if piece[0].isspace() or before[-1].isspace():
        return True
    if unicodedata.category(piece[0]).startswith("M"):
        return False
    last = next((c for c in reversed(before) if not unicodedata.category(c).startswith("M")), before[-1])
    return bool(_SPACELESS.match(piece[0]) or _SPACELESS.match(last))
