"""What chosen functions put out during a forward pass, be they called as modules, functions or methods."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reportgen.hooks import watching

if TYPE_CHECKING:
    import torch
    from torch import nn


EXACT = 1 << 24  # whole numbers up to this one are exact in float32


@dataclass(frozen=True)
class Place:
    """Where a function was called: after which layer (`again` times before), and where its output's units lie.

    `axis` is the units' dimension, `noun` what they are.
    """

    after: str
    again: int
    noun: str
    axis: int


class FunctionWatch:
    """Use `with watch.look(model):` about each forward pass of one model; one that raises counts for nothing."""

    def __init__(self) -> None:
        self._last: tuple[str, Any] = ("", None)
        self._times: dict[str, int] = {}

    def functions(self) -> Collection[Any]:
        """The functions that are watched, as torch hands them to a TorchFunctionMode."""
        raise NotImplementedError

    def called(self, func: Any, args: Any, kwargs: Any, output: torch.Tensor, place: Place) -> None:
        """One of them has put out a tensor of at least two dimensions."""
        raise NotImplementedError

    def begun(self) -> None:
        """A forward pass begins."""
        raise NotImplementedError

    def ended(self) -> None:
        """It has ended well."""
        raise NotImplementedError

    @contextlib.contextmanager
    def look(self, model: nn.Module) -> Iterator[None]:
        """Watch the one forward pass that runs inside."""
        from torch import nn
        from torch.overrides import TorchFunctionMode

        wanted, seen = self.functions(), self._seen

        class Mode(TorchFunctionMode):
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                output = func(*args, **(kwargs or {}))
                if func in wanted:
                    seen(func, args, kwargs or {}, output)
                return output

        kinds = (
            nn.modules.conv._ConvNd,
            nn.modules.batchnorm._BatchNorm,
            nn.Linear,
            nn.LayerNorm,
            nn.GroupNorm,
        )
        self._last, self._times = ("", None), {}
        self.begun()
        with Mode(), watching(model, kinds, self._layer):
            yield
        self.ended()

    def _layer(self, name: str, module: Any, given: Any, output: Any) -> None:
        self._last = (name or type(module).__name__, module)

    def _seen(self, func: Any, args: Any, kwargs: Any, output: torch.Tensor) -> None:
        from torch import nn

        name, module = self._last
        if output.ndim < 2:
            return
        time = self._times[name] = self._times.get(name, 0) + 1
        last = isinstance(module, nn.Linear | nn.LayerNorm | nn.Embedding)
        axis = output.ndim - 1 if last else 1
        noun = "channels" if output.ndim > 2 and axis == 1 else "units"
        self.called(func, args, kwargs, output.detach(), Place(name, time, noun, axis))


def over_the_rest(mask: torch.Tensor, axis: int) -> Any:
    """How often a mask is set (units,) over all dimensions but `axis`, as an int64 array."""
    others = [dimension for dimension in range(mask.ndim) if dimension != axis]
    if mask.numel() < EXACT * mask.shape[axis]:
        mask = mask.float()  # whose sum is faster
    return mask.sum(dim=others).cpu().numpy().astype("int64")
