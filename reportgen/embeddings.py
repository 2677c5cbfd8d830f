"""Which layer turns the token ids of an input into vectors, and which token has which role."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from reportgen.data import Inputs
from reportgen.errors import InputError
from reportgen.experiment import Experiment

LOOKUPS = ("aten::embedding", "aten::_embedding_bag", "aten::embedding_bag")


class _Seen(TorchDispatchMode):
    """Notes whether the ids are looked up in a table of vectors, be it by a layer, a function or a program."""

    def __init__(self, ids: torch.Tensor) -> None:
        super().__init__()
        self.ids, self.found = ids, False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name().partition(".")[0] in LOOKUPS and len(args) > 1:
            self.found = self.found or laid(args[1], self.ids) is not None
        return func(*args, **(kwargs or {}))


def laid(given: Any, ids: torch.Tensor) -> bool | None:
    """Whether `given` holds the ids (n, L) turned, (L, n), rather than as they are; None where it is neither."""
    if not isinstance(given, torch.Tensor) or given.is_floating_point() or given.is_meta:
        return None
    if given.shape == ids.shape and bool((given == ids).all()):
        return False
    return True if given.shape == ids.T.shape and bool((given == ids.T).all()) else None


def lookup(experiment: Experiment, inputs: Inputs) -> tuple[bool, str | None]:
    """Whether the ids (n, L) of `inputs` are looked up in a table of vectors, and the path of the layer that does.

    The model's own answer (`get_input_embeddings`) goes before the first nn.Embedding that receives the ids.
    No path where none does: in a scripted or exported model, or one that calls a function.
    """
    model, ids = experiment.model, inputs.primary
    if model is None or ids is None or ids.ndim != 2 or ids.is_floating_point() or ids.is_meta:
        return False, None
    found: dict[str, nn.Module] = {}

    def note(name: str) -> Any:
        def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            given = args[0] if args else next(iter(kwargs.values()), None)
            if laid(given, ids) is not None and isinstance(output, torch.Tensor) and output.ndim == 3:
                found.setdefault(name, module)

        return after

    handles = [
        module.register_forward_hook(note(name), with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and not isinstance(module, torch.jit.ScriptModule)
    ]
    try:
        with torch.no_grad(), _Seen(ids) as seen:
            experiment.call(inputs)
    except InputError:
        return False, None
    finally:
        for handle in handles:
            handle.remove()
    own = _own(model)
    path = next((name for name, module in found.items() if module is own), next(iter(found), None))
    return seen.found or path is not None, path


def token_role(experiment: Experiment, role: str) -> int | None:
    """The id of the token with this role (`pad`, `unk`, ...): by the tokenizer, or for padding by the model."""
    model, path = experiment.model, experiment.embedding
    layer = model.get_submodule(path) if model is not None and path is not None else None
    found = experiment.tokenizer.roles.get(role) if experiment.tokenizer is not None else None
    if found is None and role == "pad":
        config = getattr(model, "config", None)
        found = getattr(layer, "padding_idx", None)
        found = getattr(config, "pad_token_id", None) if found is None else found
    known = isinstance(found, int) and 0 <= found < getattr(layer, "num_embeddings", found + 1)
    return found if known else None


def _own(model: nn.Module) -> Any:
    try:
        return model.get_input_embeddings()  # type: ignore[operator]
    except Exception:  # noqa: BLE001 - most models have no such method, and some raise in it
        return None
