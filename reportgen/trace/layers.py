"""The modules of a model as they stand: hierarchy, parameters unique by identity, settings. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from reportgen.dense import sizes
from reportgen.trace.families import module_family, settings
from reportgen.trace.steps import PACKED, Layer, Weight


@dataclass(frozen=True)
class Catalogue:
    """The layers of a model, the module behind each path (aliases apart), and its weights by identity."""

    layers: tuple[Layer, ...]
    modules: dict[str, nn.Module]
    tensors: dict[str, torch.Tensor]


@dataclass(frozen=True)
class _Place:
    path: str
    depth: int
    parent: str
    module: nn.Module
    registered: bool


def catalogue(model: nn.Module) -> Catalogue:
    """Walk the model. Of a module or parameter met twice, the first place owns it and the others say so."""
    layers: list[Layer] = []
    modules: dict[str, nn.Module] = {}
    tensors: dict[str, torch.Tensor] = {}
    first: dict[int, str] = {}
    names: dict[int, str] = {}
    for place in _walk(model):
        seen = first.setdefault(id(place.module), place.path)
        alias = seen if seen != place.path or place.path in modules else None
        if alias is None:
            modules[place.path] = place.module
        layers.append(_layer(place, alias, names, tensors))
    return Catalogue(tuple(layers), modules, tensors)


def _walk(model: nn.Module) -> Iterator[_Place]:
    """Every place in the hierarchy, parents first, in order; what is inside a module is walked once."""
    registered = _registered(model)
    seen: set[int] = set()
    waiting = [_Place("", 0, "", model, True)]
    while waiting:
        place = waiting.pop()
        yield place
        if id(place.module) in seen:
            continue
        seen.add(id(place.module))
        found = [(name, child, place.registered) for name, child in children(place.module)]
        found += [(name, child, False) for name, child in _unregistered(place.module, registered)]
        taken: set[str] = set()
        inner = []
        for name, child, known in found:
            while name in taken:
                name += "'"
            taken.add(name)
            path = f"{place.path}.{name}" if place.path else name
            inner.append(_Place(path, place.depth + 1, place.path, child, known))
        waiting += reversed(inner)


def children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules registered on a module, aliases too; of one that `torch.compile` wraps, the one inside."""
    found = [(name, child) for name, child in module._modules.items() if isinstance(child, nn.Module)]
    inside = "_orig_mod"
    return [
        (name, child.get_submodule(inside) if inside in child._modules else child) for name, child in found
    ]


def _registered(model: nn.Module) -> set[int]:
    found: set[int] = set()
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if id(module) not in found:
            found.add(id(module))
            waiting += [child for _, child in children(module)]
    return found


def _unregistered(module: nn.Module, registered: set[int]) -> Iterator[tuple[str, nn.Module]]:
    """Modules in the plain lists, tuples and dicts of a module, which PyTorch itself does not see."""
    if isinstance(module, torch.jit.ScriptModule):
        return
    for name, value in list(vars(module).items()):
        if name in ("_modules", "_parameters", "_buffers"):
            continue
        items: list[tuple[Any, Any]] = []
        if isinstance(value, list | tuple):
            items = list(enumerate(value))
        elif isinstance(value, dict):
            items = list(value.items())
        for key, item in items:
            if isinstance(item, nn.Module) and id(item) not in registered:
                yield f"{name}[{key!r}]", item


def _layer(
    place: _Place, alias: str | None, names: dict[int, str], tensors: dict[str, torch.Tensor]
) -> Layer:
    module = place.module
    kind = type_name(module)
    if alias is not None:
        return Layer(
            place.path, place.depth, kind, "", module_family(kind), True,
            parent=place.parent, alias_of=alias or "the model itself", registered=place.registered,
        )  # fmt: skip
    weights = [
        weight_of(_full(place, name), tensor, names, tensors)
        for name, tensor in module.named_parameters(recurse=False, remove_duplicate=False)
    ]
    unsaved = getattr(module, "_non_persistent_buffers_set", ())
    buffers = [
        weight_of(_full(place, name), tensor, names, tensors, saved=name not in unsaved)
        for name, tensor in module.named_buffers(recurse=False, remove_duplicate=False)
    ]
    packed = _packed(place)
    leaf = is_leaf(module, root=not place.path)
    return Layer(
        place.path, place.depth, kind, settings(module, kind), module_family(kind, _axes(weights)), leaf,
        parent=place.parent, weights=(*weights, *packed), buffers=tuple(buffers), registered=place.registered,
        quantized=bool(packed), scripted=isinstance(module, torch.jit.ScriptModule),
        signature=_signature(module, kind, weights),
    )  # fmt: skip


