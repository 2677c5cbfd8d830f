"""Tables whose columns are numbers or categories: what was declared, what is seen, and one row of all tensors."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.data import Inputs
from reportgen.errors import InputError

if TYPE_CHECKING:
    import torch

FEW = 10  # distinct whole numbers of a column that are categories, where nobody said what they are
EXPECTED = (
    'columns by name or number, a list of columns for a one-hot group, as in ["sex", ["red", "green"]], '
    'or a dict of a column to its categories\' names, as in {"sex": ["female", "male"]}'
)


@dataclass(frozen=True)
class Category:
    """A categorical feature: one column that holds codes, or several that are one-hot.

    `columns` count through all tensors of the input, the first tensor's first. `names`: of the codes 0, 1, 2, ...
    or of the one-hot columns.
    """

    name: str
    columns: tuple[int, ...]
    names: tuple[str, ...] = ()


Declared = tuple[tuple[Any, tuple[str, ...]], ...]


def declared(given: Any) -> Declared | None:
    """What the user called categorical as pairs (column or columns, names); None where nothing was said.

    Raises InputError.
    """
    if given is None:
        return None
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",")]
    if isinstance(given, Mapping):
        pairs = [(key, value) for key, value in given.items()]
    elif hasattr(given, "__iter__"):
        pairs = [(item, ()) for item in given]
    else:
        raise InputError(f"categorical: got {given!r}, expected {EXPECTED}")
    return tuple((_columns(item), _names(item, names)) for item, names in pairs)


def _columns(item: Any) -> Any:
    if isinstance(item, list | tuple):
        if not item or not all(_is_column(part) for part in item):
            raise InputError(f"categorical: got the group {item!r}, expected names or numbers of columns")
        return tuple(item)
    if not _is_column(item):
        raise InputError(f"categorical: got {item!r}, expected {EXPECTED}")
    return item


def _is_column(item: Any) -> bool:
    return isinstance(item, str | int) and not isinstance(item, bool)


def _names(item: Any, names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise InputError(f"categorical: got {names!r} for {item!r}, expected a list of its categories' names")
    return tuple(str(name) for name in names)


def resolve(said: Declared, columns: Sequence[str], width: int) -> tuple[Category, ...]:
    """The categories among `width` columns of these names. Raises InputError.

    A key of a dict that is no column, while its names are, names the one-hot group of these columns.
    """
    found = []
    for item, names in said:
        if isinstance(item, tuple):
            places = tuple(_place(part, columns, width) for part in item)
            title = " / ".join(_called(place, columns) for place in places[:3])
            found.append(Category(title + (" / …" if len(places) > 3 else ""), places, _all(places, columns)))
        elif item not in columns and names and all(name in columns for name in names):
            places = tuple(_place(name, columns, width) for name in names)
            found.append(Category(str(item), places, names))
        else:
            place = _place(item, columns, width)
            found.append(Category(_called(place, columns), (place,), names))
    taken = [place for category in found for place in category.columns]
    twice = next((place for place in taken if taken.count(place) > 1), None)
    if twice is not None:
        raise InputError(f"categorical: the column {_called(twice, columns)!r} is named twice")
    return tuple(found)


def _all(places: Sequence[int], columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(_called(place, columns) for place in places)


def _called(place: int, columns: Sequence[str]) -> str:
    return columns[place] if place < len(columns) else f"feature {place}"


def _place(item: Any, columns: Sequence[str], width: int) -> int:
    if isinstance(item, str) and item in columns:
        return list(columns).index(item)
    number = int(item) if isinstance(item, int) or item.isdecimal() else -1
    if 0 <= number < width:
        return number
    near = difflib.get_close_matches(str(item), list(columns), n=3, cutoff=0.5)
    hint = f"near it: {', '.join(near)}" if near else f"number the columns from 0 to {width - 1}"
    raise InputError(f"categorical: got {item!r}, which is no column of the input", hint)


def places(inputs: Inputs) -> list[int]:
    """Which of the input's tensors make up a table's row: those of one or two axes with a row a sample."""
    size = inputs.size
    return [
        at for at, tensor in enumerate(inputs.tensors) if tensor.ndim in (1, 2) and len(tensor) == size > 0
    ]


def width(inputs: Inputs) -> int:
    """How many columns these tensors have together."""
    tensors = inputs.tensors
    return sum(tensors[at].shape[1] if tensors[at].ndim == 2 else 1 for at in places(inputs))


def inferred(inputs: Inputs) -> tuple[list[int], str]:
    """Columns that hold categories as far as can be seen, and by what rule.

    Whole numbers beside floating ones are given apart because they are codes; alone, they are codes where a column
    has few distinct ones.
    """
    tensors = [inputs.tensors[at] for at in places(inputs)]
    beside = any(tensor.is_floating_point() for tensor in tensors)
    found, first = [], 0
    for tensor in tensors:
        table = tensor.reshape(len(tensor), -1)
        if not tensor.is_floating_point():
            for column in range(table.shape[1]):
                distinct = len(table[:, column].unique())
                if beside or (distinct <= FEW and len(table) >= 3 * distinct):
                    found.append(first + column)
        first += table.shape[1]
    if beside:
        return found, "whole numbers in a tensor beside the floating-point one"
    return found, f"whole numbers, at most {FEW} distinct ones in the first {inputs.size} samples"


def joined(inputs: Inputs) -> torch.Tensor:
    """All columns of the table's tensors side by side, float64 (n, columns)."""
    import torch

    tensors = inputs.tensors
    return torch.cat([tensors[at].detach().reshape(inputs.size, -1).double() for at in places(inputs)], dim=1)


def replaced(inputs: Inputs, table: torch.Tensor) -> Inputs:
    """The same call with the columns of `table` (n, columns) in the place of the table's tensors.

    Whole-number tensors get the nearest whole numbers. Single rows of other tensors are repeated to n.
    """
    at, first, wanted, size = -1, 0, len(table), inputs.size
    ours = set(places(inputs))

    def swap(old: torch.Tensor) -> torch.Tensor:
        nonlocal at, first
        at += 1
        if at not in ours:
            alone = old.ndim > 0 and len(old) == size == 1 != wanted
            return old.expand(wanted, *old.shape[1:]) if alone else old
        count = old.shape[1] if old.ndim == 2 else 1
        part = table[:, first : first + count]
        first += count
        part = part if old.is_floating_point() else part.detach().round()
        return part.to(old.dtype).reshape(wanted, *old.shape[1:])

    return inputs.map(swap)
