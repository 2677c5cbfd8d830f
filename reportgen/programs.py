"""Models without a Python class: exported programs (.pt2) and TorchScript archives, read so that nothing runs."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen import exported_check, script_check
from reportgen.checked_archive import rewrite, root_of
from reportgen.errors import InputError, one_line
from reportgen.units import shorten

if TYPE_CHECKING:
    import torch

SUFFIXES = (".pt2", ".ts", ".torchscript", ".pt", ".pth")


def is_program(text: str) -> bool:
    """Whether `model` names a file rather than code: by its suffix, a path with a colon apart."""
    return text.lower().endswith(SUFFIXES)


def load(path: Path, *, trust: bool = False) -> Any:
    """The ExportedProgram or ScriptModule in a file, on the CPU.

    Only what was looked through is loaded: an archive of the known entries, whose names are plain and whose code calls
    operators that compute. `trust` leaves that out, for a file whose maker is known; pickles are refused all the same.

    Raises InputError where there is no model, and where it could do more than compute.
    """
    if not path.is_file():
        raise InputError(f"model: {str(path)!r} is not a file")
    _, names = root_of(path)
    if "constants.pkl" in names and any(name.startswith("code/") for name in names):
        entries, read = script_check.entries, _script
    elif path.suffix.lower() == ".pt2":
        entries, read = exported_check.entries, _exported
    else:
        raise InputError(
            f"model: {shorten(str(path), 200)!r} holds weights or something else, expected an exported program (.pt2) "
            "or a TorchScript archive",
            "a file of weights goes with weights (--weights), the code that builds the model with model",
        )
    if trust:
        return read(path, path)
    with tempfile.TemporaryDirectory(prefix="reportgen-") as folder:
        checked = Path(folder) / f"model{path.suffix.lower()}"
        rewrite(path, checked, entries)
        return read(checked, path)


def _script(path: Path, given: Path) -> Any:
    """TorchScript has an unpickler of its own, in C++, that knows tensors and plain values alone."""
    import torch

    try:
        return torch.jit.load(str(path), map_location="cpu")
    except Exception as error:
        raise InputError(
            f"model: {shorten(str(given), 200)!r} is no TorchScript that loads: {one_line(error)}"
        ) from error


def _exported(path: Path, given: Path) -> torch.export.ExportedProgram:
    import torch

    try:
        with _no_pickles():
            return torch.export.load(str(path))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"model: {shorten(str(given), 200)!r} is no exported program that loads: {one_line(error)}",
            exported_check.NEWER,
        ) from error


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