def _axes(weights: Sequence[Weight]) -> int:
    """Of the weight that is called so, 0 where there is none."""
    return next((len(w.shape) for w in weights if w.name.rpartition(".")[2] == "weight"), 0)


def type_name(module: nn.Module) -> str:
    """The class's name; of a scripted module, that of the class it was made from."""
    if isinstance(module, torch.jit.ScriptModule):
        return str(getattr(module, "original_name", type(module).__name__))
    return type(module).__name__


def is_leaf(module: nn.Module, *, root: bool) -> bool:
    """Whether a module is drawn as one: it holds no other, or is PyTorch's own attention or quantized layer."""
    home = type(module).__module__
    if isinstance(module, nn.MultiheadAttention) or home.startswith(("torch.ao.nn.", "torch.nn.quantized")):
        return True
    inner = [name for name, _ in children(module) if name != "parametrizations"]
    return not inner and (not root or home.startswith("torch.nn.modules."))


def _signature(module: nn.Module, kind: str, weights: list[Weight]) -> tuple[str, ...]:
    """What two modules must share to be drawn as one, their inner modules apart."""
    try:
        extra = module.extra_repr()
    except Exception:  # noqa: BLE001 - a stranger's extra_repr may raise anything
        extra = ""
    specs = [f"{w.name.rpartition('.')[2]} {w.shape} {w.dtype} {w.trainable}" for w in weights]
    return (f"{type(module).__module__}.{kind}", extra, *specs)


def _full(place: _Place, name: str) -> str:
    return f"{place.path}.{name}" if place.path else name


def weight_of(
    full: str,
    tensor: torch.Tensor,
    names: dict[int, str],
    tensors: dict[str, torch.Tensor],
    *,
    saved: bool = True,
) -> Weight:
    """A parameter or buffer of this full name; the first name of a tensor (by its id) is kept in `names`."""
    first = names.setdefault(id(tensor), full)
    tensors.setdefault(first, tensor)
    lazy = is_lazy(tensor)
    shape = () if lazy else _shape(tensor)
    numel = None if lazy else tensor.numel() if tensor.is_nested else prod(shape)
    return Weight(
        name=full,
        shape=shape,
        dtype=str(tensor.dtype).removeprefix("torch."),
        numel=numel,
        bytes=_bytes(tensor) if not lazy else 0,
        trainable=tensor.requires_grad,
        tied_to="" if first == full else first,
        saved=saved,
    )


def _packed(place: _Place) -> list[Weight]:
    """A quantized layer's weights, which it holds packed and not as parameters."""
    module = place.module
    if isinstance(module, torch.jit.ScriptModule) or "quantized" not in type(module).__module__:
        return []
    found = []
    for name, tensor in _unpacked(module):
        full = f"{_full(place, name)} {PACKED}"
        kind = str(tensor.dtype).removeprefix("torch.")
        size = tensor.numel() * tensor.element_size()
        found.append(Weight(full, tuple(tensor.shape), kind, tensor.numel(), size, False))
    return found


def _unpacked(module: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """A linear layer or convolution says its weight and bias; a recurrent layer all of them, by name."""
    for method in ("weight", "bias", "get_weight", "get_bias"):
        read = getattr(module, method, None)
        try:
            value = read() if callable(read) else None
        except Exception:  # noqa: BLE001 - a packed format that can't be unpacked here
            continue
        items = value.items() if isinstance(value, dict) else [(method, value)]
        yield from ((name, tensor) for name, tensor in items if isinstance(tensor, torch.Tensor))


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape of what a tensor stands for: of 4-bit weights in packed bytes, as their `quant_state` says it."""
    told = getattr(getattr(tensor, "quant_state", None), "shape", None)
    return tuple(told) if isinstance(told, torch.Size | tuple) else sizes(tensor)


def _bytes(tensor: torch.Tensor) -> int:
    """What a tensor takes in memory: of a subclass that holds others, such as quantized weights, what these take."""
    if is_traceable_wrapper_subclass(tensor):
        names, _ = tensor.__tensor_flatten__()
        return sum(_bytes(getattr(tensor, name)) for name in names)
    return int(tensor.numel() * tensor.element_size())
