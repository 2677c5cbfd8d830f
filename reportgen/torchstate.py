"""torch's own settings and generators: noted, so that they can be put back; and those that our own code runs under."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from reportgen import process
from reportgen.aftermath import Aftermath
from reportgen.errors import RAISED
from reportgen.process import Steps

CPU = torch.device("cpu")
_HOOKS = (
    "_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks", "_global_backward_pre_hooks",
    "_global_forward_hooks_always_called", "_global_forward_hooks_with_kwargs", "_global_buffer_registration_hooks",
    "_global_module_registration_hooks", "_global_parameter_registration_hooks",
)  # fmt: skip


def watch(steps: Steps) -> None:
    """Note the settings and the generators as they are."""
    device = torch.get_default_device()
    steps.add("torch's default device", lambda: set_default_device(device))
    for what, get, put in _SETTINGS:
        steps.keep(what, get, put)
    for kind in ("cpu", "cuda"):
        _autocast(steps, kind)
    steps.keep("autocast's cache", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled)
    _backends(steps)
    hooks = torch.nn.modules.module
    for name in _HOOKS:
        if (found := getattr(hooks, name, None)) is not None:
            steps.keep("global hooks of modules", partial(_entries, found), partial(_refill, found))
    generators(steps)


def set_default_device(device: torch.device) -> None:
    """Make this the default, whatever was set in the meantime."""
    if torch.get_default_device() == device:
        return
    torch.set_default_device(None)  # what the caller's own `with torch.device(...)` says holds again
    if torch.get_default_device() != device:
        torch.set_default_device(device)


def _options() -> dict[str, Any]:
    from torch import _tensor_str  # there is no public way to read them

    return vars(_tensor_str.PRINT_OPTS)


def _flushed() -> bool:
    smallest = 5e-324
    return not smallest > 0


def _flush(on: bool) -> None:
    torch.set_flush_denormal(on)


_SETTINGS: tuple[tuple[str, Callable[[], Any], Callable[[Any], object]], ...] = (
    ("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    ("grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    ("torch's threads", torch.get_num_threads, torch.set_num_threads),
    (
        "torch's deterministic algorithms",
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda before: torch.use_deterministic_algorithms(before[0], warn_only=before[1]),
    ),
    (
        "anomaly mode",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda before: torch.autograd.set_detect_anomaly(*before),
    ),
    ("torch's print options", lambda: dict(_options()), lambda before: _options().update(before)),
    ("denormal numbers", _flushed, _flush),
    ("torch.set_warn_always", torch.is_warn_always_enabled, torch.set_warn_always),
)


def _autocast(steps: Steps, kind: str) -> None:
    def get() -> Any:
        return torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def put(before: Any) -> None:
        torch.set_autocast_enabled(kind, before[0])
        torch.set_autocast_dtype(kind, before[1])

    steps.keep(f"autocast of {kind}", get, put)


def _backends(steps: Steps) -> None:
    backends = torch.backends
    for holder, names in (
        (backends.cudnn, ("enabled", "benchmark", "deterministic")),
        (
            backends.cuda.matmul,
            ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction"),
        ),
    ):
        for name in names:
            steps.keep(
                name,
                partial(getattr, holder, name),
                partial(setattr, holder, name),
            )
    cuda: Any = backends.cuda
    for name in ("flash", "mem_efficient", "math", "cudnn"):
        steps.keep(
            f"{name} attention", getattr(cuda, f"{name}_sdp_enabled"), getattr(cuda, f"enable_{name}_sdp")
        )
    _precision(steps)


def _precision(steps: Steps) -> None:
    """The precision of float32, in torch's older words and, where it has them, its newer ones, which say more."""
    backends: Any = torch.backends
    holders = [
        backends, backends.cuda.matmul, backends.cudnn, getattr(backends.cudnn, "conv", None),
        getattr(backends.cudnn, "rnn", None), backends.mkldnn,
        *(getattr(backends.mkldnn, name, None) for name in ("matmul", "conv", "rnn")),
    ]  # fmt: skip
    newer = [holder for holder in holders if hasattr(holder, "fp32_precision")]

    def get() -> list[str]:
        return [holder.fp32_precision for holder in newer]

    def put(before: list[str]) -> None:
        for holder, value in zip(newer, before, strict=True):
            if holder.fp32_precision != value:
                holder.fp32_precision = value

    steps.keep("float32 precision", get, put)
    # Added last, so put back first: they set some of the others.
    older: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
        (
            lambda: backends.cuda.matmul.allow_tf32,
            lambda before: setattr(backends.cuda.matmul, "allow_tf32", before),
        ),
        (lambda: backends.cudnn.allow_tf32, lambda before: setattr(backends.cudnn, "allow_tf32", before)),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    )
    for read, write in older:
        if (known := _readable(read))() is not None:
            steps.keep("float32 precision", known, write)


