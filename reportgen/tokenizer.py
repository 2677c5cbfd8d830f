"""Any kind of tokenizer or vocabulary as a Vocabulary. No code of a tokenizer's folder is run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reportgen.errors import InputError, one_line
from reportgen.units import plural
from reportgen.vocabulary import Vocabulary, named

EXPECTED = (
    "a tokenizer, a vocabulary (a dict of tokens to ids, or a list of tokens), a function of an id, a "
    "tokenizer.json, a text or JSON file of a vocabulary, or a folder of these"
)
_NESTED = 8  # decoders within decoders
_ROLES = ("pad", "unk", "cls", "sep", "mask", "bos", "eos")


def vocabulary(given: Any) -> Vocabulary:
    """What `given` (see EXPECTED) knows of its tokens. Raises InputError."""
    if isinstance(given, str | Path):
        path = Path(given)
        if path.is_dir():
            return _folder(path)
        if path.is_file():
            return _file(path, {})
        raise InputError(f"tokenizer: {str(given)!r} does not exist", f"give {EXPECTED}")
    if isinstance(given, Mapping):
        return _mapping(given, "a vocabulary of")
    if isinstance(given, list | tuple):
        return _listed(given, "a vocabulary of")
    if hasattr(given, "convert_ids_to_tokens"):
        return _transformers(given)
    if hasattr(given, "id_to_token"):
        return _tokenizers(given)
    if callable(getattr(given, "decode", None)):
        return Vocabulary(type(given).__name__, lambda number: _asked(given.decode, number))
    if callable(given) and not isinstance(given, type):
        return Vocabulary("a function of token ids", lambda number: _asked(given, number))
    raise InputError(f"tokenizer: got {type(given).__name__}, expected {EXPECTED}")


def _asked(decode: Any, number: int) -> str | None:
    """What a stranger's function says of one id, given alone or in a list; None where it says nothing."""
    for argument in ([number], number):
        try:
            text = decode(argument)
        except Exception:  # noqa: BLE001 - what it can't decode has no text
            continue
        if isinstance(text, list) and len(text) == 1:
            text = text[0]
        if isinstance(text, str):
            return text
    return None


def _transformers(given: Any) -> Vocabulary:
    roles = {role: getattr(given, f"{role}_token_id", None) for role in _ROLES}
    known = {role: int(number) for role, number in roles.items() if number is not None}
    special = {int(number) for number in getattr(given, "all_special_ids", ())}
    try:
        tokens = {int(number): str(text) for text, number in given.get_vocab().items()}
    except Exception:  # noqa: BLE001 - some have no list of their tokens
        convert = given.convert_ids_to_tokens
        marks = frozenset(special) - {known.get("unk", -1)}
        return Vocabulary(type(given).__name__, lambda number: _asked(convert, number), known, marks)
    said = f"{type(given).__name__} of {plural(len(tokens), 'token')}"
    return Vocabulary.of(tokens, said, known, special, _stated_by(getattr(given, "backend_tokenizer", None)))


def _tokenizers(given: Any) -> Vocabulary:
    tokens = {int(number): str(text) for text, number in given.get_vocab().items()}
    added = given.get_added_tokens_decoder()
    special = [int(number) for number, token in added.items() if token.special]
    said = f"a tokenizer of {plural(len(tokens), 'token')}"
    return Vocabulary.of(tokens, said, special=special, stated=_stated_by(given))


def _mapping(given: Mapping[Any, Any], said: str) -> Vocabulary:
    """Of tokens to ids, or of ids to tokens."""
    turned = all(isinstance(key, str) for key in given)
    pairs = [(number, text) if turned else (text, number) for text, number in given.items()]
    tokens = {_number(number): text for number, text in pairs if isinstance(text, str)}
    if not tokens or len(tokens) < len(pairs):
        what = "an empty dict" if not pairs else "a dict in which tokens share an id or are no text"
        raise InputError(f"tokenizer: got {what}, expected one of tokens (text) to ids (whole numbers)")
    return Vocabulary.of(tokens, f"{said} {plural(len(tokens), 'token')}")


