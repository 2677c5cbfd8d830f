"""Texts with weights: steps of one scale, the text's own spaces and lines, and long texts cut honestly."""

from __future__ import annotations

import math
import re

import pytest
import samples

from reportgen.render import html, pdf
from reportgen.render.words import table, words
from reportgen.report import Tokens


def steps(weights, limit=None):
    block = Tokens(tokens=["x"] * len(weights), weights=weights, limit=limit)
    return [piece.step for piece in words(block, 4000, folds=False).first]


def paragraph(block) -> str:
    """The markup of the text as a browser gets it."""
    source = html.encode(samples.one(block), None).decode("utf-8")
    return re.search(r'<p class="words[^"]*"[^>]*>(.*?)</p>', source, re.DOTALL)[1]


def text_of(markup: str) -> str:
    return re.sub(r"<i [^>]*>↵</i>|<[^>]+>", "", markup)


def test_a_weight_has_the_same_step_in_every_block_of_one_limit():
    assert steps((0.5, -0.1)) == [5, -1]
    assert steps((0.5, -0.1), limit=1.0) == [2, 0]
    assert steps((0.5, -1.0), limit=1.0) == [2, -5]


def test_weights_past_the_limit_stand_at_its_end_and_are_counted():
    block = Tokens(tokens=("a", "b", "c"), weights=(3.0, -math.inf, 1.0), limit=1.0)
    made = words(block, 4000, folds=False)
    assert [piece.step for piece in made.first] == [5, -5, 5]
    assert (made.limit, made.beyond) == ("1", 2)
    assert b"2 weights beyond the scale drawn at its end." in html.encode(samples.one(block), None)


@pytest.mark.parametrize("limit", [None, 0.0])
def test_without_a_weight_other_than_zero_there_is_no_scale(limit):
    block = Tokens(tokens=("a", "b"), weights=(0.0, math.nan), limit=limit)
    assert words(block, 4000, folds=False).limit == ""
    assert "No weight differs from zero." in html.encode(samples.one(block), None).decode()


def test_a_limit_below_zero_is_refused():
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Tokens(tokens=(), weights=(), limit=-1.0)


def test_joined_pieces_give_the_text_again_to_the_letter_and_words_stand_apart():
    pieces = ("The", " un", "believ", "able", "\n", "\n", "  caf", "é", "\t日", "本 ")
    weights = range(-5, 5)
    assert text_of(paragraph(Tokens(tokens=pieces, weights=weights, joined=True))) == "".join(pieces)
    assert text_of(paragraph(Tokens(tokens=("a", "b"), weights=(1, 1)))) == "a b "


def test_a_piece_of_nothing_is_there_to_be_seen():
    assert '<span class="t0" title="0"></span>' in paragraph(Tokens(tokens=("", "a"), weights=(0, 1)))


def test_controls_of_direction_are_shown_and_letters_keep_theirs():
    block = Tokens(tokens=("a\u202eb", "\u2066", "\u2029", "שלום"), weights=(1, 1, 1, 1), joined=True)
    assert text_of(paragraph(block)) == "a\\u202eb\\u2066\\u2029שלום"


@pytest.mark.parametrize(
    ("first", "direction"), [("שלום", "rtl"), ("مرحبا", "rtl"), ("日本", "ltr"), ("7", "ltr")]
)
def test_a_text_goes_the_way_that_its_first_letter_goes(first, direction):
    block = Tokens(tokens=("12 ", first, " ok" if first != "שלום" else ""), weights=(1, 1, 1), joined=True)
    assert words(block, 4000, folds=False).direction == direction


def test_a_long_text_folds_and_what_a_page_leaves_out_is_counted():
    block = Tokens(tokens=["word"] * 2000, weights=[1.0] * 2000)
    made = words(block, 1600, folds=True)
    assert (len(made.first), len(made.rest), made.left_out) == (301, 1299, 400)
    assert words(block, 4000, folds=False).rest == ()
    assert words(Tokens(tokens=["word"] * 380, weights=[1.0] * 380), 4000, folds=True).rest == ()
    lines = words(Tokens(tokens=["a", "\n"] * 300, weights=[1.0] * 600), 4000, folds=True)
    assert 20 <= sum(piece.text == "\n" for piece in lines.first) <= 30


def test_the_numbers_behind_a_long_text_are_the_largest_ones_in_their_order():
    weights = [0.0] * 2000
    weights[1500], weights[10], weights[700] = 2.0, -1.0, math.nan
    made = table(Tokens(tokens=["w"] * 2000, weights=weights))
    assert made.cut == "120 of 2,000 rows, those that weigh most"
    places = [row[0] for row in made.rows]
    assert {"1501", "11"} <= set(places)
    assert places == sorted(places, key=int)
    short = table(Tokens(tokens=(" a ", "\n"), weights=(1, 2)))
    assert short.rows == [["1", "␣a␣", "1"], ["2", "↵", "2"]]
    assert short.cut == ""


def test_the_strongest_pieces_are_named_on_either_side():
    block = Tokens(tokens=("good", "bad", "so", "ill"), weights=(0.9, -0.5, 0.1, -0.7))
    assert words(block, 4000, folds=False).most == (
        (("good", "0.9"), ("so", "0.1")),
        (("ill", "−0.7"), ("bad", "−0.5")),
    )


@pytest.mark.parametrize(
    ("weights", "said"), [((0.5, 2.0), "0 2, none against"), ((-0.5, 2.0), "against −2 2 for")]
)
def test_the_scale_of_weights_of_which_none_is_negative_begins_at_zero(weights, said):
    source = html.encode(samples.one(Tokens(tokens=("a", "b"), weights=weights)), None).decode("utf-8")
    scale = re.search(r'<p class="scale">(.*?)</p>', source, re.DOTALL)[1]
    assert " ".join(text_of(scale).replace("&nbsp;", " ").split()) == said


def test_two_thousand_characters_weigh_little_and_are_printed():
    block = Tokens(tokens=["é"] * 2000, weights=[round(math.sin(at), 3) for at in range(2000)], joined=True)
    assert len(html.encode(samples.one(block), None)) - len(html.encode(samples.one(), None)) < 130_000
    assert pdf.encode(samples.one(block), None).startswith(b"%PDF")
