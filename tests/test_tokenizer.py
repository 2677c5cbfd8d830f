import json
import sys

import pytest
import transformers
from texts import WORDS, wordpiece
from tokenizers import Tokenizer, models

from reportgen.errors import InputError
from reportgen.tokenizer import vocabulary
from reportgen.vocabulary import Vocabulary

NUMBERS = {word: number for number, word in enumerate(WORDS)}
ROLES = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}


def fast():
    names = {f"{role}_token": WORDS[number] for role, number in ROLES.items()}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=wordpiece(), **names)


@pytest.mark.parametrize(
    "given",
    [wordpiece(), fast(), NUMBERS, WORDS, tuple(WORDS), dict(enumerate(WORDS))],
    ids=["tokenizers", "transformers", "dict", "list", "tuple", "turned dict"],
)
def test_objects_of_every_kind_give_the_same_vocabulary(given):
    found = vocabulary(given)
    assert [found.text(number) for number in range(len(WORDS))] == WORDS
    assert dict(found.roles) == ROLES
    assert found.special == {0, 2, 3, 4}
    assert (found.style, found.text(999)) == ("wordpiece", None)


def _saved(folder):
    fast().save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    (folder / "plain.json").write_text(json.dumps(NUMBERS), "utf-8")
    (folder / "list.json").write_text(json.dumps(WORDS), "utf-8")


@pytest.mark.parametrize("name", ["", "tokenizer.json", "vocab.txt", "plain.json", "list.json"])
def test_files_and_folders_are_read_without_running_what_is_in_them(tmp_path, name):
    _saved(tmp_path)
    (tmp_path / "tokenization_mine.py").write_text("raise SystemExit('run')")
    found = vocabulary(tmp_path / name)
    assert [found.text(number) for number in range(len(WORDS))] == WORDS
    assert (dict(found.roles), found.special) == (ROLES, {0, 2, 3, 4})
    assert vocabulary(str(tmp_path / name)).said == found.said


def test_a_tokenizer_json_of_pieces_with_scores_is_read(tmp_path):
    made = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0)], unk_id=0))
    made.add_special_tokens(["<pad>"])
    made.save(str(tmp_path / "tokenizer.json"))
    found = vocabulary(tmp_path / "tokenizer.json")
    assert [found.text(number) for number in range(4)] == ["<unk>", "▁a", "b", "<pad>"]
    assert (found.style, found.special) == ("metaspace", {3})


def test_the_roles_of_a_folder_are_those_it_says(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"Ġa": 0, "stop": 1, "nil": 2}))
    assert vocabulary(tmp_path).roles == {}
    found = {"model": {"vocab": {"Ġa": 0, "stop": 1, "nil": 2}}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(found))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": {"content": "stop"}, "pad_token": "nil"})
    )
    assert vocabulary(tmp_path).roles == {"eos": 1, "pad": 2}


def test_what_only_decodes_is_asked_for_one_id_at_a_time():
    class Decoder:
        def decode(self, ids):
            return "".join("ab c"[number] for number in ids)

    for given in (Decoder(), lambda number: "ab c"[number]):
        found = vocabulary(given)
        assert [found.text(number) for number in range(5)] == ["a", "b", " ", "c", None]
        assert found.read([0, 1, 2, 3]).words == ("ab", "c")


class Letters:
    """A tokenizer that lists no tokens."""

    pad_token_id = 0
    all_special_ids = (0,)

    def get_vocab(self):
        raise NotImplementedError

    def convert_ids_to_tokens(self, ids):
        return [chr(96 + number) for number in ids]


def test_a_tokenizer_that_lists_no_tokens_is_asked_for_each():
    found = vocabulary(Letters())
    assert (found.text(2), dict(found.roles), found.special) == ("b", {"pad": 0}, {0})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "tokenizer: got int, expected a tokenizer, a vocabulary"),
        (Vocabulary, "tokenizer: got type, expected"),
        ({}, "tokenizer: got an empty dict"),
        ({"a": 0, "b": 0}, "tokenizer: got a dict in which tokens share an id"),
        ({"a": "b"}, "tokenizer: got the token id 'b', expected a whole number"),
        ({"a": -1}, "tokenizer: got the token id -1"),
        ({"a": True}, "tokenizer: got the token id True"),
        ([], "tokenizer: got a list, expected one of texts"),
        ([b"a"], "tokenizer: got a list, expected one of texts"),
        ("nowhere.json", "tokenizer: 'nowhere.json' does not exist"),
    ],
)
def test_what_is_no_tokenizer_is_said_in_one_line(given, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        vocabulary(given)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b"{", "is not JSON"),
        ("a.json", b"3", "holds int"),
        ("a.json", b'{"model": {"vocab": 7}}', "holds no vocabulary that can be read"),
        ("a.json", b"[" * 100_000, "is not JSON"),
        ("a.txt", b"\xff\xfe\x00", "can't be read as text"),
        ("a.txt", b"", "expected one of texts"),
    ],
)
def test_files_that_hold_none_are_said_in_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        vocabulary(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_any_is_an_error_with_and_without_transformers(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="holds none that can be read"):
        vocabulary(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"holds no tokenizer\.json"):
        vocabulary(tmp_path)


def _byte_level():
    from tokenizers import decoders, pre_tokenizers

    letters = pre_tokenizers.ByteLevel.alphabet()
    made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(sorted(letters))}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def _with(model, decoder=None):
    made = Tokenizer(model)
    if decoder is not None:
        made.decoder = decoder
    return made


