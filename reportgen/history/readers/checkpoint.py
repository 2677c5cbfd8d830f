"""A training history inside a checkpoint: lists of numbers that a script kept beside its weights."""

from __future__ import annotations

import importlib
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from reportgen.errors import one_line
from reportgen.history.model import Reading
from reportgen.history.readers.base import HEAD, NothingLoggedError, Reader, UnreadableError
from reportgen.history.readers.kept import found_in
from reportgen.units import show

_SUFFIXES = (".pt", ".pth", ".ckpt")
_WORDS = re.compile(rb"(?i)histor|loss|accura|metric|log_|_acc|val_|train_")
_LARGEST_INDEX = 16 << 20  # bytes of the pickle within: tensors lie outside it
_LARGEST_OLD = 64 << 20  # bytes of a file of the old layout, which has to be read in full
_OLD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_EXPECTED = "expected a dict with lists of numbers, such as history['loss']"


def recognise(path: Path, head: bytes) -> str | None:
    """By the names in its pickle, which is read as bytes: a zip of torch.save, or its older layout.

    Of a zip only the directory and the pickle are looked at, whatever the tensors weigh.
    """
    if head.startswith(b"PK\x03\x04"):
        found = _WORDS.search(_index(path))
    elif head.startswith(_OLD):
        found = _WORDS.search(head[:HEAD])
    else:
        return None
    return f"saved by torch.save, with a name like {found[0].decode()!r} in it" if found else None


def _index(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.rpartition("/")[2] == "data.pkl" and member.file_size <= _LARGEST_INDEX:
                    return archive.read(member)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, RuntimeError):
        pass
    return b""


def read(path: Path) -> Reading:
    """Every list of numbers outside of optimizer, weights and settings. Raises UnreadableError, OSError."""
    found = _loaded(path)
    history = found_in(found)
    if history is None:
        raise NothingLoggedError(f"no history in it: {_EXPECTED}")
    return history


def _loaded(path: Path) -> Any:
    """What torch.save wrote, by torch's unpickler for weights alone; tensors stay on the disk where they can."""
    import torch

    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    size = path.stat().st_size
    if zipped:
        _check_stored(path)
    if not zipped and size > _LARGEST_OLD:
        raise NothingLoggedError(
            f"in torch's old layout and {show(size, 'bytes')} large, which would be read in full: not looked at"
        )
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_numpy_numbers()):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        what = (
            f"wants {wanted[1]}, which is more than numbers and weights"
            if wanted
            else "is no sound file of torch.save"
        )
        raise UnreadableError(f"it {what}, and was not loaded: that could run anything") from None
    except OSError:
        raise
    except Exception as error:
        raise UnreadableError(f"damaged, or nothing that torch.save wrote: {one_line(error)}") from error


def _check_stored(path: Path) -> None:
    """torch.save stores what it writes as it is: what is packed may unpack to anything. Raises UnreadableError."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise UnreadableError(f"damaged, or nothing that torch.save wrote: {one_line(error)}") from error
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise UnreadableError("its parts are compressed, as torch.save never writes them: not loaded")
    pickles = sum(member.file_size for member in members if member.filename.endswith(".pkl"))
    if pickles > _LARGEST_INDEX:
        raise NothingLoggedError(
            f"its pickle has {show(pickles, 'bytes')}, more than the {show(_LARGEST_INDEX, 'bytes')} of a history"
        )


def _numpy_numbers() -> list[Any]:
    """What a NumPy number is pickled with: losses are often means of NumPy's."""
    import numpy as np

    kinds = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)
    multiarray: Any = importlib.import_module(
        "numpy._core.multiarray" if hasattr(np, "_core") else "numpy.core.multiarray"
    )
    old_name = (multiarray.scalar, "numpy.core.multiarray.scalar")
    return [multiarray.scalar, old_name, np.dtype, *(type(np.dtype(kind)) for kind in kinds)]


def _run_folder(path: Path) -> Path:
    """Checkpoints lie in the run's folder, or in one of their own below it."""
    return path.parent.parent if path.parent.name in ("checkpoints", "ckpts", "weights") else path.parent


READER = Reader(
    name="history in a checkpoint",
    likely=lambda path: path.suffix.lower() in _SUFFIXES,
    recognise=recognise,
    read=read,
    by="pattern",
    snapshots=True,
    run_folder=_run_folder,
)
