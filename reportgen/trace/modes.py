"""What a recorder sees a forward pass through: hooks on modules, a mode for functions of torch, one for kernels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from reportgen.trace.recorder import Recorder


@contextmanager
def watched(recorder: Recorder, modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Hooks on every module and both modes on; all of it is taken off again, whatever happens."""
    handles: list[Any] = []
    try:
        for path, module in modules.items():
            # The root is called by us, and a scripted module's inner ones are not Python.
            if path and not isinstance(module, torch.jit.ScriptModule):
                handles += _hook(recorder, path, module)
        with Kernels(recorder), Operations(recorder):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(recorder: Recorder, path: str, module: nn.Module) -> list[Any]:
    return [
        module.register_forward_pre_hook(
            lambda _, args, kwargs: recorder.enter(path, (args, kwargs)), with_kwargs=True
        ),
        module.register_forward_hook(
            lambda _, args, kwargs, out: recorder.leave(path, out), with_kwargs=True, always_call=True
        ),
    ]


class Operations(TorchFunctionMode):
    """Hands every call of a torch function to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._recorder.operation(func, args, kwargs or {})


class Kernels(TorchDispatchMode):
    """Hands every kernel to the recorder, composite ones in their parts and higher-order operators whole."""

    supports_higher_order_operators = True

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            return self._recorder.kernel(func, args, kwargs)
        if not isinstance(func, torch._ops.OpOverload) or func.namespace in ("prim", "profiler"):
            return func(*args, **kwargs)
        if func._can_decompose():
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        return self._recorder.kernel(func, args, kwargs)