def _stated():
    """Tokenizers whose marks are not those that would be guessed: name, tokenizer, ids."""
    from tokenizers import decoders

    words = {"~~ing": 0, "play": 1, "the": 2, "game": 3, "##x": 4}
    yield (
        "other prefix",
        _with(models.WordPiece(words, unk_token="the"), decoders.WordPiece("~~", cleanup=False)),
        [2, 1, 0, 3, 4],
    )
    ends = {"play<e>": 0, "ga": 1, "me<e>": 2, "x</w>": 3}
    yield "other suffix", _with(models.BPE(ends, []), decoders.BPEDecoder("<e>")), [0, 1, 2, 3]
    space = {"_a": 0, "_b": 1, "c": 2, "▁": 3}
    yield "other space", _with(models.WordLevel(space, unk_token="c"), decoders.Metaspace("_")), [0, 2, 1, 3]
    replaced = decoders.Sequence(
        [decoders.Replace("_", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    yield "replaced", _with(models.WordLevel(space, unk_token="c"), replaced), [0, 2, 1, 3]
    letters = {"a": 0, "b": 1, "|": 2, "<pad>": 3}
    yield (
        "sound",
        _with(models.WordLevel(letters, unk_token="a"), decoders.CTC("<pad>", "|", True)),
        [0, 1, 2, 1, 0],
    )


@pytest.mark.parametrize("as_file", [True, False])
@pytest.mark.parametrize(
    ("name", "made", "ids"), list(_stated()), ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_a_tokenizer_states_of_its_marks_goes_before_any_guess(tmp_path, name, made, ids, as_file):
    """Against the package's own decoder."""
    made.save(str(tmp_path / "tokenizer.json"))
    found = vocabulary(tmp_path / "tokenizer.json" if as_file else made)
    assert "".join(found.read(ids).pieces).strip() == made.decode(ids).strip()


def test_bytes_are_read_as_bytes_though_no_token_of_the_vocabulary_shows_it(tmp_path):
    made = _byte_level()
    made.save(str(tmp_path / "tokenizer.json"))
    found = vocabulary(tmp_path / "tokenizer.json")
    ids = made.encode("Grüße, 日本").ids
    assert found.style == "bytes"
    assert "".join(found.read(ids).pieces) == made.decode(ids) == "Grüße, 日本"


def test_the_model_states_the_prefix_where_there_is_no_decoder(tmp_path):
    words = {"~~ing": 0, "play": 1, "the": 2}
    made = Tokenizer(models.WordPiece(words, unk_token="the", continuing_subword_prefix="~~"))
    made.save(str(tmp_path / "tokenizer.json"))
    found = vocabulary(tmp_path / "tokenizer.json")
    assert (found.style, found.mark) == ("wordpiece", "~~")
    assert "".join(found.read([2, 1, 0]).pieces) == " the playing"


@pytest.mark.parametrize(
    "decoder",
    [
        None,
        5,
        [],
        {},
        {"type": 7},
        {"type": "Other"},
        {"type": "WordPiece", "prefix": 3},
        {"type": "Sequence", "decoders": 1},
        {"type": "Replace", "pattern": {"Regex": "x"}, "content": " "},
        {"type": ["WordPiece"]},
    ],
    ids=str,
)
def test_a_decoder_that_states_nothing_leaves_the_guess(tmp_path, decoder):
    found = {"model": {"type": "WordPiece", "vocab": {"##ing": 0, "play": 1}}, "decoder": decoder}
    (tmp_path / "tokenizer.json").write_text(json.dumps(found))
    assert "".join(vocabulary(tmp_path / "tokenizer.json").read([1, 0]).pieces) == " playing"


def test_words_that_end_with_a_sign_in_bytes_as_clips_do(tmp_path):
    found = {
        "model": {"type": "BPE", "vocab": {"a</w>": 0, "ph": 1, "oto</w>": 2}, "end_of_word_suffix": "</w>"},
        "decoder": {"type": "ByteLevel"},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(found))
    assert "".join(vocabulary(tmp_path / "tokenizer.json").read([0, 1, 2]).pieces) == "a photo "
