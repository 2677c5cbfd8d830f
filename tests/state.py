"""Everything that a look at a model must leave as it was, as one comparable value."""

from __future__ import annotations

import hashlib
import random
import warnings
from typing import Any

import matplotlib
import numpy as np
import torch
from torch import nn


def bytes_of(tensor: torch.Tensor | None) -> str | None:
    if tensor is None:
        return None
    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(raw).hexdigest()


def of_model(model: nn.Module) -> dict[str, Any]:
    """state_dict, training flags, types, attributes, hooks, requires_grad, grad: identities and bytes."""
    state: dict[str, Any] = {"state_dict": [(k, bytes_of(v)) for k, v in model.state_dict().items()]}
    for name, module in model.named_modules():
        hooks = {k: list(v) for k, v in module.__dict__.items() if k.endswith("_hooks") and v is not None}
        state[f"module {name}"] = (type(module), module.training, list(module.__dict__), hooks)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        gradient = bytes_of(tensor.grad) if tensor.is_leaf else None
        state[f"tensor {name}"] = (
            id(tensor),
            tensor.data_ptr(),
            tensor.requires_grad,
            gradient,
            bytes_of(tensor),
        )
    return state


def of_process() -> dict[str, Any]:
    """Generators, grad mode, default dtype, threads, NumPy's errors, warning filters, rcParams."""
    return {
        "torch": bytes_of(torch.get_rng_state()),
        "numpy": hashlib.sha256(repr(np.random.get_state()).encode()).hexdigest(),
        "python": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "numpy errors": np.geterr(),
        "warnings": list(warnings.filters),
        "rcParams": dict(matplotlib.rcParams),
    }
