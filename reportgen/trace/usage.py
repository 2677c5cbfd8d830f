"""Which weights the kernels of a forward pass read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.nn.parameter import is_lazy


class Usage:
    """Names of the weights that were `used`, and of these, what was read while gradients were off: `unwatched`.

    A weight is known by its identity (`names`), a view of one by its storage.
    """

    def __init__(
        self, weights: Mapping[str, torch.Tensor], key: Callable[[torch.Tensor], int | None]
    ) -> None:
        self.used: set[str] = set()
        self.unwatched: set[str] = set()
        self.names = {id(tensor): name for name, tensor in weights.items()}
        self._key = key
        self._stores: dict[int, list[str]] = {}
        for name, tensor in weights.items():
            stored = key(tensor) if not is_lazy(tensor) else None
            if stored is not None:
                self._stores.setdefault(stored, []).append(name)

    def read(self, tensor: torch.Tensor) -> None:
        """A kernel is given this tensor."""
        name = self.names.get(id(tensor))
        names = [name] if name is not None else []
        if name is None and self._stores:
            key = self._key(tensor)
            names = self._stores.get(key, []) if key is not None else []
        if names:
            self.used.update(names)
            if not torch.is_grad_enabled():
                self.unwatched.update(names)
