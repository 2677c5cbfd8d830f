"""How much memory a forward pass needs at one time, from the kernels it ran."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch


@dataclass
class _Block:
    bytes: int
    made: int
    last: int


class Memory:
    """Storages by the kernel that made them and the last one that used them.

    Inputs and weights are left out, and so is what kernels use inside (workspaces).
    """

    def __init__(self, key: Callable[[torch.Tensor], int | None]) -> None:
        self._key = key
        self._blocks: dict[int, _Block] = {}
        self._foreign: set[int] = set()
        self._clock = 0
        self._change = array(
            "q"
        )  # by kernel, of the blocks that are gone: the bytes that came less those that went

    def ignore(self, tensor: torch.Tensor) -> None:
        """This one was there before."""
        key = self._key(tensor)
        if key is not None:
            self._foreign.add(key)

    def keep(self, tensor: torch.Tensor) -> None:
        """This one is an output and lives to the end."""
        block = self._blocks.get(self._key(tensor) or 0)
        if block is not None:
            block.last = self._clock + 1

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether a kernel of the pass made what is in this tensor."""
        return self._key(tensor) in self._blocks

    def forget(self, keys: Iterable[int]) -> None:
        """These storages are gone, and what they add to the peak is all that is kept of them."""
        self._change.extend([0] * (self._clock + 3 - len(self._change)))
        for key in keys:
            self._foreign.discard(key)
            block = self._blocks.pop(key, None)
            if block is not None:
                _enter(self._change, block)

    def kernel(self, given: list[torch.Tensor], made: list[torch.Tensor], *, aliased: bool) -> int:
        """A kernel read `given` and returned `made`, which are views of `given` where `aliased`.

        Returns the bytes that it made anew.
        """
        self._clock += 1
        anew = 0
        for tensor in given:
            key = self._key(tensor)
            if key in self._blocks:
                self._blocks[key].last = self._clock
            elif key is not None:
                self._foreign.add(key)
        for tensor in made:
            key = self._key(tensor)
            if key is None or key in self._blocks or key in self._foreign:
                continue
            if aliased:
                self._foreign.add(key)
            else:
                size = tensor.untyped_storage().nbytes()
                self._blocks[key] = _Block(size, self._clock, self._clock)
                anew += size
        return anew

    @property
    def peak(self) -> int:
        """The most bytes that are needed at one kernel, when each block is freed after its last use."""
        change = self._change[:]
        change.extend([0] * (self._clock + 3 - len(change)))
        for block in self._blocks.values():
            _enter(change, block)
        most = now = 0
        for difference in change:
            now += difference
            most = max(most, now)
        return most


def _enter(change: array[int], block: _Block) -> None:
    change[block.made] += block.bytes
    change[block.last + 1] -= block.bytes
