"""The weights of a model, each tensor once: their statistics, and filters that are nearly the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reportgen.features.tally import Tally

if TYPE_CHECKING:
    import torch
    from torch import nn

ROOM = 65_536  # values a tensor from which quantiles are read
ALIKE = 0.98  # cosine above which two filters are called alike
SHORTEST = 9  # numbers a filter has at least: shorter ones point the same way by chance
NAMED = 6  # pairs named a layer
MOST_ROWS = 4096
MOST_WORK = 10**11  # multiplications for all comparisons together


@dataclass(frozen=True)
class Weight:
    """One tensor of weights and what it is called, first and elsewhere in the model."""

    name: str
    also: tuple[str, ...]
    tensor: torch.Tensor


def weights_of(model: nn.Module, *, learned: bool = False) -> tuple[list[Weight], int]:
    """Every tensor of weights that holds numbers, once, and how many hold none (lazy, meta, sparse, complex).

    Of a parametrized layer the weights are what the layer computes with; with `learned`, what these are made from.
    """
    named: dict[int, list[str]] = {}
    tensors: dict[int, torch.Tensor] = {}
    for name, tensor in model.named_parameters(remove_duplicate=False) if learned else _named(model):
        named.setdefault(id(tensor), []).append(name)
        tensors[id(tensor)] = tensor
    fine = {key: _readable(tensor) for key, tensor in tensors.items()}
    found = [Weight(names[0], tuple(names[1:]), tensors[key]) for key, names in named.items() if fine[key]]
    return found, sum(not one for one in fine.values())


def _named(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and tensors in the order of the model; shared ones as often as they are named."""
    import torch
    from torch.nn.utils.parametrize import is_parametrized

    for path, module in model.named_modules(remove_duplicate=False):
        if "parametrizations" in path.split("."):
            continue
        start = f"{path}." if path else ""
        own: dict[str, Any] = dict(module.named_parameters(recurse=False, remove_duplicate=False))
        if is_parametrized(module):
            with torch.no_grad():
                own |= {name: getattr(module, name) for name in module.parametrizations}
        yield from ((start + name, tensor) for name, tensor in own.items())


def _readable(tensor: torch.Tensor) -> bool:
    import torch
    from torch.nn.parameter import is_lazy

    plain = not is_lazy(tensor) and not tensor.is_meta and tensor.layout == torch.strided
    return plain and not tensor.is_quantized and not tensor.is_complex() and tensor.numel() > 0


def tally_of(weight: Weight, seed: int) -> Tally:
    """The statistics of one tensor of weights."""
    from reportgen.dense import dense

    tally = Tally(weight.name, seed, room=ROOM)
    tally.add(dense(weight.tensor))
    return tally


@dataclass(frozen=True)
class Alike:
    """The filters of one layer that are nearly the same, in groups; `pairs` are the closest of `close` pairs."""

    layer: str
    noun: str
    units: int
    groups: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[int, int, float], ...]
    close: int

    @property
    def surplus(self) -> int:
        """How many could go if one of each group stayed."""
        return sum(len(group) - 1 for group in self.groups)


def near_duplicates(model: nn.Module) -> tuple[list[Alike], list[str]]:
    """Each nn.Linear's and convolution's rows of weights that point the same way, and the layers not compared.

    Compared are rows within one layer, and within one group of a grouped convolution, since other groups read
    other channels. Rows of zeros alone have no direction and are left out, as is the bias.
    """
    from torch import nn

    found, left, work, seen = [], [], 0, set()
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear | nn.modules.conv._ConvNd) or id(module.weight) in seen:
            continue
        seen.add(id(module.weight))
        if not _readable(module.weight):
            continue
        rows = _filters(module)
        groups, count, width = rows.shape
        if count < 2 or width < SHORTEST:
            continue
        work += groups * count * count * width
        if count > MOST_ROWS or work > MOST_WORK:
            left.append(name or type(module).__name__)
            continue
        pairs = np.concatenate([_pairs(part, at * count) for at, part in enumerate(rows)])
        order = np.lexsort((pairs[:, 1], pairs[:, 0], -pairs[:, 2].round(4)))[:NAMED]
        closest = tuple((int(i), int(j), round(float(cosine), 4)) for i, j, cosine in pairs[order])
        noun = "units" if isinstance(module, nn.Linear) else "filters"
        called = name or type(module).__name__
        found.append(Alike(called, noun, groups * count, _linked(pairs), closest, len(pairs)))
    return found, left


def _filters(module: Any) -> torch.Tensor:
    """Weights as (groups, filters a group, numbers a filter)."""
    from reportgen.dense import dense

    weight = dense(module.weight)
    groups = getattr(module, "groups", 1)
    if getattr(module, "transposed", False):
        # (in, out a group, ...): a filter is what one output channel takes from each input of its group.
        weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(3).flatten(2)
        return weight
    return weight.flatten(1).unflatten(0, (groups, -1))


def _pairs(rows: torch.Tensor, first: int) -> np.ndarray:
    """Pairs of rows (n, d) that are alike, as columns i, j and cosine, i < j, numbered from `first`."""
    import torch

    rows = rows.float() if rows.dtype != torch.float64 else rows
    rows = rows / rows.abs().amax(
        dim=1, keepdim=True
    )  # so that no square overflows or vanishes; 0 / 0 is NaN
    unit = rows / rows.norm(dim=1, keepdim=True)
    close = torch.triu(unit @ unit.T, diagonal=1)
    i, j = (close > ALIKE).nonzero(as_tuple=True)
    cosines = close[i, j].double().clamp(max=1).cpu().numpy()
    return np.stack([i.cpu().numpy() + float(first), j.cpu().numpy() + float(first), cosines], axis=1)


def _linked(pairs: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Groups of what such pairs link, directly or through others."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return ()
    one, other = pairs[:, :2].astype(int).T
    size = int(other.max()) + 1
    _, member = connected_components(
        coo_matrix((np.ones(len(one)), (one, other)), (size, size)), directed=False
    )
    groups: dict[int, list[int]] = {}
    for unit in np.unique(pairs[:, :2]).astype(int).tolist():
        groups.setdefault(int(member[unit]), []).append(unit)
    return tuple(tuple(group) for group in groups.values())
