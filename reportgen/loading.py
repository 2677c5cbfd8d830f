"""References like package.module:name and path/file.py:name -> the model, data and names they stand for."""

from __future__ import annotations

import contextlib
import difflib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from reportgen.config import REFERENCE, Config, check_templates, is_file
from reportgen.errors import RAISED, InputError, one_line, working_folder
from reportgen.logs import Log, compiled
from reportgen.programs import is_program, load
from reportgen.units import shorten
from reportgen.weights import load_weights
from reportgen.weights import sha256 as sha256

if TYPE_CHECKING:
    from torch import nn

NEAR = 5  # names listed where one was not found


@dataclass(frozen=True)
class Reference:
    """A name in a module or in a file; `key` is what it was given for."""

    key: str
    place: str
    name: str

    @property
    def is_file(self) -> bool:
        """Whether `place` is a file rather than a module."""
        return self.place.endswith(".py")

    def __str__(self) -> str:
        return f"{self.place}:{self.name}"


def parse(key: str, text: str) -> Reference:
    """A reference from its text; the last colon parts place and name, so C:\\exp.py:build is one.

    Raises InputError.
    """
    place, _, name = text.rpartition(":")
    if not (_is_dotted(place) or place.endswith(".py")) or not _is_dotted(name):
        hint = "without the parentheses" if name.endswith("()") else ""
        if text.lower().endswith((".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pt2")):
            hint = (
                "a file of weights goes with weights (--weights), the code that builds the model with model"
            )
        raise InputError(f"{key}: got {shorten(text, 200)!r}, expected {REFERENCE}", hint)
    return Reference(key, place, name)


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


@contextlib.contextmanager
def importable(folders: Sequence[Path], *, last: bool = False) -> Iterator[None]:
    """Make the modules in these folders importable inside, before all others unless `last`."""
    before = list(sys.path)
    # A relative one is nowhere where the working folder was deleted.
    found = [str(folder.resolve()) for folder in folders if folder.is_absolute() or working_folder()]
    sys.path[:] = [*before, *found] if last else [*found, *before]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


def load_model(reference: Reference, folders: Sequence[Path]) -> nn.Module:
    """The module of that name, or what the class or function of that name builds. Raises InputError."""
    from torch import nn

    value = load_object(reference, folders)
    if not isinstance(value, nn.Module) and callable(value):
        value = _called(reference, value, folders)
    if not isinstance(value, nn.Module):
        raise _wrong_type(reference, value, "a torch.nn.Module, its class, or a function that builds one")
    return value


def load_data(reference: Reference, folders: Sequence[Path]) -> Any:
    """The data of that name, or what the class or function of that name makes. Raises InputError."""
    from reportgen.samples import EXPECTED

    value = load_object(reference, folders)
    if callable(value) and (isinstance(value, type) or not _is_data(value)):
        value = _called(reference, value, folders)
    if not _is_data(value):
        raise _wrong_type(reference, value, EXPECTED)
    return value


def _is_data(value: Any) -> bool:
    from torch.utils.data import DataLoader, Dataset

    if isinstance(value, str | bytes | dict):
        return False
    indexed = hasattr(value, "__getitem__") and hasattr(value, "__len__")
    return isinstance(value, DataLoader | Dataset) or indexed or hasattr(value, "__array__")


def load_inputs(reference: Reference, folders: Sequence[Path]) -> Any:
    """The tensor, tuple or dict of that name, or what the function of that name makes. Raises InputError."""
    value = load_object(reference, folders)
    value = _called(reference, value, folders) if callable(value) else value
    if not isinstance(value, tuple | list | dict) and not hasattr(value, "__array__"):
        raise _wrong_type(reference, value, "a tensor, a tuple or a dict of them")
    return value


def load_tokenizer(given: str, folders: Sequence[Path]) -> Any:
    """The path of a file or folder, or what a reference names; a function or class of it is called.

    Raises InputError.
    """
    if Path(given).exists():
        return given
    if ":" not in given:
        raise InputError(
            f"tokenizer: {shorten(given, 200)!r} does not exist", f"give a file, a folder, or {REFERENCE}"
        )
    reference = parse("tokenizer", given)
    value = load_object(reference, folders)
    known = ("convert_ids_to_tokens", "id_to_token", "decode")
    ready = not isinstance(value, type) and any(hasattr(value, name) for name in known)
    return value if ready or not callable(value) else _called(reference, value, folders)


def load_names(key: str, given: str | list[str | int], folders: Sequence[Path]) -> list[str]:
    """Names from a list, a text file with a name a line, a text with commas, or a reference. Raises InputError."""
    if isinstance(given, list):
        return [str(name) for name in given]
    if is_file(Path(given)):
        return _lines(key, Path(given))
    if "," in given:
        return [name.strip() for name in given.split(",")]
    if ":" in given:
        reference = parse(key, given)
        value = load_object(reference, folders)
        value = _called(reference, value, folders) if callable(value) else value
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise _wrong_type(reference, value, "a list of names")
        return [str(name) for name in value]
    if given.endswith(".txt") or "/" in given or "\\" in given:
        raise InputError(
            f"{key}: {shorten(given, 200)!r} is not a file", "give a text file with a name a line"
        )
    return [given.strip()]


def _lines(key: str, path: Path) -> list[str]:
    try:
        names = path.read_text("utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{key}: {str(path)!r} can't be read as text: {one_line(error)}") from error
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise InputError(f"{key}: line {number} of {str(path)!r} is empty, expected a name a line")
    if not names:
        raise InputError(f"{key}: {str(path)!r} is empty, expected a name a line")
    return [name.strip() for name in names]


