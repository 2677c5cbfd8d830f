"""What a network's layers put out, seen through hooks that are gone when the look is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

    from reportgen.data import Inputs
    from reportgen.experiment import Experiment

Watcher = Callable[[str, Any, Any, Any], None]
HIDDEN = "a scripted model's layers can't be watched"


def hidden(experiment: Experiment) -> str:
    """Why layers that run may not have been seen, or nothing: the model, or a part of it, is scripted."""
    import torch

    modules = experiment.model.modules() if experiment.model is not None else ()
    return HIDDEN if any(isinstance(module, torch.jit.ScriptModule) for module in modules) else ""


@contextlib.contextmanager
def watching(model: nn.Module, kinds: tuple[type[nn.Module], ...], watcher: Watcher) -> Iterator[None]:
    """Call watcher(name, module, first input, output) after each run of a module of these `kinds`.

    Scripted modules take no hooks and are passed over.
    """
    import torch

    def hook(name: str) -> Callable[..., None]:
        def after(module: Any, args: tuple, kwargs: dict, output: Any) -> None:
            given = args[0] if args else next(iter(kwargs.values()), None)
            watcher(name, module, given, output)

        return after

    handles = []
    try:
        for name, module in model.named_modules():
            if isinstance(module, kinds) and not isinstance(module, torch.jit.ScriptModule):
                handles.append(module.register_forward_hook(hook(name), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def running_order(
    experiment: Experiment, inputs: Inputs, kinds: tuple[type[nn.Module], ...]
) -> list[tuple[str, Any]]:
    """Names and modules of these `kinds` in the order they first run on `inputs`. Raises InputError."""
    import torch

    ran: dict[str, Any] = {}
    assert experiment.model is not None
    with (
        torch.no_grad(),
        watching(
            experiment.model, kinds, lambda name, module, given, out: ran.setdefault(name, module) and None
        ),
    ):
        experiment.call(inputs)
    return list(ran.items())


def outputs_of(experiment: Experiment, inputs: Inputs, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """The outputs of the layers of these names on `inputs`, copied, of their last run. Raises InputError."""
    import torch
    from torch import nn

    assert experiment.model is not None
    found: dict[str, torch.Tensor] = {}

    def keep(name: str, module: Any, given: Any, output: Any) -> None:
        if name in names and isinstance(output, torch.Tensor):
            # A copy, since an activation that follows may write to it in place.
            found[name] = output.detach().clone()

    with torch.no_grad(), watching(experiment.model, (nn.Module,), keep):
        experiment.call(inputs)
    return {name: found[name] for name in names if name in found}


def convolutions(experiment: Experiment, inputs: Inputs) -> list[tuple[str, Any]]:
    """Names and modules of the 2-D convolutions of the main path, in order. Raises InputError.

    Left out are those whose output is a single pixel, and 1 x 1 convolutions that read what an earlier
    one read already: shortcuts beside the main path. Where nothing else is left, the shortcuts.
    """
    import torch
    from torch import nn

    main: dict[str, Any] = {}
    beside: dict[str, Any] = {}
    read: list[Any] = []

    def note(name: str, layer: Any, given: Any, output: Any) -> None:
        if output.ndim != 4 or output.shape[-1] * output.shape[-2] == 1:
            return
        again = any(given is other for other in read) and max(layer.kernel_size) == 1
        (beside if again else main).setdefault(name, layer)
        read.append(given)

    assert experiment.model is not None
    with torch.no_grad(), watching(experiment.model, (nn.Conv2d,), note):
        experiment.call(inputs)
    return list((main or beside).items())
