"""The arguments of functions and kernels of torch: swapped, and told in a few words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def swapped(value: Any, fake: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A kernel's arguments with `fake` for every tensor; they nest no deeper than a list."""
    if isinstance(value, torch.Tensor):
        return fake(value)
    if isinstance(value, tuple | list):
        return type(value)(swapped(item, fake) for item in value)
    if isinstance(value, dict):
        return {key: swapped(item, fake) for key, item in value.items()}
    return value


def aliases(func: Any) -> bool:
    """Whether a kernel returns what it was given: a view of it, or the same overwritten."""
    schema = getattr(func, "_schema", None)  # a higher-order operator has none
    return schema is not None and any(result.alias_info is not None for result in schema.returns)


def kernel_name(func: Any) -> str:
    """`addmm`, `quantized::linear`, `flex_attention`."""
    schema = getattr(func, "_schema", None)
    return str(func) if schema is None else str(schema.name).removeprefix("aten::")


def settings(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The plain numbers among an operation's arguments, by name where they were named."""
    named = {key: value for key, value in kwargs.items() if value is not False and _plain(value)}
    if (
        name in ("softmax", "log_softmax", "cat", "stack")
        and len(args) > 1
        and "dim" not in named
        and _plain(args[1])
    ):
        named["dim"] = args[1]
    return ", ".join(f"{key}={value}" for key, value in named.items())[:80]


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return len(value) <= 4 and all(isinstance(item, int | float) for item in value)
    return isinstance(value, int | float | str) and len(str(value)) <= 20