def _readable(read: Callable[[], Any]) -> Callable[[], Any]:
    """The same, or None where the older words can't say what was set with the newer ones."""

    def get() -> Any:
        try:
            return read()
        except RuntimeError:
            return None

    return get


def _entries(holder: Any) -> list[Any]:
    return list(holder.items())


def _refill(holder: Any, before: list[Any]) -> None:
    holder.clear()
    holder.update(before)


def generators(steps: Steps) -> None:
    """Note torch's generators of all devices; those that the model owns are noted with the model."""
    state, first = torch.get_rng_state(), torch.initial_seed()
    steps.add("torch's generator", lambda: torch.set_rng_state(state))
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        device, states = torch.cuda.current_device(), torch.cuda.get_rng_state_all()
        steps.add("the current GPU", lambda: torch.cuda.set_device(device))
        steps.add("the GPUs' generators", lambda: torch.cuda.set_rng_state_all(states))
    elif torch.cuda.is_available():
        # They start from the seed that was set last, and that was ours.
        steps.add("the GPUs' generators", lambda: torch.cuda.manual_seed_all(first))
    if torch.backends.mps.is_available():
        mps = torch.mps.get_rng_state()
        steps.add("the GPU's generator", lambda: torch.mps.set_rng_state(mps))


@contextlib.contextmanager
def plain(model: nn.Module | None = None) -> Iterator[None]:
    """Inside, tensors are made on the CPU in float32 where nothing is said, as our own code takes for granted.

    While `model` runs, the caller's defaults hold where its weights are there and of that dtype: its forward pass may
    count on them. What it sets itself ends with it. The caller puts the first defaults back.
    """
    meant = _meant(model)
    _defaults((CPU, torch.float32))
    if model is None or isinstance(model, torch.jit.ScriptModule):
        yield
        return
    entered: list[Steps] = []

    def before(*_: Any) -> None:
        steps = Steps(Aftermath())
        process.frequent(steps)
        steps.keep("grad mode", torch.is_grad_enabled, torch.set_grad_enabled)
        steps.keep("defaults", _current, _defaults)
        entered.append(steps)
        _defaults(meant)

    def after(*_: Any) -> None:
        if entered:
            entered.pop().put_back()

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(*RAISED):  # a module that takes no hooks runs without
            stack.callback(model.register_forward_pre_hook(before).remove)
            stack.callback(model.register_forward_hook(after, always_call=True).remove)
        yield


def _meant(model: nn.Module | None) -> tuple[torch.device, torch.dtype]:
    """The defaults that this model's forward pass is run under."""
    device, dtype = _current()
    if model is None or (device, dtype) == (CPU, torch.float32):
        return CPU, torch.float32
    weights = itertools.chain(model.parameters(), model.buffers())
    own = next((one for one in weights if not is_lazy(one) and one.is_floating_point()), None)
    if own is None:
        return CPU, torch.float32
    return device if own.device.type == device.type else CPU, dtype if own.dtype == dtype else torch.float32


def _current() -> tuple[torch.device, torch.dtype]:
    return torch.get_default_device(), torch.get_default_dtype()


def _defaults(wanted: tuple[torch.device, torch.dtype]) -> None:
    set_default_device(wanted[0])
    torch.set_default_dtype(wanted[1])
