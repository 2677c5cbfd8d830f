"""What reportgen.toml and the command line may say, and one clear line for each mistake in them."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from reportgen import outputs
from reportgen.errors import InputError, one_line
from reportgen.logs import Log, exists
from reportgen.programs import is_program
from reportgen.units import shorten

REFERENCE = "package.module:name or path/file.py:name"
_NORMALIZATION = 'means and deviations, one a channel, as "0.5,0.5,0.5;0.2,0.2,0.2" or [[0.5], [0.2]]'
_FACTS = "a table of texts, numbers, dates, true, false, or lists of these"
_NAMES = "names parted by commas, a text file with a name a line, a list, or " + REFERENCE
_FLAGS = {
    "facts": "--fact",
    "sections": "--section",
    "layers": "--layer",
    "methods": "--method",
    "checks": "--check",
}  # one a flag there, all in one key here


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _fact(value: Any) -> str:
    """A fact as text. Raises ValueError for a table within."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_fact(item) for item in value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(_FACTS)


def _normalization(value: Any) -> Any:
    """(mean, std) from "mean;std" or from two lists or numbers. Raises ValueError for anything else."""
    if isinstance(value, str):
        value = [part.split(",") for part in value.split(";")]
    elif isinstance(value, list):
        value = [part if isinstance(part, list) else [part] for part in value]
        if any(isinstance(number, bool | str) for part in value for number in part):
            raise ValueError(_NORMALIZATION)
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError(_NORMALIZATION)
    return tuple(tuple(float(number) for number in part) for part in value)


def _numbers(value: Any) -> Any:
    """[3, 17] from "3,17" too."""
    return [int(part) for part in value.split(",")] if isinstance(value, str) else value


