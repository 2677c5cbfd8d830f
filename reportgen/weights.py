"""Weights from a file into a model: read as data, never run, keys compared before anything is changed."""

from __future__ import annotations

import hashlib
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.errors import InputError, one_line
from reportgen.experiment import Weights
from reportgen.units import plural

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
NESTED = ("state_dict", "model_state_dict", "model", "module")
PREFIXES = ("module.", "model.", "_orig_mod.")  # DataParallel, Lightning, torch.compile
SHOWN = 8
_MEND = "save the state dict alone, with torch.save(model.state_dict(), ...) or as .safetensors"


class State(dict[str, "Tensor"]):
    """Tensors by name. `_metadata` is where torch keeps the versions of the modules they are from."""

    def __init__(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
        super().__init__(tensors)
        self._metadata = dict(metadata)


def load_weights(model: nn.Module, path: Path) -> Weights:
    """Load the file's weights into the model, every key of them, and say what was done to the keys.

    .safetensors, or .pt, .pth, .ckpt and .bin through torch's unpickler for weights alone. Raises
    InputError where the file is something else, or doesn't fit; part of it may then be loaded.
    """
    found = read_weights(path)
    state, notes = _unnested(found, path)
    state, renamed = _fitted(state, set(model.state_dict()))
    state, shared = _with_shared(model, state)
    # Torch is the judge of what fits: a model may bring old keys up to date as it loads them.
    misfit, casts = _misfit(model, state), _casts(model, state)
    try:
        model.load_state_dict(state, strict=True, assign=False)
    except Exception as error:
        why = misfit or one_line(error)
        raise InputError(f"weights: {path.name!r} does not fit {type(model).__name__}: {why}") from error
    return Weights(path.name, sha256(path), (*notes, *renamed, *shared, *casts))


def read_weights(path: Path) -> Any:
    """What the file holds, as tensors on the CPU. Raises InputError."""
    if not path.is_file():
        raise InputError(
            f"weights: {str(path)!r} is not a file", f"give a file that ends in {', '.join(SUFFIXES)}"
        )
    suffix = path.suffix.lower()
    if suffix not in (*SUFFIXES, ".pt2"):
        raise InputError(f"weights: got {path.name!r}, expected a file that ends in {', '.join(SUFFIXES)}")
    _refuse_programs(path)
    try:
        return _safetensors(path) if suffix == ".safetensors" else _torch(path)
    except InputError:
        raise
    except Exception as error:
        said = f"weights: {path.name!r} is damaged, or no file of weights: {one_line(error)}"
        raise InputError(said, _pointer(path) or _MEND) from error


def _refuse_programs(path: Path) -> None:
    """Raise InputError for what holds a program beside its weights: TorchScript and torch.export archives."""
    names = _members(path)
    parts = {name.partition("/")[2] or name for name in names}
    if path.suffix.lower() == ".pt2" or any(
        "serialized_exported_program" in p or "archive_format" in p for p in parts
    ):
        kind = "a program saved by torch.export"
    elif "constants.pkl" in parts or any(part.startswith("code/") for part in parts):
        kind = "a TorchScript program"
    else:
        return
    raise InputError(f"weights: {path.name!r} is {kind}, expected weights", _MEND)


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def _safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(path, device="cpu")


def _torch(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch warns of here is an error that follows, or old news
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted:
            said = (
                f"holds more than weights (it wants {wanted[1]}) and was not loaded: that could run anything"
            )
        else:
            said = "is no file that torch.save wrote, or a pickle that wants more than weights; it was not loaded"
        raise InputError(f"weights: {path.name!r} {said}", _pointer(path) or _MEND) from error


def _pointer(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            return "it is a Git LFS pointer: fetch the file itself with git lfs pull"
    return ""


def _unnested(found: Any, path: Path) -> tuple[State, list[str]]:
    """The state dict, from under the usual keys where it lies deeper."""
    notes: list[str] = []
    while isinstance(found, Mapping):
        key = next((key for key in NESTED if isinstance(found.get(key), Mapping)), None)
        if key is None:
            break
        found, notes = found[key], [*notes, f"read from under the key {key!r}"]
    if not isinstance(found, Mapping) or not any(
        hasattr(value, "untyped_storage") for value in found.values()
    ):
        what = _listing([str(key) for key in found]) if isinstance(found, Mapping) else type(found).__name__
        raise InputError(
            f"weights: {path.name!r} holds no state dict ({what or 'nothing'}), expected tensors by name, "
            f"as they are or under {', '.join(NESTED)}",
            _MEND,
        )
    tensors = {str(key): value for key, value in found.items()}
    return State(tensors, getattr(found, "_metadata", {})), notes


def _fitted(state: State, expected: set[str]) -> tuple[State, list[str]]:
    """The keys without the prefixes that wrappers leave, where more of them match that way."""
    best, stripped = state, ""
    versions = state._metadata
    for prefixes in _stripping():
        if len(best.keys() & expected) == len(state):
            break
        names = [_without(key, prefixes) for key in state]
        if len(set(names)) == len(names) and len(expected.intersection(names)) > len(best.keys() & expected):
            metadata = {
                _without(f"{key}.", prefixes).removesuffix("."): item for key, item in versions.items()
            }
            best, stripped = State(dict(zip(names, state.values(), strict=True)), metadata), "".join(prefixes)
    if not stripped:
        return state, []
    count = sum(old != new for old, new in zip(state, best, strict=True))
    return best, [f"prefix {stripped!r} stripped from {plural(count, 'key')}"]


def _stripping() -> Iterator[tuple[str, ...]]:
    for depth in (1, 2, 3):
        yield from product(PREFIXES, repeat=depth)


def _without(key: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        if prefix == "_orig_mod.":  # a compiled submodule leaves it within
            key = key.removeprefix(prefix).replace("." + prefix, ".")
        else:
            key = key.removeprefix(prefix)
    return key


def _with_shared(model: nn.Module, state: State) -> tuple[State, list[str]]:
    """Tied weights are saved once by safetensors: the other names get the same tensor."""
    own = model.state_dict()
    places = {_place(own[key]): key for key in state if key in own and _place(own[key])}
    tied = {
        key: places[_place(value)]
        for key, value in own.items()
        if key not in state and _place(value) in places
    }
    notes = [f"{key} is tied to {other}" for key, other in tied.items()]
    return State({**state, **{key: state[other] for key, other in tied.items()}}, state._metadata), notes


def _place(tensor: Any) -> Any:
    """What two names of one tensor share; None where it has no memory of its own yet."""
    if not _sized(tensor) or not tensor.numel() or tensor.is_meta:
        return None
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _sized(value: Any) -> bool:
    from torch.nn.parameter import is_lazy

    return hasattr(value, "untyped_storage") and not is_lazy(value)


def _misfit(model: nn.Module, state: State) -> str:
    """What keeps the state dict from the model, in one line; empty where it fits."""
    own = model.state_dict()
    shapes = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in own.items()
        if key in state and _sized(value) and _sized(state[key]) and state[key].shape != value.shape
    ]
    groups = {
        "missing": [key for key in own if key not in state],
        "unexpected": [key for key in state if key not in own],
        "of another shape": shapes,
    }
    lines = [f"{plural(len(keys), 'key')} {what} ({_listing(keys)})" for what, keys in groups.items() if keys]
    return "; ".join(lines)


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _casts(model: nn.Module, state: State) -> list[str]:
    """A note for each pair of types that the weights are cast between."""
    counts: dict[tuple[str, str], int] = {}
    for key, value in model.state_dict().items():
        if key in state and _sized(value) and _sized(state[key]) and state[key].dtype != value.dtype:
            pair = str(state[key].dtype).removeprefix("torch."), str(value.dtype).removeprefix("torch.")
            counts[pair] = counts.get(pair, 0) + 1
    return [f"{plural(count, 'tensor')} cast from {old} to {new}" for (old, new), count in counts.items()]


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