def _number(value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise InputError(f"tokenizer: got the token id {value!r}, expected a whole number from 0 on")
    return int(value.__index__())


def _listed(given: Sequence[Any], said: str) -> Vocabulary:
    if not given or not all(isinstance(text, str) for text in given):
        raise InputError("tokenizer: got a list, expected one of texts, the token of id 0 first")
    return Vocabulary.of(dict(enumerate(given)), f"{said} {plural(len(given), 'token')}")


def _file(path: Path, roles: Mapping[str, str]) -> Vocabulary:
    """A tokenizer.json, a JSON dict or list, or a text file with a token a line; `roles` tell tokens by role."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"tokenizer: {str(path)!r} can't be read as text: {one_line(error)}") from error
    said = f"{path.name}, a vocabulary of"
    if path.suffix.lower() != ".json":
        lines = text.split("\n")
        return _listed([line.rstrip("\r") for line in (lines if lines[-1] else lines[:-1])], said)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"tokenizer: {str(path)!r} is not JSON: {one_line(error)}") from error
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        return _tokenizer_json(found, path.name, roles)
    if isinstance(found, list):
        return _listed(found, said)
    if isinstance(found, dict):
        return _mapping(found, said)
    raise InputError(f"tokenizer: {str(path)!r} holds {type(found).__name__}, expected {EXPECTED}")


def _tokenizer_json(found: Mapping[str, Any], name: str, roles: Mapping[str, str]) -> Vocabulary:
    """As Hugging Face's tokenizers write it: the model's vocabulary and the tokens added to it."""
    words = found["model"].get("vocab")
    try:
        if isinstance(words, dict):
            tokens = {int(number): str(text) for text, number in words.items()}
        else:
            tokens = {number: str(pair[0]) for number, pair in enumerate(words)}
        added = {int(token["id"]): token for token in found.get("added_tokens") or ()}
        tokens |= {number: str(token["content"]) for number, token in added.items()}
        special = [number for number, token in added.items() if token.get("special")]
    except (TypeError, ValueError, KeyError, IndexError) as error:
        said = f"tokenizer: {name} holds no vocabulary that can be read: {one_line(error)}"
        raise InputError(said, f"give {EXPECTED}") from error
    numbers = {text: number for number, text in tokens.items()}
    known = {role: numbers[text] for role, text in roles.items() if text in numbers}
    said = f"{name}, {plural(len(tokens), 'token')}"
    roles_ = known or named({n: tokens[n] for n in special or tokens})
    return Vocabulary.of(tokens, said, roles_, special, stated(found))


def stated(found: Mapping[str, Any]) -> tuple[str, str] | None:
    """The style and the mark that a tokenizer.json states, by its decoder, else by its model; None for neither."""
    model = found.get("model")
    model = model if isinstance(model, Mapping) else {}
    suffix, prefix = _text(model, "end_of_word_suffix"), _text(model, "continuing_subword_prefix")
    said = _decoder(found.get("decoder"), 0)
    if said is not None:
        return (said[0], suffix) if said[0] == "bytes" else said
    if suffix:
        return "ended", suffix
    return ("wordpiece", prefix) if prefix else None


def _decoder(found: Any, depth: int) -> tuple[str, str] | None:
    """What a decoder does to the tokens; None for one that says nothing of where words begin."""
    if not isinstance(found, Mapping):
        return None
    kind = found.get("type")
    if kind == "Sequence" and isinstance(found.get("decoders"), list) and depth < _NESTED:
        parts = (_decoder(one, depth + 1) for one in found["decoders"])
        return next((one for one in parts if one is not None), None)
    if kind == "Replace":  # of the sign for a space by one
        pattern = found.get("pattern")
        sign = _text(pattern, "String") if isinstance(pattern, Mapping) else ""
        return ("metaspace", sign) if sign and found.get("content") == " " else None
    styles = {
        "ByteLevel": ("bytes", ""),
        "WordPiece": ("wordpiece", _text(found, "prefix")),
        "Metaspace": ("metaspace", _text(found, "replacement")),
        "BPEDecoder": ("ended", _text(found, "suffix")),
        "CTC": ("delimited", _text(found, "word_delimiter_token")),
    }
    return styles.get(kind) if isinstance(kind, str) else None


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _stated_by(given: Any) -> tuple[str, str] | None:
    """The same of a tokenizer as an object, which can write itself as a tokenizer.json."""
    try:
        found = json.loads(given.to_str())
    except Exception:  # noqa: BLE001 - one that can't states nothing
        return None
    return stated(found) if isinstance(found, dict) else None


def _folder(path: Path) -> Vocabulary:
    """A folder as Hugging Face's tokenizers are saved to."""
    for name in ("tokenizer.json", "vocab.json", "vocab.txt"):
        if (path / name).is_file():
            return _file(path / name, _saved_roles(path / "tokenizer_config.json"))
    try:
        from transformers import AutoTokenizer
    except ImportError:
        said = f"tokenizer: {str(path)!r} holds no tokenizer.json, vocab.json or vocab.txt"
        raise InputError(said, "install transformers, which reads other kinds") from None
    try:
        return _transformers(
            AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        )
    except Exception as error:
        raise InputError(
            f"tokenizer: {str(path)!r} holds none that can be read: {one_line(error)}"
        ) from error


def _saved_roles(path: Path) -> dict[str, str]:
    """The texts of the tokens with a role, as a tokenizer_config.json has them."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    given = {role: found.get(f"{role}_token") for role in _ROLES}
    texts = {
        role: token.get("content") if isinstance(token, dict) else token for role, token in given.items()
    }
    return {role: text for role, text in texts.items() if isinstance(text, str)}
