import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from reportgen.tokenizer import vocabulary
from reportgen.vocabulary import Vocabulary, named, style_of

MIXED = "The naïve café owner said: “déjà vu”. 日本語のテキスト مرحبا بالعالم 🙂 end"


def of(*tokens):
    return Vocabulary.of(dict(enumerate(tokens)), "")


def characters(text):
    letters = ["[PAD]", *sorted(set(text))]
    return of(*letters), [letters.index(letter) for letter in text]


@pytest.mark.parametrize(
    ("tokens", "style"),
    [
        (["play", "##ing", "the"], "wordpiece"),
        (["Ġplay", "ing", "Ġthe"], "bytes"),
        (["▁play", "ing", "▁the"], "metaspace"),
        (["play", "ing</w>", "the</w>"], "ended"),
        (["play@@", "ing", "the"], "joined"),
        ([" play", "ing", " the"], "raw"),
        (list("abc d"), "raw"),
        (["play", "the", "#", "##"], "words"),
    ],
)
def test_how_words_are_marked_is_seen_from_the_tokens(tokens, style):
    assert style_of(tokens) == style


@pytest.mark.parametrize(
    "tokens",
    [
        ["the", "play", "##ing", "now"],
        ["Ġthe", "Ġplay", "ing", "Ġnow"],
        ["▁the", "▁play", "ing", "▁now"],
        ["the</w>", "play", "ing</w>", "now</w>"],
        ["the", "play@@", "ing", "now"],
        [" the", " play", "ing", " now"],
    ],
)
def test_tokens_join_to_the_same_words_whatever_the_marks(tokens):
    read = of(*tokens).read([0, 1, 2, 3])
    assert read.words == ("the", "playing", "now")
    assert read.word_of == (0, 1, 1, 2)
    assert "".join(read.pieces).split() == ["the", "playing", "now"]
    assert not read.letters


def test_characters_join_to_words_and_the_space_belongs_to_the_next():
    vocabulary, ids = characters("no man is")
    read = vocabulary.read(ids)
    assert read.words == ("no", "man", "is")
    assert read.word_of == (0, 0, 1, 1, 1, 1, 2, 2, 2)
    assert read.letters


def test_text_without_spaces_has_a_word_a_character_and_marks_stay_with_their_letter():
    vocabulary, ids = characters("人人生而")
    assert vocabulary.read(ids).words == ("人", "人", "生", "而")
    vocabulary, ids = characters("ที่นี่")  # a consonant with a vowel and a tone above it, twice
    assert vocabulary.read(ids).words == ("ที่", "นี่")
    vocabulary, ids = characters("שלום עולם")
    assert vocabulary.read(ids).words == ("שלום", "עולם")


def test_bytes_that_make_one_character_share_a_piece():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.train_from_iterator(
        ["the end"], trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    )
    read = vocabulary(made).read(made.encode(MIXED).ids)
    assert "".join(read.pieces) == MIXED
    assert not any("\ufffd" in piece for piece in read.pieces)
    assert len(read.pieces) < len(read.piece_of)
    assert read.words[:4] == ("The", "naïve", "café", "owner")


def test_half_a_character_is_shown_as_one_that_is_missing():
    assert of("Ġa", "æ", "Ĺ").read([0, 1, 2]).pieces == (" a", "\ufffd")
    assert of("▁a", "<0xE4>").read([0, 1]).pieces == (" a", "\ufffd")
    assert of("▁a", "<0xC3>", "<0xA9>", "<s>").read([1, 2, 0]).pieces == ("é", " a")
    assert of("Ġa", "æ", "<s>").read([0, 1, 2]).pieces == (" a", "\ufffd", " <s>")


def test_marks_and_padding_are_no_words():
    vocabulary = of("[PAD]", "[CLS]", "[SEP]", "a", "##b", "[UNK]")
    read = vocabulary.read([1, 3, 4, 5, 2, 0, 0], absent={5, 6})
    assert read.word_of == (-1, 0, 0, 1, -1, -1, -1)
    assert read.piece_of == (0, 1, 2, 3, 4, -1, -1)
    assert (read.words, read.marks) == (("ab", "[UNK]"), {0, 4})


def test_roles_are_read_from_names():
    assert named({0: "<pad>", 1: "<s>", 2: "</s>", 3: "<unk>", 4: "<mask>"}) == {
        "pad": 0,
        "bos": 1,
        "eos": 2,
        "unk": 3,
        "mask": 4,
    }
    assert named({0: "PAD", 1: "a", 2: "[UNK]"}) == {"pad": 0, "unk": 2}
    assert named({0: "[PAD]", 1: "PAD", 2: "EOS"}) == {"pad": 0}  # a cased vocabulary holds PAD as a word
    assert named({0: "<|endoftext|>", 1: "pad"}) == {"eos": 0}


def test_a_token_has_a_name_and_an_unknown_one_a_number():
    assert [of("a", "##b").name(number) for number in (1, 7)] == ["##b", "token 7"]
    assert of("Ġcaf", "Ã©").name(1) == "é"
    read = Vocabulary().read([3, 9])
    assert (read.pieces, read.words) == ((" token 3", " token 9"), ("token 3", "token 9"))


@given(st.lists(st.text(max_size=6), min_size=1, max_size=12), st.data())
def test_any_tokens_can_be_read(tokens, data):
    ids = data.draw(st.lists(st.integers(0, len(tokens) + 1), max_size=20))
    read = of(*tokens).read(ids, absent=data.draw(st.sets(st.integers(0, 20))))
    assert len(read.piece_of) == len(read.word_of) == len(ids)
    assert set(read.piece_of) - {-1} == set(range(len(read.pieces)))
    assert set(read.word_of) - {-1} == set(range(len(read.words)))
    order = [word for word in read.word_of if word >= 0]
    assert order == sorted(order)
    "".join(read.pieces).encode()