def _categorical(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Words = Annotated[str, Field(min_length=1)]
Many = Annotated[list[Words], BeforeValidator(_listed), Field(min_length=1)]
Names = Words | Annotated[list[str | int], Field(min_length=1)]
Pair = Annotated[tuple[tuple[float, ...], tuple[float, ...]], BeforeValidator(_normalization)]
Fact = Annotated[str, BeforeValidator(_fact)]
Column = Words | int
Categorical = Annotated[list[Column | list[Column]] | dict[str, list[str]], BeforeValidator(_categorical)]
Numbers = Annotated[
    list[Annotated[int, Field(ge=0)]], BeforeValidator(_numbers), Field(min_length=1, max_length=64)
]


class Config(BaseModel):
    """What a report is to be made of. The description of a field is what an error says was expected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: Words | None = Field(None, description=f"{REFERENCE}, or a file: .pt2, or TorchScript")
    weights: Words | None = Field(None, description="a file of weights")
    data: Words | None = Field(None, description=REFERENCE)
    example_inputs: Words | None = Field(None, description=REFERENCE)
    logs: Many | None = Field(None, description="a file or folder of training logs, or a list of them")
    log_pattern: Words | None = Field(None, description="a regular expression with named groups")
    out: Many | None = Field(None, description="a file to write, or a list of them")
    title: Words | None = Field(None, description="a text")
    class_names: Names | None = Field(None, description=_NAMES)
    feature_names: Names | None = Field(None, description=_NAMES)
    categorical: Categorical | None = Field(
        None,
        description="columns parted by commas, a list of columns and one-hot groups, or a table of names",
    )
    task: Literal["classification", "regression"] | None = Field(
        None, description="classification or regression"
    )
    modality: Literal["image", "table", "text", "signal", "spectrogram"] | None = Field(
        None, description="image, table, text, signal or spectrogram"
    )
    normalization: Pair | None = Field(None, description=_NORMALIZATION)
    target: int | Words | None = Field(None, description="the number of an output, or the name of a class")
    tokenizer: Words | None = Field(None, description=f"a file or folder of a tokenizer, or {REFERENCE}")
    sample_rate: float | None = Field(None, gt=0, le=1e9, description="samples a second, as in 16000")
    facts: dict[str, Fact] | None = Field(None, description=_FACTS)
    sections: Many | None = Field(None, description="names of sections (see reportgen sections)")
    samples: int = Field(8, ge=1, le=64, description="a whole number from 1 to 64")
    explain: Numbers | None = Field(None, description="sample numbers, as in 3,17 or [3, 17]")
    methods: Many | None = Field(None, description="names of methods, as in lime or shap-kernel")
    checks: Many | None = Field(None, description="names of checks, as in infidelity or max-sensitivity")
    seed: int = Field(0, ge=0, lt=2**32, description="a whole number from 0 to 4294967295")
    device: Words | None = Field(None, description="cpu, cuda, cuda:0 or mps")
    time_limit: float = Field(300.0, ge=0, description="seconds after which a section fails, 0 for no limit")
    trust: bool = Field(False, description="true or false")
    profile: bool = Field(False, description="true or false")
    autograd: Words | None = Field(None, description="the name of a layer, as in encoder.layers.0")
    show_attrs: bool = Field(False, description="true or false")
    show_saved: bool = Field(False, description="true or false")
    layers: Many | None = Field(None, description="names of layers, as in encoder.layers.0")
    templates: Words | None = Field(None, description="a folder of templates")
    redact: bool = Field(False, description="true or false")
    strict: bool = Field(False, description="true or false")
    quiet: bool = Field(False, description="true or false")
    debug: bool = Field(False, description="true or false")


_PATHS = ("weights", "templates", "out")
_REFERENCES = ("model", "data", "example_inputs")


def read(path: Path) -> Config:
    """A reportgen.toml; its relative paths and file references are meant from its own folder.

    Raises InputError with a line for each mistake.
    """
    if not path.is_file():
        raise InputError(
            f"config: {str(path)!r} is not a file", "give a .toml file, or --model, --data, --logs"
        )
    try:
        given = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {shorten(str(error), 200)}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not TOML: not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read: {one_line(error)}") from None
    said = _validated(given, lambda key: f"{path}: {key}", strict=True)
    return _for_files(said.model_copy(update=_from(path.parent, said.model_dump(exclude_unset=True))))


def from_options(options: Mapping[str, Any]) -> Config:
    """The same from the command line, where every value is text. Raises InputError."""
    given = {key: _text(value) for key, value in options.items() if value is not None and value != []}
    if "facts" in given:
        given["facts"] = dict(_pair(text) for text in given["facts"])
    return _for_files(_validated(given, flag, strict=False))


def _text(value: Any) -> Any:
    """The text that was meant where a C locale made Python take the command line's UTF-8 for ASCII."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _for_files(said: Config) -> Config:
    """The same with its paths as this process's locale spells them; nothing changes where that is UTF-8."""
    update = {}
    for key in (*_PATHS, *_REFERENCES, "logs", "tokenizer"):
        value = getattr(said, key)
        if value is not None:
            update[key] = [_spelt(one) for one in value] if isinstance(value, list) else _spelt(value)
    return said.model_copy(update={key: new for key, new in update.items() if new != getattr(said, key)})


def _spelt(path: str) -> str:
    return os.fsdecode(path.encode("utf-8", "surrogateescape"))


def flag(key: str) -> str:
    """The flag that says on the command line what `key` says in the file."""
    return _FLAGS.get(key, "--" + key.replace("_", "-"))


def merge(file: Config, options: Config) -> Config:
    """Both as one. What the command line says wins; facts win one by one."""
    update = options.model_dump(exclude_unset=True)
    if options.facts:
        update["facts"] = {**(file.facts or {}), **options.facts}
    return file.model_copy(update=update)


def check_outputs(paths: Iterable[str], apart_from: Iterable[str] = ()) -> list[Path]:
    """The files to write, before any work is done; none of them may be one that is read.

    Raises InputError where one can't be meant, PermissionError where its folder is read-only.
    """
    return outputs.check(paths, "--out", apart_from)


def check_templates(folder: str | None) -> None:
    """Raise InputError where templates are to come from what is not a folder."""
    if folder is not None and not Path(folder).is_dir():
        raise InputError(f"templates: got {folder!r}, expected a folder that exists")


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--fact: got {text!r}, expected KEY=VALUE")
    return key.strip(), value.strip()


def _validated(given: Mapping[str, Any], place: Any, *, strict: bool) -> Config:
    try:
        return Config.model_validate(given, strict=strict)
    except ValidationError as error:
        # A union reports each of its arms: one line a key is what a reader needs.
        lines: dict[str, str] = {}
        for item in error.errors(include_url=False, include_context=False):
            key, line = _mistake(item, given, place)
            lines.setdefault(key, line)
        raise InputError("\n".join(lines.values())) from None


def _mistake(item: Any, given: Mapping[str, Any], place: Any) -> tuple[str, str]:
    key, where, value = str(item["loc"][0]), "", given[item["loc"][0]]
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key.lower().replace("-", "_"), Config.model_fields, n=1)
        meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(Config.model_fields)}"
        return key, f"{place(shorten(key))}: unknown key, {meant}"
    if key == "facts" and len(item["loc"]) > 1 and isinstance(value, dict):
        where, value = f".{shorten(str(item['loc'][1]))}", value.get(item["loc"][1], value)
    expected = Config.model_fields[key].description
    return key + where, f"{place(key)}{where}: got {shorten(repr(value), 80)}, expected {expected}"


def _from(folder: Path, said: Mapping[str, Any]) -> dict[str, Any]:
    """The paths in what the file said, as seen from here."""
    update: dict[str, Any] = {}
    for key, value in said.items():
        if key == "logs":
            update[key] = [_log_from(folder, item) for item in value]
        elif key in _PATHS:
            update[key] = (
                [str(folder / item) for item in value] if isinstance(value, list) else str(folder / value)
            )
        elif key == "model" and is_program(value):
            update[key] = str(folder / value)
        elif key in _REFERENCES:
            update[key] = _reference_from(folder, value)
        elif key == "tokenizer":
            is_reference = ":" in value and not (folder / value).exists()
            update[key] = _reference_from(folder, value) if is_reference else str(folder / value)
        elif key in ("class_names", "feature_names") and isinstance(value, str):
            named = "\n" not in value and is_file(folder / value)
            update[key] = str(folder / value) if named else _reference_from(folder, value)
    return update


def _log_from(folder: Path, text: str) -> str:
    inside = str(folder / text)
    return inside if exists(inside) else Log.parse(text).below(folder)


def is_file(path: Path) -> bool:
    """Whether there is such a file; no for what can't be a path at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a list of names may be longer than a file name can be
        return False


def _reference_from(folder: Path, text: str) -> str:
    place, colon, name = text.rpartition(":")
    return f"{folder / place}:{name}" if colon and place.endswith(".py") else text
