"""Models without a Python class: exported programs (.pt2) and TorchScript archives, read so that nothing runs."""

from __future__ import annotations

import contextlib
import json
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.errors import InputError, one_line
from reportgen.units import shorten

if TYPE_CHECKING:
    import torch

SUFFIXES = (".pt2", ".ts", ".torchscript", ".pt", ".pth")
LARGEST = 1 << 30  # bytes of JSON that a program's graph may have

# What a graph may call. A name is looked up attribute by attribute when the file is read, so that any other
# could lead anywhere (`torch.os.system`).
_TARGETS = re.compile(
    r"torch\.ops\.(aten|prims?|quantized|quantized_decomposed|higher_order|_c10d_functional)(\.\w+)+"
    r"|_operator\.\w+|math\.\w+|torch\.sym_\w+|torch\._sym_sqrt"
)
_FILES = frozenset(("from_file", "save", "load"))
# Sizes are expressions that are evaluated: numbers, symbols and these functions alone.
_WORDS = re.compile(
    "Max|Min|Eq|Ne|Ge|Gt|Le|Lt|And|Or|Not|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|CeilToInt|FloorToInt|ToFloat|"
    "IntTrueDiv|FloatTrueDiv|TruncToInt|TruncToFloat|RoundToInt|PowByNatural|FloatPow|Pow|Abs|Integer|Identity|"
    "ModularIndexing|Where|True|False|int_oo|oo|(s|u|f|zf|zuf|i)[0-9]+"
)
_SYMBOL = re.compile(r"Symbol\('(s|u|f|zf|zuf|i)[0-9]+'(, [a-z_]+=(True|False))*\)")
_EXPRESSION = re.compile(r"(\d+(\.\d+)?(e[+-]?\d+)?|[A-Za-z_]\w*|[\s()+\-*/,<>=!&|~%])*")


def is_program(text: str) -> bool:
    """Whether `model` names a file rather than code: by its suffix, a path with a colon apart."""
    return text.lower().endswith(SUFFIXES)


def load(path: Path) -> Any:
    """The ExportedProgram or ScriptModule in a file, on the CPU. Raises InputError where there is none."""
    if not path.is_file():
        raise InputError(f"model: {str(path)!r} is not a file")
    members = _members(path)
    if any(name.endswith("constants.pkl") for name in members) and any("/code/" in name for name in members):
        return _script(path)
    if path.suffix.lower() == ".pt2":
        return _exported(path)
    raise InputError(
        f"model: {shorten(str(path), 200)!r} holds weights or something else, expected an exported program (.pt2) "
        "or a TorchScript archive",
        "a file of weights goes with weights (--weights), the code that builds the model with model",
    )


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"model: {shorten(str(path), 200)!r} can't be read: {one_line(error)}") from error


def _script(path: Path) -> Any:
    """TorchScript has an unpickler of its own, in C++, that knows tensors and plain values alone."""
    import torch

    try:
        return torch.jit.load(str(path), map_location="cpu")
    except Exception as error:
        raise InputError(
            f"model: {shorten(str(path), 200)!r} is no TorchScript that loads: {one_line(error)}"
        ) from error


def _exported(path: Path) -> torch.export.ExportedProgram:
    import torch

    _check(path)
    try:
        with _no_pickles():
            return torch.export.load(str(path))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"model: {shorten(str(path), 200)!r} is no exported program that loads: {one_line(error)}",
            "export it with this version of torch: torch.export.save(torch.export.export(model, inputs), path)",
        ) from error


# --- what a file may say ------------------------------------------------------------------------------


def _check(path: Path) -> None:
    """Refuse a graph that names other functions than operators, or sizes that are more than arithmetic."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".json"):
                continue
            if member.file_size > LARGEST:
                raise InputError(f"model: {member.filename!r} in it is larger than a graph can be")
            try:
                content = json.loads(archive.read(member))
            except (ValueError, RecursionError, zipfile.BadZipFile) as error:
                raise InputError(f"model: {member.filename!r} in it is no JSON: {one_line(error)}") from None
            for key, value in _texts(content):
                if not _harmless(key, value):
                    said = shorten(repr(value), 80)
                    raise InputError(
                        f"model: the graph wants {said}, which is no operator or size; it was not loaded"
                    )


def _texts(content: Any) -> Iterator[tuple[str, str]]:
    """Every (key, text) in nested JSON."""
    waiting = [("", content)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, item) for item in value]


def _harmless(key: str, value: str) -> bool:
    if key in ("target", "as_operator"):
        return bool(_TARGETS.fullmatch(value)) and not _FILES.intersection(value.split("."))
    if key == "expr_str":
        value = _SYMBOL.sub("s0", value)
        words = re.findall(r"[A-Za-z_]\w*", value)
        return bool(_EXPRESSION.fullmatch(value)) and all(map(_WORDS.fullmatch, words))
    return True


@contextlib.contextmanager
def _no_pickles() -> Iterator[None]:
    """Tensors are read as data alone; torch would fall back to running a pickle where that fails."""
    import torch

    load, loads = torch.load, pickle.loads

    def as_data(*args: Any, **kwargs: Any) -> Any:
        return load(*args, **{**kwargs, "weights_only": True, "map_location": "cpu"})

    def refused(*_: Any, **__: Any) -> Any:
        raise InputError("model: the file holds a pickled object, which could run code; it was not loaded")

    torch.load, pickle.loads = as_data, refused
    try:
        yield
    finally:
        torch.load, pickle.loads = load, loads