def load_object(reference: Reference, folders: Sequence[Path]) -> Any:
    """The object of that name. Raises InputError where there is none."""
    with importable([*_beside(reference), *folders]):
        try:
            value: Any = _file(reference) if reference.is_file else importlib.import_module(reference.place)
        except InputError:
            raise
        except RAISED as error:
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and not reference.is_file and f"{reference.place}.".startswith(f"{missing}."):
                said = f"{reference.key}: got {str(reference)!r}, but there is no module {missing!r}"
                raise InputError(said, "run reportgen in the folder that holds it, or install it") from error
            raise _raised(reference, "when imported", error) from error
        for part in reference.name.split("."):
            value = _attribute(reference, value, part)
    return value


def _beside(reference: Reference) -> list[Path]:
    return [Path(reference.place).parent] if reference.is_file else []


def _file(reference: Reference) -> ModuleType:
    """The file as a module, run once however often it is referred to."""
    path = Path(reference.place).resolve()
    if not path.is_file():
        raise InputError(f"{reference.key}: got {str(reference)!r}, but there is no file {reference.place!r}")
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: data classes and pickles look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's own name, or one beside it: a user's lime.py must not stand in for the library."""
    stem = path.stem.replace(".", "_")
    name, count = stem, 1
    while not _is_free(name, path):
        count += 1
        name = f"{stem}_{count}"
    return name


def _is_free(name: str, path: Path) -> bool:
    known = sys.modules.get(name)
    if known is not None:
        return getattr(known, "__file__", None) == str(path)
    elsewhere = [place for place in sys.path if _resolved(place or ".") != path.parent]
    builtin = name in sys.builtin_module_names
    return not builtin and importlib.machinery.PathFinder.find_spec(name, elsewhere) is None


def _resolved(place: str) -> Path | None:
    try:
        return Path(place).resolve()
    except OSError:  # the working folder was deleted
        return None


def _attribute(reference: Reference, value: Any, part: str) -> Any:
    try:
        return getattr(value, part)
    except AttributeError:
        names = [name for name in dir(value) if not name.startswith("_")]
        near = difflib.get_close_matches(part, names, n=NEAR, cutoff=0.5)
        hint = f"near it: {', '.join(near)}" if near else ""
        raise InputError(
            f"{reference.key}: got {str(reference)!r}, but {reference.place!r} holds no {part!r}", hint
        ) from None
    except Exception as error:
        raise _raised(reference, "when looked up", error) from error


def _called(reference: Reference, function: Callable[[], Any], folders: Sequence[Path]) -> Any:
    with importable([*_beside(reference), *folders]):
        try:
            return function()
        except RAISED as error:
            raise _raised(reference, "when called without arguments", error) from error


def _raised(reference: Reference, when: str, error: BaseException) -> InputError:
    return InputError(f"{reference.key}: {reference} raised {when}: {one_line(error)}")


def _wrong_type(reference: Reference, value: Any, expected: str) -> InputError:
    return InputError(f"{reference.key}: {reference} gives {type(value).__name__}, expected {expected}")


def arguments(config: Config, folders: Sequence[Path]) -> dict[str, Any]:
    """What `collect` is called with. Modules are looked for in `folders` too. Raises InputError."""
    _check_paths(config)
    if config.model or config.data or config.example_inputs:
        from reportgen.guard import seed_all

        seed_all(config.seed)  # a model built without weights is then the same each time
    given: dict[str, Any] = {}
    if config.model is not None:
        program = is_program(config.model)
        given["model"] = (
            load(Path(config.model), trust=config.trust)
            if program
            else load_model(parse("model", config.model), folders)
        )
    if config.weights is not None:
        given["weights"] = load_weights(given["model"], Path(config.weights))
    if config.data is not None:
        given["data"] = load_data(parse("data", config.data), folders)
    if config.example_inputs is not None:
        given["example_inputs"] = load_inputs(parse("example_inputs", config.example_inputs), folders)
    for key in ("class_names", "feature_names"):
        if getattr(config, key) is not None:
            given[key] = load_names(key, getattr(config, key), folders)
    if config.tokenizer is not None:
        given["tokenizer"] = load_tokenizer(config.tokenizer, folders)
    given["autograd"], given["layers"] = config.autograd or "", config.layers or ()
    as_said = ("logs", "task", "modality", "normalization", "facts", "title", "sections", "samples", "seed")
    more = (
        "target",
        "explain",
        "methods",
        "checks",
        "categorical",
        "sample_rate",
        "log_pattern",
        "device",
        "time_limit",
        "profile",
        "show_attrs",
        "show_saved",
        "redact",
    )
    return given | {key: getattr(config, key) for key in (*as_said, *more)}


def _check_paths(config: Config) -> None:
    """Mistakes that can be seen at once, before anything is loaded. Raises InputError."""
    if config.weights is not None and config.model is not None and is_program(config.model):
        raise InputError(f"weights: got {config.weights!r}, but {config.model!r} holds its own weights")
    if config.weights is not None and config.model is None:
        raise InputError(
            f"weights: got {config.weights!r} and no model, expected a model to load them into (--model)"
        )
    if config.weights is not None and not Path(config.weights).exists():
        raise InputError(f"weights: {config.weights!r} does not exist")
    for log in config.logs or []:
        Log.parse(log).check()
    if config.log_pattern is not None:
        compiled(config.log_pattern)
    check_templates(config.templates)
